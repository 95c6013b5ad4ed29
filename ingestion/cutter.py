"""What every strategy needs to cut a text: places counted in tokens, windows, and chunks made of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field

from ingestion import tokens
from ingestion.outline import Outline
from ingestion.types import Chunk, Chunked, Document, Window

WINDOW_TOKENS = 200  # the best length for a 256-wordpiece model: recall of 100 to 200 is equal, 400 is worse
SLACK = 0.25  # a piece gives up at most its last quarter to end at a better place
MIN_FREEDOM = 1 / 8  # of a window: with less room for its end, one more window is made instead
EDGE_CHARS = 256  # how far from a chunk's edge to look for a place where its tokens are those of the whole text


@dataclass(slots=True)
class Cutter:
    """A document measured in tokens; `divide` makes windows, `emit` chunks of those made so far."""

    document: Document
    windows: list[Window] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    text: str = field(init=False)
    outline: Outline = field(init=False)
    ends: array[int] = field(init=False)
    content_end: int = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.document.text
        self.outline = Outline(self.document)
        self.ends = array("q", tokens.token_ends(self.text).tobytes())
        self.content_end = len(self.text.rstrip())

    def chunked(self) -> Chunked:
        return Chunked(tuple(self.chunks), tuple(self.windows))

    def piece_end(self, start: int, length: int) -> int:
        """Where a piece of at most `length` tokens ends: never at the text's end, nor with only white space left."""
        first = self.tokens_before(start)
        low = self.reach(first + int(length * (1 - SLACK)), start)
        high = self.reach(first + length, start)
        limit = self.content_end - 1 if self.content_end - 1 > start else len(self.text) - 1
        high = max(min(high, limit), start + 1)
        return self.outline.boundary(start, min(low, high), high)

    def divide(self, start: int, end: int) -> None:
        """Cut a stretch into nearly equal windows."""
        self.windows.extend(Window(*piece) for piece in self.even_pieces(start, end, WINDOW_TOKENS))

    def even_pieces(self, start: int, end: int, size: int) -> list[tuple[int, int]]:
        """The stretch in nearly equal pieces of at most `size` tokens, cut at good places."""
        pieces = []
        last = self.tokens_before(end)
        while start < end:
            first = self.tokens_before(start)
            left = last - first
            if left <= size:
                stop = end
            else:
                low, high = _room(left, size)
                high_char = self.reach(first + high, start)
                stop = self.outline.boundary(start, min(self.reach(first + low, start), high_char), high_char)
            pieces.append((start, stop))
            start = stop
        return pieces

    def emit(self, start: int, end: int, first_window: int) -> None:
        """A chunk of the windows from `first_window` on."""
        self.chunks.append(
            Chunk(
                index=len(self.chunks),
                text=self.text[start:end],
                start=start,
                end=end,
                tokens=self.count(start, end),
                pages=self.outline.pages(start, end),
                lines=self.outline.lines(start, end),
                heading_path=self.outline.heading_path(start, end),
                table_header=self.outline.table_header(start, end),
                windows=(first_window, len(self.windows)),
            )
        )

    def tokens_before(self, position: int) -> int:
        return bisect_right(self.ends, position)

    def reach(self, token: int, start: int) -> int:
        """The last character boundary with at most `token` tokens before it, and one character after `start`."""
        if token >= len(self.ends):
            return len(self.text)
        end = self.ends[token - 1] if token else 0
        if end == self.ends[token]:  # the character needs more tokens than are left
            end -= 1
        return max(end, start + 1)

    def count(self, start: int, end: int) -> int:
        """`tokens.count(text[start:end])`, but only the edges are encoded again."""
        head = tokens.next_sync(self.text, start, min(start + EDGE_CHARS, end))
        tail = tokens.last_sync(self.text, max(start, end - EDGE_CHARS), end)
        if head < 0 or tail <= head:
            return tokens.count(self.text[start:end])
        inner = self.tokens_before(tail) - self.tokens_before(head)
        return tokens.count(self.text[start:head]) + inner + tokens.count(self.text[tail:end])


def _room(left: int, size: int) -> tuple[int, int]:
    """The least and the most tokens of the next piece, when `left` tokens are to be divided evenly."""
    parts = -(-left // size)
    low, high = left - (parts - 1) * size, size
    if high - low < size * MIN_FREEDOM:
        parts += 1
        low = left - (parts - 1) * size
    even = left / parts
    return max(low, int(even * (1 - SLACK)), 1), min(high, int(even * (1 + SLACK)))
