"""What lies over a PDF page: form fields and notes; and the files attached to it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from ingestion.parsers.clean import clean

MAX_ANNOTATIONS = 2000  # a page
MAX_STRING_BYTES = 1 << 20
MAX_ATTACHMENTS = 10_000
NAMED_ATTACHMENTS = 5


@dataclass(frozen=True, slots=True)
class Overlay:
    """`notes` and `fields` (name, value) of a page in their order; `flat`: some of it can be drawn into the page."""

    notes: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    flat: bool = False
    files: int = 0

    def lines(self, text: str) -> Iterator[str]:
        """What the page's text does not say already."""
        said = " ".join(text.split())
        for name, value in self.fields:
            if not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", said):
                yield f"{name}: {value}" if name else value
        for note in dict.fromkeys(self.notes):
            if note not in said:
                yield f"Note: {note}"


NOTHING = Overlay()


def read_overlay(pdf: Any, page: Any) -> Overlay:
    import pypdfium2.raw as pdfium

    count = min(pdfium.FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS)
    if count <= 0:
        return NOTHING
    notes, fields, flat, files = [], [], False, 0
    for at in range(count):
        annotation = pdfium.FPDFPage_GetAnnot(page, at)
        if not annotation:
            continue
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        if kind == pdfium.FPDF_ANNOT_WIDGET:
            flat = True
            fields += _field(pdf, annotation)
        elif kind not in {pdfium.FPDF_ANNOT_LINK, pdfium.FPDF_ANNOT_POPUP}:
            flat = flat or kind == pdfium.FPDF_ANNOT_FREETEXT
            files += kind == pdfium.FPDF_ANNOT_FILEATTACHMENT
            notes += _note(annotation)
        pdfium.FPDFPage_CloseAnnot(annotation)
    return Overlay(tuple(notes), tuple(fields), flat, files)


def _note(annotation: Any) -> list[str]:
    import pypdfium2.raw as pdfium

    said = _string(partial(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents"))
    return [said] if said else []


def _field(pdf: Any, annotation: Any) -> list[tuple[str, str]]:
    """The field's name and what was typed into it or chosen; nothing of an empty field, a button or a password."""
    import pypdfium2.raw as pdfium

    if not pdf.formenv:
        return []
    form = pdf.formenv.raw
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in {pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON}:
        if not pdfium.FPDFAnnot_IsChecked(form, annotation):
            return []
    elif kind not in {
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    }:
        return []
    value = _string(partial(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation))
    if not value:
        return []
    name = _string(partial(pdfium.FPDFAnnot_GetFormFieldAlternateName, form, annotation))
    if not name:  # what people read is missing: the last part of what programs use
        name = _string(partial(pdfium.FPDFAnnot_GetFormFieldName, form, annotation))
        name = name.rpartition(".")[2].removesuffix("[0]")
    return [(name, value)]


def attached_files(pdf: Any, overlays: int) -> Iterator[str]:
    """A warning where there are files in the file; `overlays` counts those that hang on a page."""
    import pypdfium2.raw as pdfium

    count = min(max(pdfium.FPDFDoc_GetAttachmentCount(pdf), 0), MAX_ATTACHMENTS)
    names = list(islice(_attachment_names(pdf, count), NAMED_ATTACHMENTS))
    total = count + overlays
    if total:
        said = f" ({', '.join(names)}{', ...' if total > len(names) else ''})" if names else ""
        yield f"{total} attached {'file was' if total == 1 else 'files were'} not read{said}"


def _attachment_names(pdf: Any, count: int) -> Iterator[str]:
    import pypdfium2.raw as pdfium

    for at in range(count):
        attachment = pdfium.FPDFDoc_GetAttachment(pdf, at)
        if attachment:
            yield _string(partial(pdfium.FPDFAttachment_GetName, attachment))[:100]


def _string(call: Callable[[Any, int], int]) -> str:
    """What a call of pdfium writes as UTF-16, on one line."""
    import pypdfium2.raw as pdfium

    size = call(None, 0)
    if size <= 2:
        return ""
    if size > MAX_STRING_BYTES:
        return f"(a text of {size:,} bytes, which is over the limit of {MAX_STRING_BYTES:,})"
    buffer = ctypes.create_string_buffer(size)
    call(ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size)
    return " ".join(clean(buffer.raw[: size - 2].decode("utf-16-le", "replace")).split())
