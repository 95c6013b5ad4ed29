"""Steps of a transaction, each with the connection it runs on."""

from __future__ import annotations

import sqlite3
from collections import Counter, namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import count
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from ingestion.types import Chunk, ChunkingStrategy, Passage, Window
from vecstore.catalog import rows
from vecstore.catalog.checksums import CHUNK_CRC, PASSAGE_CRC, row_of
from vecstore.catalog.meter import record
from vecstore.catalog.schema import (
    checksums,
    chunks,
    counters,
    embeddings,
    files,
    members,
    passages,
    removals,
    upload_parts,
    uploads,
    vector_stores,
    windows,
)
from vecstore.errors import ExpiredError, InvalidRequestError, NotFoundError
from vecstore.expiry import DAY_S
from vecstore.types import AttributeMap, File, HalfArray, LastError

T = TypeVar("T")

_SOME = 500  # values in one IN (...)

# A file that does not exist, or only in another project, has no name here.
MEMBERS = (
    sa.select(*members.c, sa.func.coalesce(files.c.filename, "").label("filename"))
    .join_from(members, vector_stores)
    .join(files, (files.c.id == members.c.file_id) & (files.c.project_id == vector_stores.c.project_id), isouter=True)
)
CHUNKS = (
    sa.select(*chunks.c, members.c.file_id, members.c.attributes, members.c.title, files.c.filename, CHUNK_CRC)
    .join_from(chunks, members)
    .join(files, files.c.id == members.c.file_id)
    .join(checksums, checksums.c.member == chunks.c.member, isouter=True)
)
PASSAGES = sa.select(*passages.c, PASSAGE_CRC).join_from(
    passages, checksums, checksums.c.member == passages.c.member, isouter=True
)
# of these chunks, as every search asks them
_THESE = chunks.c.number.in_(sa.bindparam("numbers", expanding=True))
_HELD = (passages.c.window >= chunks.c.first_window) & (passages.c.window < chunks.c.end_window)
_THESE_CHUNKS = CHUNKS.where(_THESE)
_THEIR_PASSAGES = (
    PASSAGES.add_columns(chunks.c.number.label("chunk"))
    .join(chunks, (passages.c.member == chunks.c.member) & _HELD)
    .where(_THESE)
    .order_by(chunks.c.number, passages.c.index)
)


class _OfChunks:
    """Gives the rows of these chunks as named tuples; the lists and dicts in them are not to be changed.

    The SQL is made once for each number of them, and the driver is asked without SQLAlchemy: a third of the time.
    """

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement
        columns = statement.selected_columns
        self._made: Any = namedtuple("made", columns.keys())  # type: ignore[misc]  # noqa: PYI024
        self._json = [i for i, column in enumerate(columns) if isinstance(column.type, sa.JSON)]
        self._sql = cache(self._sql_for)

    def __call__(self, driver: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[Any]:
        """Raises sqlite3.Error; json.JSONDecodeError where a value is damaged."""
        if not numbers:
            return
        for row in driver.execute(self._sql(len(numbers)), tuple(numbers)):
            values = list(row)
            for i in self._json:
                values[i] = _parsed(values[i])
            yield self._made._make(values)

    def _sql_for(self, count: int) -> str:
        bound = self._statement.params(numbers=range(count))
        return str(bound.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True}))


_parsed = lru_cache(maxsize=512)(rows.parsed_json)  # most are of the same headings and files as those before them
of_chunks, passages_of_chunks = _OfChunks(_THESE_CHUNKS), _OfChunks(_THEIR_PASSAGES)


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file parsed, chunked and embedded, or the reason why it could not be; ready to be committed.

    `new` says that the file's own row is written in the same transaction; `source` is the path it came from.
    `title` is the document's, "" where it has none. `parsed_by` is the revision of the parsers: the same content need
    not be parsed again by the same ones.
    vectors: (len(windows), dimensions) float16, unit norm.
    """

    file: File
    attributes: AttributeMap
    strategy: ChunkingStrategy
    media_type: str
    warnings: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    windows: tuple[Window, ...]
    passages: tuple[Passage, ...]
    vectors: HalfArray
    usage_bytes: int
    title: str = ""
    parsed_by: str = ""
    error: LastError | None = None
    new: bool = False
    source: str | None = None

    @property
    def pages(self) -> int:
        """How many pages or slides it has, 0 where the format has none."""
        return max((each.page or 0 for each in self.passages), default=0)


def check_id(param: str, value: str) -> None:
    """Raises InvalidRequestError for what cannot be an id; whether there is such a one is found out by looking."""
    if not isinstance(value, str):
        raise InvalidRequestError(param, f"must be a string, not {value!r:.80}")


def file_row(tx: sa.Connection, file_id: str) -> Any:
    check_id("file_id", file_id)
    row = tx.execute(sa.select(files).where(files.c.id == file_id)).first()
    if row is None:
        raise NotFoundError(f"No such File object: {file_id:.80}")  # OpenAI's wording
    return row


def store_row(tx: sa.Connection, store_id: str) -> Any:
    check_id("vector_store_id", store_id)
    row = tx.execute(sa.select(vector_stores).where(vector_stores.c.id == store_id)).first()
    if row is None:
        raise NotFoundError(f"No vector store found with id '{store_id:.80}'.")
    return row


def active_store_row(tx: sa.Connection, store_id: str, now: int) -> Any:
    """As `store_row`; raises ExpiredError from the second on in which the store expires."""
    row = store_row(tx, store_id)
    if row.expires_at is not None and (row.expired_at is not None or row.expires_at <= now):
        raise ExpiredError(f"Vector store '{store_id}' has expired.")
    return row


def member_row(tx: sa.Connection, store_id: str, file_id: str) -> Any:
    check_id("file_id", file_id)
    store_row(tx, store_id)
    condition = (members.c.vector_store_id == store_id) & (members.c.file_id == file_id)
    row = tx.execute(MEMBERS.where(condition)).first()
    if row is None:
        raise NotFoundError(f"No file found with id '{file_id:.80}' in vector store '{store_id}'.")
    return row


def member_rows(tx: sa.Connection, store_id: str, file_ids: Sequence[str]) -> list[Any]:
    """Those of these files that the store has."""
    found: list[Any] = []
    for some in in_parts(file_ids):
        query = sa.select(members).where((members.c.vector_store_id == store_id) & members.c.file_id.in_(some))
        found += tx.execute(query).all()
    return found


def in_parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as one statement takes."""
    return (values[i : i + _SOME] for i in range(0, len(values), _SOME))


