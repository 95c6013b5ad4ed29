"""What can be derived from rows that are there, derived anew. Nothing is deleted but what has ended already."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from vecstore.catalog import statements
from vecstore.catalog.batches import give_up
from vecstore.catalog.database import Database
from vecstore.catalog.meter import record
from vecstore.catalog.schema import batch_files, batches, files, ledger, members, vector_stores
from vecstore.types import LastError

STATUSES = ("in_progress", "completed", "failed", "cancelled")


def recount(database: Database, store_id: str, *, now: int) -> None:
    """The counts and bytes of a vector store and its batches as their rows add up.

    What the ledger is off by is put right by a row of now: the past stays as it was billed. Files of an expired
    store go, as its end should have taken them; files that a batch waits for and that are gone have failed.
    """
    with database.write("check.recount") as tx:
        store = statements.store_row(tx, store_id)
        absent = batch_files.c.file_id.not_in(sa.select(files.c.id))
        this = (batch_files.c.vector_store_id == store_id) & (batch_files.c.status == "in_progress") & absent
        give_up(tx, this, LastError("invalid_file", "the file was deleted before it was indexed"), now)
        if store.expired_at is not None:
            found = tx.execute(sa.select(members).where(members.c.vector_store_id == store_id)).all()
            statements.remove_members(tx, store_id, found, now)
        _recount_store(tx, store)
        _recount_batches(tx, store_id, now)
        held = tx.execute(sa.select(vector_stores.c.usage_bytes).where(vector_stores.c.id == store_id)).scalar_one()
        record(tx, store_id, store.project_id, now, held - _level(tx, store_id))


def close_account(database: Database, store_id: str, *, now: int) -> None:
    """Writes that a deleted vector store holds nothing from now on."""
    with database.write("check.recount") as tx:
        project = tx.execute(sa.select(ledger.c.project_id).where(ledger.c.vector_store_id == store_id).limit(1))
        record(tx, store_id, project.scalar_one(), now, -_level(tx, store_id))


def _level(tx: sa.Connection, store_id: str) -> int:
    total = sa.func.coalesce(sa.func.sum(ledger.c.delta_bytes), 0)
    return int(tx.execute(sa.select(total).where(ledger.c.vector_store_id == store_id)).scalar_one())


def _recount_store(tx: sa.Connection, store: Any) -> None:
    used = sa.func.coalesce(sa.func.sum(members.c.usage_bytes), 0).label("usage_bytes")
    query = sa.select(used, *by_status(members)).where(members.c.vector_store_id == store.id)
    values = dict(tx.execute(query).one()._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    tx.execute(sa.update(vector_stores).where(vector_stores.c.id == store.id).values(values))


def _recount_batches(tx: sa.Connection, store_id: str, now: int) -> None:
    for number in tx.execute(sa.select(batches.c.number).where(batches.c.vector_store_id == store_id)).scalars().all():
        counts = tx.execute(sa.select(*by_status(batch_files)).where(batch_files.c.batch == number)).one()
        this = batches.c.number == number
        tx.execute(sa.update(batches).where(this).values(dict(counts._mapping)))  # noqa: SLF001
        ended = this & (batches.c.in_progress == 0) & batches.c.finished_at.is_(None)
        tx.execute(sa.update(batches).where(ended).values(finished_at=now))


def by_status(table: sa.Table) -> list[sa.Label[int]]:
    """How many rows have each status."""
    return [sa.func.count().filter(table.c.status == status).label(status) for status in STATUSES]
