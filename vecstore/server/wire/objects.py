"""What clients get: OpenAI's objects from our values. Keys that OpenAI does not have are ours, and clients keep them.

What was not set is left out of the answer: an absent `expires_at` is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from ingestion import StaticStrategy
from ingestion.types import ChunkingStrategy, Passage
from vecstore import types, usage_pages
from vecstore.server.wire.requests import FileExpiresAfter, VectorStoreExpiresAfter

__all__ = ["FileExpiresAfter"]

Item = TypeVar("Item", bound="Object")
ValueT = TypeVar("ValueT")
FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]


class Object(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ErrorBody(Object):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(Object):
    error: ErrorBody


class List(Object, Generic[Item]):
    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


def page_of(page: types.Page[ValueT], made: Callable[[ValueT], Item]) -> List[Item]:
    data = [made(value) for value in page.data]
    ids = [str(each.id) for each in data]  # type: ignore[attr-defined] # all that are listed have one
    return List[Item](
        object="list",
        data=data,
        first_id=ids[0] if ids else None,
        last_id=ids[-1] if ids else None,
        has_more=page.has_more,
    )


class Deleted(Object):
    id: str
    object: Literal["file", "vector_store.deleted", "vector_store.file.deleted"]
    deleted: Literal[True]


class File(Object):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"]
    expires_at: int = 0
    sha256: str

    @classmethod
    def of(cls, file: types.File) -> File:
        return cls(
            id=file.id,
            object="file",
            bytes=file.bytes,
            created_at=file.created_at,
            filename=file.filename,
            purpose=file.purpose,
            status="processed",
            sha256=file.sha256,
            **_given(expires_at=file.expires_at),
        )


class Upload(Object):
    id: str
    object: Literal["upload"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    expires_at: int
    file: File | None

    @classmethod
    def of(cls, upload: types.UploadInfo) -> Upload:
        return cls(
            id=upload.id,
            object="upload",
            bytes=upload.bytes,
            created_at=upload.created_at,
            filename=upload.filename,
            purpose=upload.purpose,
            status=upload.status,
            expires_at=upload.expires_at,
            file=None if upload.file is None else File.of(upload.file),
        )


class UploadPart(Object):
    id: str
    object: Literal["upload.part"]
    created_at: int
    upload_id: str

    @classmethod
    def of(cls, part: types.UploadPart) -> UploadPart:
        return cls(id=part.id, object="upload.part", created_at=part.created_at, upload_id=part.upload_id)


class FileCounts(Object):
    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int

    @classmethod
    def of(cls, counts: types.FileCounts) -> FileCounts:
        return cls(
            in_progress=counts.in_progress,
            completed=counts.completed,
            failed=counts.failed,
            cancelled=counts.cancelled,
            total=counts.total,
        )


class VectorStore(Object):
    id: str
    object: Literal["vector_store"]
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["expired", "in_progress", "completed"]
    expires_after: VectorStoreExpiresAfter | None = None
    expires_at: int | None = None
    last_active_at: int | None
    metadata: dict[str, str] | None

    @classmethod
    def of(cls, info: types.VectorStoreInfo) -> VectorStore:
        days = info.expires_after_days
        policy = None if days is None else VectorStoreExpiresAfter(anchor="last_active_at", days=days)
        return cls(
            id=info.id,
            object="vector_store",
            created_at=info.created_at,
            name=info.name,
            description=info.description,
            usage_bytes=info.usage_bytes,
            file_counts=FileCounts.of(info.file_counts),
            status=info.status,
            last_active_at=info.last_active_at,
            metadata=dict(info.metadata),
            **_given(expires_after=policy, expires_at=info.expires_at),
        )


class LastError(Object):
    code: Literal["server_error", "unsupported_file", "invalid_file"]
    message: str


class StaticSizes(Object):
    max_chunk_size_tokens: int
    chunk_overlap_tokens: int


class Static(Object):
    type: Literal["static"]
    static: StaticSizes


class StructureSizes(Object):
    target_chunk_size_tokens: int


class Other(Object):
    """A strategy of ours; `structure` says which."""

    type: Literal["other"]
    structure: StructureSizes


def strategy_of(strategy: ChunkingStrategy) -> Static | Other:
    """`auto` is never told, but what it stands for."""
    if not isinstance(strategy, StaticStrategy):
        sizes_of_ours = StructureSizes(target_chunk_size_tokens=strategy.target_chunk_size_tokens)
        return Other(type="other", structure=sizes_of_ours)
    sizes = StaticSizes(
        max_chunk_size_tokens=strategy.max_chunk_size_tokens, chunk_overlap_tokens=strategy.chunk_overlap_tokens
    )
    return Static(type="static", static=sizes)


class VectorStoreFile(Object):
    """`filename`, `chunks` and `warnings` are ours."""

    id: str
    object: Literal["vector_store.file"]
    created_at: int
    vector_store_id: str
    usage_bytes: int
    status: FileStatus
    last_error: LastError | None
    chunking_strategy: Static | Other
    attributes: dict[str, str | bool | int | float] | None
    filename: str
    chunks: int
    warnings: list[str]

    @classmethod
    def of(cls, file: types.VectorStoreFile) -> VectorStoreFile:
        error = file.last_error
        return cls(
            id=file.id,
            object="vector_store.file",
            created_at=file.created_at,
            vector_store_id=file.vector_store_id,
            usage_bytes=file.usage_bytes,
            status=file.status,
            last_error=None if error is None else LastError(code=_code(error.code), message=error.message),
            chunking_strategy=strategy_of(file.chunking_strategy),
            attributes=dict(file.attributes),
            filename=file.filename,
            chunks=file.chunks,
            warnings=list(file.warnings),
        )


class FileBatch(Object):
    id: str
    object: Literal["vector_store.file_batch", "vector_store.files_batch"]
    created_at: int
    vector_store_id: str
    status: FileStatus
    file_counts: FileCounts

    @classmethod
    def of(cls, info: types.FileBatchInfo, name: Any) -> FileBatch:
        return cls(
            id=info.id,
            object=name,
            created_at=info.created_at,
            vector_store_id=info.vector_store_id,
            status=info.status,
            file_counts=FileCounts.of(info.file_counts),
        )


class Text(Object):
    type: Literal["text"]
    text: str


class Contents(Object):
    object: Literal["vector_store.file_content.page"]
    data: list[Text]
    has_more: Literal[False]
    next_page: None

    @classmethod
    def of(cls, text: str) -> Contents:
        data = [Text(type="text", text=text)] if text else []
        return cls(object="vector_store.file_content.page", data=data, has_more=False, next_page=None)


class Chunk(Object):
    """Offsets are in characters of the parsed text; pages and lines the first and the last, or null."""

    id: str
    object: Literal["vector_store.file.chunk"]
    file_id: str
    index: int
    text: str
    start: int
    end: int
    tokens: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: list[str]
    table_header: str

    @classmethod
    def of(cls, chunk: types.FileChunk) -> Chunk:
        return cls(
            id=chunk.chunk_id,
            object="vector_store.file.chunk",
            file_id=chunk.file_id,
            index=chunk.index,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            tokens=chunk.tokens,
            pages=chunk.pages,
            lines=chunk.lines,
            heading_path=list(chunk.heading_path),
            table_header=chunk.table_header,
        )


class PassageObject(Object):
    start: int
    end: int
    page: int | None
    lines: tuple[int, int] | None
    heading_path: list[str]

    @classmethod
    def of(cls, passage: Passage) -> PassageObject:
        return cls(
            start=passage.start,
            end=passage.end,
            page=passage.page,
            lines=passage.lines,
            heading_path=list(passage.heading_path),
        )


class Leg(Object):
    rank: int | None
    score: float
    raw: float
    weight: float

    @classmethod
    def of(cls, leg: types.LegScore) -> Leg:
        return cls(rank=leg.rank, score=leg.score, raw=leg.raw, weight=leg.weight)


class Explanation(Object):
    embedding: Leg
    text: Leg
    reranker_score: float | None
    matched_terms: list[str]

    @classmethod
    def of(cls, explanation: types.Explanation) -> Explanation:
        return cls(
            embedding=Leg.of(explanation.embedding),
            text=Leg.of(explanation.text),
            reranker_score=explanation.reranker_score,
            matched_terms=list(explanation.matched_terms),
        )


class SearchResult(Object):
    """From `vector_store_id` on, ours: where the chunk stands, and where in `text` the query's words are."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | bool | int | float] | None
    content: list[Text]
    vector_store_id: str
    chunk_id: str
    start: int
    end: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: list[str]
    table_header: str
    passage: PassageObject
    highlights: list[tuple[int, int]]
    explanation: Explanation | None = None

    @classmethod
    def of(cls, result: types.SearchResult) -> SearchResult:
        why = result.explanation
        return cls(
            file_id=result.file_id,
            filename=result.filename,
            score=result.score,
            attributes=dict(result.attributes),
            content=[Text(type="text", text=result.text)],
            vector_store_id=result.vector_store_id,
            chunk_id=result.chunk_id,
            start=result.start,
            end=result.end,
            pages=result.pages,
            lines=result.lines,
            heading_path=list(result.heading_path),
            table_header=result.table_header,
            passage=PassageObject.of(result.passage),
            highlights=list(result.highlights),
            **_given(explanation=None if why is None else Explanation.of(why)),
        )


