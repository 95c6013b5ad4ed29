"""The second reader of PDF, pypdf: for the files that pdfium does not open, or dies of."""

from __future__ import annotations

from typing import Any

from ingestion.parsers import ocr
from ingestion.parsers.blocks import label
from ingestion.parsers.clean import clean
from ingestion.parsers.pdf_lines import Line
from ingestion.parsers.pdf_page import (
    MAX_PAGE_CHARS,
    Page,
    check_page_count,
    document,
    page_warnings,
    read_pages,
)
from ingestion.types import Document, InvalidFileError, RawFile

NEEDS_FIRST_READER = "only pdfium shows the page's picture, which did not open this file"


def read_with_pypdf(file: RawFile) -> Document:
    """What `read` gives, without headings, layout and OCR: slower, but bounded where pdfium ends the process."""
    import pypdf
    from pypdf.errors import PyPdfError

    filename, password = file.filename, file.options.password
    try:
        reader = pypdf.PdfReader(file.open(), strict=False)
        if reader.is_encrypted and not reader.decrypt("") and not (password and reader.decrypt(password)):
            raise encrypted(filename, password)
        check_page_count(len(reader.pages), filename)
    except PyPdfError as error:
        raise InvalidFileError(f"'{filename}' is damaged: it cannot be opened as a PDF ({error})") from error
    why = ocr.unread_because(wanted=file.options.ocr) or NEEDS_FIRST_READER
    pages = read_pages(len(reader.pages), lambda number: _read_page(reader, number, why), filename)
    return document(pages, (), file.media_type, page_warnings(pages))


def encrypted(filename: str, password: str) -> InvalidFileError:
    if password:
        return InvalidFileError(f"'{filename}' is encrypted: the password does not open it")
    return InvalidFileError(f"'{filename}' is encrypted: a password is needed to open it")


def _read_page(reader: Any, number: int, why: str) -> Page:
    try:
        page = reader.pages[number]
        text = clean(page.extract_text()).rstrip()
        scanned = not text.strip() and _draws_objects(page)
    except Exception as error:  # noqa: BLE001 - pypdf raises nearly anything on a broken page; the others are read
        return Page(failure=str(error) or type(error).__name__)
    lines = [Line(line) for line in text[:MAX_PAGE_CHARS].split("\n")]
    return Page(
        lines,
        label=_page_label(reader, number),
        scanned=scanned,
        unread=why if scanned else "",
        cut=len(text) > MAX_PAGE_CHARS,
    )


def _draws_objects(page: Any) -> bool:
    """Whether the page shows images, or forms that may hold some."""
    resources = page.get("/Resources")
    objects = resources.get_object().get("/XObject") if resources else None
    return bool(objects and objects.get_object())


def _page_label(reader: Any, number: int) -> str:
    if "/PageLabels" not in reader.root_object:
        return ""
    return label(clean(reader.page_labels[number]))
