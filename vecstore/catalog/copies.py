"""Copies of the catalogue's database: of one moment, whole in one file, read without a trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vecstore.catalog.schema import FOLDER_ID
from vecstore.disk import storage_error
from vecstore.errors import StorageError
from vecstore.files import fsync_path

_PAGES = 4096  # copied at a time, 16 MiB
_WAIT_S = 10.0

_WANTED = "SELECT sha256, bytes FROM files UNION SELECT sha256, bytes FROM upload_parts ORDER BY sha256"
_COUNTS = (
    "SELECT (SELECT count(*) FROM vector_stores), (SELECT count(*) FROM files), "
    "(SELECT coalesce(sum(chunks), 0) FROM members)"
)
_FOLDER_ID = "SELECT coalesce((SELECT next FROM counters WHERE name = ?), 0)"
_NAMES = (
    "SELECT filename FROM files WHERE sha256 = ?1 UNION SELECT filename FROM uploads "
    "JOIN upload_parts ON upload_id = uploads.id WHERE sha256 = ?1 ORDER BY filename"
)
_ODD = (
    "SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' UNION ALL "
    "SELECT 'computed column', x.name FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS x "
    "WHERE m.type = 'table' AND x.hidden <> 0"
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a catalogue has, and the bytes of each content that it wants, by SHA-256.

    `folder_id` is that of the data folder it was made in, 0 of an older one.
    """

    vector_stores: int
    files: int
    chunks: int
    blobs: dict[str, int]
    folder_id: int


def copy_catalog(source: Path, target: Path, on_pages: Callable[[int, int], None]) -> None:
    """The database as of one moment, durable; whoever has it open goes on reading and writing.

    The copy vouches for no index files. on_pages hears how many pages were copied, and of how many.
    Raises StorageError.
    """
    with _failing(source), _opened(source) as held, _opened(target) as copy:
        held.execute("BEGIN")
        held.execute("SELECT 1 FROM sqlite_master").fetchone()  # all that follows is of this moment
        held.backup(copy, pages=_PAGES, progress=lambda _, left, whole: on_pages(whole - left, whole))
        held.execute("ROLLBACK")
        copy.execute("DELETE FROM checkpoints")
    settle(target)


def settle(copy: Path) -> None:
    """Makes it one file, durable, that can be read where nothing can be written. Raises StorageError."""
    with _failing(copy), _opened(copy) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    fsync_path(copy)


def holdings(copy: Path) -> Holdings:
    """Of a copy. Raises StorageError."""
    with _reading(copy) as database:
        stores, files, chunks = database.execute(_COUNTS).fetchone()
        [folder_id] = database.execute(_FOLDER_ID, [FOLDER_ID]).fetchone()
        return Holdings(stores, files, chunks, dict(database.execute(_WANTED).fetchall()), folder_id)


def format_of(copy: Path) -> str:
    """Of the data in a copy. Raises StorageError."""
    with _reading(copy) as database:
        found = database.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else ""


def names_of_contents(copy: Path, contents: Iterable[str]) -> list[str]:
    """What the files are called that have these contents. Raises StorageError."""
    with _reading(copy) as database:
        return [name for sha256 in sorted(contents) for (name,) in database.execute(_NAMES, [sha256])]


def check_copy(copy: Path) -> None:
    """Raises StorageError unless SQLite finds the whole file in order."""
    with _reading(copy) as database:
        found = [row[0] for row in database.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise StorageError(f"the catalogue {copy} is damaged: {found[0]:.200}", code="damaged")


def check_plain(copy: Path) -> None:
    """Raises StorageError unless there are only tables and indexes in it, which compute nothing when they are read."""
    with _reading(copy) as database:
        odd = database.execute(_ODD).fetchone()
    if odd is not None:
        raise StorageError(f"the catalogue {copy} is damaged: it has a {odd[0]} {odd[1]!r:.80}", code="damaged")


@contextmanager
def _reading(copy: Path) -> Iterator[sqlite3.Connection]:
    """Nothing is written beside it, either."""
    uri = f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
    with _failing(copy), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
        yield database


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None))


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(f"the catalogue {path} cannot be read or copied", error) from error
