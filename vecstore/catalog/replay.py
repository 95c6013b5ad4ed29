"""What an index that is behind must apply, read from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from vecstore.catalog import rows
from vecstore.catalog.checksums import damaged, is_as_written
from vecstore.catalog.schema import checksums, chunks, embeddings
from vecstore.changes import Change, IndexedChunk, header_of


def addition(
    tx: sa.Connection,
    found: Sequence[Any],
    removed: tuple[int, ...],
    sequence: int,
    dimensions: int,
) -> Change:
    """The members found, each with its filename, as one change. Raises StorageError where one is damaged."""
    numbers = [row.number for row in found]
    named = {row.number: (row.filename, row.title) for row in found}
    kept: dict[int, list[Any]] = {number: [] for number in numbers}
    for row in tx.execute(sa.select(chunks).where(chunks.c.member.in_(numbers)).order_by(chunks.c.number)):
        kept[row.member].append(row)
    embedded = {row.member: row.vectors for row in tx.execute(_of(embeddings, numbers))}
    stored = {row.member: row for row in tx.execute(_of(checksums, numbers))}
    added: list[IndexedChunk] = []
    index_rows, vectors = [], []
    for number in numbers:
        if not is_as_written(stored.get(number), kept[number], None, embedded.get(number)):
            raise damaged(number)
        for row in kept[number]:
            header = header_of(*named[number], row.heading_path, row.table_header)
            added.append(IndexedChunk(row.number, number, header, row.text))
        vectors.append(rows.unpack_vectors(embedded[number], dimensions))
        spans = [(row.number, row.first_window, row.end_window) for row in kept[number]]
        index_rows.append(rows.index_rows(number, spans, len(vectors[-1])))
    return Change(sequence, removed, tuple(added), np.concatenate(index_rows), np.concatenate(vectors))


def _of(table: sa.Table, numbers: Sequence[int]) -> sa.Select[Any]:
    return sa.select(table).where(table.c.member.in_(numbers))
