import errno
import json
import os
import shutil
import sqlite3
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gated_embedder import Gated
from tests.stories import agree, answers, story
from vecstore import (
    EmbedderMismatchError,
    ExpiredError,
    HashingEmbedder,
    HybridSearch,
    InvalidRequestError,
    NotFoundError,
    Source,
    StorageError,
    failpoints,
)
from vecstore.archive import write_archive
from vecstore.blobs import blob_path
from vecstore.catalog.copies import holdings, settle
from vecstore.files import sha256_of
from vecstore.manifest import Manifest

POLICY = {"anchor": "last_active_at", "days": 7}
FORMATS = Path(__file__).parent / "formats"
ONLY_THE_KITCHEN = (
    "DELETE FROM members WHERE vector_store_id NOT IN (SELECT id FROM vector_stores WHERE name = 'kitchen')",
    "DELETE FROM vector_stores WHERE name <> 'kitchen'",
    "DELETE FROM files WHERE id NOT IN (SELECT file_id FROM members)",
    "DELETE FROM upload_parts",
)


@pytest.fixture
def files(request):
    """How many files that can be read the vector store has: three unless a test says otherwise."""
    return getattr(request, "param", 3)


@pytest.fixture
def kept(engine, files):
    """A vector store with all that one can have, beside another that shares a file."""
    store = engine.create("kept", description="to be moved", metadata={"of": "tests"}, expires_after=POLICY)
    texts = [Source(f"{i}.txt", story(i).encode(), {"i": i, "odd": bool(i % 2)}) for i in range(files)]
    assert {added.outcome for added in store.add_many(texts)} == {"added"}
    store.attach(engine.upload(("bad.pdf", b"%PDF-1.7 nothing")).id)
    engine.create("other").attach(engine.files()[0].id)
    engine._parts.catalog.update_vector_store(store.id, {"embedding_weight": 0.3}, now=engine.now())
    return store


@pytest.fixture
def archive(kept, tmp_path):
    path = tmp_path / "kept.tar"
    kept.export(path)
    return path


@pytest.fixture
def elsewhere(open_engine, tmp_path):
    """Another data folder, which has a vector store already."""
    engine = open_engine(tmp_path / "elsewhere")
    engine.create("there").add(("there.txt", b"red apple"))
    return engine


def told(store):
    """What of a vector store moves with it."""
    return replace(store.info(), id="", created_at=0, last_active_at=0, expires_at=None, sequence=0, project_id="")


def files_of(store):
    return [replace(file, vector_store_id="", created_at=0) for file in store.list()]


def chunks_of(store):
    read = [file for file in store.list() if file.status == "completed"]
    return [replace(chunk, chunk_id="") for file in read for chunk in store.content(file.id)]


def contents_of(engine, store):
    return [engine.file_content(file.id) for file in store.list()]


def nothing_came(engine):
    """The data folder has what it had, and nothing that a half import left."""
    assert [(store.name, store.file_counts.total) for store in engine.list()] == [("there", 1)]
    assert [file.filename for file in engine.files()] == ["there.txt"]
    assert len([path for path in (engine.folder / "blobs").rglob("*") if path.is_file()]) == 1
    assert not list((engine.folder / "blobs").glob("*.tmp-*"))
    assert engine.check() == []


@pytest.mark.parametrize("files", [20], indirect=True)
def test_an_imported_vector_store_is_what_was_exported_and_answers_alike(engine, kept, archive, elsewhere, clock):
    clock.move(1000)
    made = elsewhere.import_store(archive)
    assert told(made) == told(kept)
    assert made.id != kept.id
    assert made.info().expires_at == clock() + 7 * 86_400
    assert made.info().embedding_weight == 0.3
    assert files_of(made) == files_of(kept)
    assert chunks_of(made) == chunks_of(kept)
    assert contents_of(elsewhere, made) == contents_of(engine, kept)
    agree(answers(made), answers(kept))
    assert elsewhere.check() == []
    made.add(("new.txt", b"added afterwards"))
    made.detach(made.list()[0].id)
    assert made.search("added afterwards")[0].filename == "new.txt"
    assert elsewhere.check() == []


