"""Bytes -> Document: the media type chooses the parser, the limits hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ingestion.detect import media_type
from ingestion.types import Document, IngestionError, InvalidFileError

MAX_FILE_BYTES = 512 << 20  # OpenAI: 512 MB a file
MAX_TEXT_CHARS = 200_000_000

Reader = Callable[[bytes, str, str], Document]

_PARSERS = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "office",
    "text/html": "html",
    "text/markdown": "markdown",
    "text/csv": "tabular",
    "text/tab-separated-values": "tabular",
    "text/plain": "text",
    "text/xml": "text",
    "text/css": "text",
    "application/yaml": "text",
    "application/toml": "text",
    "text/x-tex": "tex",
}


def parse(
    data: bytes,
    filename: str,
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_text_chars: int = MAX_TEXT_CHARS,
) -> Document:
    """The file's text and its spans. Any input ends in a Document or an IngestionError, whose text is a sentence.

    `filename` is used for its extension and in sentences; no file of that name is opened.
    """
    if len(data) > max_file_bytes:
        raise InvalidFileError(f"'{filename}' has {len(data)} bytes, the limit is {max_file_bytes}")
    kind = media_type(data, filename)
    document = _read(_reader(kind), data, filename, kind)
    chars = len(document.text)
    if chars > max_text_chars:
        raise InvalidFileError(f"'{filename}' has {chars} characters of text, the limit is {max_text_chars}")
    if not document.text.strip():
        raise InvalidFileError(f"'{filename}' has no text")
    return document


def _read(read: Reader, data: bytes, filename: str, kind: str) -> Document:
    try:
        return read(data, filename, kind)
    except (IngestionError, MemoryError):
        raise
    # A parser raises whatever it likes on bad input; this is the one place that turns it into a sentence.
    except Exception as error:
        reason = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {reason[0][:200]}" if reason else type(error).__name__
        raise InvalidFileError(f"'{filename}' cannot be read as {kind} ({said})") from error


def _reader(kind: str) -> Reader:
    reader: Reader = import_module(f"ingestion.parsers.{_PARSERS.get(kind, 'source')}").read
    return reader
