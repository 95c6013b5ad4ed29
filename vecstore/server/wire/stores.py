"""Vector stores, the files in them, batches and chunks as clients get them."""

from __future__ import annotations

from typing import Any, Literal

from ingestion import StaticStrategy
from ingestion.types import ChunkingStrategy
from vecstore import types
from vecstore.server.wire.objects import Object, given
from vecstore.server.wire.requests import VectorStoreExpiresAfter

FileStatus = Literal["in_progress", "completed", "failed", "cancelled"]


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
            **given(expires_after=policy, expires_at=info.expires_at),
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
    """`filename`, `title`, `chunks` and `warnings` are ours."""

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
    title: str
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
            title=file.title,
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


def _code(code: str) -> Any:
    """OpenAI's three codes; strict clients know no other."""
    return code if code in ("unsupported_file", "invalid_file") else "server_error"
