"""Archives come from anywhere: what is damaged, forged or something else is refused, and nothing of it stays."""

import hashlib
import io
import json
import random
import re
import sqlite3
import tarfile
from contextlib import suppress
from dataclasses import replace

import pytest

import vecstore
from tests.stories import story
from vecstore import FormatError, HashingEmbedder, Source, StorageError, VecstoreError
from vecstore.catalog.checksums import row_of
from vecstore.manifest import manifest_bytes, read_manifest


@pytest.fixture(scope="module")
def exported(tmp_path_factory, workers):
    """The bytes of an archive."""
    folder = tmp_path_factory.mktemp("exported")
    with vecstore.open(folder / "kb", embedder=HashingEmbedder(), workers=workers) as engine:
        store = engine.create("kept", metadata={"of": "tests"})
        texts = [Source(f"{i}.txt", story(i).encode(), {"i": i}) for i in range(3)]
        assert {added.outcome for added in store.add_many(texts)} == {"added"}
        store.attach(engine.upload(("bad.pdf", b"%PDF-1.7 nothing")).id)
        store.export(folder / "kept.tar")
    return (folder / "kept.tar").read_bytes()


@pytest.fixture
def archive(exported, tmp_path):
    """An archive to be spoilt."""
    path = tmp_path / "kept.tar"
    path.write_bytes(exported)
    return path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, workers):
    """Another data folder with a vector store, which stays as it is."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with vecstore.open(folder / "kb", embedder=HashingEmbedder(), workers=workers) as engine:
        engine.create("there").add(("there.txt", b"red apple"))
        yield engine


def nothing_came(engine):
    """The data folder has what it had, and nothing that a half import left."""
    assert [(store.name, store.file_counts.total) for store in engine.list()] == [("there", 1)]
    assert [file.filename for file in engine.files()] == ["there.txt"]
    assert len([path for path in (engine.folder / "blobs").rglob("*") if path.is_file()]) == 1
    assert not list((engine.folder / "blobs").glob("*.tmp-*"))
    assert engine.check() == []


def members_of(archive):
    with tarfile.open(archive) as tar:
        return [(each, tar.extractfile(each).read()) for each in tar]


def rewrite(archive, members):
    with tarfile.open(archive, "w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def refused(elsewhere, archive, error=StorageError, match=None):
    with pytest.raises(error, match=match):
        elsewhere.import_store(archive)
    nothing_came(elsewhere)


def test_a_byte_that_was_flipped_anywhere_is_found(archive, elsewhere):
    whole = archive.read_bytes()
    rng = random.Random(4)
    inside = [each.offset_data + rng.randrange(len(data)) for each, data in members_of(archive)]
    for place in [*inside, *(each.offset + 20 for each, _ in members_of(archive))]:
        data = bytearray(whole)
        data[place] ^= 0x10
        archive.write_bytes(data)
        refused(elsewhere, archive, (StorageError, FormatError), re.escape(str(archive)))
    archive.write_bytes(whole)
    elsewhere.import_store(archive).delete(with_files=True)
    nothing_came(elsewhere)


def test_an_archive_that_was_cut_short_anywhere_is_refused(archive, elsewhere):
    whole = archive.read_bytes()
    last, _ = members_of(archive)[-1]
    for length in [0, 1, 511, 512, 700, *range(1024, last.offset_data, len(whole) // 12), last.offset_data + 1]:
        archive.write_bytes(whole[:length])
        refused(elsewhere, archive, (StorageError, FormatError), re.escape(str(archive)))


@pytest.mark.parametrize("kind", ["text", "gzip", "other tar", "folder", "nothing"])
def test_what_is_no_archive_is_said_to_be_none(archive, elsewhere, tmp_path, kind):
    path = tmp_path / "other"
    if kind == "text":
        path.write_text("not an archive\n" * 100)
    elif kind == "gzip":
        with tarfile.open(path, "w:gz") as tar:
            tar.add(archive, "manifest.json")
    elif kind == "other tar":
        with tarfile.open(path, "w") as tar:
            tar.add(archive, "letters/kept.txt")
    elif kind == "folder":
        path.mkdir()
    sentence = "path must be a file" if kind in {"folder", "nothing"} else "no archive|where manifest.json should be"
    refused(elsewhere, path, VecstoreError, sentence)


@pytest.mark.parametrize(
    "odd",
    ["../../escaped", "/tmp/escaped", "blobs/../../escaped", "blobs/short", "link", "hard link", "folder", "long name"],
)
def test_a_member_of_another_name_or_kind_is_refused(archive, elsewhere, tmp_path, odd):
    members = members_of(archive)
    info, data = members[-1]
    if odd == "link":
        info.type, info.linkname, data = tarfile.SYMTYPE, "/etc/passwd", b""
    elif odd == "hard link":
        info.type, info.linkname, data = tarfile.LNKTYPE, "catalog.db", b""
    elif odd == "folder":
        info.type, data = tarfile.DIRTYPE, b""
    else:
        info.name = "x" * 500 if odd == "long name" else odd
    rewrite(archive, [*members[:-1], (info, data)])
    refused(elsewhere, archive, StorageError, "is damaged")
    assert not list(tmp_path.parent.glob("escaped"))


@pytest.mark.parametrize("order", ["twice", "reversed", "without the last", "without the catalogue"])
def test_members_come_once_and_in_their_order(archive, elsewhere, order):
    members = members_of(archive)
    changed = {
        "twice": [*members[:3], members[2], *members[3:]],
        "reversed": members[::-1],
        "without the last": members[:-1],
        "without the catalogue": [members[0], *members[2:]],
    }
    rewrite(archive, changed[order])
    refused(elsewhere, archive, StorageError, "is damaged")


def forge(archive, *, manifest=None, sql=()):
    """Makes an archive that says other things, with every hash and size as it should be."""
    [(info, said), (catalog_info, catalog), *rest] = members_of(archive)
    path = archive.with_name("forged.db")
    path.write_bytes(catalog)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for statement in sql:
            database.execute(statement)
        with suppress(sqlite3.Error, TypeError, ValueError):  # of rows that no checksum can be of
            write_checksums(database)
    database.close()
    catalog = path.read_bytes()
    path.unlink()
    sums = {"catalog_sha256": hashlib.sha256(catalog).hexdigest(), "catalog_bytes": len(catalog)}
    made = replace(read_manifest(said, "", "vector store"), **sums, **(manifest or {}))
    rewrite(archive, [(info, manifest_bytes(made)), (catalog_info, catalog), *rest])


def write_checksums(database):
    """As they are for the rows that are there now."""

    def rows(query, member):
        cursor = database.execute(query, [member])
        names = [column[0] for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor]
        return [row | {"heading_path": json.loads(row["heading_path"])} for row in found]

    for member, vectors in database.execute("SELECT member, vectors FROM embeddings").fetchall():
        chunks = rows("SELECT * FROM chunks WHERE member = ? ORDER BY number", member)
        passages = rows('SELECT * FROM passages WHERE member = ? ORDER BY "index"', member)
        made = row_of(member, chunks, passages, vectors)
        database.execute("REPLACE INTO checksums VALUES (:member, :chunks, :passages, :vectors)", made)


def test_a_newer_archive_is_refused(archive, elsewhere):
    forge(archive, manifest={"data_format": "9999"})
    refused(elsewhere, archive, FormatError, "data format 9999; this version of vecstore reads up to")
    [(info, said), *rest] = members_of(archive)
    rewrite(archive, [(info, json.dumps({**json.loads(said), "manifest": 2}).encode()), *rest])
    refused(elsewhere, archive, FormatError, "version 2; this version of vecstore reads version 1")


def test_a_backup_is_no_archive(archive, elsewhere):
    forge(archive, manifest={"kind": "backup"})
    refused(elsewhere, archive, StorageError, "it is not the manifest of a vector store")


FORGERIES = [
    "DELETE FROM vector_stores",
    "INSERT INTO vector_stores SELECT 2, 'vs_2', name, 0, 0, metadata, embedder, 64, 0, 0, 0, 0, '', 0, 0, NULL, NULL, NULL, NULL, NULL, NULL FROM vector_stores",
    "UPDATE vector_stores SET name = 'another'",
    "UPDATE vector_stores SET dimensions = 32",
    "UPDATE vector_stores SET dimensions = 0",
    "UPDATE vector_stores SET dimensions = 'many'",
    "UPDATE vector_stores SET embedding_weight = 7",
    "UPDATE vector_stores SET embedding_weight = 9e999",
    "UPDATE vector_stores SET chunk_size = 7",
    "UPDATE vector_stores SET chunk_size = 'many'",
    "UPDATE vector_stores SET expires_after_days = 4000000",
    "UPDATE vector_stores SET metadata = '[]'",
    "UPDATE vector_stores SET metadata = 'null'",
    "UPDATE vector_stores SET metadata = '{\"a\": 1}'",
    "UPDATE vector_stores SET usage_bytes = usage_bytes + 1",
    "UPDATE vector_stores SET usage_bytes = -5",
    "UPDATE vector_stores SET completed = 7",
    "UPDATE files SET filename = '' WHERE number = 1",
    "UPDATE files SET filename = CAST(x'ff' AS TEXT) WHERE number = 1",
    "UPDATE files SET filename = x'00' WHERE number = 1",
    "UPDATE files SET bytes = 1 WHERE number = 1",
    "UPDATE files SET sha256 = 'ab' WHERE number = 1",
    "UPDATE files SET expires_at = 99999999999999 WHERE number = 1",
    "UPDATE files SET created_at = 'yesterday' WHERE number = 1",
    "DELETE FROM files WHERE number = 1",
    "UPDATE members SET usage_bytes = 4 WHERE number = 1",
    "UPDATE members SET usage_bytes = 4.5 WHERE number = 1",
    "UPDATE members SET attributes = 'null' WHERE number = 1",
    "UPDATE members SET attributes = '{\"a\": [1]}' WHERE number = 1",
    "UPDATE members SET attributes = '{' WHERE number = 1",
    "UPDATE members SET warnings = '[7]' WHERE number = 1",
    "UPDATE members SET max_chunk_size_tokens = 7 WHERE number = 1",
    "UPDATE members SET chunks = 2 WHERE number = 1",
    "UPDATE chunks SET text = text || 'x' WHERE number = 1",
    "UPDATE chunks SET start = 5 WHERE number = 1",
    'UPDATE chunks SET "end" = 9223372036854775807 WHERE number = 1',
    "UPDATE chunks SET end_window = 99 WHERE number = 1",
    "UPDATE chunks SET heading_path = '[1]' WHERE number = 1",
    "UPDATE chunks SET last_line = NULL WHERE number = 1",
    'UPDATE chunks SET "index" = 1 WHERE number = 1',
    "DELETE FROM windows WHERE member = 1",
    "UPDATE windows SET start = 3 WHERE member = 1",
    "UPDATE passages SET window = 9 WHERE member = 1",
    "DELETE FROM passages WHERE member = 1",
    "DELETE FROM embeddings WHERE member = 1",
    "UPDATE embeddings SET vectors = 4000000000 WHERE member = 1",
    "UPDATE embeddings SET vectors = zeroblob(128) WHERE member = 1",
    "UPDATE embeddings SET vectors = zeroblob(127) WHERE member = 1",
    "UPDATE embeddings SET vectors = zeroblob(0) WHERE member = 1",
    "DROP TABLE chunks",
    "ALTER TABLE chunks RENAME TO others",
    "ALTER TABLE files ADD COLUMN odd GENERATED ALWAYS AS (zeroblob(9)) VIRTUAL",
    "CREATE VIEW odd AS SELECT 1",
    "CREATE TRIGGER odd AFTER INSERT ON files BEGIN DELETE FROM files; END",
    "CREATE VIRTUAL TABLE odd USING fts5(a)",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE alembic_version SET version_num = '9999'",
    "DELETE FROM alembic_version",
    "DROP TABLE alembic_version",
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_archive_is_refused_or_harmless(archive, elsewhere, forgery):
    forge(archive, sql=[forgery])
    refused(elsewhere, archive, (StorageError, FormatError))


@pytest.mark.parametrize("deep", ['{"a":' * 100_000, "[" * 100_000])
def test_json_that_is_nested_deeply_is_refused(archive, elsewhere, deep):
    [(info, _), *rest] = members_of(archive)
    rewrite(archive, [(info, deep.encode()), *rest])
    refused(elsewhere, archive)


@pytest.mark.parametrize(
    "change", [{"name": "another"}, {"blobs": {}}, {"blobs": {"00" * 32: 5}}, {"catalog_bytes": 5}]
)
def test_a_manifest_that_tells_of_something_else_is_refused(archive, elsewhere, change):
    [(info, said), *rest] = members_of(archive)
    made = replace(read_manifest(said, "", "vector store"), **change)
    rewrite(archive, [(info, manifest_bytes(made)), *rest])
    refused(elsewhere, archive)


def test_a_file_id_that_is_none_gives_way_to_a_new_one(archive, elsewhere):
    forge(
        archive,
        sql=["UPDATE files SET id = '../x' WHERE number = 1", "UPDATE members SET file_id = '../x' WHERE number = 1"],
    )
    made = elsewhere.import_store(archive)
    assert all(file.id.startswith("file-") for file in made.list())
    assert elsewhere.check() == []
    made.delete(with_files=True)
