"""What a file is: by its bytes first, by its name only among text types."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import PurePath
from types import MappingProxyType

from ingestion.parsers.text import looks_like_text
from ingestion.types import InvalidFileError, UnsupportedFileError

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PLAIN = "text/plain"

OPENAI_TYPES = {
    ".c": "text/x-c",
    ".cpp": "text/x-c++",
    ".cs": "text/x-csharp",
    ".css": "text/css",
    ".docx": DOCX,
    ".go": "text/x-golang",
    ".html": "text/html",
    ".java": "text/x-java",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": PDF,
    ".php": "text/x-php",
    ".py": "text/x-python",
    ".rb": "text/x-ruby",
    ".sh": "application/x-sh",
    ".tex": "text/x-tex",
    ".ts": "application/typescript",
    ".txt": PLAIN,
}

# Ours: near relatives, read the same way. Any other name with text in it is text/plain.
FURTHER_TYPES = {
    ".bash": "application/x-sh",
    ".cc": "text/x-c++",
    ".csv": "text/csv",
    ".cxx": "text/x-c++",
    ".h": "text/x-c",
    ".hpp": "text/x-c++",
    ".htm": "text/html",
    ".ini": PLAIN,
    ".jsx": "text/javascript",
    ".kt": "text/x-kotlin",
    ".log": PLAIN,
    ".markdown": "text/markdown",
    ".mjs": "text/javascript",
    ".pyi": "text/x-python",
    ".rs": "text/x-rust",
    ".rst": PLAIN,
    ".scala": "text/x-scala",
    ".sql": "application/sql",
    ".swift": "text/x-swift",
    ".toml": "application/toml",
    ".tsv": "text/tab-separated-values",
    ".tsx": "application/typescript",
    ".xhtml": "text/html",
    ".xml": "text/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}

SUPPORTED: Mapping[str, str] = MappingProxyType(OPENAI_TYPES | FURTHER_TYPES)

# What a file begins with, and what to call it in the error.
_MAGIC = (
    (b"{\\rtf", "a Rich Text document"),
    (b"%!PS", "a PostScript document"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"RIFF", "a RIFF sound, image or video"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound or video"),
    (b"fLaC", "a FLAC sound"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a Java class or macOS program"),
    (b"\0asm", "a WebAssembly program"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"bplist", "a binary property list"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
)

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_PARTS = (
    ("word/", DOCX),
    ("ppt/", "a PowerPoint presentation"),
    ("xl/", "an Excel workbook"),
    ("META-INF/container.xml", "an EPUB book"),
    ("content.xml", "an OpenDocument file"),
)

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("WordDocument", "a Word 97-2003 document"),
    ("PowerPoint Document", "a PowerPoint 97-2003 presentation"),
    ("Workbook", "an Excel 97-2003 workbook"),
    ("__substg1.0_", "an Outlook message"),
)

HEAD_BYTES = 1024  # where readers look for %PDF-


_FAMILIES = "PDF, Word (.docx), HTML, Markdown, LaTeX, CSV, JSON, source code and other text"


def media_type(data: bytes, filename: str) -> str:
    """The type that a parser is chosen by. Raises UnsupportedFileError or InvalidFileError with the reason."""
    if not data:
        raise InvalidFileError(f"'{filename}' is empty: it has 0 bytes")
    extension = PurePath(filename).suffix.lower()
    is_text = looks_like_text(data)
    if _is_pdf(data, extension, is_text=is_text):
        return PDF
    if data.startswith(_ZIP_MAGIC):
        return _zip_type(data, filename, extension)
    if data.startswith(_OLE_MAGIC):
        return _ole_type(data, filename)
    for magic, noun in _MAGIC:
        if data.startswith(magic) and (not is_text or not magic.isalnum()):
            raise _unsupported(filename, f"looks like {noun}")
    if not is_text:
        raise _not_text(filename, extension)
    return _text_type(data, filename, extension)


def _is_pdf(data: bytes, extension: str, *, is_text: bool) -> bool:
    """%PDF- at the start; a little later only where it is not a text that mentions it."""
    head = data[:HEAD_BYTES]
    return head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head and (extension == ".pdf" or not is_text))


def _zip_type(data: bytes, filename: str, extension: str) -> str:
    import zipfile

    from ingestion.parsers.package import DAMAGE

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
    except DAMAGE as error:
        if extension == ".docx":
            raise InvalidFileError(f"'{filename}' is damaged: its ZIP directory cannot be read ({error})") from error
        raise _unsupported(filename, "looks like a damaged ZIP archive") from error
    for part, found in _ZIP_PARTS:
        if any(name.startswith(part) for name in names):
            if found == DOCX:
                return DOCX
            raise _unsupported(filename, f"looks like {found}")
    raise _unsupported(filename, "looks like a ZIP archive")


def _ole_type(data: bytes, filename: str) -> str:
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise InvalidFileError(f"'{filename}' is encrypted: a password is needed to open it")
    for stream, noun in _OLE_STREAMS:
        if stream.encode("utf-16-le") in data:
            raise _unsupported(filename, f"looks like {noun}")
    raise _unsupported(filename, "looks like an OLE container")


def _text_type(data: bytes, filename: str, extension: str) -> str:
    known = SUPPORTED.get(extension)
    if known in {PDF, DOCX} or known is None:
        start = data[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return "text/html"
    if known in {PDF, DOCX}:
        raise InvalidFileError(f"'{filename}' is damaged or misnamed: it has text where a {extension[1:]} file begins")
    return known or PLAIN


def _not_text(filename: str, extension: str) -> InvalidFileError | UnsupportedFileError:
    known = SUPPORTED.get(extension)
    if known in {PDF, DOCX}:
        return InvalidFileError(f"'{filename}' is damaged: it does not begin as a {extension[1:]} file does")
    return _unsupported(filename, "looks like a binary file of an unknown type")


def _unsupported(filename: str, what: str) -> UnsupportedFileError:
    return UnsupportedFileError(f"'{filename}' {what}, which cannot be read yet; supported: {_FAMILIES}")
