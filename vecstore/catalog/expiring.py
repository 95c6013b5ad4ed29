"""What is due to expire, and its end: to the second of its policy, whenever it is carried out."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from vecstore.catalog import statements
from vecstore.catalog.batches import give_up
from vecstore.catalog.database import Database
from vecstore.catalog.schema import batch_files, files, members, uploads, vector_stores
from vecstore.types import Expired, LastError

_STORE_IS_LIVE = vector_stores.c.expired_at.is_(None)
_UPLOAD_IS_LIVE = uploads.c.status == "pending"


class Expiring:
    """Each method is one transaction, as in Catalog. When the next thing expires is remembered between them."""

    def __init__(self, database: Database) -> None:
        self._read, self._write = database.read, database.write
        self._guard = threading.Lock()
        self._next: int | None = 0  # nothing expires before; None: nothing ever does

    def note(self, expires_at: int | None) -> None:
        """Something new expires then."""
        with self._guard:
            if expires_at is not None and (self._next is None or expires_at < self._next):
                self._next = expires_at

    def due(self, now: int) -> list[Expired]:
        """What has expired by now and is still there, in the order in which it did. Usually costs nothing."""
        with self._guard:
            if self._next is None or now < self._next:
                return []
            with self._read() as tx:
                found = [*_stores(tx, now), *_files(tx, now), *_uploads(tx, now)]
                if not found:
                    self._next = _earliest(tx)
        return sorted(found, key=lambda each: (each.expired_at, each.kind, each.id))

    def expire_store(self, store_id: str, *, now: int) -> bool:
        """Takes all files out of a store that is due, as of the second in which it expired; its row stays.

        False when it is not due any more: it was active, or its policy changed.
        """
        with self._write("expiry.store") as tx:
            this = vector_stores.c.id == store_id
            due = this & _STORE_IS_LIVE & (vector_stores.c.expires_at <= now)
            row = tx.execute(sa.select(vector_stores).where(due)).first()
            if row is None:
                return False
            error = LastError("server_error", f"Vector store '{store_id}' has expired.")
            give_up(tx, batch_files.c.vector_store_id == store_id, error, row.expires_at)
            found = tx.execute(sa.select(members).where(members.c.vector_store_id == store_id)).all()
            statements.remove_members(tx, store_id, found, row.expires_at)
            tx.execute(sa.update(vector_stores).where(this).values(expired_at=row.expires_at))
        return True

    def expire_upload(self, upload_id: str, *, now: int) -> list[str]:
        """Ends an upload that is due; the SHA-256 of its parts, which nothing wants any more."""
        with self._write("expiry.upload") as tx:
            this = (uploads.c.id == upload_id) & _UPLOAD_IS_LIVE & (uploads.c.expires_at <= now)
            return statements.end_upload(tx, this, "expired")


def _stores(tx: sa.Connection, now: int) -> list[Expired]:
    query = sa.select(vector_stores).where(_STORE_IS_LIVE & (vector_stores.c.expires_at <= now))
    return [Expired("vector_store", row.id, row.name, row.expires_at, row.usage_bytes) for row in tx.execute(query)]


def _files(tx: sa.Connection, now: int) -> list[Expired]:
    query = sa.select(files).where(files.c.expires_at <= now)
    return [Expired("file", row.id, row.filename, row.expires_at, row.bytes) for row in tx.execute(query)]


def _uploads(tx: sa.Connection, now: int) -> list[Expired]:
    query = sa.select(uploads).where(_UPLOAD_IS_LIVE & (uploads.c.expires_at <= now))
    return [Expired("upload", row.id, row.filename, row.expires_at, row.bytes) for row in tx.execute(query)]


def _earliest(tx: sa.Connection) -> int | None:
    each = [
        sa.select(sa.func.min(vector_stores.c.expires_at)).where(_STORE_IS_LIVE),
        sa.select(sa.func.min(files.c.expires_at)),
        sa.select(sa.func.min(uploads.c.expires_at)).where(_UPLOAD_IS_LIVE),
    ]
    found = [tx.execute(query).scalar() for query in each]
    return min((moment for moment in found if moment is not None), default=None)
