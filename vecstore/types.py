"""The values that pass between the parts and out to the caller. Frozen; no behaviour but arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ingestion.types import ChunkingStrategy, Passage

FloatArray: TypeAlias = npt.NDArray[np.float32]
HalfArray: TypeAlias = npt.NDArray[np.float16]
ScoreArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
AttributeMap: TypeAlias = Mapping[str, str | float | bool]
FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]


# What a caller sees ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file. `created_at` is in Unix seconds, `sha256` of its bytes in hexadecimal."""

    id: str
    filename: str
    bytes: int
    sha256: str
    created_at: int
    purpose: str = "assistants"


@dataclass(frozen=True, slots=True)
class FileCounts:
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.in_progress + self.completed + self.failed + self.cancelled


@dataclass(frozen=True, slots=True)
class VectorStoreInfo:
    """A vector store as the catalogue has it at one moment. `usage_bytes` sums its completed files."""

    id: str
    name: str
    created_at: int
    last_active_at: int
    usage_bytes: int
    file_counts: FileCounts
    metadata: Mapping[str, str]
    embedder: str
    dimensions: int
    sequence: int


@dataclass(frozen=True, slots=True)
class LastError:
    """Why a file failed: OpenAI's code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class VectorStoreFile:
    """A file in a vector store; `id` is the file's id. `warnings` are sentences about what was guessed or left out."""

    id: str
    vector_store_id: str
    filename: str
    status: FileStatus
    usage_bytes: int
    created_at: int
    attributes: AttributeMap
    chunking_strategy: ChunkingStrategy
    last_error: LastError | None
    media_type: str
    chunks: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileChunk:
    """One chunk of a file as it is stored: `text` is `start:end` of the parsed text, in characters.

    `pages` is the first and last page or slide, None where the format has none; `lines` likewise the
    lines of the file, None where its text had to be extracted. `table_header` is the header row of the
    table that the chunk begins in the middle of. `windows` are the stretches of the parsed text that
    were embedded, together exactly `start:end`.
    """

    chunk_id: str
    file_id: str
    filename: str
    index: int
    text: str
    start: int
    end: int
    tokens: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: tuple[str, ...]
    table_header: str = ""
    windows: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class LegScore:
    """What one leg said of a chunk: `rank` from 1 (None: below the depth searched), `score` 0 to 1, `raw` as computed.

    `raw` is a cosine for the embedding leg and BM25 for the text leg.
    """

    rank: int | None
    score: float
    raw: float
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a chunk has its score: `score = sum(leg.weight * leg.score)`, blended with the reranker's if there is one.

    `matched_terms` are the query's analysed terms that occur in the chunk.
    """

    embedding: LegScore
    text: LegScore
    reranker_score: float | None
    matched_terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A ranked chunk with its citation. `score` is 0 to 1; `highlights` are `(start, end)` in `text`.

    `start`, `end`, `pages`, `lines`, `heading_path` and `table_header` are the chunk's; the headings
    (sheet, attachment, symbol) are those it begins under. `passage` is the part of it that answers
    best: in one section, on one page.
    """

    score: float
    chunk_id: str
    file_id: str
    filename: str
    text: str
    start: int
    end: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: tuple[str, ...]
    table_header: str
    attributes: AttributeMap
    passage: Passage
    highlights: tuple[tuple[int, int], ...]
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a file's parsed text, `start:end` in characters; the citation as in a chunk."""

    file_id: str
    filename: str
    text: str
    start: int
    end: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: tuple[str, ...]
    table_header: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `check` found. `fixed` says whether `check(fix=True)` put it right."""

    kind: str
    where: str
    message: str
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class HybridSearch:
    """OpenAI's `hybrid_search`: the weights of the two legs; at least one above zero."""

    embedding_weight: float = 1.0
    text_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Logical bytes held: of all vector stores together, and of each by id."""

    usage_bytes: int
    by_vector_store: Mapping[str, int]


# What passes between catalogue and index -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk as the keyword index takes it: `header` is what names it (file, headings), `text` what it says."""

    number: int
    member: int
    header: str
    text: str


def header_of(filename: str, heading_path: Iterable[str], table_header: str) -> str:
    """What names a chunk in the keyword index."""
    return "\n".join(filter(None, (filename, *heading_path, table_header)))


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one vector store up to `sequence`.

    rows: (n, 4) int64: member, window index in its file, first and last chunk number it belongs to.
    vectors: (n, d) float16, unit norm, one a row. `removed` are members, gone before anything is added.
    """

    sequence: int
    removed: tuple[int, ...] = ()
    chunks: tuple[IndexedChunk, ...] = ()
    rows: IntArray = field(default_factory=lambda: np.empty((0, 4), np.int64))
    vectors: HalfArray = field(default_factory=lambda: np.empty((0, 0), np.float16))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A set of index files that the catalogue vouches for: `files` maps path in `folder` to SHA-256."""

    folder: str
    sequence: int
    files: Mapping[str, str]
