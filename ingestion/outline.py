"""What the spans of a document say about a place in it: its pages, its headings, and where to cut near it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right

from ingestion.types import Document, Span

_SENTENCE = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]")  # ASCII, and the full-width marks
_JOINERS = "\u200d\ufe0e\ufe0f"  # zero width joiner, variation selectors: the emoji goes on
MAX_CLUSTER = 32  # characters looked back over to keep a letter and its marks together


class Outline:
    """Answers in logarithmic time; built once a document."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._headings = [span for span in document.spans if span.kind == "heading"]
        self._heading_starts = [span.start for span in self._headings]
        self._paths = _paths(self._headings)
        self._pages = [span for span in document.spans if span.kind == "page"]
        self._page_starts = [span.start for span in self._pages]
        self._page_ends = [span.end for span in self._pages]
        self._part_starts = sorted(span.start for span in document.spans if span.kind in {"page", "symbol"})

    def pages(self, start: int, end: int) -> tuple[int, int] | None:
        """The numbers of the first and the last page that `start:end` touches; None where there are no pages."""
        first = bisect_right(self._page_ends, start)
        last = bisect_left(self._page_starts, end) - 1
        if first > last:
            return None
        return self._pages[first].level, self._pages[last].level

    def heading_path(self, start: int, end: int) -> tuple[str, ...]:
        """The headings in force at the first character of `start:end` that is no white space."""
        return self.heading_path_at(self.first_word(start, end))

    def first_word(self, start: int, end: int) -> int:
        """The first character of `start:end` that is no white space; `end` if there is none."""
        piece = self._text[start:end]
        return start + len(piece) - len(piece.lstrip())

    def heading_path_at(self, place: int) -> tuple[str, ...]:
        """The headings in force at the character `place`."""
        at = bisect_right(self._heading_starts, place)
        return self._paths[at - 1] if at else ()

    def edges(self, start: int, end: int) -> list[int]:
        """Where in `start:end` another section begins after some text of the one before, or another page."""
        edges, after = [], start
        headings = _between(self._heading_starts, start, end)
        pages = set(_between(self._page_starts, start, end))
        for place in sorted({*headings, *pages}):
            said = self._text[after:place].strip() if place in pages else self._has_body(after, place)
            if said and self._text[place:end].strip():
                edges.append(place)
                after = place
        return edges

    def boundary(self, start: int, low: int, high: int) -> int:
        """The best place to end what begins at `start`: from `low` to `high`, both after `start`.

        In order: before a heading, before a paragraph, page or symbol, after a line, a sentence, a
        word, a whole character. Of equals the last. A heading is not parted from what follows it.
        """
        for candidate in (self._before_heading, self._before_part, self._after_line, self._after_words):
            place = candidate(low, high)
            if place is not None:
                return self._with_heading(start, place)
        return self._whole_character(start, high)

    def _has_body(self, start: int, end: int) -> bool:
        """Whether there is more than headings and white space in `start:end`."""
        first = max(bisect_right(self._heading_starts, start) - 1, 0)
        for heading in self._headings[first : bisect_left(self._heading_starts, end)]:
            if self._text[start : heading.start].strip():
                return True
            start = max(start, heading.end)
        return bool(self._text[start:end].strip())

    def _before_heading(self, low: int, high: int) -> int | None:
        return _last_within(self._heading_starts, low, high)

    def _before_part(self, low: int, high: int) -> int | None:
        blank = self._text.rfind("\n\n", max(low - 2, 0), high)
        place = blank + 2 if blank >= 0 else -1
        part = _last_within(self._part_starts, low, high)
        best = max(place, -1 if part is None else part)
        return best if best >= low else None

    def _after_line(self, low: int, high: int) -> int | None:
        place = self._text.rfind("\n", max(low - 1, 0), high) + 1
        return place if place >= low and place else None

    def _after_words(self, low: int, high: int) -> int | None:
        """After the last sentence, else after the last word."""
        sentences = [found.end() for found in _SENTENCE.finditer(self._text, max(low - 2, 0), high)]
        if sentences and sentences[-1] >= low:
            return sentences[-1]
        for place in range(high, low - 1, -1):
            if self._text[place - 1].isspace():
                return place
        return None

    def _with_heading(self, start: int, place: int) -> int:
        """`place`, or the start of the headings that stand directly before it, if that still leaves half."""
        moved = place
        at = bisect_left(self._heading_starts, moved) - 1
        while at >= 0 and self._headings[at].end >= start + len(self._text[start:moved].rstrip()):
            moved = max(self._heading_starts[at], start)
            at -= 1
        return moved if moved - start > (place - start) // 2 else place

    def _whole_character(self, start: int, place: int) -> int:
        """`place`, or a little before it when it would part a letter from its marks."""
        for earlier in range(place, max(start, place - MAX_CLUSTER), -1):
            if earlier == len(self._text) or not _continues(self._text, earlier):
                return earlier
        return place


def _continues(text: str, place: int) -> bool:
    mark = unicodedata.category(text[place]).startswith("M") or text[place] in _JOINERS
    return mark or text[place - 1] == "\u200d"


def _between(places: list[int], start: int, end: int) -> list[int]:
    return places[bisect_right(places, start) : bisect_left(places, end)]


def _last_within(places: list[int], low: int, high: int) -> int | None:
    at = bisect_right(places, high) - 1
    return places[at] if at >= 0 and places[at] >= low else None


def _paths(headings: list[Span]) -> list[tuple[str, ...]]:
    """For each heading the labels from the outermost one down to itself."""
    paths, open_headings = [], list[Span]()
    for heading in headings:
        while open_headings and open_headings[-1].level >= heading.level:
            open_headings.pop()
        open_headings.append(heading)
        paths.append(tuple(span.label for span in open_headings))
    return paths
