"""What requests with an Idempotency-Key were answered, for a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from vecstore.catalog.database import Database
from vecstore.catalog.schema import answers
from vecstore.errors import InvalidRequestError

KEPT_S = 86_400


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None while the request is under way, or was when the process ended."""

    created_at: int
    status: int | None
    headers: Mapping[str, str]
    body: bytes


class Answers:
    """Each method is one transaction, as in Catalog. `scope` keeps the keys of one caller from those of another."""

    def __init__(self, database: Database) -> None:
        self._read, self._write = database.read, database.write

    def begin(self, scope: str, key: str, fingerprint: str, now: int) -> Answer | None:
        """None says that the request is the first with its key: go on, then `finish` or `forget`.

        Raises InvalidRequestError where the key was given with another request.
        """
        this = (answers.c.scope == scope) & (answers.c.key == key)
        with self._write() as tx:
            tx.execute(sa.delete(answers).where(this & (answers.c.created_at <= now - KEPT_S)))
            row = tx.execute(sa.select(answers).where(this)).first()
            if row is None:
                values = {"scope": scope, "key": key, "fingerprint": fingerprint, "created_at": now}
                tx.execute(sa.insert(answers).values(values))
                return None
        if row.fingerprint != fingerprint:
            raise InvalidRequestError("Idempotency-Key", f"{key!r:.80} was given with another request before")
        return Answer(row.created_at, row.status, row.headers or {}, row.body or b"")

    def finish(self, scope: str, key: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Keeps the answer for the same request."""
        values = {"status": status, "headers": dict(headers), "body": body}
        with self._write() as tx:
            this = (answers.c.scope == scope) & (answers.c.key == key)
            tx.execute(sa.update(answers).where(this).values(values))

    def forget(self, scope: str, key: str) -> None:
        """The request did nothing: it may come again."""
        with self._write() as tx:
            tx.execute(sa.delete(answers).where((answers.c.scope == scope) & (answers.c.key == key)))

    def prune(self, now: int) -> None:
        """Drops what is over a day old."""
        with self._write() as tx:
            tx.execute(sa.delete(answers).where(answers.c.created_at <= now - KEPT_S))
