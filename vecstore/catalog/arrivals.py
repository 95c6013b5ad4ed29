"""The catalogue of an archive, which may come from anywhere: believed once every value in it was checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vecstore.attributes import (
    checked_attributes,
    checked_description,
    checked_metadata,
    checked_name,
    checked_text,
)
from vecstore.catalog.catalog import Catalog
from vecstore.catalog.copies import check_copy, check_plain
from vecstore.catalog.report import inconsistencies
from vecstore.catalog.schema import (
    checksums,
    chunks,
    embeddings,
    files,
    members,
    passages,
    vector_stores,
    windows,
)
from vecstore.catalog.statements import PreparedFile
from vecstore.catalog.transfer import read_files
from vecstore.chunking import sized_strategy
from vecstore.errors import FormatError, StorageError
from vecstore.expiry import checked_days, policy_of
from vecstore.usage import usage_bytes

_TABLES = (vector_stores, files, members, chunks, windows, passages, embeddings, checksums)
_STORED = {  # how SQLite stores what Python reads as these; object is JSON
    int: ("integer",),
    float: ("real", "integer"),
    str: ("text",),
    object: ("text",),
    bytes: ("blob",),
}
_MAX_DIMENSIONS = 65_536
_MAX_MOMENT = 253_402_300_799  # the end of the year 9999, in Unix seconds


@contextmanager
def arrived(path: Path, where: str, name: str, blobs: Mapping[str, int]) -> Iterator[Catalog]:
    """The catalogue, brought to this version's format: one vector store of that name, whose files want these contents.

    Raises StorageError where it is damaged or contradicts itself, FormatError where it is newer. `where` names it.
    """
    with _judging(where):
        check_copy(path)
        check_plain(path)
        catalog = Catalog(path)
    try:
        with _judging(where):
            _check(catalog, name, blobs)
        yield catalog
    finally:
        catalog.close()


@contextmanager
def _judging(where: str) -> Iterator[None]:
    """Whatever cannot be read is the archive's fault, unless it is this machine's."""
    try:
        yield
    except FormatError:
        raise
    except StorageError as error:
        if error.code in {"full", "busy", "stopped"}:
            raise
        raise _damaged(where, error) from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _damaged(where, error) from error
    except sa.exc.SQLAlchemyError as error:
        raise _damaged(where, error) from error


def _damaged(where: str, error: Exception) -> StorageError:
    return StorageError(f"{where} is damaged, or was made by something else: {error}", code="damaged")


def _check(catalog: Catalog, name: str, blobs: Mapping[str, int]) -> None:
    with catalog.database.read() as tx:
        for table in _TABLES:
            _check_types(tx, table)
        store = tx.execute(sa.select(vector_stores)).one()
        _check_store(store, name)
        wanted: dict[str, int] = {}
        for carried in read_files(tx, store):
            _check_file(carried.prepared, store.dimensions)
            wanted[carried.prepared.file.sha256] = carried.prepared.file.bytes
    if wanted != blobs:
        raise ValueError("its files have other contents than the manifest says")
    problem = next(iter(inconsistencies(catalog, store.id)), None)
    if problem is not None:
        raise ValueError(f"{problem.kind} {problem.where}: {problem.message}")


def _check_types(tx: sa.Connection, table: sa.Table) -> None:
    """SQLite keeps any value in any column; here each has its column's type, and no whole number is negative."""
    for column in table.c:
        kind = column.type.python_type
        stored = (*_STORED[kind], *(("null",) if column.nullable else ()))
        value: sa.ColumnElement[Any] = sa.literal_column(f'"{column.name}"')
        wrong = [sa.func.typeof(value).not_in(stored), *([value < 0] if kind is int else [])]
        if tx.execute(sa.select(sa.literal(1)).select_from(table).where(sa.or_(*wrong)).limit(1)).first():
            raise ValueError(f"a value of the column {column.name!r} of the table {table.name!r} cannot be there")


def _check_store(store: Any, name: str) -> None:
    if checked_name(store.name) != name:
        raise ValueError("its vector store has another name than the manifest says")
    checked_description(store.description)
    checked_metadata(_mapping(store.metadata))
    checked_text("embedder", store.embedder, most_chars=1024)
    checked_days(policy_of(store.expires_after_days))
    if not 1 <= store.dimensions <= _MAX_DIMENSIONS:
        raise ValueError(f"dimensions must be 1 to {_MAX_DIMENSIONS}, not {store.dimensions}")
    if store.embedding_weight is not None and not 0 <= store.embedding_weight <= 1:
        raise ValueError(f"embedding_weight must be 0 to 1, not {store.embedding_weight}")
    if store.chunk_size is not None:
        sized_strategy(store.chunk_size)


def _check_file(prepared: PreparedFile, dimensions: int) -> None:
    file = prepared.file
    checked_attributes(_mapping(prepared.attributes))
    if not file.filename or max(file.created_at, file.expires_at or 0) > _MAX_MOMENT:
        raise ValueError(f"the file {file.filename!r:.80} has no name, or is of no time")
    if prepared.usage_bytes != usage_bytes((each.text for each in prepared.chunks), dimensions):
        raise ValueError(f"the chunks of {file.filename!r:.80} have other bytes than its row says")
    if [each.index for each in prepared.chunks] != list(range(len(prepared.chunks))):
        raise ValueError(f"the chunks of {file.filename!r:.80} are not numbered one by one")
    if prepared.chunks and not _covers(prepared):
        raise ValueError(f"the chunks and passages of {file.filename!r:.80} leave out some of its windows")
    headings = [each.heading_path for each in prepared.chunks] + [each.heading_path for each in prepared.passages]
    pairs = [each.pages for each in prepared.chunks] + [each.lines for each in prepared.chunks]
    pairs += [each.lines for each in prepared.passages]
    if not all(isinstance(text, str) for path in headings for text in path) or any(
        None in pair for pair in pairs if pair
    ):
        raise ValueError(f"a heading, page or line of {file.filename!r:.80} is none")


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.80} is no mapping of keys to values")
    return value


def _covers(prepared: PreparedFile) -> bool:
    """Whether each window is in some chunk, both ends of which grow, and each passage in some window."""
    spans = [each.windows for each in prepared.chunks]
    n = len(prepared.windows)
    grow = all(a[0] <= b[0] <= a[1] <= b[1] for a, b in pairwise(spans))
    inside = all(first < end for first, end in spans) and all(0 <= each.window < n for each in prepared.passages)
    return grow and inside and spans[0][0] == 0 and spans[-1][1] == n
