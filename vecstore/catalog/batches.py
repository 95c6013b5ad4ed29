"""Files attached together: what each batch still has to do, and what became of the rest. Counts always add up."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ingestion.types import ChunkingStrategy
from vecstore.catalog import rows, statements
from vecstore.catalog.database import Database
from vecstore.catalog.schema import batch_files, batches, files, members, vector_stores
from vecstore.catalog.statements import PreparedFile, in_parts
from vecstore.errors import NotFoundError
from vecstore.types import AttributeMap, BatchSizes, FileBatchInfo, FileStatus, LastError, Task, VectorStoreFile

_PAGES_AND_CHUNKS = (batch_files.c.pages, batch_files.c.chunks)  # 0 until a file is done
_PENDING = batch_files.c.status == "in_progress"


class Batches:
    """Each method is one transaction, as in Catalog."""

    def __init__(self, database: Database) -> None:
        self._read, self._write = database.read, database.write

    def add(
        self, batch_id: str, store_id: str, wanted: Mapping[str, tuple[AttributeMap, Any]], *, now: int
    ) -> FileBatchInfo:
        """A new batch of these files, each with its attributes and strategy; all that exist are in progress.

        Raises NotFoundError and ExpiredError for the store; a file that does not exist fails alone.
        """
        with self._write("batch.create") as tx:
            project_id = statements.active_store_row(tx, store_id, now).project_id
            statements.touch(tx, store_id, now)
            made: Any = tx.execute(
                sa.insert(batches).values(id=batch_id, vector_store_id=store_id, created_at=now, in_progress=0)
            )
            batch = int(made.inserted_primary_key[0])
            known = _known_files(tx, list(wanted), project_id)
            steer(tx, store_id, {file_id: wanted[file_id] for file_id in known})
            new = [
                _task_row(batch, store_id, file_id, attributes, strategy, known=file_id in known)
                for file_id, (attributes, strategy) in wanted.items()
            ]
            tx.execute(sa.insert(batch_files), new)
            _count(tx, batch, Counter(row["status"] for row in new), now)
            _list_members(tx, store_id, new, now)
            settle(tx, store_id, list(wanted))
            return batch_info(tx, batch_id)

    def get(self, batch_id: str, *, store_id: str | None = None) -> FileBatchInfo:
        """Raises NotFoundError; also when it is another store's."""
        with self._read() as tx:
            return batch_info(tx, batch_id, store_id)

    def list(self, store_id: str | None = None) -> list[FileBatchInfo]:
        """In the order they were made; only those of that store, if one is given."""
        query = sa.select(batches).order_by(batches.c.number)
        if store_id is not None:
            query = query.where(batches.c.vector_store_id == store_id)
        with self._read() as tx:
            return [rows.batch_of(row) for row in tx.execute(query)]

    def files(self, batch_id: str) -> builtins.list[VectorStoreFile]:
        """What became of each of its files so far, in the order given. Raises NotFoundError."""
        query = BATCH_FILES.where(batches.c.id == batch_id).order_by(batch_files.c.number)
        with self._read() as tx:
            batch_info(tx, batch_id)
            return [rows.batch_file_of(row) for row in tx.execute(query)]

    def sizes(self, batch_id: str) -> tuple[int, FileBatchInfo, BatchSizes]:
        """Its number, the batch, and what its files come to, as of one moment. Raises NotFoundError."""
        summed = [
            sa.func.coalesce(sa.func.sum(column), 0)
            for column in (files.c.bytes, sa.case((_PENDING, 0), else_=files.c.bytes), *_PAGES_AND_CHUNKS)
        ]
        query = _own_files(sa.select(*summed)).where(batches.c.id == batch_id)
        with self._read() as tx:
            info = batch_info(tx, batch_id)
            number = tx.execute(sa.select(batches.c.number).where(batches.c.id == batch_id)).scalar_one()
            return number, info, BatchSizes(*map(int, tx.execute(query).one()))

    def cancel(self, batch_id: str, *, now: int, store_id: str | None = None) -> FileBatchInfo:
        """What is not done yet never will be; a batch that has ended stays as it is. Raises NotFoundError."""
        with self._write("batch.cancel") as tx:
            batch = batch_info(tx, batch_id, store_id)
            found = _pending(tx, batches.c.id == batch_id)
            if found:
                tx.execute(sa.update(batches).where(batches.c.id == batch_id).values(cancelled_at=now))
            _finish(tx, found, "cancelled", None, now)
            settle(tx, batch.vector_store_id, [row.file_id for row in found])
            return batch_info(tx, batch_id)

    # What the job loop asks and tells ------------------------------------------------------------

    def unfinished(self) -> builtins.list[int]:
        """The numbers of the batches that have something to do, oldest first."""
        query = sa.select(batches.c.number).where(batches.c.in_progress > 0).order_by(batches.c.number)
        with self._read() as tx:
            return list(tx.execute(query).scalars())

    def done_bytes(self, batch: int) -> int:
        """Bytes of the files that are not in progress any more."""
        query = _own_files(sa.select(sa.func.coalesce(sa.func.sum(files.c.bytes), 0)))
        with self._read() as tx:
            return int(tx.execute(query.where((batch_files.c.batch == batch) & ~_PENDING)).scalar_one())

    def tasks(self, batch: int, *, after: int, limit: int, suspects: bool = False) -> builtins.list[Task]:
        """What a batch still has to do, in order, from behind the task of the number `after`.

        suspects: only the files that a process died of; else only the others.
        """
        died = batch_files.c.deaths > 0
        query = (
            sa.select(
                batch_files.c.number.label("task"),
                *(column for column in batch_files.c if column.name != "number"),
                *(column for column in files.c if column.name != "number"),
            )
            .join_from(batch_files, files, files.c.id == batch_files.c.file_id)
            .where((batch_files.c.batch == batch) & _PENDING & (batch_files.c.number > after))
            .where(died if suspects else ~died)
            .order_by(batch_files.c.number)
            .limit(limit)
        )
        with self._read() as tx:
            return [rows.task_of(row) for row in tx.execute(query)]

    def died(self, tasks: Sequence[int]) -> None:
        """Notes that a process ended while it parsed these files."""
        with self._write("batch.died") as tx:
            for some in in_parts(tasks):
                this = batch_files.c.number.in_(some)
                tx.execute(sa.update(batch_files).where(this).values(deaths=batch_files.c.deaths + 1))

    def commit(self, store_id: str, done: Mapping[int, PreparedFile], *, now: int) -> set[int]:
        """Makes the files of these tasks searchable, or lists them as failed; the tasks that were still wanted.

        All or none of them, as `Catalog.commit`. A file that failed and is searchable already stays so.
        One that is to be cut otherwise by now stays in progress.
        """
        with self._write("batch.commit") as tx:
            pending = _pending(tx, batch_files.c.number.in_(list(done)))
            wanted = {row.number: row for row in pending if rows.strategy_of(row) == done[row.number].strategy}
            ready = {number: replace(done[number], attributes=row.attributes) for number, row in wanted.items()}
            held = {row.file_id for row in statements.member_rows(tx, store_id, _ids(wanted.values())) if row.chunks}
            kept = [each for each in ready.values() if each.error is None or each.file.id not in held]
            if ready:
                statements.commit(tx, store_id, kept, replaced=(), now=now)
            _record(tx, [(row, done[number]) for number, row in wanted.items()], now)
            settle(tx, store_id, _ids(wanted.values()))
        return set(wanted)


