"""The catalogue: each method is one transaction, and what it returned is durable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ingestion.types import Passage
from vecstore import ids
from vecstore.catalog import rows, statements
from vecstore.catalog.allowing import Allowing
from vecstore.catalog.answers import Answers
from vecstore.catalog.batches import Batches, give_up, settle, steer
from vecstore.catalog.checksums import checked_chunk
from vecstore.catalog.damage import Damage
from vecstore.catalog.database import Database
from vecstore.catalog.expiring import Expiring
from vecstore.catalog.keys import Keys
from vecstore.catalog.meter import Meter, add_calls
from vecstore.catalog.pages import Pages
from vecstore.catalog.projects import Projects
from vecstore.catalog.replay import addition
from vecstore.catalog.schema import (
    batch_files,
    checkpoints,
    chunks,
    files,
    members,
    passages,
    removals,
    upload_parts,
    vector_stores,
    windows,
)
from vecstore.catalog.statements import PreparedFile
from vecstore.catalog.uploads import Uploads
from vecstore.changes import Change, Checkpoint
from vecstore.disk import WriteGate
from vecstore.errors import InvalidRequestError
from vecstore.expiry import DAY_S
from vecstore.filters import Filter
from vecstore.types import (
    DEFAULT_PROJECT,
    AttributeMap,
    File,
    FileChunk,
    IntArray,
    LastError,
    VectorStoreFile,
    VectorStoreInfo,
)

_KNOWN_STORES = 10_000  # whose rows are kept in memory
_REPLAY_GROUP = 64  # members read and applied at a time when an index is brought up to date


class Catalog:
    """One SQL database. Thread-safe; writers queue up."""

    def __init__(self, path: Path, gate: WriteGate | None = None) -> None:
        self.database = Database(path, gate)
        self._read, self._write = self.database.read, self.database.write
        self._known: dict[str, tuple[int | None, VectorStoreInfo]] = {}  # as of a moment of the database
        self._allowing = Allowing(self.database)
        self.answers = Answers(self.database)
        self.batches = Batches(self.database)
        self.damage = Damage(self.database)
        self.expiring = Expiring(self.database)
        self.keys = Keys(self.database)
        self.meter = Meter(self.database)
        self.pages = Pages(self.database)
        self.projects = Projects(self.database)
        self.uploads = Uploads(self.database)

    def close(self) -> None:
        """Waits for the transaction under way; later ones raise VecstoreError."""
        self.database.close()

    # Files -------------------------------------------------------------------------------------

    def add_files(self, added: Sequence[File]) -> None:
        """All or none."""
        with self._write("upload") as tx:
            for file in added:
                statements.insert_file(tx, file, None)
        for file in added:
            self.expiring.note(file.expires_at)

    def file(self, file_id: str) -> File:
        """Raises NotFoundError."""
        with self._read() as tx:
            return rows.file_of(statements.file_row(tx, file_id))

    def files(self) -> list[File]:
        """In the order they were uploaded."""
        with self._read() as tx:
            return [rows.file_of(row) for row in tx.execute(sa.select(files).order_by(files.c.number))]

    def set_source(self, file_id: str, source: str) -> None:
        """Notes the path that a file came from."""
        with self._write() as tx:
            tx.execute(sa.update(files).where(files.c.id == file_id).values(source=source))

    def holders(self, file_id: str) -> list[str]:
        """The ids of the vector stores that have the file. Raises NotFoundError."""
        with self._read() as tx:
            own = statements.stores_of(statements.file_row(tx, file_id).project_id)
            this = (members.c.file_id == file_id) & members.c.vector_store_id.in_(own)
            return list(tx.execute(sa.select(members.c.vector_store_id).where(this)).scalars())

    def delete_file(self, file_id: str, *, now: int) -> list[str]:
        """Takes the file out of every vector store and forgets it; the ids of those stores.

        Batches that were to index it list it as failed. now: also when its bytes stop being counted.
        """
        with self._write("file.delete") as tx:
            file = statements.file_row(tx, file_id)
            own = statements.stores_of(file.project_id)  # another project lists it as one that does not exist
            this = (members.c.file_id == file_id) & members.c.vector_store_id.in_(own)
            found = tx.execute(sa.select(members).where(this).order_by(members.c.number)).all()
            gone = LastError("invalid_file", f"{file.filename!r} was deleted before it was indexed")
            give_up(tx, batch_files.c.file_id == file_id, gone, now)
            for row in found:
                statements.remove_members(tx, row.vector_store_id, [row], now)
            tx.execute(sa.delete(files).where(files.c.id == file_id))
        return [row.vector_store_id for row in found]

    def blob_in_use(self, sha256: str) -> bool:
        wanted = sa.select(files.c.sha256).where(files.c.sha256 == sha256)
        awaited = sa.select(upload_parts.c.sha256).where(upload_parts.c.sha256 == sha256)
        with self._read() as tx:
            return tx.execute(wanted.union_all(awaited).limit(1)).first() is not None

    def blobs_in_use(self) -> set[str]:
        """The SHA-256 of every content that a file or an upload wants."""
        with self._read() as tx:
            return set(tx.execute(sa.select(files.c.sha256).union(sa.select(upload_parts.c.sha256))).scalars())

    # Vector stores -----------------------------------------------------------------------------

    def add_vector_store(
        self,
        store_id: str,
        *,
        name: str,
        description: str | None = None,
        metadata: Mapping[str, str],
        embedder: str,
        dimensions: int,
        now: int,
        expires_after_days: int | None = None,
        project_id: str = DEFAULT_PROJECT,
    ) -> None:
        expires_at = None if expires_after_days is None else now + expires_after_days * DAY_S
        with self._write("store.create") as tx:
            tx.execute(
                sa.insert(vector_stores).values(
                    id=store_id,
                    name=name,
                    description=description,
                    metadata=dict(metadata),
                    embedder=embedder,
                    dimensions=dimensions,
                    created_at=now,
                    last_active_at=now,
                    expires_after_days=expires_after_days,
                    expires_at=expires_at,
                    project_id=project_id,
                )
            )
        self.expiring.note(expires_at)

    def update_vector_store(self, store_id: str, changed: Mapping[str, Any], *, now: int) -> VectorStoreInfo:
        """Sets `name`, `metadata`, `expires_after_days`, `embedding_weight` or `chunk_size`.

        A policy counts from the last activity, yet ends nothing before it was set.
        Raises NotFoundError, and ExpiredError for a policy that comes too late.
        """
        values = dict(changed)
        with self._write("store.update") as tx:
            row = statements.store_row(tx, store_id)
            if "expires_after_days" in values:
                statements.active_store_row(tx, store_id, now)
                days = values["expires_after_days"]
                values["expires_at"] = None if days is None else max(row.last_active_at + days * DAY_S, now)
            if values:
                tx.execute(sa.update(vector_stores).where(vector_stores.c.id == store_id).values(values))
            info = rows.vector_store_of(statements.store_row(tx, store_id))
        self.expiring.note(info.expires_at)
        return info

    def vector_store(self, store_id: str) -> VectorStoreInfo:
        """Raises NotFoundError."""
        asked_at = self.database.moment
        at, info = self._known.get(store_id, (None, None))
        if info is not None and at == asked_at is not None:  # no other process writes these rows
            return info
        with self._read() as tx:
            info = rows.vector_store_of(statements.store_row(tx, store_id))
        if len(self._known) >= _KNOWN_STORES:
            self._known.clear()
        self._known[store_id] = asked_at, info
        return info

    def vector_stores(self, *, name: str | None = None) -> list[VectorStoreInfo]:
        """In the order of creation; only those of that name, if one is given."""
        query = sa.select(vector_stores).order_by(vector_stores.c.number)
        if name is not None:
            query = query.where(vector_stores.c.name == name)
        with self._read() as tx:
            return [rows.vector_store_of(row) for row in tx.execute(query)]

    def touch(self, activity: Mapping[str, int], calls: Mapping[int, Mapping[str, int]]) -> None:
        """Notes when vector stores were last active, and how often each was searched in a minute, by its first second.

        A clock that stepped back moves nothing.
        """
        with self._write("meter.calls") as tx:
            for store_id, now in sorted(activity.items()):
                statements.touch(tx, store_id, now)
            for minute, counts in calls.items():
                add_calls(tx, counts, minute)

    def delete_vector_store(self, store_id: str, *, with_files: bool = False, now: int) -> None:
        """Forgets the store, its members and their chunks, with `with_files` also files that no other store has.

        Raises NotFoundError.
        """
        with self._write("store.delete") as tx:
            statements.store_row(tx, store_id)
            found = tx.execute(sa.select(members).where(members.c.vector_store_id == store_id)).all()
            statements.remove_members(tx, store_id, found, now)
            if with_files:
                statements.delete_unattached(tx, [row.file_id for row in found])
            tx.execute(sa.delete(vector_stores).where(vector_stores.c.id == store_id))

    # Members -----------------------------------------------------------------------------------

    def commit(self, store_id: str, prepared: Sequence[PreparedFile], *, replaced: Sequence[str] = (), now: int) -> int:
        """Makes files searchable, all or none: rows, counts, bytes, ledger, and the store's new sequence number.

        A file that is attached already is replaced; the files `replaced` are deleted in the same transaction.
        Raises NotFoundError when the store, or a file that should be there, is gone, ExpiredError.
        """
        with self._write("index.commit") as tx:
            gone = (batch_files.c.vector_store_id == store_id) & batch_files.c.file_id.in_(list(replaced))
            give_up(tx, gone, None, now)
            sequence = statements.commit(tx, store_id, prepared, replaced=replaced, now=now)
            steer(tx, store_id, {each.file.id: (each.attributes, each.strategy) for each in prepared})
            settle(tx, store_id, [each.file.id for each in prepared])
        return sequence

    def remove_member(self, store_id: str, file_id: str, *, now: int) -> None:
        """Raises NotFoundError."""
        with self._write("index.detach") as tx:
            row = statements.member_row(tx, store_id, file_id)
            this = (batch_files.c.vector_store_id == store_id) & (batch_files.c.file_id == file_id)
            give_up(tx, this, None, now)
            statements.remove_members(tx, store_id, [row], now)

    def set_attributes(self, store_id: str, file_id: str, attributes: AttributeMap) -> None:
        """Raises NotFoundError."""
        with self._allowing.altering(store_id), self._write("index.attributes") as tx:
            number = statements.member_row(tx, store_id, file_id).number
            tx.execute(sa.update(members).where(members.c.number == number).values(attributes=dict(attributes)))
            steer(tx, store_id, {file_id: (attributes, None)})

    def member(self, store_id: str, file_id: str) -> VectorStoreFile:
        """Raises NotFoundError."""
        with self._read() as tx:
            return rows.member_of(statements.member_row(tx, store_id, file_id))

    def members(self, store_id: str) -> list[VectorStoreFile]:
        """In the order they were attached."""
        query = statements.MEMBERS.where(members.c.vector_store_id == store_id).order_by(members.c.position)
        with self._read() as tx:
            statements.store_row(tx, store_id)
            return [rows.member_of(row) for row in tx.execute(query)]

    def allowed_members(self, store_id: str, wanted: Filter) -> IntArray:
        """The numbers of the searchable members whose attributes pass, ascending, perhaps with some taken out since.

        Raises NotFoundError.
        """
        return self._allowing.members(store_id, self.vector_store(store_id).sequence, wanted)

    # Chunks ------------------------------------------------------------------------------------

    def content(
        self, store_id: str, file_id: str, *, after: str | None = None, limit: int | None = None
    ) -> list[FileChunk]:
        """A file's chunks in reading order, up to `limit`, those behind the chunk of the id `after`.

        Raises NotFoundError, InvalidRequestError where the file has no such chunk.
        """
        with self._read() as tx:
            number = statements.member_row(tx, store_id, file_id).number
            this = chunks.c.member == number
            if after is not None:
                statements.check_id("after", after)
                place = sa.select(chunks.c.number).where(this & (chunks.c.number == ids.chunk_number(after)))
                if (found := tx.execute(place).scalar()) is None:
                    raise InvalidRequestError("after", f"must be the id of a chunk of this file, not {after!r:.80}")
                this &= chunks.c.number > found
            spans = sa.select(windows.c.start, windows.c.end).where(windows.c.member == number)
            each = [(row.start, row.end) for row in tx.execute(spans.order_by(windows.c.index))]
            query = statements.CHUNKS.where(this).order_by(chunks.c.number).limit(limit)
            return [rows.file_chunk_of(row, each) for row in tx.execute(query)]

    def chunk_places(self, store_id: str, file_id: str) -> list[tuple[int, int]]:
        """Where each of a file's chunks starts and ends, in reading order. Raises NotFoundError."""
        with self._read() as tx:
            number = statements.member_row(tx, store_id, file_id).number
            query = sa.select(chunks.c.start, chunks.c.end).where(chunks.c.member == number).order_by(chunks.c.number)
            return [(row.start, row.end) for row in tx.execute(query)]

    def text(self, store_id: str, file_id: str, start: int = 0, end: int | None = None) -> str:
        """That stretch of the file's parsed text, put together from its chunks. Raises NotFoundError."""
        with self._read() as tx:
            number = statements.member_row(tx, store_id, file_id).number
            touched = (chunks.c.member == number) & (chunks.c.end > start)
            if end is not None:
                touched &= chunks.c.start < end
            parts = []
            for row in map(checked_chunk, tx.execute(statements.CHUNKS.where(touched).order_by(chunks.c.number))):
                until = None if end is None else max(end - row.start, 0)
                parts.append(row.text[max(start - row.start, 0) : until])
                start = max(start, row.end)
        return "".join(parts)

    def file_passages(self, store_id: str, file_id: str) -> list[Passage]:
        """All of a file's passages in reading order. Raises NotFoundError."""
        with self._read() as tx:
            number = statements.member_row(tx, store_id, file_id).number
            query = statements.PASSAGES.where(passages.c.member == number).order_by(passages.c.index)
            return [rows.passage_of(row) for row in tx.execute(query)]

    def chunks(self, numbers: Sequence[int]) -> Mapping[int, tuple[FileChunk, AttributeMap]]:
        """The chunks of those numbers that still exist, each with its file's attributes.

        One that is not as it was written raises StorageError when it is looked at.
        """
        with self.database.read_once() as driver:
            return rows.FileChunks(statements.of_chunks(driver, numbers))

    def passages(self, numbers: Sequence[int]) -> dict[int, list[Passage]]:
        """The passages of each of these chunks that still exist, in reading order."""
        found: dict[int, list[Passage]] = {}
        with self.database.read_once() as driver:
            for row in statements.passages_of_chunks(driver, numbers):
                found.setdefault(row.chunk, []).append(rows.passage_of(row))
        return found

    # What the indexes are made of --------------------------------------------------------------

    def changes_since(self, store_id: str, sequence: int) -> Iterator[Change]:
        """What an index that has applied `sequence` lacks, oldest first, read as of one moment.

        The last change carries the store's own sequence number. Raises NotFoundError.
        """
        same_store = members.c.vector_store_id == store_id
        with self._read() as tx:
            store = statements.store_row(tx, store_id)
            removed = tx.execute(
                sa.select(removals.c.member)
                .where((removals.c.vector_store_id == store_id) & (removals.c.sequence > sequence))
                .order_by(removals.c.number)
            )
            gone = tuple(removed.scalars())
            due = sa.select(members.c.number, members.c.title, files.c.filename).join_from(
                members, files, files.c.id == members.c.file_id
            )
            due = due.where(same_store & (members.c.chunks > 0) & (members.c.sequence > sequence))
            found = tx.execute(due.order_by(members.c.number)).all()
            groups = [found[i : i + _REPLAY_GROUP] for i in range(0, len(found), _REPLAY_GROUP)]
            # removals travel with the first addition, so that a replaced file is never absent
            for i, group in enumerate(groups):
                reached = store.sequence if i == len(groups) - 1 else sequence
                yield addition(tx, group, gone if i == 0 else (), reached, store.dimensions)
            if not groups:
                yield Change(store.sequence, gone)

    def checkpoint(self, store_id: str) -> Checkpoint | None:
        """The index files that are vouched for, if there are any."""
        query = sa.select(checkpoints).where(checkpoints.c.vector_store_id == store_id)
        with self._read() as tx:
            row = tx.execute(query).first()
        return None if row is None else Checkpoint(row.folder, row.sequence, row.files)

    def set_checkpoint(self, store_id: str, checkpoint: Checkpoint | None) -> None:
        """Vouches for these index files alone, and drops the removals that they have applied."""
        with self._write("index.checkpoint") as tx:
            tx.execute(sa.delete(checkpoints).where(checkpoints.c.vector_store_id == store_id))
            if checkpoint is None:
                return
            tx.execute(
                sa.insert(checkpoints).values(
                    vector_store_id=store_id,
                    folder=checkpoint.folder,
                    sequence=checkpoint.sequence,
                    files=dict(checkpoint.files),
                )
            )
            applied = removals.c.sequence <= checkpoint.sequence
            tx.execute(sa.delete(removals).where((removals.c.vector_store_id == store_id) & applied))
