"""Document + strategy -> chunks and the windows they are made of.

With size M and overlap O, the text is cut into consecutive blocks of O, M-2*O, O, M-2*O, ... tokens.
A chunk is a shared block, an own block and the next shared block, so neighbours share exactly one
block. Every block is divided into windows of at most `WINDOW_TOKENS`; a window lies in one block,
so overlapping chunks share whole windows and each is embedded once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ingestion import tokens
from ingestion.outline import Outline
from ingestion.types import Chunk, Chunked, Document, Passage, StaticStrategy, Window

WINDOW_TOKENS = 200  # the best length for a 256-wordpiece model: recall of 100 to 200 is equal, 400 is worse
SLACK = 0.25  # a block gives up at most its last quarter to end at a better place
MIN_FREEDOM = 1 / 8  # of a window: with less room for its end, one more window is made instead
EDGE_CHARS = 256  # how far from a chunk's edge to look for a place where its tokens are those of the whole text


def chunk(document: Document, strategy: StaticStrategy) -> Chunked:
    """Chunks in reading order.

    They cover the text without a gap, begin and end later each time, and have at most
    `max_chunk_size_tokens` tokens of their own. Text that fits makes one chunk, no text makes none.
    A chunk is only white space only where white space alone outgrows a chunk. Same input, same chunks.
    """
    if not document.text:
        return Chunked((), ())
    return _Cutter(document, strategy).run()


def passages(document: Document, windows: Sequence[Window]) -> tuple[Passage, ...]:
    """The windows cut where a heading or a page begins, in reading order; a heading stays with what follows it."""
    outline = Outline(document)
    found = []
    for i, window in enumerate(windows):
        edges = [window.start, *outline.edges(window.start, window.end), window.end]
        for start, end in pairwise(edges):
            first = outline.first_word(start, end)
            pages = outline.pages(first, first + 1)
            found.append(Passage(start, end, i, pages and pages[0], outline.heading_path_at(end - 1)))
    return tuple(found)


@dataclass(slots=True)
class _Cutter:
    document: Document
    strategy: StaticStrategy
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

    def run(self) -> Chunked:
        start, first_window, cuts = 0, 0, [0]
        while not self._fits(start):
            cuts = self._cut(cuts)
            for block_start, block_end in pairwise(cuts):
                if not self.windows or block_start >= self.windows[-1].end:
                    shared_window = len(self.windows)
                    self._divide(block_start, block_end)
            self._emit(start, cuts[-1], first_window)
            if self.strategy.chunk_overlap_tokens:
                start, first_window, cuts = cuts[-2], shared_window, cuts[-2:]
            else:
                start, first_window, cuts = cuts[-1], len(self.windows), cuts[-1:]
        self._divide(cuts[-1], len(self.text))
        self._emit(start, len(self.text), first_window)
        return Chunked(tuple(self.chunks), tuple(self.windows))

    def _fits(self, start: int) -> bool:
        """Whether all that is left from `start` is one chunk."""
        size = self.strategy.max_chunk_size_tokens
        # Cut out of its surroundings, text may also have a few tokens less than it had in them.
        near = len(self.ends) - self._tokens_before(start) <= size + 8
        return near and self._count(start, len(self.text)) <= size

    def _cut(self, cuts: list[int]) -> list[int]:
        """The chunk's block boundaries; `cuts` are those already made: its start, and the end of its shared block."""
        size, overlap = self.strategy.max_chunk_size_tokens, self.strategy.chunk_overlap_tokens
        lengths = [length for length in (overlap, size - 2 * overlap, overlap) if length]
        lengths = lengths[len(cuts) - 1 :]
        while True:
            made = list(cuts)
            for length in lengths:
                made.append(self._block_end(made[-1], length))
            excess = self._count(made[0], made[-1]) - size
            if excess <= 0 or lengths == [1] * len(lengths):
                return made
            lengths = _shortened(lengths, excess)

    def _block_end(self, start: int, length: int) -> int:
        """Where a block of at most `length` tokens ends: never at the text's end, nor with only white space left."""
        first = self._tokens_before(start)
        low = self._reach(first + int(length * (1 - SLACK)), start)
        high = self._reach(first + length, start)
        limit = self.content_end - 1 if self.content_end - 1 > start else len(self.text) - 1
        high = max(min(high, limit), start + 1)
        return self.outline.boundary(start, min(low, high), high)

    def _divide(self, start: int, end: int) -> None:
        """Cut a block into nearly equal windows."""
        last = self._tokens_before(end)
        while start < end:
            first = self._tokens_before(start)
            left = last - first
            if left <= WINDOW_TOKENS:
                stop = end
            else:
                low, high = _window_room(left)
                high_char = self._reach(first + high, start)
                stop = self.outline.boundary(start, min(self._reach(first + low, start), high_char), high_char)
            self.windows.append(Window(start, stop))
            start = stop

    def _emit(self, start: int, end: int, first_window: int) -> None:
        self.chunks.append(
            Chunk(
                index=len(self.chunks),
                text=self.text[start:end],
                start=start,
                end=end,
                tokens=self._count(start, end),
                pages=self.outline.pages(start, end),
                heading_path=self.outline.heading_path(start, end),
                windows=(first_window, len(self.windows)),
            )
        )

    def _tokens_before(self, position: int) -> int:
        return bisect_right(self.ends, position)

    def _reach(self, token: int, start: int) -> int:
        """The last character boundary with at most `token` tokens before it, and one character after `start`."""
        if token >= len(self.ends):
            return len(self.text)
        end = self.ends[token - 1] if token else 0
        if end == self.ends[token]:  # the character needs more tokens than are left
            end -= 1
        return max(end, start + 1)

    def _count(self, start: int, end: int) -> int:
        """`tokens.count(text[start:end])`, but only the edges are encoded again."""
        head = tokens.next_sync(self.text, start, min(start + EDGE_CHARS, end))
        tail = tokens.last_sync(self.text, max(start, end - EDGE_CHARS), end)
        if head < 0 or tail <= head:
            return tokens.count(self.text[start:end])
        inner = self._tokens_before(tail) - self._tokens_before(head)
        return tokens.count(self.text[start:head]) + inner + tokens.count(self.text[tail:end])


def _shortened(lengths: list[int], excess: int) -> list[int]:
    """The block lengths with `excess` tokens taken off the first that has them to spare, down to 1 each."""
    shorter = []
    for length in lengths:
        taken = min(excess, length - 1)
        shorter.append(length - taken)
        excess -= taken
    return shorter


def _window_room(left: int) -> tuple[int, int]:
    """The least and the most tokens of the next window, when `left` tokens are to be divided evenly."""
    parts = -(-left // WINDOW_TOKENS)
    low, high = left - (parts - 1) * WINDOW_TOKENS, WINDOW_TOKENS
    if high - low < WINDOW_TOKENS * MIN_FREEDOM:
        parts += 1
        low = left - (parts - 1) * WINDOW_TOKENS
    even = left / parts
    return max(low, int(even * (1 - SLACK)), 1), min(high, int(even * (1 + SLACK)))
