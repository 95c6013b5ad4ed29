"""What ingestion takes and gives: strategies in, documents and chunks out. Plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

SpanKind = Literal["page", "heading", "table", "list", "code", "symbol"]
ErrorCode = Literal["unsupported_file", "invalid_file"]

MIN_CHUNK_TOKENS = 100  # OpenAI: static.max_chunk_size_tokens is 100 to 4096
MAX_CHUNK_TOKENS = 4096
AUTO_CHUNK_TOKENS = 800  # OpenAI: what `auto` means
AUTO_OVERLAP_TOKENS = 400


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

    `label` is the heading's text, the page's printed label or the symbol's name. `level` is a
    heading's depth (1 to 6) or a page's number (from 1); 0 otherwise. A heading's span is the
    heading line itself; its section runs to the next heading of the same or a higher level.
    """

    kind: SpanKind
    start: int
    end: int
    label: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One text with spans over it, sorted by `(start, -end)`. `warnings` are sentences for the user."""

    text: str
    media_type: str
    spans: tuple[Span, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StaticStrategy:
    """OpenAI's `static`. Raises ValueError with the value and the limit when out of bounds."""

    max_chunk_size_tokens: int
    chunk_overlap_tokens: int

    def __post_init__(self) -> None:
        size, overlap = self.max_chunk_size_tokens, self.chunk_overlap_tokens
        if not MIN_CHUNK_TOKENS <= size <= MAX_CHUNK_TOKENS:
            raise ValueError(f"max_chunk_size_tokens must be {MIN_CHUNK_TOKENS} to {MAX_CHUNK_TOKENS}, not {size}")
        if not 0 <= overlap <= size // 2:
            raise ValueError(
                f"chunk_overlap_tokens must be 0 to {size // 2} (half of max_chunk_size_tokens {size}), not {overlap}"
            )


AUTO = StaticStrategy(AUTO_CHUNK_TOKENS, AUTO_OVERLAP_TOKENS)

ChunkingStrategy: TypeAlias = StaticStrategy


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of text that is embedded on its own, `text[start:end]`; windows never overlap."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Passage:
    """What is cited: a part of window number `window` that stands under one heading, on one page.

    `page` is None where the format has none. A window's passages are together exactly the window.
    """

    start: int
    end: int
    window: int
    page: int | None
    heading_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is ranked and cited: `Document.text[start:end]`, word for word.

    `tokens` counts `text` on its own (cl100k_base). `pages` is the first and the last page it
    touches, or None where the format has no pages. `windows` is a half-open range of indexes into
    `Chunked.windows`: together they are exactly `start:end`.
    """

    index: int
    text: str
    start: int
    end: int
    tokens: int
    pages: tuple[int, int] | None
    heading_path: tuple[str, ...]
    windows: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Chunked:
    """A document's chunks in reading order, and the windows they are made of."""

    chunks: tuple[Chunk, ...]
    windows: tuple[Window, ...]
