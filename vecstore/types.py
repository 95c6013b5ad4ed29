"""The values that pass between the parts and out to the caller. Frozen; no behaviour but arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ingestion.types import ChunkingStrategy, Passage

T = TypeVar("T")

FloatArray: TypeAlias = npt.NDArray[np.float32]
HalfArray: TypeAlias = npt.NDArray[np.float16]
ScoreArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
AttributeMap: TypeAlias = Mapping[str, str | float | bool]
FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]
Stage = Literal["parsing", "waiting to be embedded", "embedding"]

DEFAULT_PROJECT = "proj_default"  # there from the beginning


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
    expires_at: int | None = None
    project_id: str = DEFAULT_PROJECT


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A file that comes in parts, `bytes` in all. `file` is what it was completed to, None where that is gone, too."""

    id: str
    filename: str
    purpose: str
    bytes: int
    mime_type: str
    created_at: int
    expires_at: int
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: File | None = None
    project_id: str = DEFAULT_PROJECT


@dataclass(frozen=True, slots=True)
class UploadPart:
    id: str
    upload_id: str
    created_at: int
    bytes: int


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
    """A vector store as the catalogue has it at one moment. `usage_bytes` sums the files that can be found in it.

    `expires_after_days` counts from the last activity; None says that it never expires. One that is
    `expired` can be looked at, and has no files. `embedding_weight`, 0 to 1, is what `tune` fitted; None is one half.
    `chunk_size`, in tokens, is what `tune` found best: files added without a strategy are cut so; None is auto.
    """

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
    project_id: str
    status: Literal["expired", "in_progress", "completed"]
    expires_after_days: int | None = None
    expires_at: int | None = None
    description: str | None = None
    embedding_weight: float | None = None
    chunk_size: int | None = None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which part of a list: up to `limit` after, or else before, the item of that id; newest first in `desc`."""

    limit: int = 20
    order: Literal["asc", "desc"] = "desc"
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `has_more`: there are more in the direction that was asked for."""

    data: tuple[T, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Project:
    """Who vector stores are billed to. `price_per_gb_day` in US dollars, a decimal; None is the usual price."""

    id: str
    name: str
    created_at: int
    price_per_gb_day: str | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`hint` is the end of its secret, for people. `scopes`: read, write, admin. Times in Unix seconds."""

    id: str
    name: str
    project_id: str
    scopes: tuple[str, ...]
    hint: str
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """What reached the second given by its policy. `bytes`: logical ones of a vector store, else as uploaded."""

    kind: Literal["vector_store", "file", "upload"]
    id: str
    name: str
    expired_at: int
    bytes: int


@dataclass(frozen=True, slots=True)
class LastError:
    """Why a file failed: OpenAI's code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class VectorStoreFile:
    """A file in a vector store; `id` is the file's id.

    `title` is what the metadata of a PDF, Office or OpenDocument file calls it, "" where that is nothing.
    `warnings` are sentences about what was guessed or left out.
    """

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
    title: str
    chunks: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchFile:
    """An uploaded file, by its id, to be attached with others; None takes what is said of all of them."""

    file_id: str
    attributes: AttributeMap | None = None
    chunking_strategy: ChunkingStrategy | Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class FileBatchInfo:
    """Many files attached together, at one moment.

    Unix seconds: `cancelled_at`, None unless it was cancelled with something left to do; `finished_at`,
    None while it is in progress.
    """

    id: str
    vector_store_id: str
    created_at: int
    cancelled_at: int | None
    finished_at: int | None
    file_counts: FileCounts

    @property
    def status(self) -> Literal["in_progress", "completed", "cancelled", "failed"]:
        """`failed` if every file did. A file that was taken out of the vector store is cancelled alone."""
        counts = self.file_counts
        if counts.in_progress:
            return "in_progress"
        if self.cancelled_at is not None:
            return "cancelled"
        return "failed" if counts.failed == counts.total else "completed"


@dataclass(frozen=True, slots=True)
class AddEstimate:
    """What adding files would come to, without having embedded them.

    `usage_bytes` is what the vector store would hold more: less than nothing where smaller versions
    replace larger ones. `failed` are sentences, `unchanged` files it has already.
    """

    files: int
    unchanged: int
    failed: tuple[str, ...]
    bytes: int
    chunks: int
    tokens: int
    usage_bytes: int


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Of a batch's files: all their bytes, those of files that are done with, and what these came to."""

    bytes: int
    done_bytes: int
    pages: int
    chunks: int


@dataclass(frozen=True, slots=True)
class FileProgress:
    """A file that is being worked on. `done` is the share of the stage, 0 to 1."""

    file_id: str
    filename: str
    bytes: int
    stage: Stage
    done: float


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is: `sizes` of what is committed, `working` of what is under way, all else waits its turn.

    `done_bytes` counts shares of files under way, too. The rate is that of this process; both it and
    the time left are None where nothing was done yet, or nothing is left.
    """

    batch: FileBatchInfo
    sizes: BatchSizes
    working: tuple[FileProgress, ...]
    done_bytes: int
    bytes_per_s: float | None
    left_s: float | None


@dataclass(frozen=True, slots=True)
class Task:
    """A file of a batch that is to be indexed. `deaths`: how often a process ended while it parsed this file."""

    number: int
    batch: int
    vector_store_id: str
    file: File
    attributes: AttributeMap
    strategy: ChunkingStrategy
    deaths: int


@dataclass(frozen=True, slots=True)
class FileChunk:
    """One chunk of a file as it is stored: `text` is `start:end` of the parsed text, in characters.

    `pages` is the first and last page or slide, None where the format has none; `lines` likewise the
    lines of the file, None where its text had to be extracted. `table_header` is the header row of the
    table that the chunk begins in the middle of. `title` is the file's, as in VectorStoreFile. `windows`
    are the stretches of the parsed text that were embedded, together exactly `start:end`.
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
    title: str = ""
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
    """Why a chunk has its score.

    `raw_score` is `(1 - w) * sum(leg.weight * leg.score) + w * reranker_score`, w the reranker's weight; the score is
    what that says beside the question's `best_raw_score`, see `vecstore.rank.calibrated`.
    `unread`, 0 to 1, is how much of a score by given weights comes from letters that the embedder does not read.
    `reranker_score` is what the reranker said; without one the best that the legs made of the chunk and of those
    before and after it. None, which counts as 0, for a chunk that the reranker was not shown; `w` is 0 where
    nothing is re-ranked.
    `closeness`, 0 to 1, is the share of the query's neighbouring words that are near each other in the chunk, by their
    weight; BM25 is raised by a fifth of it.
    `matched_terms` are the query's analysed terms that occur in the chunk; those of a quoted phrase, with blanks
    between them, count as one more where they follow each other there. Stop words and punctuation count for nothing.
    """

    embedding: LegScore
    text: LegScore
    closeness: float
    reranker_score: float | None
    reranker_weight: float
    raw_score: float
    best_raw_score: float
    unread: float
    matched_terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A ranked chunk with its citation. `highlights` are `(start, end)` in `text`.

    `score` is 0 to 1, how likely it answers; `raw_score` what the legs and the re-ranking made of it.

    `title` is the file's, as in VectorStoreFile. `start`, `end`, `pages`, `lines`, `heading_path` and
    `table_header` are the chunk's; the headings (sheet, attachment, symbol) are those it begins under.
    `passage` is the part of it that answers best: in one section, on one page. `query` is the one that
    found it, of several or as it was rewritten.
    `surroundings` are the chunk with its neighbours, where the search asked for them.
    """

    score: float
    raw_score: float
    vector_store_id: str
    chunk_id: str
    file_id: str
    filename: str
    title: str
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
    query: str
    explanation: Explanation | None = None
    surroundings: Excerpt | None = None


class SearchResults(list[SearchResult]):
    """Best first. `queries` are what was searched for, also where nothing was found: as given, or as rewritten."""

    def __init__(self, results: Iterable[SearchResult], queries: Iterable[str]) -> None:
        super().__init__(results)
        self.queries = tuple(queries)


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
