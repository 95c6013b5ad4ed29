"""Pages as a reader of PDF gives them, and the Document that they make."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ingestion.parsers import ocr
from ingestion.parsers.pdf_layout import table_label
from ingestion.parsers.pdf_lines import Line
from ingestion.types import Document, InvalidFileError, Span

MAX_PAGES = 20_000
MAX_PAGE_CHARS = 2_000_000
MAX_CHARS = 200_000_000


@dataclass(slots=True)
class Page:
    """`failure` says why there are no lines; `scanned` that what is to be read is a picture, or letters without a code.

    `top` and `bottom` are the page's, in points, turned as it is looked at. `by_ocr`: the lines were read
    from the picture. `unread` says why OCR did not.
    """

    lines: list[Line] = field(default_factory=list)
    label: str = ""  # as printed ("iv"); "" where the file does not say
    failure: str = ""
    scanned: bool = False
    garbled: bool = False
    by_ocr: bool = False
    unread: str = ""
    cut: bool = False
    top: float = 0.0
    bottom: float = 0.0

    @property
    def has_text(self) -> bool:
        return any(line.text.strip() for line in self.lines)


@dataclass(frozen=True, slots=True)
class Heading:
    """Lines of a page, the last one included; numbers from 0."""

    page: int
    first: int
    last: int
    label: str
    level: int


def check_page_count(count: int, filename: str) -> None:
    if count > MAX_PAGES:
        raise InvalidFileError(f"'{filename}' has {count} pages, the limit is {MAX_PAGES}")
    if count == 0:
        raise InvalidFileError(f"'{filename}' is damaged: it has no pages")


def read_pages(count: int, read_page: Callable[[int], Page], filename: str) -> list[Page]:
    """All pages, or InvalidFileError where there is no text in them, or too much."""
    pages, chars = [], 0
    for number in range(count):
        page = read_page(number)
        pages.append(page)
        chars += sum(len(line.text) for line in page.lines)
        if chars > MAX_CHARS:
            raise InvalidFileError(f"'{filename}' has more than {MAX_CHARS} characters of text")
    _check_has_text(pages, filename)
    return pages


def body_size(pages: Iterable[Page]) -> float:
    """The size of most letters, in points; 0 where no places are known."""
    chars: Counter[float] = Counter()
    for page in pages:
        for line in page.lines:
            if line.size:
                chars[round(line.size * 2) / 2] += len(line.text)
    return chars.most_common(1)[0][0] if chars else 0.0


def document(pages: Sequence[Page], headings: Iterable[Heading], media_type: str, warnings: Iterable[str]) -> Document:
    """Each page's text, a line end after it; the page's span takes in that line end, so an empty page has one."""
    texts: list[str] = []
    spans: list[Span] = []
    places: list[list[tuple[int, int]]] = []
    length = 0
    for number, page in enumerate(pages, 1):
        text, lines = _page_text(page.lines, length)
        spans.append(Span("page", length, length + len(text) + 1, page.label or str(number), number))
        spans.extend(_tables(page.lines, lines))
        texts.append(text + "\n")
        places.append(lines)
        length += len(text) + 1
    for heading in headings:
        lines = places[heading.page]
        start, end = lines[heading.first][0], lines[heading.last][1]
        if start < end:
            spans.append(Span("heading", start, end, heading.label, heading.level))
    spans.sort(key=lambda span: (span.start, -span.end))
    return Document("".join(texts), media_type, tuple(spans), tuple(warnings))


def _page_text(lines: Sequence[Line], start: int) -> tuple[str, list[tuple[int, int]]]:
    """The lines as one text without white space at its end, and where each of them is when it begins at `start`."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    at = start
    for line, following in zip(lines, [*lines[1:], None], strict=False):
        text = line.text.rstrip()
        places.append((at, at + len(text)))
        joined = following and line.joins and unicodedata.is_normalized("NFC", text[-1:] + following.text[:1])
        parts.append(text if joined else text + "\n")
        at += len(parts[-1])
    page = "".join(parts).rstrip()
    end = start + len(page)
    return page, [(min(first, end), min(last, end)) for first, last in places]


def _tables(lines: Sequence[Line], places: Sequence[tuple[int, int]]) -> Iterator[Span]:
    begun: dict[int, tuple[int, str]] = {}
    ends: dict[int, int] = {}
    for line, (start, end) in zip(lines, places, strict=True):
        if line.table:
            begun.setdefault(line.table, (start, line.text))
            ends[line.table] = end
    for table, (start, first_row) in begun.items():
        yield Span("table", start, ends[table], table_label(first_row))


def _check_has_text(pages: Sequence[Page], filename: str) -> None:
    if any(page.has_text for page in pages):
        return
    failures = [page.failure for page in pages if page.failure]
    if len(failures) == len(pages):
        raise InvalidFileError(f"'{filename}' is damaged: none of its {len(pages)} pages can be read ({failures[0]})")
    scanned = [page for page in pages if page.scanned]
    if not scanned:
        raise InvalidFileError(f"'{filename}' has no text: its pages are blank")
    look = f"'{filename}' has no text: {len(scanned)} of {len(pages)} pages look scanned"
    if any(page.by_ocr for page in scanned):
        raise InvalidFileError(f"{look}, and OCR found no text on them")
    raise InvalidFileError(f"{look} and need OCR: {scanned[0].unread or ocr.INSTALL}")


def page_warnings(pages: Sequence[Page]) -> Iterator[str]:
    for number, page in enumerate(pages, 1):
        if page.failure:
            yield f"page {number} cannot be read ({page.failure})"
        elif page.cut:
            yield f"page {number} has more than {MAX_PAGE_CHARS} characters; the rest is left out"
    yield from _told(pages, lambda page: page.by_ocr and page.has_text, "was read by OCR", "were read by OCR")
    for why in dict.fromkeys(page.unread for page in pages if page.unread):
        waits = [number for number, page in enumerate(pages, 1) if page.unread == why and not page.garbled]
        if waits:
            looks = "looks scanned and needs OCR" if len(waits) == 1 else "look scanned and need OCR"
            yield f"{named(waits)} {looks}: {why}"
        waits = [number for number, page in enumerate(pages, 1) if page.unread == why and page.garbled]
        if waits:
            needs = "needs OCR" if len(waits) == 1 else "need OCR"
            yield f"{named(waits)} {needs}, as the fonts do not say which letters they show: {why}"
    yield from _told(
        pages, lambda page: not (page.failure or page.unread or page.has_text), "has no text", "have no text"
    )


def _told(pages: Sequence[Page], holds: Callable[[Page], bool], of_one: str, of_many: str) -> Iterator[str]:
    numbers = [number for number, page in enumerate(pages, 1) if holds(page)]
    if numbers:
        yield f"{named(numbers)} {of_one if len(numbers) == 1 else of_many}"


def named(numbers: Sequence[int]) -> str:
    """[1, 2, 3, 7] -> "pages 1-3, 7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    said = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)
    return f"page {said}" if len(numbers) == 1 else f"pages {said}"
