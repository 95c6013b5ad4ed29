"""What ingestion takes and gives: strategies in, documents and chunks out. Plain frozen values."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from mmap import mmap
from typing import BinaryIO, Literal, TypeAlias

SpanKind = Literal["page", "slide", "sheet", "part", "heading", "table", "list", "code", "symbol"]
ErrorCode = Literal["unsupported_file", "invalid_file"]

MIN_CHUNK_TOKENS = 100  # OpenAI: static.max_chunk_size_tokens is 100 to 4096
MAX_CHUNK_TOKENS = 4096
AUTO_CHUNK_TOKENS = 800  # OpenAI: what `auto` means
AUTO_OVERLAP_TOKENS = 400
STRUCTURE_CHUNK_TOKENS = 400


class IngestionError(Exception):
    """A document that cannot be read: `code` is OpenAI's `last_error.code`, the text is a sentence."""

    code: ErrorCode = "invalid_file"


class UnsupportedFileError(IngestionError):
    """No parser reads this type; the sentence says what the file looks like and what is supported."""

    code: ErrorCode = "unsupported_file"


class InvalidFileError(IngestionError):
    """The type is supported, this file is broken, encrypted, empty or over a limit."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of `Document.text`, `start` inclusive, `end` exclusive, in characters.

    `label` is the heading's text, a table's header row with its cells between " | " ("" where it has
    none), the page's printed label, the name of a sheet, of a symbol (`Class.method`), or of a part:
    an attachment, a file in an archive, a chapter. `level` is a heading's depth (1 to 6) or the number
    of a page, slide, sheet or part (from 1); 0 otherwise.

    A heading's span is the heading line itself; its section runs to the next heading of the same or a
    higher level, or to the end of the sheet or part that holds it. Sheets and parts may hold others.
    Pages and slides never overlap; those of a part are numbered anew.
    """

    kind: SpanKind
    start: int
    end: int
    label: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One text with spans over it, sorted by `(start, -end)`. `warnings` are sentences for the user.

    `verbatim` says that the text is the file's own, so that its lines are the file's lines. `title` is what the
    metadata of a PDF, Office or OpenDocument file calls it, "" where that is nothing; a title that stands in the
    text, as in HTML, is a heading.
    """

    text: str
    media_type: str
    spans: tuple[Span, ...] = ()
    warnings: tuple[str, ...] = ()
    verbatim: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is to be read. `careful` leaves out the parsers that may have died of it."""

    password: str = ""
    ocr: bool = True
    careful: bool = False


@dataclass(frozen=True, slots=True)
class RawFile:
    """What a parser is given. `depth` counts the archives and mails around it."""

    data: bytes | mmap
    filename: str
    media_type: str
    options: ReadOptions = field(default_factory=ReadOptions)
    depth: int = 0

    def open(self) -> BinaryIO:
        """A seekable reader over the data, without a copy."""
        return io.BytesIO(self.data) if isinstance(self.data, bytes) else io.BufferedReader(_MappedReader(self.data))

    def whole(self, max_bytes: int) -> bytes:
        """All of it in memory, for parsers that cannot do with less. Raises InvalidFileError over the limit."""
        if len(self.data) > max_bytes:
            raise InvalidFileError(
                f"'{self.filename}' has {len(self.data):,} bytes; as {self.media_type} it may have {max_bytes:,}"
            )
        return bytes(self.data[:])


class _MappedReader(io.RawIOBase):
    """A mapped file as a raw stream: its pages are read when they are asked for."""

    def __init__(self, mapped: mmap) -> None:
        self._mapped, self._at = mapped, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._mapped)}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._mapped[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _check_whole(*numbers: object) -> None:
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"sizes must be whole numbers, not {number!r}")  # noqa: TRY004 - one error for all bounds


@dataclass(frozen=True, slots=True)
class StaticStrategy:
    """OpenAI's `static`. Raises ValueError with the value and the limit when out of bounds."""

    max_chunk_size_tokens: int
    chunk_overlap_tokens: int

    def __post_init__(self) -> None:
        size, overlap = self.max_chunk_size_tokens, self.chunk_overlap_tokens
        _check_whole(size, overlap)
        if not MIN_CHUNK_TOKENS <= size <= MAX_CHUNK_TOKENS:
            raise ValueError(f"max_chunk_size_tokens must be {MIN_CHUNK_TOKENS} to {MAX_CHUNK_TOKENS}, not {size}")
        if not 0 <= overlap <= size // 2:
            raise ValueError(
                f"chunk_overlap_tokens must be 0 to {size // 2} (half of max_chunk_size_tokens {size}), not {overlap}"
            )


AUTO = StaticStrategy(AUTO_CHUNK_TOKENS, AUTO_OVERLAP_TOKENS)


@dataclass(frozen=True, slots=True)
class StructureStrategy:
    """Ours: cut along sections, no overlap; the headings above a chunk are embedded with it.

    Raises ValueError with the value and the limit when out of bounds.
    """

    target_chunk_size_tokens: int = STRUCTURE_CHUNK_TOKENS

    def __post_init__(self) -> None:
        target = self.target_chunk_size_tokens
        _check_whole(target)
        if not MIN_CHUNK_TOKENS <= target <= MAX_CHUNK_TOKENS:
            raise ValueError(f"target_chunk_size_tokens must be {MIN_CHUNK_TOKENS} to {MAX_CHUNK_TOKENS}, not {target}")


ChunkingStrategy: TypeAlias = StaticStrategy | StructureStrategy


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of text that is embedded on its own, `text[start:end]`; windows never overlap."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """What is cited: a part of window number `window` that stands in one section, on one page.

    `page` counts pages or slides, None where the format has none; `lines` are the first and the last
    line of the file, None where its text had to be extracted. `table_header` is the header row of the
    table that it begins in the middle of. A window's passages are together exactly the window.
    """

    start: int
    end: int
    window: int
    page: int | None
    lines: tuple[int, int] | None
    heading_path: tuple[str, ...]
    table_header: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is ranked and cited: `Document.text[start:end]`, word for word.

    `tokens` counts `text` on its own (cl100k_base). `pages` is the first and the last page or slide
    it touches, or None where the format has none; `lines` likewise the lines of the file.
    `heading_path` names the sections it begins in, outermost first: part or sheet, headings, or in
    source code the symbol. `table_header` is the header row of the table that it begins in the middle
    of. `windows` is a half-open range of indexes into `Chunked.windows`: together they are exactly
    `start:end`.
    """

    index: int
    text: str
    start: int
    end: int
    tokens: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: tuple[str, ...]
    table_header: str
    windows: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Chunked:
    """A document's chunks in reading order, and the windows they are made of."""

    chunks: tuple[Chunk, ...]
    windows: tuple[Window, ...]
