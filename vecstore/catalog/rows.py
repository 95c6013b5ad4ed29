"""Rows of the catalogue as values, and values as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ingestion.types import Chunk, ChunkingStrategy, Passage, StaticStrategy, StructureStrategy, Window
from vecstore import ids
from vecstore.catalog.checksums import checked_chunk, checked_passage
from vecstore.types import (
    AttributeMap,
    File,
    FileBatchInfo,
    FileChunk,
    FileCounts,
    HalfArray,
    IntArray,
    LastError,
    Task,
    VectorStoreFile,
    VectorStoreInfo,
)

_VECTOR_DTYPE = np.dtype("<f2")


def parsed_json(stored: Any) -> Any:
    """The value of a JSON column. Raises json.JSONDecodeError, also where a number stands instead of a text."""
    if not isinstance(stored, str | bytes):
        raise json.JSONDecodeError(f"{stored!r:.20} is no text", "", 0)
    return json.loads(stored)


def file_of(row: Any) -> File:
    return File(
        id=row.id,
        filename=row.filename,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
        purpose=row.purpose,
        expires_at=row.expires_at,
        project_id=row.project_id,
    )


def vector_store_of(row: Any) -> VectorStoreInfo:
    return VectorStoreInfo(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        last_active_at=row.last_active_at,
        usage_bytes=row.usage_bytes,
        file_counts=counts_of(row),
        metadata=row.metadata,
        embedder=row.embedder,
        dimensions=row.dimensions,
        sequence=row.sequence,
        project_id=row.project_id,
        status="expired" if row.expired_at is not None else "in_progress" if row.in_progress else "completed",
        expires_after_days=row.expires_after_days,
        expires_at=row.expires_at,
        description=row.description,
        embedding_weight=row.embedding_weight,
        chunk_size=row.chunk_size,
    )


def counts_of(row: Any) -> FileCounts:
    return FileCounts(row.in_progress, row.completed, row.failed, row.cancelled)


def batch_of(row: Any) -> FileBatchInfo:
    return FileBatchInfo(row.id, row.vector_store_id, row.created_at, row.cancelled_at, row.finished_at, counts_of(row))


def task_of(row: Any) -> Task:
    return Task(
        number=row.task,
        batch=row.batch,
        vector_store_id=row.vector_store_id,
        file=file_of(row),
        attributes=row.attributes,
        strategy=strategy_of(row),
        deaths=row.deaths,
    )


def member_of(row: Any) -> VectorStoreFile:
    return VectorStoreFile(
        id=row.file_id,
        vector_store_id=row.vector_store_id,
        filename=row.filename,
        status=row.status,
        usage_bytes=row.usage_bytes,
        created_at=row.created_at,
        attributes=row.attributes,
        chunking_strategy=strategy_of(row),
        last_error=None if row.error_code is None else LastError(row.error_code, row.error_message),
        media_type=row.media_type,
        title=row.title,
        chunks=row.chunks,
        warnings=tuple(row.warnings),
    )


def batch_file_of(row: Any) -> VectorStoreFile:
    """Of a file of a batch: what the batch made of it; chunks and bytes are the vector store's."""
    done = row.status == "completed" and row.usage_bytes is not None
    return VectorStoreFile(
        id=row.file_id,
        vector_store_id=row.vector_store_id,
        filename=row.filename,
        status=row.status,
        usage_bytes=row.usage_bytes if done else 0,
        created_at=row.created_at,
        attributes=row.attributes,
        chunking_strategy=strategy_of(row),
        last_error=None if row.error_code is None else LastError(row.error_code, row.error_message),
        media_type=row.media_type if done else "",
        title=row.title if done else "",
        chunks=row.chunks if done else 0,
        warnings=tuple(row.warnings) if done else (),
    )


def file_chunk_of(row: Any, windows: Sequence[tuple[int, int]] = ()) -> FileChunk:
    """Raises StorageError where the row is not as it was written."""
    checked_chunk(row)
    return FileChunk(
        chunk_id=ids.chunk_id(row.number),
        file_id=row.file_id,
        filename=row.filename,
        title=row.title,
        index=row.index,
        text=row.text,
        start=row.start,
        end=row.end,
        tokens=row.tokens,
        pages=pages_of(row),
        lines=lines_of(row),
        heading_path=tuple(row.heading_path),
        table_header=row.table_header,
        windows=tuple(windows[row.first_window : row.end_window]),
    )