def test_the_bill_begins_with_the_import(kept, archive, elsewhere, clock):
    clock.move(1000)
    project = elsewhere.create_project("paid").id
    made = elsewhere.import_store(archive, name="moved", project="paid")
    assert (made.info().name, made.info().project_id) == ("moved", project)
    assert {elsewhere.file(file.id).project_id for file in made.list()} == {project}
    clock.move(10)
    [row] = [row for row in elsewhere.usage(0, clock(), by="store").rows if row.key == made.id]
    assert row.byte_seconds == 10 * kept.info().usage_bytes
    assert elsewhere.check() == []


def test_imported_beside_itself_it_has_files_of_its_own(engine, kept, archive):
    made = engine.import_store(archive)
    ids = {file.id for file in kept.list()}
    assert not ids & {file.id for file in made.list()}
    assert [file.filename for file in made.list()] == [file.filename for file in kept.list()]
    kept.delete(with_files=True)
    assert contents_of(engine, made)[0] == story(0).encode()
    assert [found.filename for found in made.search("story 1", max_num_results=1)] == ["1.txt"]
    assert engine.check() == []


def test_files_keep_their_order_and_ties_theirs(engine, open_engine, tmp_path):
    store = engine.create("twins")
    first, second = (engine.upload((name, b"the very same words")) for name in ("a.txt", "b.txt"))
    for file in (first, second, first):  # a file that is attached anew keeps its place, and is the younger one
        store.attach(file.id)
    store.export(tmp_path / "twins.tar")
    made = open_engine(tmp_path / "elsewhere").import_store(tmp_path / "twins.tar")
    for each in (store, made):
        assert [file.filename for file in each.list()] == ["a.txt", "b.txt"]
        assert [found.filename for found in each.search("very same")] == ["b.txt", "a.txt"]
    made.add(("c.txt", b"another"))
    assert [file.filename for file in made.list()] == ["a.txt", "b.txt", "c.txt"]


def test_what_is_not_finished_is_left_out_and_named(open_engine, tmp_path):
    gated = Gated()
    engine = open_engine(embedder=gated)
    store = engine.create("half")
    gated.gate.set()
    store.add(("done.txt", b"red apple"))
    gated.gate.clear()
    store.batch([("waiting.txt", b"green pear"), ("stopped.txt", b"blue fig")])
    gated.waiting.wait(60)
    missing = store.batch([engine.upload(("gone.txt", b"x")).id]).cancel()
    assert missing.file_counts.cancelled == 1
    report = store.export(tmp_path / "half.tar")
    gated.gate.set()
    assert (report.files, report.left_out) == (1, ("waiting.txt", "stopped.txt", "gone.txt"))
    other = open_engine(tmp_path / "elsewhere")
    made = other.import_store(tmp_path / "half.tar")
    assert [(file.filename, file.status) for file in made.list()] == [("done.txt", "completed")]
    assert other.check() == []


def test_an_empty_vector_store_moves_too(engine, elsewhere, tmp_path):
    engine.create("").export(tmp_path / "empty.tar")
    made = elsewhere.import_store(tmp_path / "empty.tar")
    assert (made.info().name, made.list(), made.search("anything")) == ("", [], [])
    assert elsewhere.check() == []


def test_a_file_that_expires_does_so_where_it_was_imported(engine, elsewhere, tmp_path, clock):
    store = engine.create("brief")
    file = engine.upload(("brief.txt", b"red apple"), expires_after={"anchor": "created_at", "seconds": 3600})
    store.attach(file.id)
    store.export(tmp_path / "brief.tar")
    made = elsewhere.import_store(tmp_path / "brief.tar")
    assert len(made.search("apple")) == 1
    clock.move(3600)
    assert made.list() == made.search("apple") == elsewhere.import_store(tmp_path / "brief.tar").list() == []
    assert elsewhere.check() == []


def test_it_is_used_with_the_embedder_that_made_it(archive, open_engine, tmp_path):
    other = open_engine(tmp_path / "elsewhere", embedder=HashingEmbedder(dimensions=32))
    made = other.import_store(archive)
    assert made.info().dimensions == 64
    with pytest.raises(EmbedderMismatchError):
        made.search("apple")
    assert other.check() == []