class SearchResults(Object):
    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[SearchResult]
    has_more: Literal[False]
    next_page: None

    @classmethod
    def of(cls, query: str | Sequence[str], results: Sequence[types.SearchResult]) -> SearchResults:
        return cls(
            object="vector_store.search_results.page",
            search_query=[query] if isinstance(query, str) else list(query),
            data=[SearchResult.of(result) for result in results],
            has_more=False,
            next_page=None,
        )


class Model(Object):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: Literal["embedding", "reranking"]
    dimensions: int = 0


class Models(Object):
    object: Literal["list"]
    data: list[Model]


class Working(Object):
    file_id: str
    filename: str
    bytes: int
    stage: str
    done: float


class Progress(Object):
    """How far a batch is; the rate is in bytes a second, the time left in seconds, both null where unknown."""

    object: Literal["vector_store.file_batch.progress"]
    batch_id: str
    status: FileStatus
    file_counts: FileCounts
    bytes: int
    done_bytes: int
    pages: int
    chunks: int
    bytes_per_s: float | None
    left_s: float | None
    working: list[Working]

    @classmethod
    def of(cls, progress: types.BatchProgress) -> Progress:
        return cls(
            object="vector_store.file_batch.progress",
            batch_id=progress.batch.id,
            status=progress.batch.status,
            file_counts=FileCounts.of(progress.batch.file_counts),
            bytes=progress.sizes.bytes,
            done_bytes=progress.done_bytes,
            pages=progress.sizes.pages,
            chunks=progress.sizes.chunks,
            bytes_per_s=progress.bytes_per_s,
            left_s=progress.left_s,
            working=[
                Working(
                    file_id=each.file_id,
                    filename=each.filename,
                    bytes=each.bytes,
                    stage=each.stage,
                    done=each.done,
                )
                for each in progress.working
            ],
        )


