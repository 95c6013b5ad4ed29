"""What a document's metadata calls it: PDF, Office and OpenDocument files have a title beside their text."""

from __future__ import annotations

import re

from ingestion import media_types as known
from ingestion.parsers.blocks import label
from ingestion.parsers.clean import clean
from ingestion.parsers.ole import Container
from ingestion.parsers.package import Package
from ingestion.types import RawFile

MAX_PART_BYTES = 1 << 20  # of XML; no title needs more
_CORE = "docProps/core.xml"
_META = "meta.xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"

# What programs write where nobody gave a title
_UNTITLED = re.compile(
    r"\W*(?:(?:untitled|unbenannt|sans titre)(?:[ -]\w+){0,2}|anonymous|title|no title|title slide|slide ?\d*|"
    r"(?:powerpoint[ -])?pr[eäé]sentation(?: powerpoint)?[ -]?\d*|(?:microsoft word )?do[ck]ument ?\d*|"
    r"(?:work)?book ?\d*|binder ?\d*|mappe ?\d*|unknown|none|null)\W*",
    re.IGNORECASE,
)
_PRINTED = re.compile(r"Microsoft (?:Office )?(?:Word|PowerPoint|Excel) -\s*")
_EXTENSION = re.compile(
    r"\.(?:docx?|pptx?|xlsx?|rtf|odt|odp|ods|pdf|indd|pages|txt|tex|dvi|jpe?g|png|tiff?)$", re.IGNORECASE
)


def title(file: RawFile) -> str:
    """One line; "" where nobody gave one, or the metadata cannot be read: that costs no text."""
    read = _READERS.get(file.media_type) or _READERS.get(known.parser_of(file.media_type))
    try:
        found = "" if read is None else read(file)
    except Exception:  # noqa: BLE001 - damage raises anything, and what of it matters the parser of the text tells
        return ""
    given = label(_EXTENSION.sub("", _PRINTED.sub("", clean(found).strip(), count=1)))
    return "" if _UNTITLED.fullmatch(given) or not any(map(str.isalnum, given)) else given


def _of_pdf(file: RawFile) -> str:
    import pypdfium2

    password = file.options.password
    if not file.options.careful:
        try:
            with pypdfium2.PdfDocument(file.open(), password=password or None) as pdf:
                return str(pdf.get_metadata_value("Title"))
        except pypdfium2.PdfiumError:
            pass  # the other one opens some of these
    import pypdf
    from pypdf.generic import TextStringObject

    reader = pypdf.PdfReader(file.open(), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        reader.decrypt(password)
    found = reader.metadata.get("/Title") if reader.metadata else None
    return found if isinstance(found, TextStringObject) else ""


def _of_package(file: RawFile) -> str:
    package = Package(file)
    named = (part for kind, part in package.relations("").values() if kind == "core-properties")
    return _dublin_core(package, next((part for part in named if part in package.names), _CORE))


def _of_open_document(file: RawFile) -> str:
    return _dublin_core(Package(file), _META)


def _dublin_core(package: Package, part: str) -> str:
    if not 0 < package.size(part) <= MAX_PART_BYTES:
        return ""
    given = ("".join(each.itertext()).strip() for each in package.xml(part).iter(_TITLE))
    return next(filter(None, given), "")


def _of_container(file: RawFile) -> str:
    with Container(file) as container:
        return container.title()


_READERS = {  # by media type, else by parser
    known.XLS: _of_container,
    known.ODS: _of_open_document,
    "opendocument": _of_open_document,
    "pdf": _of_pdf,
    "powerpoint": _of_package,
    "powerpoint97": _of_container,
    "sheets": _of_package,
    "word": _of_package,
    "word97": _of_container,
}
