import errno
import itertools
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

import vecstore.migrations.versions
from vecstore import StorageError, failpoints
from vecstore.catalog import Catalog, schema
from vecstore.catalog.database import Database, open_database
from vecstore.catalog.migrating import migrate

# What the first format's databases look like. Never changed: it is what users have on disk.
FORMAT_0001 = """
CREATE TABLE files (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id VARCHAR NOT NULL,
    filename TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    purpose VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    source TEXT,
    UNIQUE (id)
);
CREATE INDEX ix_files_sha256 ON files (sha256);
CREATE TABLE vector_stores (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id VARCHAR NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_active_at BIGINT NOT NULL,
    metadata JSON NOT NULL,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    usage_bytes BIGINT NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    UNIQUE (id)
);
CREATE INDEX ix_vector_stores_name ON vector_stores (name);
CREATE TABLE ledger (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    vector_store_id VARCHAR NOT NULL,
    at BIGINT NOT NULL,
    delta_bytes BIGINT NOT NULL
);
CREATE INDEX ix_ledger_vector_store_id ON ledger (vector_store_id);
CREATE TABLE counters (
    name VARCHAR NOT NULL,
    next BIGINT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE members (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    vector_store_id VARCHAR NOT NULL,
    file_id VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    status VARCHAR NOT NULL,
    error_code VARCHAR,
    error_message TEXT,
    attributes JSON NOT NULL,
    max_chunk_size_tokens INTEGER NOT NULL,
    chunk_overlap_tokens INTEGER NOT NULL,
    media_type VARCHAR NOT NULL,
    warnings JSON NOT NULL,
    usage_bytes BIGINT NOT NULL,
    chunks INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    UNIQUE (vector_store_id, file_id),
    FOREIGN KEY(vector_store_id) REFERENCES vector_stores (id),
    FOREIGN KEY(file_id) REFERENCES files (id)
);
CREATE INDEX ix_members_file_id ON members (file_id);
CREATE INDEX members_by_sequence ON members (vector_store_id, sequence);
CREATE TABLE removals (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    vector_store_id VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    member BIGINT NOT NULL,
    FOREIGN KEY(vector_store_id) REFERENCES vector_stores (id) ON DELETE CASCADE
);
CREATE INDEX removals_by_sequence ON removals (vector_store_id, sequence);
CREATE TABLE checkpoints (
    vector_store_id VARCHAR NOT NULL,
    folder VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    files JSON NOT NULL,
    PRIMARY KEY (vector_store_id),
    FOREIGN KEY(vector_store_id) REFERENCES vector_stores (id) ON DELETE CASCADE
);
CREATE TABLE chunks (
    number INTEGER NOT NULL,
    member INTEGER NOT NULL,
    "index" INTEGER NOT NULL,
    text TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    first_page INTEGER,
    last_page INTEGER,
    heading_path JSON NOT NULL,
    first_window INTEGER NOT NULL,
    end_window INTEGER NOT NULL,
    PRIMARY KEY (number),
    FOREIGN KEY(member) REFERENCES members (number) ON DELETE CASCADE
);
CREATE INDEX ix_chunks_member ON chunks (member);
CREATE TABLE passages (
    member INTEGER NOT NULL,
    "index" INTEGER NOT NULL,
    window INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    page INTEGER,
    heading_path JSON NOT NULL,
    PRIMARY KEY (member, "index"),
    FOREIGN KEY(member) REFERENCES members (number) ON DELETE CASCADE
);
CREATE INDEX passages_by_window ON passages (member, window);
CREATE TABLE windows (
    member INTEGER NOT NULL,
    "index" INTEGER NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    PRIMARY KEY (member, "index"),
    FOREIGN KEY(member) REFERENCES members (number) ON DELETE CASCADE
);
CREATE TABLE embeddings (
    member INTEGER NOT NULL,
    vectors BLOB NOT NULL,
    PRIMARY KEY (member),
    FOREIGN KEY(member) REFERENCES members (number) ON DELETE CASCADE
);
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    PRIMARY KEY (version_num)
);
INSERT INTO counters VALUES ('chunk', 1);
INSERT INTO alembic_version VALUES ('0001');
"""


