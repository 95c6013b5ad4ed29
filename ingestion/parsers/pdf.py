"""PDF: pypdfium2 page by page; pypdf for the files that pdfium does not open."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ingestion.parsers import ocr
from ingestion.parsers.blocks import label
from ingestion.parsers.clean import clean
from ingestion.parsers.pdf_headings import Bookmark, find_headings
from ingestion.parsers.pdf_layout import arrange
from ingestion.parsers.pdf_lines import Line, read_lines
from ingestion.parsers.pdf_notes import Overlay, attached_files, read_overlay
from ingestion.parsers.pdf_page import MAX_PAGE_CHARS, Page, check_page_count, document, page_warnings, read_pages
from ingestion.parsers.pdf_pypdf import encrypted, read_with_pypdf
from ingestion.parsers.pdf_running import drop_running
from ingestion.parsers.pdf_scan import FEW_CHARS, Reading, is_garbled, looks_scanned
from ingestion.types import Document, RawFile

MAX_BOOKMARKS = 10_000
MAX_BOOKMARK_DEPTH = 6


def read(file: RawFile) -> Document:
    import pypdfium2

    if file.options.careful:
        return read_with_pypdf(file)
    try:
        pdf = pypdfium2.PdfDocument(_source(file), password=file.options.password or None)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise encrypted(file.filename, file.options.password) from error
        return read_with_pypdf(file)
    try:
        check_page_count(len(pdf), file.filename)
        pdf.init_forms()
        reader = _Reader(pdf, Reading(ocr.unread_because(wanted=file.options.ocr)))
        pages = read_pages(len(pdf), reader.page, file.filename)
        drop_running(pages)
        headings = find_headings(pages, _bookmarks(pdf))
        warnings = [*page_warnings(pages), *attached_files(pdf, reader.files)]
        return document(pages, headings, file.media_type, warnings)
    finally:
        pdf.close()


def _source(file: RawFile) -> Any:
    """What pdfium reads from: without a copy."""
    if isinstance(file.data, bytes):
        return file.data
    try:
        return (ctypes.c_char * len(file.data)).from_buffer(file.data)
    except TypeError:  # mapped for reading only
        return file.open()


@dataclass(slots=True)
class _Reader:
    pdf: Any
    ocr: Reading
    files: int = field(default=0)  # attached to a place on a page

    def page(self, number: int) -> Page:
        import pypdfium2

        try:
            page = self.pdf[number]
            try:
                overlay = read_overlay(self.pdf, page)
                if overlay.flat:
                    page = _flattened(self.pdf, page, number)
                self.files += overlay.files
                return self._read(page, overlay, _page_label(self.pdf, number))
            finally:
                page.close()
        except pypdfium2.PdfiumError as error:
            return Page(failure=str(error))

    def _read(self, page: Any, overlay: Overlay, printed: str) -> Page:
        textpage = page.get_textpage()
        count = textpage.count_chars()
        rotation = page.get_rotation()
        found = Page(label=printed, cut=count > MAX_PAGE_CHARS)
        found.bottom, found.top = _edges(page, rotation)
        raw = textpage.get_text_range(count=min(count, MAX_PAGE_CHARS)) if count else ""
        found.garbled = is_garbled(raw)
        found.lines = [] if found.garbled or not raw else arrange(read_lines(textpage, raw, count, rotation))
        textpage.close()
        chars = sum(len(line.text.strip()) for line in found.lines[:FEW_CHARS])
        if found.garbled or looks_scanned(page, chars):
            self._read_picture(page, found)
        text = " ".join(line.text for line in found.lines) if overlay.notes or overlay.fields else ""
        found.lines += [Line(said) for said in overlay.lines(text)]
        return found

    def _read_picture(self, page: Any, found: Page) -> None:
        """Adds what OCR reads to the little that there was."""
        found.scanned = True
        lines, found.unread = self.ocr.read(page)
        found.by_ocr = not found.unread
        seen = "".join("".join(line.text.split()) for line in lines)
        found.lines = [line for line in found.lines if "".join(line.text.split()) not in seen] + lines


def _flattened(pdf: Any, page: Any, number: int) -> Any:
    """The page anew: what was typed into its form fields and notes is made a part of its contents, in memory."""
    import pypdfium2.raw as pdfium

    pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
    page.close()
    return pdf[number]


def _edges(page: Any, rotation: int) -> tuple[float, float]:
    """The page's bottom and top, turned as it is looked at."""
    left, bottom, right, top = page.get_bbox()
    return {0: (bottom, top), 90: (-right, -left), 180: (-top, -bottom), 270: (left, right)}[rotation % 360]


def _page_label(pdf: Any, number: int) -> str:
    try:
        return label(clean(pdf.get_page_label(number)))
    except UnicodeError:
        return ""


def _bookmarks(pdf: Any) -> Iterator[Bookmark]:
    import pypdfium2

    try:
        for mark in islice(pdf.get_toc(max_depth=MAX_BOOKMARK_DEPTH), MAX_BOOKMARKS):
            target = mark.get_dest()
            page = target.get_index() if target else None
            title = clean(mark.get_title()).strip()
            if title and page is not None and page >= 0:
                yield Bookmark(title, page, mark.level + 1)
    except (pypdfium2.PdfiumError, UnicodeError, ValueError):
        return  # headings are a help; a broken outline costs no text
