"""What an index that is behind must apply, read from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from vecstore.catalog import rows
from vecstore.catalog.schema import chunks, embeddings
from vecstore.changes import Change, IndexedChunk, header_of


def addition(
    tx: sa.Connection,
    found: Sequence[Any],
    removed: tuple[int, ...],
    sequence: int,
    dimensions: int,
) -> Change:
    """The members found, each with its number and filename, as one change."""
    numbers = [row.number for row in found]
    filenames = {row.number: row.filename for row in found}
    added: list[IndexedChunk] = []
    spans: dict[int, list[tuple[int, int, int]]] = {number: [] for number in numbers}
    for row in tx.execute(sa.select(chunks).where(chunks.c.member.in_(numbers)).order_by(chunks.c.number)):
        header = header_of(filenames[row.member], row.heading_path, row.table_header)
        added.append(IndexedChunk(row.number, row.member, header, row.text))
        spans[row.member].append((row.number, row.first_window, row.end_window))
    index_rows, vectors = [], []
    query = sa.select(embeddings.c.member, embeddings.c.vectors).where(embeddings.c.member.in_(numbers))
    for row in tx.execute(query.order_by(embeddings.c.member)):
        vectors.append(rows.unpack_vectors(row.vectors, dimensions))
        index_rows.append(rows.index_rows(row.member, spans[row.member], len(vectors[-1])))
    return Change(sequence, removed, tuple(added), np.concatenate(index_rows), np.concatenate(vectors))
