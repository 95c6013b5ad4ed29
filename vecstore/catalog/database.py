"""Opens the catalogue's database: pragmas, transactions, format version."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from vecstore.catalog import schema
from vecstore.errors import FormatError

_BUSY_TIMEOUT_MS = 10_000

log = logging.getLogger(__name__)


def open_database(path: Path) -> sa.Engine:
    """The database at `path`, created or migrated to the newest format. Raises FormatError on a newer one."""
    engine = sa.create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        _bring_to_head(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA synchronous = FULL")  # NORMAL loses acknowledged rows in a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")


def _write_ahead(engine: sa.Engine) -> None:
    """The journal mode is kept in the file itself, so it is set only once the file is known to be ours."""
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_to_head(engine: sa.Engine, path: Path) -> None:
    found = _stored_revision(engine, path)
    if found is not None and found > schema.HEAD:
        raise FormatError(
            f"{path.parent} has data format {found}; this version of vecstore reads up to {schema.HEAD}. "
            "It was left untouched: open it with the version that wrote it, or a newer one."
        )
    _write_ahead(engine)
    if found is None:
        _create(engine)
    elif found < schema.HEAD:
        log.info("migrating %s from format %s to %s", path, found, schema.HEAD)
        migrate(engine)


def _create(engine: sa.Engine) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        schema.metadata.create_all(connection)
        schema.revision.create(connection)
        connection.execute(sa.insert(schema.counters).values(name="chunk", next=1))
        connection.execute(sa.insert(schema.revision).values(version_num=schema.HEAD))


def _stored_revision(engine: sa.Engine, path: Path) -> str | None:
    try:
        with engine.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
            if not tables:
                return None
            if schema.revision.name not in tables:
                raise FormatError(f"{path} is a database, but not one of vecstore's. It was left untouched.")
            found = connection.execute(sa.select(schema.revision.c.version_num)).scalar_one_or_none()
    except sa.exc.DatabaseError as error:
        raise FormatError(f"{path} cannot be read as a database: {error.orig}") from error
    if found is None:
        raise FormatError(f"{path} has no format version. It was left untouched.")
    return str(found)


def migrate(engine: sa.Engine) -> None:
    """Every migration that is due, in order, in one transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "vecstore:migrations")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
