"""PDF: pypdfium2 page by page; pypdf for the files that pdfium does not open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any

from ingestion.parsers.blocks import label
from ingestion.parsers.clean import clean
from ingestion.types import Document, InvalidFileError, Span

MAX_PAGES = 20_000
MAX_PAGE_CHARS = 2_000_000
MAX_CHARS = 200_000_000
MAX_BOOKMARKS = 10_000
MAX_BOOKMARK_DEPTH = 6
HEADING_CHARS = 20_000  # of a page, in which a bookmark's title is looked for

# pdfium's mark of a hyphen at a line's end, and what Symbol fonts put into the private use area
_HYPHEN = re.compile("[\ufffe\x02](?:\r?\n)?")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")


@dataclass(frozen=True, slots=True)
class _Page:
    """`text` is clean; `failure` says why there is none; `scanned` that there are images instead."""

    text: str
    label: str = ""  # as printed ("iv"); "" where the file does not say
    failure: str = ""
    scanned: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Bookmark:
    title: str
    page: int  # from 0
    level: int


def read(data: bytes, filename: str, media_type: str) -> Document:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise _encrypted(filename) from error
        return read_with_pypdf(data, filename, media_type)
    try:
        _check_page_count(len(pdf), filename)
        pdf.init_forms()
        pages = _read_pages(len(pdf), lambda number: _pdfium_page(pdf, number), filename)
        return _document(pages, list(_bookmarks(pdf)), filename, media_type)
    finally:
        pdf.close()


def _encrypted(filename: str) -> InvalidFileError:
    return InvalidFileError(f"'{filename}' is encrypted: a password is needed to open it")


def _check_page_count(count: int, filename: str) -> None:
    if count > MAX_PAGES:
        raise InvalidFileError(f"'{filename}' has {count} pages, the limit is {MAX_PAGES}")
    if count == 0:
        raise InvalidFileError(f"'{filename}' is damaged: it has no pages")


def _read_pages(count: int, page_text: Callable[[int], _Page], filename: str) -> list[_Page]:
    pages, chars = [], 0
    for number in range(count):
        pages.append(page_text(number))
        chars += len(pages[-1].text)
        if chars > MAX_CHARS:
            raise InvalidFileError(f"'{filename}' has more than {MAX_CHARS} characters of text")
    return pages


def _pdfium_page(pdf: Any, number: int) -> _Page:
    import pypdfium2

    try:
        page = _with_annotations(pdf, number)
        textpage = page.get_textpage()
        found = textpage.count_chars()
        text = textpage.get_text_range(count=min(found, MAX_PAGE_CHARS)) if found else ""
    except pypdfium2.PdfiumError as error:
        return _Page("", failure=str(error))
    text = clean(_PRIVATE_USE.sub("", _HYPHEN.sub("", text))).rstrip()
    return _Page(
        text, _page_label(pdf, number), scanned=not text.strip() and _has_image(page), cut=found > MAX_PAGE_CHARS
    )


def _page_label(pdf: Any, number: int) -> str:
    try:
        return label(clean(pdf.get_page_label(number)))
    except UnicodeError:
        return ""


def _with_annotations(pdf: Any, number: int) -> Any:
    """The page; what was typed into its form fields and notes is made a part of its contents, in memory."""
    import pypdfium2.raw as pdfium

    page = pdf[number]
    for at in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, at)
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if kind in {pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT}:
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            page.close()
            return pdf[number]
    return page


def _has_image(page: Any) -> bool:
    import pypdfium2.raw as pdfium

    images = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
    return next(iter(images), None) is not None


def _bookmarks(pdf: Any) -> Iterator[_Bookmark]:
    import pypdfium2

    try:
        for mark in islice(pdf.get_toc(max_depth=MAX_BOOKMARK_DEPTH), MAX_BOOKMARKS):
            target = mark.get_dest()
            page = target.get_index() if target else None
            title = clean(mark.get_title()).strip()
            if title and page is not None and page >= 0:
                yield _Bookmark(title, page, mark.level + 1)
    except (pypdfium2.PdfiumError, UnicodeError, ValueError):
        return  # headings are a help; a broken outline costs no text


def _document(pages: list[_Page], bookmarks: Iterable[_Bookmark], filename: str, media_type: str) -> Document:
    """Each page's text, a line end after it; the page's span takes in that line end, so an empty page has one."""
    _check_has_text(pages, filename)
    spans, starts, length = [], [], 0
    for number, page in enumerate(pages, 1):
        starts.append(length)
        length += len(page.text) + 1
        spans.append(Span("page", starts[-1], length, page.label or str(number), number))
    spans.extend(_headings(pages, starts, bookmarks))
    spans.sort(key=lambda span: (span.start, -span.end))
    text = "".join(page.text + "\n" for page in pages)
    return Document(text, media_type, tuple(spans), tuple(_warnings(pages)))


def _check_has_text(pages: list[_Page], filename: str) -> None:
    if any(page.text.strip() for page in pages):
        return
    failures = [page.failure for page in pages if page.failure]
    if len(failures) == len(pages):
        raise InvalidFileError(f"'{filename}' is damaged: none of its {len(pages)} pages can be read ({failures[0]})")
    scanned = sum(page.scanned for page in pages)
    looks = f"{scanned} of {len(pages)} pages look scanned and need OCR" if scanned else "its pages are blank"
    raise InvalidFileError(f"'{filename}' has no text: {looks}")


def _headings(pages: list[_Page], starts: list[int], bookmarks: Iterable[_Bookmark]) -> Iterator[Span]:
    """A heading where a bookmark's title stands on its page, at a line's start; a bookmark without one is left out."""
    taken = set()
    for mark in bookmarks:
        if mark.page >= len(pages):
            continue
        found = _title_line(mark.title, pages[mark.page].text)
        if found and (mark.page, found.start()) not in taken:
            taken.add((mark.page, found.start()))
            start = starts[mark.page] + found.start()
            yield Span("heading", start, starts[mark.page] + found.end(), label(mark.title), min(mark.level, 6))


def _title_line(title: str, text: str) -> re.Match[str] | None:
    """The line that is the title; else one that begins with it. A number is often in only one of the two."""
    words = r"\s+".join(re.escape(word) for word in title.split()[:40])
    line = rf"(?m)^[ \t]*(?:[\dA-Z.]{{1,8}}\s)?{words}"
    whole, begun = re.compile(line + r"[ \t]*$"), re.compile(line + r"[^\n]{0,20}$")
    return whole.search(text, 0, HEADING_CHARS) or begun.search(text, 0, HEADING_CHARS)


def _warnings(pages: list[_Page]) -> Iterator[str]:
    for number, page in enumerate(pages, 1):
        if page.failure:
            yield f"page {number} cannot be read ({page.failure})"
        elif page.cut:
            yield f"page {number} has more than {MAX_PAGE_CHARS} characters; the rest is left out"
    empty = [number for number, page in enumerate(pages, 1) if not page.failure and not page.text.strip()]
    if len(empty) == 1:
        yield f"page {empty[0]} has no text (scanned?)"
    elif empty:
        yield f"pages {_ranges(empty)} have no text (scanned?)"


def _ranges(numbers: list[int]) -> str:
    """[1, 2, 3, 7] -> "1-3, 7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)


def read_with_pypdf(data: bytes, filename: str, media_type: str) -> Document:
    """What `read` gives, without headings: slower, but bounded where pdfium ends the process on a bomb."""
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        reader = pypdf.PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _encrypted(filename)
        _check_page_count(len(reader.pages), filename)
    except PyPdfError as error:
        raise InvalidFileError(f"'{filename}' is damaged: it cannot be opened as a PDF ({error})") from error
    pages = _read_pages(len(reader.pages), lambda number: _pypdf_page(reader, number), filename)
    return _document(pages, (), filename, media_type)


def _pypdf_page(reader: Any, number: int) -> _Page:
    try:
        text = clean(reader.pages[number].extract_text()).rstrip()
    except Exception as error:  # noqa: BLE001 - pypdf raises nearly anything on a broken page; the others are read
        return _Page("", failure=str(error) or type(error).__name__)
    return _Page(text[:MAX_PAGE_CHARS], cut=len(text) > MAX_PAGE_CHARS)
