"""What the spans of a document say about a place in it: pages, sections, lines, table, and where to cut near it."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right

from ingestion.sections import Sections
from ingestion.types import Document, Span

_SENTENCE = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]")  # ASCII, and the full-width marks
_JOINERS = "\u200d\ufe0e\ufe0f"  # zero width joiner, variation selectors: the emoji goes on
MAX_CLUSTER = 32  # characters looked back over to keep a letter and its marks together
CONTEXT_CHARS = 240  # of headings or of a table's header, embedded in front of what stands under them

_PROSE = frozenset({"text/plain", "text/markdown"})  # of the texts as they stand, those where a line end says little


class Outline:
    """Answers in logarithmic time; built once a document."""

    def __init__(self, document: Document) -> None:
        spans = document.spans
        self._text = document.text
        self._sections = Sections(spans)
        self._headings = [span for span in spans if span.kind == "heading"]
        self._heading_starts = [span.start for span in self._headings]
        self._pages = [span for span in spans if span.kind in {"page", "slide"}]
        self._page_starts = [span.start for span in self._pages]
        self._page_ends = [span.end for span in self._pages]
        self._symbol_starts = [span.start for span in spans if span.kind == "symbol"]
        self._part_starts = [span.start for span in spans if span.kind in {"page", "slide", "sheet", "part", "table"}]
        self._tables = [span for span in spans if span.kind == "table"]
        self._lined = _merged([span for span in spans if span.kind in {"table", "list", "code", "symbol"}])
        self._prose = not document.verbatim or document.media_type in _PROSE
        self._line_ends = _line_ends(document.text) if document.verbatim else None

    def pages(self, start: int, end: int) -> tuple[int, int] | None:
        """The numbers of the first and the last page or slide that `start:end` touches; None where there are none."""
        first = bisect_right(self._page_ends, start)
        last = bisect_left(self._page_starts, end) - 1
        if first > last:
            return None
        return self._pages[first].level, self._pages[last].level

    def lines(self, start: int, end: int) -> tuple[int, int] | None:
        """The first and the last line of the file in `start:end`, from 1; None where the text is not the file's own."""
        if self._line_ends is None:
            return None
        return bisect_left(self._line_ends, start) + 1, bisect_left(self._line_ends, max(end - 1, start)) + 1

    def heading_path(self, start: int, end: int) -> tuple[str, ...]:
        """The sections around the first character of `start:end` that is no white space."""
        return self._sections.path(self.first_word(start, end))

    def heading_path_at(self, place: int) -> tuple[str, ...]:
        """The sections around the character `place`."""
        return self._sections.path(place)

    def table_header(self, start: int, end: int) -> str:
        """The header row of the table that `start:end` begins in the middle of; "" where there is none."""
        place = self.first_word(start, end)
        at = bisect_left(self._tables, place, key=lambda span: span.start) - 1
        if at < 0 or self._tables[at].end <= place:
            return ""
        table = self._tables[at]
        return table.label if table.label and self._text.find("\n", table.start, place) >= 0 else ""

    def context(self, start: int, end: int, *, headings: bool) -> str:
        """What is embedded in front of `start:end`: the headings above it if asked for, and its table's header."""
        place = self.first_word(start, end)
        path = self._sections.path(place)
        if self._sections.begun(place) >= start:  # it says the last one itself
            path = path[:-1]
        above = " \u203a ".join(path)[:CONTEXT_CHARS] if headings else ""
        return "\n".join(filter(None, (above, self.table_header(start, end)[:CONTEXT_CHARS])))

    def first_word(self, start: int, end: int) -> int:
        """The first character of `start:end` that is no white space; `end` if there is none."""
        while start < end:
            piece = self._text[start : min(start + 256, end)]
            left = piece.lstrip()
            if left:
                return start + len(piece) - len(left)
            start += len(piece)
        return end

    def last_word(self, start: int, end: int) -> int:
        """The last character of `start:end` that is no white space; `start` if there is none."""
        while start < end:
            piece = self._text[max(end - 256, start) : end]
            left = piece.rstrip()
            if left:
                return end - len(piece) + len(left) - 1
            end -= len(piece)
        return start

    def edges(self, start: int, end: int) -> list[int]:
        """Where in `start:end` another section begins after some text of the one before, or another page."""
        edges, after = [], start
        headings = set(_between(self._heading_starts, start, end))
        places = {*_between(self._page_starts, start, end), *(place for place, _ in self._sections.breaks(start, end))}
        for place in sorted(places):
            said = self.has_body(after, place) if place in headings else self._text[after:place].strip()
            if said and self._text[place:end].strip():
                edges.append(place)
                after = place
        return edges

    def section_breaks(self, start: int, end: int) -> list[tuple[int, int]]:
        """Where in `start:end` another section begins with some text, and how deep both stand in the same ones."""
        breaks = self._sections.breaks(start, end)
        stops = [*(place for place, _ in breaks), end][1:]
        return [each for each, stop in zip(breaks, stops, strict=False) if self.first_word(each[0], stop) < stop]

    def boundary(self, start: int, low: int, high: int) -> int:
        """The best place to end what begins at `start`: from `low` to `high`, both after `start`.

        In order: before a heading, before a function or class, before a paragraph, table or page, after
        a sentence (in tables, lists and code: a line), after a line, a word, a whole character. Of
        equals the last. A heading is not parted from what follows it.
        """
        by_line = not self._prose or self._is_lined(high)
        inner = (self._after_line, self._after_sentence) if by_line else (self._after_sentence, self._after_line)
        for candidate in (self._before_heading, self._before_symbol, self._before_part, *inner, self._after_word):
            place = candidate(low, high)
            if place is not None:
                return self._with_heading(start, place)
        return self._whole_character(start, high)

    def has_body(self, start: int, end: int) -> bool:
        """Whether there is more than headings and white space in `start:end`."""
        first = max(bisect_right(self._heading_starts, start) - 1, 0)
        for heading in self._headings[first : bisect_left(self._heading_starts, end)]:
            if self._text[start : heading.start].strip():
                return True
            start = max(start, heading.end)
        return bool(self._text[start:end].strip())

    def _is_lined(self, place: int) -> bool:
        at = bisect_right(self._lined, (place,)) - 1
        return at >= 0 and place <= self._lined[at][1]

    def _before_heading(self, low: int, high: int) -> int | None:
        return _last_within(self._heading_starts, low, high)

    def _before_symbol(self, low: int, high: int) -> int | None:
        return _last_within(self._symbol_starts, low, high)

    def _before_part(self, low: int, high: int) -> int | None:
        blank = self._text.rfind("\n\n", max(low - 2, 0), high)
        place = blank + 2 if blank >= 0 else -1
        part = _last_within(self._part_starts, low, high)
        best = max(place, -1 if part is None else part)
        return best if best >= low else None

    def _after_line(self, low: int, high: int) -> int | None:
        place = self._text.rfind("\n", max(low - 1, 0), high) + 1
        return place if place >= low and place else None

    def _after_sentence(self, low: int, high: int) -> int | None:
        sentences = [found.end() for found in _SENTENCE.finditer(self._text, max(low - 2, 0), high)]
        return sentences[-1] if sentences and sentences[-1] >= low else None

    def _after_word(self, low: int, high: int) -> int | None:
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


def _line_ends(text: str) -> list[int]:
    return [found.start() for found in re.finditer("\n", text)]


def _merged(spans: list[Span]) -> list[tuple[int, int]]:
    """The stretches that the spans cover, disjoint and ascending."""
    merged: list[tuple[int, int]] = []
    for span in spans:
        if merged and span.start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.end))
        else:
            merged.append((span.start, span.end))
    return merged


def _between(places: list[int], start: int, end: int) -> list[int]:
    return places[bisect_right(places, start) : bisect_left(places, end)]


def _last_within(places: list[int], low: int, high: int) -> int | None:
    at = bisect_right(places, high) - 1
    return places[at] if at >= 0 and places[at] >= low else None
