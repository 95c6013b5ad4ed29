"""What a file is: by its bytes first, by its name only among text types."""

from __future__ import annotations

import re
import zipfile
from mmap import mmap
from pathlib import PurePath

from ingestion import media_types as known
from ingestion.media_types import SUPPORTED, is_text, parser_of
from ingestion.parsers.text import looks_like_text
from ingestion.types import InvalidFileError, RawFile, UnsupportedFileError

__all__ = ["SUPPORTED", "media_type", "parser_of"]

HEAD_BYTES = 1024  # where readers look for %PDF-
TEXT_HEAD_BYTES = 1 << 16

# What a file begins with: how it is read, or what to call it in the error.
_MAGIC = (
    (b"{\\rtf", known.RTF),
    (b"\x89PNG\r\n", known.PNG),
    (b"\xff\xd8\xff", known.JPEG),
    (b"GIF87a", known.GIF),
    (b"GIF89a", known.GIF),
    (b"BM", known.BMP),
    (b"II*\0", known.TIFF),
    (b"MM\0*", known.TIFF),
    (b"\x1f\x8b", known.GZIP),
    (b"BZh", known.BZIP2),
    (b"\xfd7zXZ\0", known.XZ),
    (b"\xdb\xa5\x2d\0", known.DOC),
    (b"\x31\xbe\0\0", "a Word for DOS or Windows Write document"),
    (b"%!PS", "a PostScript document"),
    (b"AT&TFORM", "a DjVu document"),
    (b"ITSF", "a compiled HTML help file"),
    (b"RIFF", "a RIFF sound, image or video"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound or video"),
    (b"fLaC", "a FLAC sound"),
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
_CONTENT_TYPES = "[Content_Types].xml"  # in every Office Open XML file: without it a folder is only called `word`
_OFFICE_PARTS = (
    ("word/", known.DOCX),
    ("ppt/", known.PPTX),
    ("xl/workbook.bin", known.XLSB),
    ("xl/", known.XLSX),
    ("visio/", "a Visio drawing"),
)
_OTHER_PARTS = (
    ("META-INF/container.xml", known.EPUB),
    ("Index/Document.iwa", "an Apple Pages, Numbers or Keynote document"),
)
_OPEN_DOCUMENTS = (known.ODT, known.ODS, known.ODP)

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = (
    ("EncryptedPackage", known.ENCRYPTED),
    ("WordDocument", known.DOC),
    ("PowerPoint Document", known.PPT),
    ("Workbook", known.XLS),
    ("Book", known.XLS),
    ("__substg1.0_", known.MSG),
)

_MAIL_FIELDS = rb"(?:from|to|subject|date|message-id|mime-version|received|return-path|delivered-to|content-type)"
_MAIL = re.compile(rb"(?:>?From [^\n]*\n)?(?:[A-Za-z][\w-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}")
_SHEBANG = re.compile(rb"#![^\n]{0,80}?\b(python|bash|sh|zsh|ksh|ruby|node|php)[\d.]*(?:\s|$)")
_INTERPRETERS = {
    b"python": "text/x-python",
    **dict.fromkeys((b"bash", b"sh", b"zsh", b"ksh"), "application/x-sh"),
    b"ruby": "text/x-ruby",
    b"node": "text/javascript",
    b"php": "text/x-php",
}
_MAIL_FIELD = re.compile(rb"^" + _MAIL_FIELDS + rb":", re.IGNORECASE | re.MULTILINE)

_COMMENTS = re.compile(rb"(?:\s*<!--.*?-->)+\s*", re.DOTALL)
_PAGE = re.compile(rb"<(?:html|head|body|meta|table|title|style|div|h1|p)[\s>]")
_MARKUP = re.compile(rb"<[a-z][\w.-]*:?[\w.-]*\s[^<>]*xmlns")
_OBJECT = re.compile(rb"\{\s*(?:\"(?:[^\"\\\n]|\\.){0,200}\"\s*:|\})|\[\s*(?:\{\s*\"|\[\s*[\[\{\"\d-])")
_JSON_END = re.compile(rb"[\]\}]\s*$")
_SHEETS = (known.XLS, known.XLSX, known.XLSB)


def media_type(data: bytes | mmap, filename: str) -> str:
    """The media type that a parser is chosen by. Raises UnsupportedFileError or InvalidFileError with the reason."""
    if not len(data):
        raise InvalidFileError(f"'{filename}' is empty: it has 0 bytes")
    extension = PurePath(filename).suffix.lower()
    head = data[:HEAD_BYTES]
    readable = looks_like_text(data)
    if _is_pdf(head, extension, is_text=readable):
        return known.PDF
    if head.startswith(_ZIP_MAGIC):
        return _zip_type(data, filename, extension)
    if head.startswith(_OLE_MAGIC):
        return _ole_type(data, filename)
    found = _by_magic(head, readable=readable)
    if found and "/" not in found:
        raise _unsupported(filename, f"looks like {found}")
    if not found and not readable:
        raise _not_text(filename, extension)
    return found or _text_type(data, filename, extension)


def _by_magic(head: bytes, *, readable: bool) -> str:
    """The media type, or what to call it where it cannot be read; "" for anything else."""
    if head[257:262] == b"ustar" and b"\0" in head:
        return known.TAR
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return known.WEBP
    if head[4:8] == b"ftyp" and not readable:
        return "an MP4 video or HEIF image"
    if head.startswith(b"BM") and head[6:10] == bytes(4):  # a white one has hardly a byte that text has not
        return known.BMP
    for magic, found in _MAGIC:
        if head.startswith(magic) and (not readable or not magic.isalnum()):
            return found
    return ""


def _is_pdf(head: bytes, extension: str, *, is_text: bool) -> bool:
    """%PDF- at the start; a little later only where it is not a text that mentions it."""
    return head.lstrip().startswith(b"%PDF-") or (b"%PDF-" in head and (extension == ".pdf" or not is_text))


def _zip_type(data: bytes | mmap, filename: str, extension: str) -> str:
    from ingestion.parsers.package import DAMAGE

    try:
        with zipfile.ZipFile(RawFile(data, filename, known.ZIP).open()) as archive:
            names = set(archive.namelist())
            declared = _declared_type(archive) if "mimetype" in names else ""
    except DAMAGE as error:
        if extension in SUPPORTED and not is_text(SUPPORTED[extension]):
            raise InvalidFileError(f"'{filename}' is damaged: its ZIP directory cannot be read ({error})") from error
        raise _unsupported(filename, "looks like a damaged ZIP archive") from error
    if not names and extension in SUPPORTED and SUPPORTED[extension] != known.ZIP:
        raise InvalidFileError(f"'{filename}' is damaged: its ZIP directory is empty")
    for kind in _OPEN_DOCUMENTS:
        if declared.startswith(kind):
            return kind
    named = SUPPORTED.get(extension, "")
    found = _by_parts(names, named) or (known.EPUB if declared.startswith(known.EPUB) else "")
    if found and "/" not in found:
        raise _unsupported(filename, f"looks like {found}")
    if not found and declared.startswith("application/vnd.oasis.opendocument"):
        raise _unsupported(filename, f"looks like an OpenDocument file of the type {declared}")
    return found or (named if named in _OPEN_DOCUMENTS and "content.xml" in names else known.ZIP)


def _declared_type(archive: zipfile.ZipFile) -> str:
    """What OpenDocument and EPUB files say they are."""
    with archive.open("mimetype") as part:
        return part.read(100).decode("ascii", "replace").strip()


def _by_parts(names: set[str], named: str) -> str:
    for part, found in _OFFICE_PARTS:
        if (_CONTENT_TYPES in names or found == named) and any(name.startswith(part) for name in names):
            return found
    return next((found for part, found in _OTHER_PARTS if part in names), "")


def _ole_type(data: bytes | mmap, filename: str) -> str:
    import olefile

    try:
        with olefile.OleFileIO(RawFile(data, filename, known.DOC).open()) as container:
            names = {entry[0] for entry in container.listdir(streams=True, storages=True)}
    except Exception:  # noqa: BLE001 - a damaged directory raises anything; the names can still be looked for
        names = {stream for stream, _ in _OLE_STREAMS if data.find(stream.encode("utf-16-le")) >= 0}
    for stream, found in _OLE_STREAMS:
        if any(name.startswith(stream) for name in names):
            return found
    raise _unsupported(filename, "looks like an OLE container")


def _text_type(data: bytes | mmap, filename: str, extension: str) -> str:
    """The name's type; the look of the text where the name says nothing, or says what is not text."""
    named = SUPPORTED.get(extension)
    head = _eight_bits(data[:TEXT_HEAD_BYTES])
    if named in {None, "application/json"} and _is_notebook(head, data):
        return known.NOTEBOOK
    if named is None or not is_text(named) or named in {known.MAIL, known.RTF, known.XML}:
        looks = _look_of_text(head)
        if looks:
            return looks
    if named is None:
        return "application/json" if _is_json(head, data) else known.PLAIN
    if named in _SHEETS and b"\t" in head.partition(b"\n")[0]:
        return "text/tab-separated-values"  # what many programs export under this name
    if not is_text(named) and named != known.DOC:
        raise InvalidFileError(f"'{filename}' is damaged or misnamed: it has text where a {extension[1:]} file begins")
    return known.PLAIN if named in {known.RTF, known.DOC} else named


def _eight_bits(head: bytes) -> bytes:
    """Without marks and the zeros of UTF-16, with one kind of line end: enough to look for names of ASCII."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:64]:
        head = head.translate(None, b"\0\xff\xfe")
    return head.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip()


def _look_of_text(head: bytes) -> str:
    """What a text says it is in its first lines; "" for plain text."""
    start = head[: 4 * HEAD_BYTES].lower()
    if start.startswith(b"<?xml"):
        return known.HTML if b"<html" in start[:HEAD_BYTES] else known.XML
    start = _COMMENTS.sub(b"", start, count=1) if start.startswith(b"<!--") else start
    if start.startswith(b"<!doctype html") or _PAGE.match(start):
        return known.HTML
    if start.startswith(b"<!doctype") or _MARKUP.match(start):
        return known.XML
    if script := _SHEBANG.match(head):
        return _INTERPRETERS.get(script[1], "")
    fields = _MAIL.match(head)
    if fields and len(set(map(bytes.lower, _MAIL_FIELD.findall(fields[0])))) >= 3:
        return known.MAIL
    return ""


def _is_json(head: bytes, data: bytes | mmap) -> bool:
    return bool(_OBJECT.match(head) and _JSON_END.search(_eight_bits(data[-HEAD_BYTES:])))


def _is_notebook(head: bytes, data: bytes | mmap) -> bool:
    """Its format stands before the cells or behind them."""
    if not head.startswith(b"{") or not (b'"cells"' in head or b'"worksheets"' in head):
        return False
    return b'"nbformat"' in head or b'"nbformat"' in data[-HEAD_BYTES:]


def _not_text(filename: str, extension: str) -> InvalidFileError | UnsupportedFileError:
    named = SUPPORTED.get(extension)
    if named is not None and not is_text(named):
        return InvalidFileError(f"'{filename}' is damaged: it does not begin as a {extension[1:]} file does")
    return _unsupported(filename, "looks like a binary file of an unknown type")


def _unsupported(filename: str, what: str) -> UnsupportedFileError:
    return UnsupportedFileError(f"'{filename}' {what}, which cannot be read; supported: {known.FAMILIES}")
