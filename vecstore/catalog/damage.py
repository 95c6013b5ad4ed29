"""Files whose rows in the catalogue were changed on the disk: found one by one, and kept out of every result."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from vecstore.catalog import statements
from vecstore.catalog.checksums import is_as_written
from vecstore.catalog.database import Database
from vecstore.catalog.schema import checksums, chunks, embeddings, files, members, passages, removals
from vecstore.errors import StorageError
from vecstore.types import LastError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A member of a vector store, by its number, that cannot be read as it was written."""

    number: int
    file_id: str
    filename: str


class Damage:
    """Each method looks at every file of a vector store. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def found(self, store_id: str) -> list[DamagedFile]:
        """The searchable files that are damaged, in order. Raises StorageError where not even their list is whole."""
        name = sa.func.coalesce(files.c.filename, members.c.file_id).label("filename")
        query = sa.select(members.c.number, members.c.file_id, name).order_by(members.c.number)
        query = query.join_from(members, files, files.c.id == members.c.file_id, isouter=True)
        with self._database.read() as tx:
            held = tx.execute(query.where((members.c.vector_store_id == store_id) & (members.c.chunks > 0))).all()
        damaged = [row for row in held if not self._is_whole(row.number)]
        return [DamagedFile(row.number, row.file_id, row.filename) for row in damaged]

    def _is_whole(self, member: int) -> bool:
        """In a transaction of its own: a page that cannot be read ends it."""
        try:
            with self._database.read() as tx:
                of_chunks, of_passages, embedded, stored = (
                    tx.execute(sa.select(table).where(table.c.member == member).order_by(*order)).all()
                    for table, order in (
                        (chunks, [chunks.c.number]),
                        (passages, [passages.c.index]),
                        (embeddings, []),
                        (checksums, []),
                    )
                )
        except StorageError as error:
            if error.code != "damaged":
                raise
            return False
        vectors: Any = embedded[0].vectors if embedded else None
        return is_as_written(stored[0] if stored else None, of_chunks, of_passages, vectors)

    def quarantine(self, store_id: str) -> list[DamagedFile]:
        """Those of `found` are searchable no more, and their indexes forget them; their rows stay as they are.

        Each is listed as failed, with what can be done. They hold their bytes, and are billed, until they are taken
        out or added again.
        """
        damaged = self.found(store_id)
        if not damaged:
            return []
        with self._database.write("index.quarantine") as tx:
            sequence = statements.next_sequence(tx, store_id)
            for each in damaged:
                self._set_aside(tx, store_id, each, sequence)
        for each in damaged:
            log.error("vector store %s: %s (%s) is damaged in the catalogue", store_id, each.file_id, each.filename)
        return damaged

    def _set_aside(self, tx: sa.Connection, store_id: str, damaged: DamagedFile, sequence: int) -> None:
        this = members.c.number == damaged.number
        before = tx.execute(sa.select(members.c.status).where(this & (members.c.chunks > 0))).scalar()
        if before is None:
            return  # taken out meanwhile
        status = before if before == "in_progress" else "failed"  # a batch indexes it anew
        error = lost(damaged.filename)
        tx.execute(
            sa.update(members)
            .where(this)
            .values(chunks=0, status=status, error_code=error.code, error_message=error.message)
        )
        statements.move_counts(tx, store_id, {} if status == before else {before: -1, status: 1})
        row = {"vector_store_id": store_id, "sequence": sequence, "member": damaged.number}
        tx.execute(sa.insert(removals).values(row))


def lost(filename: str) -> LastError:
    """What is told of a file that is kept out."""
    sentence = (
        f"what was indexed of {filename!r} was damaged on the disk, so it is in no result; "
        "add it again, or restore a backup"
    )
    return LastError("server_error", sentence)
