"""Opens the catalogue's database: pragmas, transactions, format version."""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event

from vecstore.catalog import schema
from vecstore.catalog.migrating import keep_copy, migrate
from vecstore.catalog.rows import parsed_json
from vecstore.disk import WriteGate, refusals, storage_error
from vecstore.errors import FormatError, InvalidRequestError, StorageError, VecstoreError
from vecstore.failpoints import reach

_BUSY_TIMEOUT_MS = 10_000
_LOG_BYTES = 4 << 20  # of the write-ahead log, beyond which it is moved into the database
_UNTOUCHED = "It was left untouched: restore a backup, or see what '.recover' of the program sqlite3 saves of a copy."

log = logging.getLogger(__name__)


class Database:
    """The catalogue's transactions. Thread-safe; writers queue up."""

    def __init__(self, path: Path, gate: WriteGate | None = None) -> None:
        """Raises FormatError when the database is of a newer format, none of ours, or too damaged to be opened."""
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self.gate = gate or WriteGate()
        self._engine = open_database(path)
        self._writing = threading.RLock()
        self._closed = False
        self._changes, self._committing = 0, False

    def close(self) -> None:
        """Waits for the transaction under way; later ones raise VecstoreError."""
        with self._writing:
            self._closed = True
            self._engine.dispose()

    @property
    def moment(self) -> int | None:
        """The same number for as long as nothing changes; None while a change becomes visible to some before others."""
        return None if self._committing else self._changes

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One moment of the whole catalogue. Raises StorageError where it cannot be read."""
        with self._transaction(writes=False) as tx:
            yield tx

    @contextmanager
    def write(self, name: str = "") -> Iterator[sa.Connection]:
        """All or nothing; durable at the end. Raises StorageError, and then nothing was changed.

        But for the code "stopped" at the first time: then the change was made or not, and a restart tells.
        name: as `failpoints.TRANSACTIONS` has it; "" for what no crash test looks at.
        """
        with self._writing:
            try:
                with (
                    self.gate.passing(f"the catalogue {self._path} cannot be written"),
                    self._transaction(writes=True) as tx,
                ):
                    yield tx
                    reach(f"{name}.begun")
                    self._committing = True
            finally:
                self._changes += 1
                self._committing = False
            with refusals(f"the catalogue {self._path} was written, and then"):
                reach(f"{name}.done")
            self._shorten_log()

    @contextmanager
    def read_once(self) -> Iterator[sqlite3.Connection]:
        """The driver itself, for one statement, which is of one moment as it is. Raises as `read`.

        For what every search asks: it takes a third of the time.
        """
        with self._failing(), closing(self._engine.raw_connection()) as connection:
            yield cast("sqlite3.Connection", connection.driver_connection)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        with self._failing(), self._engine.connect().execution_options(writes=writes) as connection, connection.begin():
            yield connection

    @contextmanager
    def _failing(self) -> Iterator[None]:
        if self._closed:
            raise VecstoreError(f"the engine on {self._path.parent} is closed")
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            self.gate.look_at(cause)
            raise self._refusal(cause) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:  # the second one where SQLite quotes its schema
            raise StorageError(
                self._damaged(f"a value is no JSON or text any more ({error})"), code="damaged"
            ) from error
        except MemoryError as error:
            raise self._refusal(error) from error
        except UnicodeEncodeError as error:
            raise InvalidRequestError("text", f"{error.object!r:.100} is no Unicode text") from error

    def _refusal(self, error: BaseException | None) -> StorageError:
        refusal = storage_error(f"the catalogue {self._path} failed", error)
        return StorageError(self._damaged(str(error)), code="damaged") if refusal.code == "damaged" else refusal

    def _damaged(self, said: str) -> str:
        return (
            f"the catalogue {self._path} is damaged where this is kept: {said}. What lies elsewhere in it goes on; "
            "'vecstore check' names what is lost, and a backup has it."
        )

    def _shorten_log(self) -> None:
        """Moves a long write-ahead log into the database: here and not by SQLite, which would not tell of a failure.

        What was committed is durable with or without it, so a refusal of the disk is no error of the write.
        """
        try:
            if not self._log.exists() or self._log.stat().st_size < _LOG_BYTES:
                return
            with closing(self._engine.raw_connection()) as connection:
                driver: Any = connection.driver_connection
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        except (sa.exc.DBAPIError, sqlite3.Error, OSError, StorageError) as error:
            log.warning("%s: the write-ahead log could not be moved into the database: %s", self._path, error)
            with suppress(StorageError):
                self.gate.look_at(error)


def open_database(path: Path) -> sa.Engine:
    """The database at `path`, created or migrated to the newest format.

    Of an older one a copy is kept. Raises FormatError on a newer one, StorageError where the disk says no.
    """
    found = stored_revision(path)
    if found not in (None, schema.HEAD):
        keep_copy(path, found)
    engine = sa.create_engine(_url(path), json_deserializer=parsed_json)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    what = f"the catalogue {path} cannot be brought to format {schema.HEAD}, and is as it was after the last step"
    try:
        with refusals(what):
            _create(engine) if found is None else migrate(engine) if found != schema.HEAD else None
    except sa.exc.DBAPIError as error:
        raise storage_error(what, error.orig) from error
    return engine


def _url(path: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(path))  # not as text, where ? and % mean something


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # NORMAL loses acknowledged rows in a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA wal_autocheckpoint = 0")  # see Database._shorten_log
        cursor.execute("PRAGMA journal_size_limit = 0")  # the log's size says how much is in it
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create(engine: sa.Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.metadata.create_all(connection)
        schema.revision.create(connection)
        connection.execute(sa.insert(schema.counters), [{"name": name, "next": 1} for name in ("chunk", "position")])
        number = 1 + secrets.randbelow(2**62)
        connection.execute(sa.insert(schema.counters).values(name=schema.FOLDER_ID, next=number))
        connection.execute(sa.insert(schema.projects).values(id=schema.DEFAULT_PROJECT, name="default", created_at=0))
        connection.execute(sa.insert(schema.revision).values(version_num=schema.HEAD))


def stored_revision(path: Path) -> str | None:
    """The format of the database, None where there is none yet. Changes nothing in it to find out.

    Raises FormatError where it is none of ours or damaged, StorageError where the disk cannot have it read.
    """
    if not path.exists() or not path.stat().st_size:
        return None
    peek = sa.create_engine(_url(path))  # read-only would leave files of the write-ahead log behind
    try:
        with peek.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
            if not tables and connection.exec_driver_sql("PRAGMA page_count").scalar_one() <= 1:
                return None  # killed while it was made
            if not tables:
                raise FormatError(f"{path} has lost its tables. {_UNTOUCHED}")
            if schema.revision.name not in tables:
                raise FormatError(f"{path} is a database, but not one of vecstore's. It was left untouched.")
            found = connection.execute(sa.select(schema.revision.c.version_num)).scalar_one_or_none()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} cannot be read as a database: {error}. {_UNTOUCHED}") from error
    except sa.exc.DatabaseError as error:
        refusal = storage_error(f"the catalogue {path} cannot be opened", error.orig)
        if refusal.code != "damaged":
            raise refusal from error
        raise FormatError(f"{path} cannot be read as a database: {error.orig}. {_UNTOUCHED}") from error
    finally:
        peek.dispose()
    if found is None:
        raise FormatError(f"{path} has no format version. It was left untouched.")
    if found > schema.HEAD:
        raise FormatError(
            f"{path.parent} has data format {found}; this version of vecstore reads up to {schema.HEAD}. "
            "It was left untouched: open it with the version that wrote it, or a newer one."
        )
    return str(found)
