"""One vector store from one catalogue into another: out to the catalogue of an archive, and in from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from vecstore import ids
from vecstore.catalog import rows, statements
from vecstore.catalog.catalog import Catalog
from vecstore.catalog.contents import prepared_of
from vecstore.catalog.database import Database
from vecstore.catalog.schema import files, members, vector_stores
from vecstore.catalog.statements import PreparedFile
from vecstore.errors import StorageError
from vecstore.expiry import DAY_S
from vecstore.types import DEFAULT_PROJECT, File, LastError, VectorStoreInfo

_GROUP = 64  # files read and written at a time
_KEPT = (
    "description",
    "metadata",
    "embedder",
    "dimensions",
    "expires_after_days",
    "embedding_weight",
    "chunk_size",
)

_FILE = [column.label(f"of_{column.name}") for column in files.c]
_HELD = sa.select(*members.c, files.c.filename, *_FILE).join_from(members, vector_stores)
_OWN = (files.c.id == members.c.file_id) & (files.c.project_id == vector_stores.c.project_id)
_FINISHED = (members.c.chunks > 0) | members.c.error_code.is_not(None)  # searchable, or failed for good


@dataclass(frozen=True, slots=True)
class Carried:
    """A file on its way, ready to be committed, and its place among the others."""

    prepared: PreparedFile
    position: int


def export_store(source: Database, store_id: str, target: Database, *, now: int) -> list[str]:
    """Writes the vector store into an empty catalogue; the names of the files that are left out of it.

    These are in progress or were cancelled, with nothing to be found, or do not exist. Raises NotFoundError, and
    StorageError where a file's rows are damaged.
    """
    with source.read() as tx, target.write() as out:
        store = statements.store_row(tx, store_id)
        files_of_it = read_files(tx, store)
        write_store(out, store, store_id, files_of_it, name=store.name, project_id=DEFAULT_PROJECT, now=now)
        name = sa.func.coalesce(files.c.filename, members.c.file_id)
        query = sa.select(name).join_from(members, vector_stores).join(files, _OWN, isouter=True)
        out_of_it = (members.c.vector_store_id == store_id) & (~_FINISHED | files.c.id.is_(None))
        return list(tx.execute(query.where(out_of_it).order_by(members.c.position)).scalars())


def import_store(
    source: Database, target: Catalog, store_id: str, *, name: str, project_id: str, now: int
) -> VectorStoreInfo:
    """Makes the one vector store of an archive's catalogue, checked before, one of this catalogue: all or nothing.

    It begins now, under that id and name; its files keep their ids where these are free.
    """
    with source.read() as tx, target.database.write("import.store") as out:
        store = tx.execute(sa.select(vector_stores)).one()
        carried = _renumbered(out, read_files(tx, store), project_id)
        made = write_store(out, store, store_id, carried, name=name, project_id=project_id, now=now)
        info = rows.vector_store_of(statements.store_row(out, store_id))
    for expires_at in (info.expires_at, *(file.expires_at for file in made)):
        target.expiring.note(expires_at)
    return info


def read_files(tx: sa.Connection, store: Any) -> Iterator[Carried]:
    """What a vector store has of each of its files, in the order in which they were indexed."""
    this = (members.c.vector_store_id == store.id) & _FINISHED
    query = _HELD.join(files, _OWN).where(this).order_by(members.c.number)
    for row in tx.execute(query):
        yield Carried(_prepared(tx, row, store.dimensions), row.position)


def write_store(
    tx: sa.Connection,
    store: Any,
    store_id: str,
    carried: Iterator[Carried],
    *,
    name: str,
    project_id: str,
    now: int,
) -> list[File]:
    """The vector store with all of its files, in a transaction under way; the files."""
    days = store.expires_after_days
    values = {kept: getattr(store, kept) for kept in _KEPT}
    dates = {"created_at": now, "last_active_at": now, "expires_at": None if days is None else now + days * DAY_S}
    tx.execute(sa.insert(vector_stores).values(id=store_id, name=name, project_id=project_id, **values, **dates))
    places: dict[str, int] = {}
    made: list[File] = []
    group: list[PreparedFile] = []
    for each in carried:
        group.append(each.prepared)
        places[each.prepared.file.id] = each.position
        if len(group) == _GROUP:
            made += _committed(tx, store_id, group, now)
            group = []
    made += _committed(tx, store_id, group, now)
    _put_in_order(tx, store_id, places)
    return made


def _committed(tx: sa.Connection, store_id: str, group: list[PreparedFile], now: int) -> list[File]:
    statements.commit(tx, store_id, group, replaced=(), now=now)
    return [each.file for each in group]


def _put_in_order(tx: sa.Connection, store_id: str, places: Mapping[str, int]) -> None:
    """A file that was indexed anew kept its place before those that came after it."""
    in_order = sorted(places, key=places.__getitem__)
    if in_order == list(places):
        return
    this = members.c.vector_store_id == store_id
    given = list(tx.execute(sa.select(members.c.position).where(this).order_by(members.c.position)).scalars())
    for position, file_id in zip(given, in_order, strict=True):
        moved = this & (members.c.file_id == file_id) & (members.c.position != position)
        tx.execute(sa.update(members).where(moved).values(position=position))


def _prepared(tx: sa.Connection, row: Any, dimensions: int) -> PreparedFile:
    file = File(
        id=row.of_id,
        filename=row.of_filename,
        bytes=row.of_bytes,
        sha256=row.of_sha256,
        created_at=row.of_created_at,
        purpose=row.of_purpose,
        expires_at=row.of_expires_at,
        project_id=DEFAULT_PROJECT,
    )
    if not row.chunks:
        none, error = np.empty((0, 0), np.float16), LastError(row.error_code, row.error_message or "")
        strategy = rows.strategy_of(row)
        return PreparedFile(file, row.attributes, strategy, "", (), (), (), (), none, 0, error=error, new=True)
    prepared = prepared_of(tx, row, dimensions, file=file, attributes=row.attributes)
    if prepared is None:
        raise StorageError(
            f"what was indexed of {file.filename!r} was damaged on the disk; add it again, or restore a backup",
            code="damaged",
        )
    return replace(prepared, new=True)


def _renumbered(tx: sa.Connection, carried: Iterator[Carried], project_id: str) -> Iterator[Carried]:
    """Each file as the project's own, with a new id where another one has its id."""
    for each in carried:
        given = each.prepared.file
        file_id = given.id if _is_free(tx, given.id) else ids.new_file_id()
        file = replace(given, id=file_id, project_id=project_id)
        yield replace(each, prepared=replace(each.prepared, file=file))


def _is_free(tx: sa.Connection, file_id: str) -> bool:
    """Whether no file has the id, nor any vector store a file that it misses under this id."""
    if not ids.is_file_id(file_id):
        return False
    known = sa.select(files.c.id).where(files.c.id == file_id)
    missed = sa.select(members.c.file_id).where(members.c.file_id == file_id)
    return tx.execute(known.union_all(missed).limit(1)).first() is None