def _own_files(query: sa.Select[Any]) -> sa.Select[Any]:
    """From batches with what their own project has of the files: of another's, nothing may be told."""
    query = query.join_from(batch_files, batches).join(vector_stores, vector_stores.c.id == batches.c.vector_store_id)
    own = (files.c.id == batch_files.c.file_id) & (files.c.project_id == vector_stores.c.project_id)
    return query.join(files, own, isouter=True)


BATCH_FILES = _own_files(  # and what the vector store has of each
    sa.select(
        *batch_files.c,
        sa.func.coalesce(files.c.filename, "").label("filename"),
        batches.c.created_at,
        members.c.usage_bytes,
        members.c.media_type,
        members.c.title,
        members.c.chunks,
        members.c.warnings,
    )
).join(
    members,
    (members.c.vector_store_id == batch_files.c.vector_store_id) & (members.c.file_id == batch_files.c.file_id),
    isouter=True,
)


def give_up(tx: sa.Connection, condition: Any, error: LastError | None, now: int) -> None:
    """Ends the tasks in progress that fulfil it: cancelled, or failed with an error."""
    _finish(tx, _pending(tx, condition), "cancelled" if error is None else "failed", error, now)


def steer(tx: sa.Connection, store_id: str, wanted: Mapping[str, tuple[AttributeMap, ChunkingStrategy | None]]) -> None:
    """What was asked for last holds: also for what was to become of these files by earlier requests.

    Each file's attributes, and how it is cut, or None where that stays.
    """
    for file_id in _in_progress(tx, store_id, list(wanted)):
        attributes, strategy = wanted[file_id]
        this = (batch_files.c.vector_store_id == store_id) & (batch_files.c.file_id == file_id) & _PENDING
        cut = {} if strategy is None else rows.strategy_row(strategy)
        tx.execute(sa.update(batch_files).where(this).values(attributes=dict(attributes), **cut))


def settle(tx: sa.Connection, store_id: str, file_ids: Sequence[str]) -> None:
    """Gives members of the store their status anew: in progress as long as any batch works on them."""
    pending = _in_progress(tx, store_id, file_ids)
    moved: Counter[str] = Counter()
    changed: dict[str, list[int]] = {}
    for row in statements.member_rows(tx, store_id, file_ids):
        status: FileStatus = "in_progress" if row.file_id in pending else _status_alone(row)
        if status != row.status:
            moved.update({status: 1, row.status: -1})
            changed.setdefault(status, []).append(row.number)
    for new, numbers in changed.items():
        for some in in_parts(numbers):
            tx.execute(sa.update(members).where(members.c.number.in_(some)).values(status=new))
    statements.move_counts(tx, store_id, moved)


