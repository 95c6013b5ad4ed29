"""Headings of a PDF: where its outline's titles stand, or else the short lines in larger letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingestion.parsers.blocks import label
from ingestion.parsers.pdf_lines import HEADING_CHARS, Line
from ingestion.parsers.pdf_page import Heading, Page, body_size

SEARCHED_LINES = 400  # of a page, in which a bookmark's title is looked for
TITLE_LINES = 3  # that a title may run over
LARGER = 1.15  # than the body's letters
MAX_SHARE = 1 / 6  # of the lines: where more look like headings, none is one
MAX_SIZES = 3
SAME_SIZE = 0.05

_LETTERS = re.compile(r"[^\W\d_]{2}|[\u3040-\u9fff\uac00-\ud7af]")
_GOES_ON = re.compile(r"[,;:.\u2026-]$")
_NUMBERING = re.compile(r"\d{1,2}((?:\.\d{1,2}){0,4})\.?\s")


@dataclass(frozen=True, slots=True)
class Bookmark:
    title: str
    page: int  # from 0
    level: int


def find_headings(pages: Sequence[Page], bookmarks: Iterable[Bookmark]) -> list[Heading]:
    return list(_from_outline(pages, bookmarks)) or list(_from_sizes(pages))


def _from_outline(pages: Sequence[Page], bookmarks: Iterable[Bookmark]) -> Iterator[Heading]:
    """A heading where a bookmark's title stands on its page, at a line's start; a bookmark without one is left out."""
    taken = set()
    texts: dict[int, list[str]] = {}
    for mark in bookmarks:
        if mark.page >= len(pages):
            continue
        if mark.page not in texts:
            texts[mark.page] = [_plain(line.text) for line in pages[mark.page].lines[:SEARCHED_LINES]]
        found = _title_lines(_plain(mark.title), texts[mark.page])
        if found and (mark.page, found[0]) not in taken:
            taken.add((mark.page, found[0]))
            yield Heading(mark.page, *found, label(mark.title), min(mark.level, 6))


def _plain(text: str) -> str:
    return " ".join(text.replace("|", " ").split())


def _title_lines(title: str, lines: Sequence[str]) -> tuple[int, int] | None:
    """The lines that are the title; else the one that begins with it. A number is often in only one of the two."""
    begun = None
    for first, text in enumerate(lines):
        if not text or (text[:1] not in title and title[:1] not in text[:12]):
            continue
        for last in range(first, min(first + TITLE_LINES, len(lines))):
            whole = " ".join(lines[first : last + 1])
            bare = _without_number(whole)
            if title in {whole, bare} or (_without_number(title) == whole):
                return first, last
            if last == first and begun is None and len(whole) <= len(title) + 29:
                starts = whole.startswith(title) or (bare.startswith(title) and len(bare) <= len(title) + 20)
                begun = (first, first) if starts else None
            if len(whole) > len(title) + 10:
                break
    return begun


def _without_number(text: str) -> str:
    return re.sub(r"^[\dA-Z.]{1,8}\s", "", text)


def _from_sizes(pages: Sequence[Page]) -> Iterator[Heading]:
    """Short lines in larger letters than the body's, and bold ones with a number; none where they are too many."""
    body = body_size(pages)
    if not body:
        return
    found = [run for number, page in enumerate(pages) for run in _runs(number, page.lines, body)]
    lines = sum(bool(line.text.strip()) for page in pages for line in page.lines)
    if sum(last - first + 1 for _, first, last in found) > MAX_SHARE * lines:
        return
    sizes = _sizes(pages[number].lines[first].size for number, first, _ in found)
    levels = [size for size in sizes if size >= LARGER * body][:MAX_SIZES]
    for number, first, last in found:
        text = " ".join(line.text for line in pages[number].lines[first : last + 1])
        yield Heading(number, first, last, label(text), _level(pages[number].lines[first], body, levels))


def _runs(number: int, lines: Sequence[Line], body: float) -> Iterator[tuple[int, int, int]]:
    """(page, first, last): the lines of each heading. Large letters over more lines than a title has are none."""
    at = 0
    while at < len(lines):
        first = lines[at]
        if not _may_be_heading(first, body):
            at += 1
            continue
        end = at + 1
        while end < len(lines) and first.size >= LARGER * body and _goes_on(lines[end - 1], lines[end], body):
            end += 1
        if end - at <= TITLE_LINES and _LETTERS.search(" ".join(line.text for line in lines[at:end])):
            yield number, at, end - 1
        at = end


def _may_be_heading(line: Line, body: float) -> bool:
    text = line.text.strip()
    if line.table or line.pieces or not 2 <= len(text) <= HEADING_CHARS:
        return False
    if line.size >= LARGER * body:
        return not text.endswith((",", ";"))
    return line.bold and line.size >= (1 - SAME_SIZE) * body and not _GOES_ON.search(text)


def _goes_on(line: Line, following: Line, body: float) -> bool:
    same = abs(line.size - following.size) <= SAME_SIZE * line.size
    near = 0 < line.bottom - following.bottom <= 1.6 * line.size
    return same and near and _may_be_heading(following, body)


def _sizes(sizes: Iterable[float]) -> list[float]:
    """The distinct sizes, largest first; those within a twentieth are one."""
    found: list[float] = []
    for size in sorted(sizes, reverse=True):
        if not found or size < (1 - SAME_SIZE) * found[-1]:
            found.append(size)
    return found


def _level(line: Line, body: float, levels: Sequence[float]) -> int:
    """By size; bold ones of the body's size come below, by the depth of their number."""
    if line.size >= LARGER * body:
        return min(sum(size > line.size * (1 + SAME_SIZE / 2) for size in levels) + 1, MAX_SIZES)
    number = _NUMBERING.match(line.text.strip())
    return min(len(levels) + 1 + (number[1].count(".") if number else 0), 6)
