"""What is restored is what was backed up; what is damaged, newer or no backup is refused and leaves nothing."""

import errno
import json
import os
import re
import shutil
import sqlite3
import tarfile
from dataclasses import replace
from pathlib import Path

import backed_up
import pytest
from backed_up import tree

import vecstore
from tests.gated_embedder import Gated
from tests.stories import agree, answers, story
from vecstore import FormatError, NotFoundError, StorageError, failpoints
from vecstore.catalog.copies import copy_catalog, holdings
from vecstore.files import sha256_of

dest, filled = backed_up.dest, backed_up.filled


def rows(folder):
    """Every row of every table, but for what only indexes on disk need."""
    with sqlite3.connect(folder / "catalog.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    database.close()
    del found["checkpoints"], found["removals"]
    return found


def test_what_is_restored_answers_counts_and_bills_as_what_was_backed_up(filled, open_engine, dest, tmp_path, clock):
    project = filled.create_project("paid", price_per_gb_day="0.05")
    filled.create("third", project=project.id, expires_after={"anchor": "last_active_at", "days": 3})
    key, _ = filled.keys.create("app")
    clock.move(90_000)
    filled.get("second").detach(filled.files()[0].id)
    before = answers(filled.get("first"))
    filled.get("first").info()  # writes down that it was searched
    told = filled.usage(0, clock(), by="store"), filled.list(), filled.files(), filled.keys.list(), filled.projects()
    made = filled.backup(dest).snapshot
    filled.close()
    chunks = sum(store.file_counts.completed for store in told[1])  # each file is one
    assert (made.vector_stores, made.files, made.chunks) == (3, 22, chunks)
    restored = vecstore.restore(dest, tmp_path / "again")
    assert restored == made
    assert rows(tmp_path / "again") == rows(filled.folder)
    engine = open_engine(tmp_path / "again")
    assert told == (
        engine.usage(0, clock(), by="store"),
        engine.list(),
        engine.files(),
        engine.keys.list(),
        engine.projects(),
    )
    agree(answers(engine.get("first")), before)
    assert all(len(engine.file_content(file.id)) == file.bytes for file in engine.files())
    assert engine.keys.list()[0].id == key.id
    assert engine.check() == []


def manifest(dest, change):
    """Changes a manifest as one would who knows how they are made."""
    from vecstore.manifest import manifest_bytes, read_manifest

    [path] = dest.glob("snapshots/*/manifest.json")
    path.write_bytes(manifest_bytes(replace(read_manifest(path.read_bytes(), "", "backup"), **change)))


@pytest.mark.parametrize(
    "damage",
    [
        f"{name} {how}"
        for name in ("snapshots/*/catalog.db", "snapshots/*/manifest.json", "blobs/??/*")
        for how in ("flipped", "torn", "empty", "missing")
    ],
)
def test_a_damaged_backup_is_refused_by_name_and_leaves_nothing(filled, dest, tmp_path, flip_byte, damage):
    filled.backup(dest)
    name, how = damage.split()
    path = next(dest.glob(name))
    if how == "missing":
        path.unlink()
    elif how == "flipped":
        flip_byte(path)
    else:
        os.truncate(path, path.stat().st_size // 2 if how == "torn" else 0)
    refused_and_nothing_left(dest, tmp_path, str(path))


@pytest.mark.parametrize(
    "change",
    [
        {"files": 3},
        {"kind": "vector store"},
        {"blobs": {}},
        {"catalog_bytes": -1},
        {"data_format": "0005", "blobs": {}},
        {"created_at": 999_999_999_999},
        {"vecstore": "\ud800"},
    ],
)
def test_a_manifest_that_tells_of_something_else_is_refused(filled, dest, tmp_path, change):
    filled.backup(dest)
    manifest(dest, change)
    refused_and_nothing_left(dest, tmp_path, str(next((dest / "snapshots").iterdir())))


def refused_and_nothing_left(dest, tmp_path, named):
    with pytest.raises(StorageError, match=re.escape(named)):
        vecstore.restore(dest, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    (tmp_path / "again").mkdir()
    with pytest.raises(StorageError, match=re.escape(named)):
        vecstore.restore(dest, tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []
    [problem] = vecstore.verify_backup(dest)
    assert named in f"{problem.where}: {problem.message}"


def test_a_newer_format_and_a_newer_manifest_are_refused(filled, dest, tmp_path):
    filled.backup(dest)
    manifest(dest, {"data_format": "9999"})
    with pytest.raises(FormatError, match=r"data format 9999; this version of vecstore reads up to \d{4}"):
        vecstore.restore(dest, tmp_path / "again")
    [path] = dest.glob("snapshots/*/manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "manifest": 2}))
    with pytest.raises(FormatError, match="version 2; this version of vecstore reads version 1"):
        vecstore.restore(dest, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("step", ["restore.begun", "restore.catalog", "restore.contents"])
def test_a_disk_that_is_full_during_a_restore_leaves_nothing(filled, dest, tmp_path, step):
    filled.backup(dest)
    with failpoints.failing(step, errno.ENOSPC), pytest.raises(StorageError) as caught:
        vecstore.restore(dest, tmp_path / "again")
    assert caught.value.code == "full"
    assert not (tmp_path / "again").exists()


def test_a_batch_in_progress_goes_on_after_a_restore(open_engine, dest, tmp_path):
    gated = Gated()
    engine = open_engine(embedder=gated)
    batch = engine.create("kept").batch([(f"{i}.txt", story(i).encode()) for i in range(5)])
    engine.backup(dest)
    gated.gate.set()
    vecstore.restore(dest, tmp_path / "again")
    again = open_engine(tmp_path / "again")
    assert again.batch(batch.id).wait(timeout_s=60).file_counts.completed == 5
    assert again.check() == []


def test_parts_of_an_upload_are_backed_up(engine, open_engine, dest, tmp_path):
    upload = engine.create_upload("parts.txt", bytes=9)
    first = engine.add_part(upload.id, b"red ")
    engine.backup(dest)
    vecstore.restore(dest, tmp_path / "again")
    again = open_engine(tmp_path / "again")
    second = again.add_part(upload.id, b"apple")
    done = again.complete_upload(upload.id, [first.id, second.id])
    assert again.file_content(done.file.id) == b"red apple"


def test_only_an_empty_folder_is_restored_into(filled, open_engine, dest, tmp_path):
    filled.backup(dest)
    with pytest.raises(FormatError, match="is a data folder already"):
        vecstore.restore(dest, filled.folder)
    other = tmp_path / "other"
    (other / "blobs").mkdir(parents=True)
    (other / "blobs" / "mine.txt").write_text("not yours")
    with pytest.raises(FormatError, match="is not empty: it holds 'blobs'"):
        vecstore.restore(dest, other)
    assert tree(other).keys() == {"blobs/mine.txt"}
    with pytest.raises(FormatError, match="is not a folder"):
        vecstore.restore(dest, other / "blobs" / "mine.txt")
    (tmp_path / "empty").mkdir()
    vecstore.restore(dest, tmp_path / "empty")
    assert open_engine(tmp_path / "empty").check() == []
    assert filled.check() == []


def test_what_is_no_backup_and_what_is_not_in_it_is_said(filled, dest, tmp_path):
    for use in (vecstore.list_snapshots, vecstore.verify_backup, lambda path: vecstore.restore(path, tmp_path / "a")):
        with pytest.raises(FormatError, match="there is no backup at"):
            use(dest)
    filled.backup(dest)
    with pytest.raises(NotFoundError, match="has no snapshot '20010101T000000Z'"):
        vecstore.restore(dest, tmp_path / "a", snapshot="20010101T000000Z")
    with pytest.raises(NotFoundError, match="has no snapshot"):
        vecstore.restore(dest, tmp_path / "a", snapshot="../../kb")
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_place_of_a_file_is_damage_and_holds_nobody_up(filled, dest, tmp_path):
    filled.backup(dest)
    for path in (next(dest.glob("blobs/??/*")), next(dest.glob("snapshots/*/manifest.json"))):
        content = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        refused_and_nothing_left(dest, tmp_path, str(path))
        path.unlink()
        path.write_bytes(content)
        (tmp_path / "again").rmdir()
    assert vecstore.verify_backup(dest) == []


def test_a_snapshot_of_an_older_format_is_restored_and_migrated_when_it_is_opened(engine, open_engine, dest, tmp_path):
    engine.backup(dest)
    with tarfile.open(Path(__file__).parent / "formats" / "0005.tar.xz") as past:
        past.extractall(tmp_path / "past", filter="data")
    shutil.copytree(tmp_path / "past" / "kb" / "blobs", dest / "blobs", dirs_exist_ok=True)
    [catalog] = dest.glob("snapshots/*/catalog.db")
    catalog.unlink()
    copy_catalog(tmp_path / "past" / "kb" / "catalog.db", catalog, lambda *_: None)
    sums = {"catalog_sha256": sha256_of(catalog), "catalog_bytes": catalog.stat().st_size}
    manifest(dest, {"data_format": "0005", "blobs": holdings(catalog).blobs, **sums})
    vecstore.restore(dest, tmp_path / "again")
    again = open_engine(tmp_path / "again")
    assert again.get("kitchen").search("black figs")[0].filename == "menu.txt"
    assert again.check() == []


def test_a_backup_is_read_where_nothing_can_be_written(filled, open_engine, dest, tmp_path):
    filled.backup(dest)
    before = tree(dest)
    for path in [dest, *dest.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    vecstore.restore(dest, tmp_path / "again")
    assert vecstore.verify_backup(dest) == []
    assert tree(dest) == before
    assert open_engine(tmp_path / "again").check() == []
