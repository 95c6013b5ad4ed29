"""What is wrong with the catalogue as a whole: pages, references, the ledger of what is no more, sums kept of it."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from vecstore.catalog.catalog import Catalog
from vecstore.catalog.schema import files, ledger, upload_parts, vector_stores
from vecstore.errors import StorageError
from vecstore.types import Problem

_MAX_TOLD = 20
_ADVICE = (
    "Restore a backup, or see what '.recover' of the program sqlite3 saves of a copy; what does not lie there goes on."
)


def database_problems(catalog: Catalog, *, fix: bool) -> list[Problem]:
    """Every page of the database, and every reference of a row to another. Indexes of SQLite are made anew.

    Raises StorageError where not even that can be found out.
    """
    found = _damaged_pages(catalog)
    if found and fix and all(_of_an_index(message) for message in found):
        with catalog.database.write() as tx:
            tx.exec_driver_sql("REINDEX")
        left = _damaged_pages(catalog)
    else:
        left = found
    return [
        *(Problem("catalogue", "pages", f"{message}. {_ADVICE}", message not in left) for message in found),
        *_lost_references(catalog),
    ]


def _damaged_pages(catalog: Catalog) -> list[str]:
    with catalog.database.read() as tx:
        told = tx.exec_driver_sql(f"PRAGMA integrity_check({_MAX_TOLD})").scalars().all()
    return [line for line in told if line != "ok"]


def lists_contents_whole(catalog: Catalog) -> bool:
    """Whether the tables that say which contents are wanted are in order; else what seems a stray may be none."""
    try:
        with catalog.database.read() as tx:
            told = [
                tx.exec_driver_sql(f"PRAGMA integrity_check({table.name})").scalars().all()
                for table in (files, upload_parts)
            ]
    except StorageError as error:
        if error.code != "damaged":
            raise
        return False
    return all(lines == ["ok"] for lines in told)


def _of_an_index(message: str) -> bool:
    """Whether it speaks of what SQLite derives from rows."""
    return "missing from index" in message or message.startswith("wrong # of entries in index")


def _lost_references(catalog: Catalog) -> Iterator[Problem]:
    with catalog.database.read() as tx:
        rows = tx.exec_driver_sql("PRAGMA foreign_key_check").all()
    for table in sorted({row[0] for row in rows}):
        n = sum(row[0] == table for row in rows)
        yield Problem("catalogue", table, f"{n} of its rows belong to nothing. {_ADVICE}")


def ledger_problems(catalog: Catalog) -> list[Problem]:
    """What no vector store holds any more is not billed any more."""
    level = sa.func.sum(ledger.c.delta_bytes)
    gone = ledger.c.vector_store_id.not_in(sa.select(vector_stores.c.id))
    query = sa.select(ledger.c.vector_store_id, level).where(gone).group_by(ledger.c.vector_store_id).having(level != 0)
    with catalog.database.read() as tx:
        rows = tx.execute(query.order_by(ledger.c.vector_store_id)).all()
    return [
        Problem("ledger", store_id, f"the vector store is deleted, and the ledger still says {held} bytes")
        for store_id, held in rows
    ]


def mark_problems(catalog: Catalog) -> list[Problem]:
    """Sums that are kept for reports and are not those of the ledger."""
    return [
        Problem("ledger sums", scope, "what is kept of the ledger's sums is not what its rows add up to")
        for scope in catalog.meter.wrong_marks()
    ]
