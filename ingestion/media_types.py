"""The table of what can be read: names, media types, and the parser of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLAIN = "text/plain"
HTML = "text/html"
XML = "text/xml"
PDF = "application/pdf"
_OPEN_XML = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
DOCX = _OPEN_XML + "wordprocessingml.document"
PPTX = _OPEN_XML + "presentationml.presentation"
XLSX = _OPEN_XML + "spreadsheetml.sheet"
XLSB = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
DOC = "application/msword"
PPT = "application/vnd.ms-powerpoint"
XLS = "application/vnd.ms-excel"
MSG = "application/vnd.ms-outlook"
ENCRYPTED = "application/x-ole-encrypted"  # an Office Open XML file inside an OLE container
ODT = _OPEN_DOCUMENT + "text"
ODS = _OPEN_DOCUMENT + "spreadsheet"
ODP = _OPEN_DOCUMENT + "presentation"
RTF = "application/rtf"
EPUB = "application/epub+zip"
MAIL = "message/rfc822"
NOTEBOOK = "application/x-ipynb+json"
ZIP = "application/zip"
TAR = "application/x-tar"
GZIP = "application/gzip"
BZIP2 = "application/x-bzip2"
XZ = "application/x-xz"
PNG = "image/png"
JPEG = "image/jpeg"
GIF = "image/gif"
BMP = "image/bmp"
TIFF = "image/tiff"
WEBP = "image/webp"

OPENAI_TYPES = {
    ".c": "text/x-c",
    ".cpp": "text/x-c++",
    ".cs": "text/x-csharp",
    ".css": "text/css",
    ".doc": DOC,
    ".docx": DOCX,
    ".go": "text/x-golang",
    ".html": HTML,
    ".java": "text/x-java",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": PDF,
    ".php": "text/x-php",
    ".pptx": PPTX,
    ".py": "text/x-python",
    ".rb": "text/x-ruby",
    ".sh": "application/x-sh",
    ".tex": "text/x-tex",
    ".ts": "application/typescript",
    ".txt": PLAIN,
}

# Ours. Any other name with text in it is text/plain.
FURTHER_TYPES = {
    ".atom": XML,
    ".bash": "application/x-sh",
    ".bmp": BMP,
    ".bz2": BZIP2,
    ".cfg": PLAIN,
    ".conf": PLAIN,
    ".cc": "text/x-c++",
    ".cjs": "text/javascript",
    ".cts": "application/typescript",
    ".csv": "text/csv",
    ".cxx": "text/x-c++",
    ".docm": DOCX,
    ".dotm": DOCX,
    ".dotx": DOCX,
    ".eml": MAIL,
    ".epub": EPUB,
    ".fb2": XML,
    ".gif": GIF,
    ".gz": GZIP,
    ".h": "text/x-c",
    ".hh": "text/x-c++",
    ".hpp": "text/x-c++",
    ".hxx": "text/x-c++",
    ".htm": HTML,
    ".ini": PLAIN,
    ".ipynb": NOTEBOOK,
    ".jpeg": JPEG,
    ".jpg": JPEG,
    ".jsonl": "application/jsonl",
    ".jsx": "text/javascript",
    ".kt": "text/x-kotlin",
    ".kts": "text/x-kotlin",
    ".log": PLAIN,
    ".lua": "text/x-lua",
    ".markdown": "text/markdown",
    ".mht": MAIL,
    ".mhtml": MAIL,
    ".mjs": "text/javascript",
    ".mts": "application/typescript",
    ".msg": MSG,
    ".ndjson": "application/jsonl",
    ".odp": ODP,
    ".ods": ODS,
    ".odt": ODT,
    ".png": PNG,
    ".potx": PPTX,
    ".ppsm": PPTX,
    ".ppsx": PPTX,
    ".ppt": PPT,
    ".pptm": PPTX,
    ".pyi": "text/x-python",
    ".rake": "text/x-ruby",
    ".rs": "text/x-rust",
    ".rss": XML,
    ".rst": PLAIN,
    ".rtf": RTF,
    ".scala": "text/x-scala",
    ".sql": "application/sql",
    ".swift": "text/x-swift",
    ".svg": XML,
    ".tar": TAR,
    ".tbz2": BZIP2,
    ".tgz": GZIP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".toml": "application/toml",
    ".tsv": "text/tab-separated-values",
    ".tsx": "application/typescript",
    ".txz": XZ,
    ".webp": WEBP,
    ".xhtml": HTML,
    ".xls": XLS,
    ".xlsb": XLSB,
    ".xlsm": XLSX,
    ".xlsx": XLSX,
    ".xltx": XLSX,
    ".xml": XML,
    ".xz": XZ,
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": ZIP,
}

SUPPORTED: Mapping[str, str] = MappingProxyType(OPENAI_TYPES | FURTHER_TYPES)

FAMILIES = (
    "PDF, Word, PowerPoint, Excel, OpenDocument, RTF, HTML, Markdown, LaTeX, EPUB, mail, CSV, JSON, notebooks, "
    "source code and other text, images, ZIP and tar archives"
)

# The module in ingestion/parsers; what is not here is text, or source code where its name says so.
_PARSERS = {
    PDF: "pdf",
    DOCX: "word",
    PPTX: "powerpoint",
    XLSX: "sheets",
    XLSB: "sheets",
    XLS: "sheets",
    ODS: "sheets",
    DOC: "word97",
    PPT: "powerpoint97",
    MSG: "outlook",
    ENCRYPTED: "encrypted",
    ODT: "opendocument",
    ODP: "opendocument",
    RTF: "rtf",
    EPUB: "epub",
    MAIL: "mail",
    NOTEBOOK: "notebook",
    HTML: "html",
    XML: "xml",
    ZIP: "archive",
    TAR: "archive",
    GZIP: "archive",
    BZIP2: "archive",
    XZ: "archive",
    **dict.fromkeys((PNG, JPEG, GIF, BMP, TIFF, WEBP), "image"),
    "text/markdown": "markdown",
    "text/csv": "tabular",
    "text/tab-separated-values": "tabular",
    "text/x-tex": "tex",
    "application/json": "json",
    "application/jsonl": "json",
    PLAIN: "text",
    "application/yaml": "text",
    "application/toml": "text",
}


def parser_of(media_type: str) -> str:
    """The name of the module that reads this type."""
    return _PARSERS.get(media_type, "source")


_TEXTS = frozenset("html json mail markdown notebook rtf source tabular tex text xml".split())


def is_text(media_type: str) -> bool:
    """Whether files of this type are text, so that their name tells them apart."""
    return parser_of(media_type) in _TEXTS