def _in_progress(tx: sa.Connection, store_id: str, file_ids: Sequence[str]) -> set[str]:
    """Those of the files that some batch works on, for this vector store."""
    working = (batch_files.c.vector_store_id == store_id) & _PENDING
    return {
        file_id
        for some in in_parts(file_ids)
        for file_id in tx.execute(
            sa.select(batch_files.c.file_id).where(working & batch_files.c.file_id.in_(some))
        ).scalars()
    }


def _status_alone(row: Any) -> FileStatus:
    """Of a member that nothing is done with."""
    if row.chunks:
        return "completed"
    return "failed" if row.error_code is not None else "cancelled"


def _known_files(tx: sa.Connection, file_ids: Sequence[str], project_id: str) -> set[str]:
    mine = files.c.project_id == project_id  # another project's file looks like one that does not exist
    return {
        found
        for some in in_parts(file_ids)
        for found in tx.execute(sa.select(files.c.id).where(files.c.id.in_(some) & mine)).scalars()
    }


def _task_row(
    batch: int, store_id: str, file_id: str, attributes: AttributeMap, strategy: Any, *, known: bool
) -> dict[str, Any]:
    return {
        "batch": batch,
        "vector_store_id": store_id,
        "file_id": file_id,
        "status": "in_progress" if known else "failed",
        "error_code": None if known else "invalid_file",
        "error_message": None if known else f"No such File object: {file_id}",
        "attributes": dict(attributes),
        **rows.strategy_row(strategy),
    }


def _list_members(tx: sa.Connection, store_id: str, new: Sequence[dict[str, Any]], now: int) -> None:
    """A row for each file that the store does not have yet; one that was tried in vain is tried anew."""
    there = {row.file_id for row in statements.member_rows(tx, store_id, [row["file_id"] for row in new])}
    absent = [row for row in new if row["file_id"] not in there]
    if not absent:
        return
    first = statements.reserve(tx, "position", len(absent))
    tx.execute(
        sa.insert(members),
        [
            {
                **{name: value for name, value in row.items() if name != "batch"},
                "position": first + i,
                "created_at": now,
                "media_type": "",
                "warnings": [],
                "usage_bytes": 0,
                "chunks": 0,
                "sequence": 0,  # nothing for an index to apply
            }
            for i, row in enumerate(absent)
        ],
    )
    statements.move_counts(tx, store_id, Counter(row["status"] for row in absent))


def batch_info(tx: sa.Connection, batch_id: str, store_id: str | None = None) -> FileBatchInfo:
    """Raises NotFoundError; also when it is another store's."""
    statements.check_id("batch_id", batch_id)
    row = tx.execute(sa.select(batches).where(batches.c.id == batch_id)).first()
    if row is None or (store_id is not None and row.vector_store_id != store_id):
        where = "" if store_id is None else f" in vector store '{store_id}'"
        raise NotFoundError(f"No file batch found with id '{batch_id:.80}'{where}.")
    return rows.batch_of(row)


def _pending(tx: sa.Connection, condition: Any) -> list[Any]:
    query = sa.select(*batch_files.c).join_from(batch_files, batches).where(_PENDING & condition)
    return list(tx.execute(query.order_by(batch_files.c.number)).all())


def _finish(tx: sa.Connection, found: Sequence[Any], status: FileStatus, error: LastError | None, now: int) -> None:
    values = {"status": status, "error_code": error and error.code, "error_message": error and error.message}
    for some in in_parts([row.number for row in found]):
        tx.execute(sa.update(batch_files).where(batch_files.c.number.in_(some)).values(values))
    for batch, n in Counter(row.batch for row in found).items():
        _count(tx, batch, {"in_progress": -n, status: n}, now)


def _record(tx: sa.Connection, ended: Sequence[tuple[Any, PreparedFile]], now: int) -> None:
    """What became of these tasks, and what their files came to."""
    if not ended:
        return
    new = [
        {
            "task": row.number,
            "status": "completed" if each.error is None else "failed",
            "error_code": each.error and each.error.code,
            "error_message": each.error and each.error.message,
            "pages": each.pages,
            "chunks": len(each.chunks),
        }
        for row, each in ended
    ]
    tx.execute(sa.update(batch_files).where(batch_files.c.number == sa.bindparam("task")), new)
    moved: dict[int, Counter[str]] = {}
    for (row, _), values in zip(ended, new, strict=True):
        moved.setdefault(row.batch, Counter()).update({"in_progress": -1, values["status"]: 1})
    for batch, by in moved.items():
        _count(tx, batch, by, now)


def _count(tx: sa.Connection, batch: int, by: Mapping[str, int], now: int) -> None:
    """Moves a batch's counts; with nothing left in progress it has ended."""
    this = batches.c.number == batch
    tx.execute(sa.update(batches).where(this).values({status: batches.c[status] + n for status, n in by.items()}))
    ended = this & (batches.c.in_progress == 0) & batches.c.finished_at.is_(None)
    tx.execute(sa.update(batches).where(ended).values(finished_at=now))


def _ids(found: Iterable[Any]) -> list[str]:
    return [row.file_id for row in found]
