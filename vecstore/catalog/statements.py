"""Steps of a transaction, each with the connection it runs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ingestion.types import Chunk, ChunkingStrategy, Passage, Window
from vecstore.catalog import rows
from vecstore.catalog.schema import (
    chunks,
    counters,
    embeddings,
    files,
    ledger,
    members,
    passages,
    removals,
    vector_stores,
    windows,
)
from vecstore.errors import NotFoundError
from vecstore.types import AttributeMap, File, HalfArray, LastError

MEMBERS = sa.select(*members.c, files.c.filename).join_from(members, files)
CHUNKS = (
    sa.select(*chunks.c, members.c.file_id, members.c.attributes, files.c.filename)
    .join_from(chunks, members)
    .join(files)
)


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file parsed, chunked and embedded, or the reason why it could not be; ready to be committed.

    `new` says that the file's own row is written in the same transaction; `source` is the path it came from.
    vectors: (len(windows), dimensions) float16, unit norm.
    """

    file: File
    attributes: AttributeMap
    strategy: ChunkingStrategy
    media_type: str
    warnings: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    windows: tuple[Window, ...]
    passages: tuple[Passage, ...]
    vectors: HalfArray
    usage_bytes: int
    error: LastError | None = None
    new: bool = False
    source: str | None = None


def file_row(tx: sa.Connection, file_id: str) -> Any:
    row = tx.execute(sa.select(files).where(files.c.id == file_id)).first()
    if row is None:
        raise NotFoundError(f"No such File object: {file_id}")  # OpenAI's wording
    return row


def store_row(tx: sa.Connection, store_id: str) -> Any:
    row = tx.execute(sa.select(vector_stores).where(vector_stores.c.id == store_id)).first()
    if row is None:
        raise NotFoundError(f"No vector store found with id '{store_id}'.")
    return row


def member_row(tx: sa.Connection, store_id: str, file_id: str) -> Any:
    store_row(tx, store_id)
    condition = (members.c.vector_store_id == store_id) & (members.c.file_id == file_id)
    row = tx.execute(MEMBERS.where(condition)).first()
    if row is None:
        raise NotFoundError(f"No file found with id '{file_id}' in vector store '{store_id}'.")
    return row


def insert_file(tx: sa.Connection, file: File, source: str | None) -> None:
    tx.execute(
        sa.insert(files).values(
            id=file.id,
            filename=file.filename,
            bytes=file.bytes,
            sha256=file.sha256,
            purpose=file.purpose,
            created_at=file.created_at,
            source=source,
        )
    )


def insert_member(tx: sa.Connection, store_id: str, prepared: PreparedFile, sequence: int, now: int) -> None:
    error = prepared.error
    inserted: Any = tx.execute(
        sa.insert(members).values(
            vector_store_id=store_id,
            file_id=prepared.file.id,
            created_at=now,
            status="completed" if error is None else "failed",
            error_code=error and error.code,
            error_message=error and error.message,
            attributes=dict(prepared.attributes),
            **rows.strategy_row(prepared.strategy),
            media_type=prepared.media_type,
            warnings=list(prepared.warnings),
            usage_bytes=prepared.usage_bytes,
            chunks=len(prepared.chunks),
            sequence=sequence,
        )
    )
    member = int(inserted.inserted_primary_key[0])
    if error is not None:
        return
    number = _reserve(tx, "chunk", len(prepared.chunks))
    tx.execute(
        sa.insert(chunks),
        [rows.chunk_row(chunk, number=number + i, member=member) for i, chunk in enumerate(prepared.chunks)],
    )
    tx.execute(
        sa.insert(windows),
        [rows.window_row(window, index=i, member=member) for i, window in enumerate(prepared.windows)],
    )
    tx.execute(
        sa.insert(passages),
        [rows.passage_row(passage, index=i, member=member) for i, passage in enumerate(prepared.passages)],
    )
    tx.execute(sa.insert(embeddings).values(member=member, vectors=rows.pack_vectors(prepared.vectors)))


def remove_members(tx: sa.Connection, store_id: str, found: Sequence[Any], now: int) -> None:
    """Takes members out with all that hangs on them, and notes it for the indexes."""
    if not found:
        return
    numbers = [row.number for row in found]
    sequence = next_sequence(tx, store_id)
    tx.execute(
        sa.insert(removals),
        [{"vector_store_id": store_id, "sequence": sequence, "member": number} for number in numbers],
    )
    for i in range(0, len(numbers), 500):
        tx.execute(sa.delete(members).where(members.c.number.in_(numbers[i : i + 500])))  # chunks, vectors cascade
    count(
        tx,
        store_id,
        now=now,
        completed=-sum(row.status == "completed" for row in found),
        failed=-sum(row.status == "failed" for row in found),
        delta_bytes=-sum(row.usage_bytes for row in found),
    )


def delete_unattached(tx: sa.Connection, file_ids: Sequence[str]) -> None:
    """Forgets those of these files that no vector store has."""
    for i in range(0, len(file_ids), 500):
        some = files.c.id.in_(file_ids[i : i + 500])
        tx.execute(sa.delete(files).where(some & ~files.c.id.in_(sa.select(members.c.file_id))))


def next_sequence(tx: sa.Connection, store_id: str) -> int:
    this = vector_stores.c.id == store_id
    tx.execute(sa.update(vector_stores).where(this).values(sequence=vector_stores.c.sequence + 1))
    return int(tx.execute(sa.select(vector_stores.c.sequence).where(this)).scalar_one())


def count(tx: sa.Connection, store_id: str, *, now: int, completed: int, failed: int, delta_bytes: int) -> None:
    """Moves the store's counts and bytes, and the ledger with them."""
    tx.execute(
        sa.update(vector_stores)
        .where(vector_stores.c.id == store_id)
        .values(
            completed=vector_stores.c.completed + completed,
            failed=vector_stores.c.failed + failed,
            usage_bytes=vector_stores.c.usage_bytes + delta_bytes,
            last_active_at=sa.case((vector_stores.c.last_active_at < now, now), else_=vector_stores.c.last_active_at),
        )
    )
    if delta_bytes:
        tx.execute(sa.insert(ledger).values(vector_store_id=store_id, at=now, delta_bytes=delta_bytes))


def _reserve(tx: sa.Connection, name: str, n: int) -> int:
    this = counters.c.name == name
    first = int(tx.execute(sa.select(counters.c.next).where(this)).scalar_one())
    tx.execute(sa.update(counters).where(this).values(next=first + n))
    return first
