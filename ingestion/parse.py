"""Bytes -> Document: the media type chooses the parser, the limits hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from mmap import mmap

from ingestion.detect import media_type, parser_of
from ingestion.tokens import check_tokens
from ingestion.types import Document, IngestionError, InvalidFileError, RawFile, ReadOptions

MAX_FILE_BYTES = 512 << 20  # OpenAI: 512 MB a file
MAX_TEXT_CHARS = 200_000_000
REVISION = 2  # goes up whenever a file may get another text, title, other spans or other cuts than before
MAX_DEPTH = 4  # a mail in an archive in a mail ...

Reader = Callable[[RawFile], Document]


def parse(
    data: bytes | mmap,
    filename: str,
    *,
    password: str = "",
    ocr: bool = True,
    careful: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_text_chars: int = MAX_TEXT_CHARS,
) -> Document:
    """The file's text and its spans. Any input ends in a Document or an IngestionError, whose text is a sentence.

    `filename` is used for its extension and in sentences; no file of that name is opened.
    password: for an encrypted PDF or Office file. ocr: read scanned pages and images, where the
    extra `ocr` is installed. careful: the sturdier parser, where the first choice died of the file.
    """
    if len(data) > max_file_bytes:
        raise InvalidFileError(f"'{filename}' has {len(data):,} bytes, the limit is {max_file_bytes:,}")
    options = ReadOptions(password=password, ocr=ocr, careful=careful)
    document = _titled(RawFile(data, filename, media_type(data, filename), options))
    chars = len(document.text)
    if chars > max_text_chars:
        raise InvalidFileError(f"'{filename}' has {chars:,} characters of text, the limit is {max_text_chars:,}")
    if not document.text.strip():
        raise InvalidFileError(f"'{filename}' has no text")
    check_tokens(document.text, filename)
    return document


@cache
def revision() -> str:
    """What the same bytes, name and strategy always give the same chunks in: this code, and whether it has OCR."""
    return f"{REVISION}+ocr" if find_spec("rapidocr") else str(REVISION)


def parse_part(data: bytes, filename: str, holder: RawFile, *, titled: bool = False) -> Document:
    """A file inside another one: a member of an archive, an attachment, what was encrypted.

    titled: with the title of its metadata, which is of no use where it is a part of something else. Raises
    IngestionError like `parse`; its text may be empty.
    """
    if holder.depth + 1 > MAX_DEPTH:
        raise InvalidFileError(f"'{filename}' is nested more than {MAX_DEPTH} files deep")
    read = _titled if titled else _read
    return read(RawFile(data, filename, media_type(data, filename), holder.options, holder.depth + 1))


def _read(file: RawFile) -> Document:
    return _guarded(import_module(f"ingestion.parsers.{parser_of(file.media_type)}").read, file)


def _titled(file: RawFile) -> Document:
    document = _read(file)
    return replace(document, title=document.title or import_module("ingestion.parsers.titles").title(file))


def _guarded(read: Reader, file: RawFile) -> Document:
    try:
        return read(file)
    except (IngestionError, MemoryError):
        raise
    # A parser raises whatever it likes on bad input; this is the one place that turns it into a sentence.
    except Exception as error:
        reason = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {reason[0][:200]}" if reason else type(error).__name__
        raise InvalidFileError(f"'{file.filename}' cannot be read as {file.media_type} ({said})") from error
