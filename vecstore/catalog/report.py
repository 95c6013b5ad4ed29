"""Does the catalogue agree with itself? Counts, bytes, ledger and chunks against the rows they sum up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from vecstore.catalog import rows, statements
from vecstore.catalog.catalog import Catalog
from vecstore.catalog.repair import STATUSES, by_status
from vecstore.catalog.schema import (
    batch_files,
    batches,
    checksums,
    chunks,
    embeddings,
    files,
    ledger,
    members,
    passages,
    upload_parts,
    uploads,
    windows,
)
from vecstore.types import Problem

_DAMAGED = (
    "was changed on the disk: its chunks or vectors are not those that were written. Add the file again, "
    "or restore a backup; until then it is left out of results"
)
_ASIDE = "was damaged on the disk and is in no result; add the file again, restore a backup, or take it out"
_SEARCHABLE = sa.select(members).where(members.c.chunks > 0).order_by(members.c.number)
_KEPT = sa.or_(*(sa.exists().where(table.c.member == members.c.number) for table in (chunks, embeddings, checksums)))
_QUARANTINED = (  # what failed otherwise has no rows
    sa.select(members.c.file_id).where((members.c.chunks == 0) & _KEPT).order_by(members.c.number)
)


@dataclass(frozen=True, slots=True)
class AwaitedContent:
    """What has come of the upload of a file of that name."""

    part_id: str
    sha256: str
    filename: str


def inconsistencies(catalog: Catalog, store_id: str) -> list[Problem]:
    """What contradicts itself in one store's rows, and what of them was changed on the disk."""
    with catalog.database.read() as tx:
        store = statements.store_row(tx, store_id)
        found = [*_sums(tx, store), *_batches(tx, store)]
        aside = [row.file_id for row in tx.execute(_QUARANTINED.where(members.c.vector_store_id == store_id))]
        held = tx.execute(_SEARCHABLE.where(members.c.vector_store_id == store_id)).all()
    damaged = {each.number for each in catalog.damage.found(store_id)}
    for member in held:
        if member.number in damaged:
            found.append(Problem("file", f"{store_id} {member.file_id}", _DAMAGED))
            continue
        with catalog.database.read() as tx:
            problem = next(_member_problems(tx, store, member), None)
        if problem is not None:
            found.append(Problem("file", f"{store_id} {member.file_id}", problem))
    return [*found, *(Problem("file", f"{store_id} {file_id}", _ASIDE) for file_id in aside)]


def awaited_contents(catalog: Catalog) -> list[AwaitedContent]:
    """The parts of uploads that are not completed yet, in the order they came."""
    query = sa.select(upload_parts.c.id, upload_parts.c.sha256, uploads.c.filename)
    query = query.join_from(upload_parts, uploads).order_by(upload_parts.c.number)
    with catalog.database.read() as tx:
        return [AwaitedContent(row.id, row.sha256, row.filename) for row in tx.execute(query)]


def _sums(tx: sa.Connection, store: Any) -> Iterator[Problem]:
    of_store = members.c.vector_store_id == store.id
    held = tx.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(members.c.usage_bytes), 0).label("usage_bytes"),
            *by_status(members),
        ).where(of_store)
    ).one()
    metered = tx.execute(
        sa.select(sa.func.coalesce(sa.func.sum(ledger.c.delta_bytes), 0)).where(ledger.c.vector_store_id == store.id)
    ).scalar_one()
    if store.expired_at is not None and held.usage_bytes:
        yield Problem("counts", store.id, f"the vector store has expired, and still holds {held.usage_bytes} bytes")
    for name, said, found in (
        ("usage_bytes", store.usage_bytes, held.usage_bytes),
        *((f"{status} files", getattr(store, status), getattr(held, status)) for status in STATUSES),
        ("ledger bytes", metered, held.usage_bytes),
    ):
        if said != found:
            yield Problem("counts", store.id, f"{name} says {said}, the files add up to {found}")


def _batches(tx: sa.Connection, store: Any) -> Iterator[Problem]:
    held = [sa.func.count().filter(batch_files.c.status == status).label(f"held_{status}") for status in STATUSES]
    gone = sa.func.count().filter((batch_files.c.status == "in_progress") & files.c.id.is_(None)).label("gone")
    query = (
        sa.select(*batches.c, *held, gone)
        .join_from(batches, batch_files)
        .join(files, files.c.id == batch_files.c.file_id, isouter=True)
        .where(batches.c.vector_store_id == store.id)
        .group_by(batches.c.number)
    )
    for row in tx.execute(query):
        for status in STATUSES:
            said, found = getattr(row, status), getattr(row, f"held_{status}")
            if said != found:
                yield Problem("batch", row.id, f"{status} says {said}, its files add up to {found}")
        if row.gone:
            yield Problem("batch", row.id, f"{row.gone} of its files in progress are gone")


def _member_problems(tx: sa.Connection, store: Any, member: Any) -> Iterator[str]:
    embedded = tx.execute(sa.select(embeddings.c.vectors).where(embeddings.c.member == member.number)).scalar()
    if embedded is None:
        return  # taken out meanwhile
    found = tx.execute(sa.select(chunks).where(chunks.c.member == member.number).order_by(chunks.c.number)).all()
    if len(found) != member.chunks:
        yield f"has {len(found)} chunks, its row says {member.chunks}"
    spans = sa.select(windows.c.start, windows.c.end).where(windows.c.member == member.number)
    held = [(row.start, row.end) for row in tx.execute(spans.order_by(windows.c.index))]
    vectors = rows.unpack_vectors(embedded, store.dimensions)
    if len(held) != len(vectors):
        yield f"has {len(vectors)} vectors for {len(held)} windows"
        return
    cited = sa.select(passages.c.start, passages.c.end).where(passages.c.member == member.number)
    ends = [edge for row in tx.execute(cited.order_by(passages.c.index)) for edge in (row.start, row.end)]
    if (ends[:1], ends[-1:]) != ([held[0][0]], [held[-1][1]]) or ends[1:-1:2] != ends[2:-1:2]:
        yield "has text that no passage cites"
    norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
    if not np.allclose(norms, 1.0, atol=2e-3):  # float16 rounds each of the components
        yield f"has a vector of length {norms[np.argmax(np.abs(norms - 1.0))]:.3f} instead of 1"
    for row in found:
        if row.end - row.start != len(row.text):
            yield f"chunk {row.index} is {len(row.text)} characters long, its offsets say {row.end - row.start}"
        edges = [edge for window in held[row.first_window : row.end_window] for edge in window]
        if not edges or (edges[0], edges[-1]) != (row.start, row.end) or edges[1:-1:2] != edges[2:-1:2]:
            yield f"chunk {row.index} is not covered by its windows: part of its text has no vector"