def first_format(path):
    with sqlite3.connect(path) as database:
        database.executescript(FORMAT_0001)
    database.close()
    return path


def shape(path):
    """Tables with their columns and keys, and indexes, however they came to be."""
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
        facts = (
            "table_xinfo",
            "foreign_key_list",
        )  # the indexes are compared by name, in whatever order they were made
        tables = {
            name: [database.execute(f"PRAGMA {fact}({name})").fetchall() for fact in facts]
            for kind, name, _ in found
            if kind == "table"
        }
        indexes = {
            name: database.execute(f"PRAGMA index_xinfo({name})").fetchall()
            for kind, name, _ in found
            if kind == "index"
        }
    database.close()
    return sorted(found), tables, indexes


def rows(path, table):
    with sqlite3.connect(path) as database:
        found = database.execute(f"SELECT * FROM {table}").fetchall()
    database.close()
    return found


def test_a_new_database_equals_a_migrated_one(tmp_path):
    open_database(tmp_path / "new.db").dispose()
    open_database(first_format(tmp_path / "old.db")).dispose()
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")
    assert rows(tmp_path / "old.db", "alembic_version") == rows(tmp_path / "new.db", "alembic_version")
    old, new = (dict(rows(tmp_path / name, "counters")) for name in ("old.db", "new.db"))
    assert old.pop("folder") != new.pop("folder")  # a number of each folder's own
    assert old == new


def test_what_an_older_format_has_is_kept(tmp_path):
    path = first_format(tmp_path / "old.db")
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO files VALUES (7, 'file-a', 'a.txt', 3, 'ab', 'assistants', 100, NULL)")
        database.execute(
            "INSERT INTO vector_stores VALUES (9, 'vs_a', 'kb', 100, 200, '{}', 'hashing', 8, 45, 1, 0, 4)"
        )
        member = "12, 'vs_a', 'file-a', 150, 'completed', NULL, NULL, '{}', 800, 400, 'text/plain', '[]', 45, 1, 4"
        database.execute(f"INSERT INTO members VALUES ({member})")
        database.execute("INSERT INTO ledger VALUES (1, 'vs_a', 150, 45)")
    database.close()
    opened = Database(path)
    with opened.read() as tx:
        [file] = tx.execute(sa.select(schema.files))
        [store] = tx.execute(sa.select(schema.vector_stores))
        [held] = tx.execute(sa.select(schema.members))
        [billed] = tx.execute(sa.select(schema.ledger))
    opened.close()
    assert (file.number, file.id, file.project_id, file.expires_at) == (7, "file-a", schema.DEFAULT_PROJECT, None)
    assert (store.number, store.id, store.usage_bytes, store.description) == (9, "vs_a", 45, None)
    assert (held.number, held.position, held.status, held.usage_bytes) == (12, 12, "completed", 45)
    assert (billed.at, billed.delta_bytes, billed.project_id) == (150, 45, schema.DEFAULT_PROJECT)


def test_the_format_before_this_one_gets_the_column_of_fitted_weights_and_keeps_its_stores(tmp_path):
    open_database(tmp_path / "new.db").dispose()
    path = tmp_path / "old.db"
    open_database(path).dispose()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE checksums")
        database.execute("DELETE FROM counters WHERE name = 'folder'")
        database.execute("ALTER TABLE vector_stores DROP COLUMN embedding_weight")
        database.execute("ALTER TABLE vector_stores DROP COLUMN chunk_size")
        database.execute("ALTER TABLE members DROP COLUMN title")
        database.execute("UPDATE alembic_version SET version_num = '0004'")
        database.execute(
            "INSERT INTO vector_stores (id, name, created_at, last_active_at, metadata, embedder, dimensions, "
            "usage_bytes, completed, failed, sequence) VALUES ('vs_a', 'kb', 100, 200, '{}', 'hashing', 8, 45, 1, 0, 4)"
        )
    database.close()
    catalog = Catalog(path)
    assert catalog.vector_store("vs_a").embedding_weight is None
    assert catalog.vector_store("vs_a").chunk_size is None
    assert catalog.update_vector_store("vs_a", {"embedding_weight": 0.7}, now=300).embedding_weight == 0.7
    assert catalog.vector_store("vs_a").usage_bytes == 45
    catalog.close()
    assert shape(path) == shape(tmp_path / "new.db")


