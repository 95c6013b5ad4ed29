"""From an older format to the newest one: first a copy is kept, then one migration after another, each whole or not."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vecstore.catalog import schema
from vecstore.disk import refusals, storage_error
from vecstore.errors import FormatError
from vecstore.failpoints import reach
from vecstore.files import fsync_folder, fsync_path, temporary_sibling

COPIES = "catalog-format-*.db"  # beside the catalogue

log = logging.getLogger(__name__)


def keep_copy(path: Path, revision: str) -> None:
    """The catalogue as it is, durable, in a file of its own beside it; one of an interrupted try is replaced.

    Raises StorageError where there is no room for it; then nothing was changed.
    """
    copy = path.with_name(COPIES.replace("*", revision))
    what = f"{path} has format {revision}, and before it is migrated no copy of it can be kept as {copy.name}"
    with refusals(what), temporary_sibling(copy) as target:
        try:
            with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(target)) as kept:
                database.backup(kept)
                kept.execute("PRAGMA journal_mode = DELETE").close()  # one file
        except sqlite3.Error as error:
            raise storage_error(what, error) from error
        fsync_path(target)
        target.replace(copy)
        fsync_folder(path.parent)
        reach("migration.copied")
    log.info("%s is migrated from format %s to %s; %s has it as it was", path, revision, schema.HEAD, copy)


def migrate(engine: sa.Engine) -> None:
    """Every migration that is due, in order, each in a transaction of its own."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "vecstore:migrations")
    with engine.connect().execution_options(writes=True) as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")  # a table is changed by making it anew, which must not cascade
        try:
            while True:
                with connection.begin():
                    if connection.scalar(sa.select(schema.revision.c.version_num)) == schema.HEAD:
                        return
                    config.attributes["connection"] = connection
                    command.upgrade(config, "+1")
                    reach("migration.commit")
                    _check_foreign_keys(connection)
                reach("migration.committed")
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _check_foreign_keys(connection: sa.Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise FormatError(f"a row of the table {broken[0]} belongs to nothing; the database was left as it is")