def insert_file(tx: sa.Connection, file: File, source: str | None) -> None:
    insert_files(tx, [(file, source)])


def insert_files(tx: sa.Connection, new: Sequence[tuple[File, str | None]]) -> None:
    """Each with the path it came from, if any."""
    if new:
        tx.execute(sa.insert(files), [_file_row(file, source) for file, source in new])


def _file_row(file: File, source: str | None) -> dict[str, Any]:
    return {
        "id": file.id,
        "filename": file.filename,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "purpose": file.purpose,
        "created_at": file.created_at,
        "source": source,
        "expires_at": file.expires_at,
        "project_id": file.project_id,
    }


def commit(
    tx: sa.Connection, store_id: str, prepared: Sequence[PreparedFile], *, replaced: Sequence[str], now: int
) -> int:
    """See `Catalog.commit`."""
    active_store_row(tx, store_id, now)
    insert_files(tx, [(each.file, each.source) for each in prepared if each.new])
    _check_files(tx, [each.file.id for each in prepared if not each.new])
    found = member_rows(tx, store_id, [each.file.id for each in prepared] + list(replaced))
    before = {row.file_id: row for row in found}
    remove_members(tx, store_id, found, now)
    delete_unattached(tx, replaced)
    sequence = next_sequence(tx, store_id)
    _insert_members(tx, store_id, prepared, before=before, sequence=sequence, now=now)
    completed = sum(each.error is None for each in prepared)
    move_counts(tx, store_id, {"completed": completed, "failed": len(prepared) - completed})
    meter(tx, store_id, sum(each.usage_bytes for each in prepared), now)
    touch(tx, store_id, now)
    return sequence


def _check_files(tx: sa.Connection, file_ids: Sequence[str]) -> None:
    """Raises NotFoundError for the first that is gone."""
    there: set[str] = set()
    for some in in_parts(file_ids):
        there.update(tx.execute(sa.select(files.c.id).where(files.c.id.in_(some))).scalars())
    for file_id in file_ids:
        if file_id not in there:
            file_row(tx, file_id)


def _insert_members(
    tx: sa.Connection,
    store_id: str,
    prepared: Sequence[PreparedFile],
    *,
    before: Mapping[str, Any],
    sequence: int,
    now: int,
) -> None:
    """Those that were attached before keep their places among the files of the store."""
    if not prepared:
        return
    position = count(reserve(tx, "position", sum(each.file.id not in before for each in prepared)))
    new = []
    for each in prepared:
        old = before.get(each.file.id)
        place = (next(position), now) if old is None else (old.position, old.created_at)
        new.append(_member_row(store_id, each, place, sequence))
    inserted = tx.execute(sa.insert(members).returning(members.c.number, sort_by_parameter_order=True), new).scalars()
    _insert_contents(
        tx, [(number, each) for number, each in zip(inserted, prepared, strict=True) if each.error is None]
    )


def _member_row(store_id: str, prepared: PreparedFile, place: tuple[int, int], sequence: int) -> dict[str, Any]:
    error = prepared.error
    return {
        "vector_store_id": store_id,
        "file_id": prepared.file.id,
        "position": place[0],
        "created_at": place[1],
        "status": "completed" if error is None else "failed",
        "error_code": error and error.code,
        "error_message": error and error.message,
        "attributes": dict(prepared.attributes),
        **rows.strategy_row(prepared.strategy),
        "media_type": prepared.media_type,
        "warnings": list(prepared.warnings),
        "usage_bytes": prepared.usage_bytes,
        "chunks": len(prepared.chunks),
        "sequence": sequence,
        "title": prepared.title,
        "parsed_by": prepared.parsed_by,
    }