class FileChunks(Mapping[int, tuple[FileChunk, AttributeMap]]):
    """Chunks by number, with their files' attributes; each is made when it is looked at, as a search does half of them.

    Raises StorageError for a row that is not as it was written.
    """

    def __init__(self, found: Iterable[Any]) -> None:
        self._rows = {row.number: row for row in found}

    def __getitem__(self, number: int) -> tuple[FileChunk, AttributeMap]:
        row = self._rows[number]
        return file_chunk_of(row), dict(row.attributes)

    def __contains__(self, number: object) -> bool:
        return number in self._rows  # without making it

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def chunk_row(chunk: Chunk, *, number: int, member: int) -> dict[str, Any]:
    first_page, last_page = chunk.pages or (None, None)
    first_line, last_line = chunk.lines or (None, None)
    return {
        "number": number,
        "member": member,
        "index": chunk.index,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "tokens": chunk.tokens,
        "first_page": first_page,
        "last_page": last_page,
        "heading_path": list(chunk.heading_path),
        "first_window": chunk.windows[0],
        "end_window": chunk.windows[1],
        "first_line": first_line,
        "last_line": last_line,
        "table_header": chunk.table_header,
    }


def window_row(window: Window, *, index: int, member: int) -> dict[str, Any]:
    return {"member": member, "index": index, "start": window.start, "end": window.end}


def passage_row(passage: Passage, *, index: int, member: int) -> dict[str, Any]:
    first_line, last_line = passage.lines or (None, None)
    return {
        "member": member,
        "index": index,
        "window": passage.window,
        "start": passage.start,
        "end": passage.end,
        "page": passage.page,
        "heading_path": list(passage.heading_path),
        "first_line": first_line,
        "last_line": last_line,
        "table_header": passage.table_header,
    }


def passage_of(row: Any) -> Passage:
    """Raises StorageError where the row is not as it was written."""
    return passage_as_read(checked_passage(row))


def passage_as_read(row: Any) -> Passage:
    return Passage(row.start, row.end, row.window, row.page, lines_of(row), tuple(row.heading_path), row.table_header)


def pages_of(row: Any) -> tuple[int, int] | None:
    return None if row.first_page is None else (row.first_page, row.last_page)


def lines_of(row: Any) -> tuple[int, int] | None:
    return None if row.first_line is None else (row.first_line, row.last_line)


def strategy_row(strategy: ChunkingStrategy) -> dict[str, Any]:
    if isinstance(strategy, StructureStrategy):
        size, overlap, name = strategy.target_chunk_size_tokens, 0, "structure"
    else:
        size, overlap, name = strategy.max_chunk_size_tokens, strategy.chunk_overlap_tokens, "static"
    return {"strategy": name, "max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}


def strategy_of(row: Any) -> ChunkingStrategy:
    if row.strategy == "structure":
        return StructureStrategy(row.max_chunk_size_tokens)
    return StaticStrategy(row.max_chunk_size_tokens, row.chunk_overlap_tokens)


def pack_vectors(vectors: HalfArray) -> bytes:
    return vectors.astype(_VECTOR_DTYPE).tobytes()


def unpack_vectors(blob: bytes, dimensions: int) -> HalfArray:
    """(n, dimensions) float16."""
    return np.frombuffer(blob, _VECTOR_DTYPE).reshape(-1, dimensions)


def index_rows(member: int, spans: list[tuple[int, int, int]], windows: int) -> IntArray:
    """(windows, 4) int64: member, window, first and last chunk number holding the window.

    `spans` are `(chunk number, first window, end window)` in reading order; both ends grow with the number.
    """
    numbers, first, end = (np.array(column, np.int64) for column in zip(*spans, strict=True))
    window = np.arange(windows, dtype=np.int64)
    first_chunk = numbers[np.searchsorted(end, window, side="right")]
    last_chunk = numbers[np.searchsorted(first, window, side="right") - 1]
    return np.column_stack([np.full(windows, member, np.int64), window, first_chunk, last_chunk])