class StoredBytes(Object):
    """`byte_seconds` is ours, a decimal in a string: it may have more than 64 bits."""

    object: Literal["organization.usage.vector_stores.result"]
    usage_bytes: int
    project_id: str | None
    byte_seconds: str

    @classmethod
    def of(cls, result: usage_pages.StoredBytes) -> StoredBytes:
        return cls(
            object="organization.usage.vector_stores.result",
            usage_bytes=result.usage_bytes,
            project_id=result.project_id,
            byte_seconds=str(result.byte_seconds),
        )


class SearchCalls(Object):
    object: Literal["organization.usage.file_searches.result"]
    num_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    vector_store_id: str | None

    @classmethod
    def of(cls, result: usage_pages.SearchCalls) -> SearchCalls:
        return cls(
            object="organization.usage.file_searches.result",
            num_requests=result.num_requests,
            project_id=result.project_id,
            user_id=result.user_id,
            api_key_id=result.api_key_id,
            vector_store_id=result.vector_store_id,
        )


class Amount(Object):
    value: float
    currency: str
    exact: str


class Cost(Object):
    """`amount.exact` is ours: the same as a decimal, rounded once."""

    object: Literal["organization.costs.result"]
    amount: Amount
    line_item: str | None
    project_id: str | None
    quantity: float | None

    @classmethod
    def of(cls, result: usage_pages.Cost) -> Cost:
        return cls(
            object="organization.costs.result",
            amount=Amount(value=float(result.value), currency=result.currency, exact=result.value),
            line_item=result.line_item,
            project_id=result.project_id,
            quantity=None if result.quantity is None else float(result.quantity),
        )


class Bucket(Object, Generic[Item]):
    object: Literal["bucket"]
    start_time: int
    end_time: int
    results: list[Item]


class UsagePage(Object, Generic[Item]):
    object: Literal["page"]
    data: list[Bucket[Item]]
    has_more: bool
    next_page: str | None


def usage_page_of(page: usage_pages.UsagePage[ValueT], made: Callable[[ValueT], Item]) -> UsagePage[Item]:
    return UsagePage[Item](
        object="page",
        data=[
            Bucket[Item](
                object="bucket",
                start_time=bucket.start_time,
                end_time=bucket.end_time,
                results=[made(result) for result in bucket.results],
            )
            for bucket in page.buckets
        ],
        has_more=page.has_more,
        next_page=page.next_page,
    )


def _given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _code(code: str) -> Any:
    """OpenAI's three codes; strict clients know no other."""
    return code if code in ("unsupported_file", "invalid_file") else "server_error"