def _insert_contents(tx: sa.Connection, added: Sequence[tuple[int, PreparedFile]]) -> None:
    """The chunks, windows, passages and vectors of these members, and the checksums of these."""
    if not added:
        return
    number = count(reserve(tx, "chunk", sum(len(each.chunks) for _, each in added)))
    new: dict[sa.Table, list[dict[str, Any]]] = {}
    for member, each in added:
        of_chunks = [rows.chunk_row(one, number=next(number), member=member) for one in each.chunks]
        of_passages = [rows.passage_row(one, index=i, member=member) for i, one in enumerate(each.passages)]
        vectors = rows.pack_vectors(each.vectors)
        for table, made in (
            (chunks, of_chunks),
            (windows, [rows.window_row(one, index=i, member=member) for i, one in enumerate(each.windows)]),
            (passages, of_passages),
            (embeddings, [{"member": member, "vectors": vectors}]),
            (checksums, [row_of(member, of_chunks, of_passages, vectors)]),
        ):
            new.setdefault(table, []).extend(made)
    for table, made in new.items():
        tx.execute(sa.insert(table), made)


def remove_members(tx: sa.Connection, store_id: str, found: Sequence[Any], at: int) -> None:
    """Takes members out with all that hangs on them, and notes it for the indexes and the meter."""
    if not found:
        return
    numbers = [row.number for row in found]
    sequence = next_sequence(tx, store_id)
    tx.execute(
        sa.insert(removals),
        [{"vector_store_id": store_id, "sequence": sequence, "member": number} for number in numbers],
    )
    for some in in_parts(numbers):
        tx.execute(sa.delete(members).where(members.c.number.in_(some)))  # chunks, vectors cascade
    gone = Counter(row.status for row in found)
    move_counts(tx, store_id, {status: -n for status, n in gone.items()})
    meter(tx, store_id, -sum(row.usage_bytes for row in found), at)


def delete_unattached(tx: sa.Connection, file_ids: Sequence[str]) -> None:
    """Forgets those of these files that no vector store has."""
    for part in in_parts(file_ids):
        some = files.c.id.in_(part)
        tx.execute(sa.delete(files).where(some & ~files.c.id.in_(sa.select(members.c.file_id))))


def end_upload(tx: sa.Connection, condition: Any, status: str) -> list[str]:
    """Gives the uploads that fulfil it their last status and forgets their parts; the SHA-256 of these."""
    ended = list(tx.execute(sa.select(uploads.c.id).where(condition)).scalars())
    tx.execute(sa.update(uploads).where(uploads.c.id.in_(ended)).values(status=status))
    parts = upload_parts.c.upload_id.in_(ended)
    contents = list(tx.execute(sa.select(upload_parts.c.sha256).where(parts)).scalars())
    tx.execute(sa.delete(upload_parts).where(parts))
    return contents


def stores_of(project_id: str) -> sa.Select[tuple[str]]:
    """The ids of a project's vector stores."""
    return sa.select(vector_stores.c.id).where(vector_stores.c.project_id == project_id)


def next_sequence(tx: sa.Connection, store_id: str) -> int:
    this = vector_stores.c.id == store_id
    tx.execute(sa.update(vector_stores).where(this).values(sequence=vector_stores.c.sequence + 1))
    return int(tx.execute(sa.select(vector_stores.c.sequence).where(this)).scalar_one())


def move_counts(tx: sa.Connection, store_id: str, by: Mapping[str, int]) -> None:
    """Moves the store's counts of files by status."""
    moved = {status: vector_stores.c[status] + n for status, n in by.items() if n}
    if moved:
        tx.execute(sa.update(vector_stores).where(vector_stores.c.id == store_id).values(moved))


def meter(tx: sa.Connection, store_id: str, delta_bytes: int, at: int) -> None:
    """Moves the store's bytes, and the ledger with them."""
    if not delta_bytes:
        return
    this = vector_stores.c.id == store_id
    tx.execute(sa.update(vector_stores).where(this).values(usage_bytes=vector_stores.c.usage_bytes + delta_bytes))
    project_id = tx.execute(sa.select(vector_stores.c.project_id).where(this)).scalar_one()
    record(tx, store_id, project_id, at, delta_bytes)


def touch(tx: sa.Connection, store_id: str, now: int) -> None:
    """Notes activity, which puts off the store's expiry.

    A clock that stepped back moves nothing, and what is due is not put off any more.
    """
    due = now + vector_stores.c.expires_after_days * DAY_S
    live = vector_stores.c.expires_at.is_(None) | (
        (vector_stores.c.expires_at > now) & vector_stores.c.expired_at.is_(None)
    )
    this = (vector_stores.c.id == store_id) & (vector_stores.c.last_active_at < now) & live
    put_off = sa.case((due > vector_stores.c.expires_at, due), else_=vector_stores.c.expires_at)
    tx.execute(sa.update(vector_stores).where(this).values(last_active_at=now, expires_at=put_off))


def reserve(tx: sa.Connection, name: str, n: int) -> int:
    this = counters.c.name == name
    first = int(tx.execute(sa.select(counters.c.next).where(this)).scalar_one())
    tx.execute(sa.update(counters).where(this).values(next=first + n))
    return first