def test_an_export_replaces_nothing_and_needs_a_vector_store(engine, kept, archive, tmp_path, clock):
    before = archive.read_bytes()
    with pytest.raises(InvalidRequestError, match=r"path must be a new file, and .* exists already"):
        kept.export(archive)
    assert archive.read_bytes() == before
    with pytest.raises(InvalidRequestError, match="path must lie in a folder that exists"):
        kept.export(tmp_path / "nowhere" / "kept.tar")
    clock.move(8 * 86_400)
    with pytest.raises(ExpiredError):
        kept.export(tmp_path / "late.tar")
    kept.delete()
    with pytest.raises(NotFoundError):
        kept.export(tmp_path / "late.tar")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["kept.tar"]


@pytest.mark.parametrize("how", ["missing", "changed", "cut"])
def test_a_content_that_is_lost_is_said_and_nothing_is_exported(engine, kept, tmp_path, flip_byte, how):
    sha256 = engine.files()[2].sha256
    path = engine.folder / "blobs" / sha256[:2] / sha256
    if how == "missing":
        path.unlink()
    elif how == "changed":
        flip_byte(path)
    else:
        os.truncate(path, 5)
    said = "is missing" if how == "missing" else "was changed on the disk"
    with pytest.raises(StorageError, match=rf"the content of '2\.txt' {said}") as caught:
        kept.export(tmp_path / "kept.tar")
    assert caught.value.code == "damaged"
    assert not list(tmp_path.glob("kept.tar*"))
    assert not list((engine.folder / "blobs").glob("*.tmp-*"))


def test_an_archive_of_an_older_format_is_migrated(elsewhere, tmp_path):
    with tarfile.open(FORMATS / "0005.tar.xz") as past:
        past.extractall(tmp_path / "past", filter="data")
    folder, expected = tmp_path / "past" / "kb", json.loads((tmp_path / "past" / "expected.json").read_text())
    with sqlite3.connect(folder / "catalog.db") as database:
        database.execute("PRAGMA foreign_keys = ON")
        for statement in ONLY_THE_KITCHEN:
            database.execute(statement)
    database.close()
    settle(folder / "catalog.db")
    held = holdings(folder / "catalog.db")
    for sha256 in held.blobs:
        shutil.copyfile(blob_path(folder / "blobs", sha256), folder / sha256)
    manifest = Manifest(
        kind="vector store",
        name="kitchen",
        created_at=0,
        catalog_sha256=sha256_of(folder / "catalog.db"),
        catalog_bytes=(folder / "catalog.db").stat().st_size,
        vector_stores=1,
        files=held.files,
        chunks=held.chunks,
        blobs=held.blobs,
        data_format="0005",
    )
    write_archive(tmp_path / "old.tar", manifest, folder / "catalog.db", folder, lambda _: None)
    made = elsewhere.import_store(tmp_path / "old.tar")
    assert made.info().usage_bytes == expected["usage_bytes"]["kitchen"]
    for asked in expected["found"]:
        if asked["store"] == "kitchen":
            [best] = made.search(asked["query"], max_num_results=1, hybrid_search=HybridSearch(*asked["leg"]))
            assert [[best.filename, best.start, best.end, best.text]] == asked["found"]
    assert elsewhere.check() == []


# Disks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [name for name in failpoints.names() if name.startswith("export.")])
def test_a_disk_that_is_full_during_an_export_is_said(engine, kept, tmp_path, step):
    with failpoints.failing(step, errno.ENOSPC), pytest.raises(StorageError) as caught:
        kept.export(tmp_path / "kept.tar")
    assert caught.value.code == "full"
    assert [path.name for path in tmp_path.glob("*.tar*")] in ([], ["kept.tar"])
    assert not list((engine.folder / "blobs").glob("*.tmp-*"))
    kept.export(tmp_path / "again.tar")


@pytest.mark.parametrize(
    "step", ["import.catalog", "blob.received", "blob.renamed", "import.contents", "import.store.begun"]
)
def test_a_disk_that_is_full_during_an_import_leaves_nothing(archive, elsewhere, step):
    with failpoints.failing(step, errno.ENOSPC), pytest.raises(StorageError) as caught:
        elsewhere.import_store(archive)
    assert caught.value.code == "full"
    nothing_came(elsewhere)
    assert elsewhere.import_store(archive).info().file_counts.total == 4
    assert elsewhere.check() == []
