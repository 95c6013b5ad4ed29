"""Headers and footers: lines that stand at the same place of neighbouring pages, alike but for the page's number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingestion.parsers.pdf_lines import Line
from ingestion.parsers.pdf_page import Page, body_size

MIN_PAGES = 4
EDGE = 0.15  # of the page's height, in which headers and footers stand
MAX_RUNNING_LINES = 3  # at the top, and at the bottom
NEIGHBOURS = (-4, -3, -2, -1, 1, 2, 3, 4)  # odd and even pages may differ
MIN_ALIKE = 2  # neighbours
SAME_PLACE_POINTS = 3.0
LARGER = 1.15  # than the body: a title, not a header
MIN_GAP = 1.6  # of the letter size, from baseline to baseline: what stands closer belongs to the text
SAME_BODY = 0.5  # of the lines of two pages: a form filled in twice, not a header

_NUMBER = re.compile(r"\d{1,6}")
_ROMAN = re.compile(r"(?=[ivxl])(xl|l?x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}


@dataclass(frozen=True, slots=True)
class _Edge:
    """A line near the top or the bottom of its page. `shape` is its text with # for the numbers."""

    line: Line
    shape: str
    numbers: tuple[int, ...]


def drop_running(pages: Sequence[Page]) -> None:
    """Leaves out headers and footers but for the first of their kind. No page loses all of its lines."""
    if len(pages) < MIN_PAGES:
        return
    limit = LARGER * body_size(pages)
    for at_top in (True, False):
        edges = [list(_edges(page, at_top=at_top, limit=limit)) for page in pages]
        seen: set[str] = set()
        dropped: list[set[int]] = []
        for number, page in enumerate(pages):
            running = _running(edges, number)
            apart = running and _stands_apart(page, running, at_top=at_top) and not _same_body(pages, number)
            dropped.append({id(edge.line) for edge in running if apart and edge.shape in seen})
            seen.update(edge.shape for edge in running if apart)
        for page, lines in zip(pages, dropped, strict=True):
            kept = [line for line in page.lines if id(line) not in lines] if lines else page.lines
            if any(line.text.strip() for line in kept):
                page.lines = kept


def _edges(page: Page, *, at_top: bool, limit: float) -> Iterator[_Edge]:
    """From the page's edge inwards; ends at the first line that cannot be a header or footer."""
    height = page.top - page.bottom
    if at_top:
        near = [line for line in page.lines if line.size and line.top > page.top - EDGE * height]
        near.sort(key=lambda line: (-line.bottom, line.left))
    else:
        near = [line for line in page.lines if line.size and line.bottom < page.bottom + EDGE * height]
        near.sort(key=lambda line: (line.bottom, line.left))
    for line in near[:MAX_RUNNING_LINES]:
        if line.table or line.size > limit:
            return
        text = line.text.strip()
        numbers = tuple(int(number) for number in _NUMBER.findall(text))
        shape = _NUMBER.sub("#", text)
        if _ROMAN.fullmatch(text.lower()):
            shape, numbers = "#", (_roman(text.lower()),)
        yield _Edge(line, shape, numbers)


def _running(edges: list[list[_Edge]], number: int) -> list[_Edge]:
    """The page's outermost lines that enough neighbours have too."""
    found = []
    for edge in edges[number]:
        alike = 0
        for step in NEIGHBOURS:
            if 0 <= number + step < len(edges):
                alike += any(_alike(edge, other, step) for other in edges[number + step])
        if alike < MIN_ALIKE:
            break
        found.append(edge)
    return found


def _alike(edge: _Edge, other: _Edge, pages_apart: int) -> bool:
    """Same words at the same height; a number may differ as the pages' numbers do."""
    if edge.shape != other.shape or abs(edge.line.bottom - other.line.bottom) > SAME_PLACE_POINTS:
        return False
    return all(there - here in {0, pages_apart} for here, there in zip(edge.numbers, other.numbers, strict=True))


def _stands_apart(page: Page, running: list[_Edge], *, at_top: bool) -> bool:
    """Whether there is more space between the running lines and the text than between lines of text."""
    inmost = running[-1].line
    mine = {id(edge.line) for edge in running}
    others = [line.bottom for line in page.lines if line.size and id(line) not in mine and line.text.strip()]
    if at_top:
        distance = min((inmost.bottom - bottom for bottom in others if bottom <= inmost.bottom), default=0.0)
    else:
        distance = min((bottom - inmost.bottom for bottom in others if bottom >= inmost.bottom), default=0.0)
    return distance >= MIN_GAP * inmost.size


def _same_body(pages: Sequence[Page], number: int) -> bool:
    here = {line.text for line in pages[number].lines}
    others = [pages[at] for at in (number - 1, number + 1) if 0 <= at < len(pages)]
    return any(len(here & {line.text for line in page.lines}) > SAME_BODY * len(here) for page in others)


def _roman(text: str) -> int:
    values = [_ROMAN_VALUES[char] for char in text]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