def test_the_schemas_head_is_the_newest_migration():
    folder = Path(vecstore.migrations.versions.__file__).parent
    versions = sorted(path.stem for path in folder.glob("v*.py"))
    assert versions[-1].startswith(f"v{schema.HEAD}_")


def test_migrations_run_one_after_another():
    folder = Path(vecstore.migrations.versions.__file__).parent
    revisions = []
    for path in sorted(folder.glob("v*.py")):
        module = {}
        exec(compile(path.read_text(), path, "exec"), module)
        revisions.append((module["down_revision"], module["revision"]))
    assert revisions[0][0] is None
    assert all(before[1] == after[0] for before, after in itertools.pairwise(revisions))


def format_of(path):
    [(revision,)] = rows(path, "alembic_version")
    return revision


def test_a_copy_of_the_older_format_is_kept_and_the_newest_one_keeps_none(tmp_path):
    path = first_format(tmp_path / "catalog.db")
    before = shape(path), rows(path, "counters")
    open_database(path).dispose()
    copy = tmp_path / "catalog-format-0001.db"
    assert (shape(copy), rows(copy, "counters")) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["catalog-format-0001.db", "catalog.db"]
    kept = copy.read_bytes()
    open_database(path).dispose()
    assert copy.read_bytes() == kept


@pytest.mark.parametrize("hit", range(1, 6))
@pytest.mark.parametrize("step", ["migration.commit", "migration.committed"])
def test_each_migration_is_whole_or_not_there_and_the_rest_is_done_next_time(tmp_path, step, hit):
    path = first_format(tmp_path / "catalog.db")
    with failpoints.failing(step, errno.ENOSPC, hit=hit), pytest.raises(StorageError, match="as it was after") as full:
        open_database(path)
    assert full.value.code == "full"
    assert int(format_of(path)) == hit + (step == "migration.committed")
    open_database(path).dispose()
    open_database(tmp_path / "new.db").dispose()
    assert shape(path) == shape(tmp_path / "new.db")


@pytest.mark.parametrize("step", ["disk.fsync", "migration.copied"])
def test_without_room_for_the_copy_nothing_is_migrated(tmp_path, step):
    path = first_format(tmp_path / "catalog.db")
    before = path.read_bytes()
    with failpoints.failing(step, errno.ENOSPC), pytest.raises(StorageError, match=r"no copy of it can be kept as"):
        open_database(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp-*"))
    open_database(path).dispose()
    assert format_of(path) == schema.HEAD


def test_migrating_an_up_to_date_database_changes_nothing(tmp_path):
    engine = open_database(tmp_path / "new.db")
    before = shape(tmp_path / "new.db")
    migrate(engine)
    engine.dispose()
    assert shape(tmp_path / "new.db") == before


def test_opening_twice_changes_nothing(tmp_path):
    open_database(tmp_path / "new.db").dispose()
    before = (tmp_path / "new.db").read_bytes()
    open_database(tmp_path / "new.db").dispose()
    assert (tmp_path / "new.db").read_bytes() == before


def test_an_unknown_old_format_is_an_error_and_changes_nothing(tmp_path):
    engine = open_database(tmp_path / "new.db")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sa.update(schema.revision).values(version_num="0000"))
    before = shape(tmp_path / "new.db")
    with pytest.raises(CommandError, match="0000"):
        migrate(engine)
    engine.dispose()
    assert shape(tmp_path / "new.db") == before
    assert rows(tmp_path / "new.db", "alembic_version") == [("0000",)]
