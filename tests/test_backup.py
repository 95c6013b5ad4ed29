import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import vecstore
from tests.gated_embedder import Gated
from tests.stories import agree, answers, story
from vecstore import (
    FolderInUseError,
    FormatError,
    InvalidRequestError,
    NotFoundError,
    Source,
    StorageError,
    failpoints,
)
from vecstore.catalog.copies import copy_catalog, holdings
from vecstore.files import sha256_of


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "backup"


@pytest.fixture
def filled(engine):
    """An engine with two vector stores that share a file; some of their files were taken out again."""
    first, second = engine.create("first"), engine.create("second", metadata={"of": "tests"})
    texts = [Source(f"{i}.txt", story(i).encode(), {"i": i}) for i in range(20)]
    for added in first.add_many(texts):
        assert added.outcome == "added"
    second.attach(engine.files()[0].id, attributes={"kind": "shared"})
    second.attach(engine.upload(("bad.pdf", b"%PDF-1.7 nothing")).id)
    engine.upload(("alone.txt", b"of no vector store"))
    return engine


def rows(folder):
    """Every row of every table, but for what only indexes on disk need."""
    with sqlite3.connect(folder / "catalog.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    database.close()
    del found["checkpoints"], found["removals"]
    return found


def tree(folder):
    """Every file below it with its inode and the time it was written."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


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


def test_a_backup_while_others_write_is_of_one_moment(filled, open_engine, dest, tmp_path):
    store, stop, written = filled.get("first"), threading.Event(), threading.Semaphore(0)

    def write(mark):
        for i in range(10_000):
            if stop.is_set():
                break
            added = store.add((f"{mark}{i}.txt", f"{mark} {story(i)}".encode()))
            if i % 3 == 0:
                filled.delete_file(added.id)
            written.release()

    writers = [threading.Thread(target=write, args=(mark,)) for mark in "abc"]
    for writer in writers:
        writer.start()
    made = []
    for _ in range(5):
        assert all(written.acquire(timeout=60) for _ in range(12))
        made.append(filled.backup(dest).snapshot)
    stop.set()
    for writer in writers:
        writer.join()
    assert vecstore.verify_backup(dest) == []
    files = 0
    for snapshot in made:
        folder = tmp_path / snapshot.name
        vecstore.restore(dest, folder, snapshot=snapshot.name)
        engine = open_engine(folder)
        assert engine.check() == []
        assert len(engine.files()) == snapshot.files >= files - 3  # that are taken out again
        files = snapshot.files
        for mark in "abc":  # what one writer did is there up to some point, without gaps
            numbers = {int(file.filename[1:-4]) for file in engine.get("first").list() if file.filename[0] == mark}
            last = max(numbers, default=-1)
            assert {i for i in range(last) if i % 3} <= numbers
            assert {i for i in numbers if i % 3 == 0} <= {last}  # not taken out yet
        engine.close()
    assert made[-1].files > made[0].files


HOLDER = """
import sys, vecstore
engine = vecstore.open(sys.argv[1], embedder=vecstore.HashingEmbedder())
engine.create("held").add(("a.txt", b"red apple"))
print("open", flush=True)
sys.stdin.read()
engine.get("held").add(("b.txt", b"green pear"))
engine.close()
"""


def test_a_backup_works_while_another_process_has_the_folder(data_folder, open_engine, dest, tmp_path):
    command = [sys.executable, "-c", HOLDER, str(data_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(FolderInUseError):
            open_engine()
        vecstore.backup(data_folder, dest)
        holder.communicate("")
    assert holder.returncode == 0
    vecstore.restore(dest, tmp_path / "again")
    engine = open_engine(tmp_path / "again")
    assert [each.filename for each in engine.get("held").search("apple pear")] == ["a.txt"]
    assert engine.check() == []


def test_a_second_backup_copies_what_is_new_and_touches_nothing_else(filled, dest):
    first = filled.backup(dest)
    assert first.copied_contents == first.snapshot.contents == 22
    before = tree(dest)
    filled.upload(("new.txt", b"never seen"))
    filled.upload(("same.txt", b"of no vector store"))
    second = filled.backup(dest)
    assert (second.copied_contents, second.copied_bytes) == (1, len(b"never seen"))
    assert (second.snapshot.contents, second.snapshot.files) == (23, 24)
    after = tree(dest)
    assert {path: after[path] for path in before if path != "lock"} == {
        path: stamp for path, stamp in before.items() if path != "lock"
    }
    assert len(after) == len(before) + 3  # a content, a catalogue, a manifest


def test_keep_drops_the_oldest_and_what_only_they_wanted(filled, open_engine, dest, tmp_path, clock):
    filled.backup(dest)
    clock.move(60)
    gone = next(file for file in filled.files() if file.filename == "alone.txt")
    filled.delete_file(gone.id)
    second = filled.backup(dest, keep=5)
    assert second.dropped == ()
    clock.move(60)
    third = filled.backup(dest, keep=2)
    assert len(third.dropped) == 1
    assert [each.name for each in vecstore.list_snapshots(dest)] == [second.snapshot.name, third.snapshot.name]
    assert not list(dest.glob(f"blobs/*/{gone.sha256}"))
    assert len(list(dest.glob("blobs/??/*"))) == 21
    assert vecstore.verify_backup(dest) == []
    vecstore.restore(dest, tmp_path / "again", snapshot=second.snapshot.name)
    assert open_engine(tmp_path / "again").check() == []


@pytest.mark.parametrize("keep", [0, -1, True, "2", 1.0])
def test_what_cannot_be_kept_is_refused(engine, dest, keep):
    with pytest.raises(InvalidRequestError, match="keep must be a whole number from 1 on"):
        engine.backup(dest, keep=keep)
    assert not dest.exists()


def test_nothing_is_dropped_while_a_kept_snapshot_cannot_tell_what_it_wants(filled, dest, flip_byte):
    first, second = (filled.backup(dest).snapshot for _ in range(2))
    flip_byte(dest / "snapshots" / second.name / "manifest.json")
    before = set(tree(dest))
    with pytest.raises(StorageError, match=rf"{second.name}/manifest.json is damaged"):
        filled.backup(dest, keep=2)
    assert set(tree(dest)) > before
    damaged = [each.name for each in vecstore.list_snapshots(dest) if each.problem]
    assert damaged == [second.name]
    assert first.name in {each.name for each in vecstore.list_snapshots(dest)}


def test_a_snapshot_made_after_the_clock_stepped_back_is_the_newest(engine, dest, clock):
    engine.backup(dest)
    clock.move(-1000)
    engine.create("later")
    made = [engine.backup(dest, keep=2).snapshot.name for _ in range(3)]
    assert made == sorted(made)
    assert [each.name for each in vecstore.list_snapshots(dest)] == made[1:]
    assert {each.vector_stores for each in vecstore.list_snapshots(dest)} == {1}


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


def test_a_damaged_content_that_was_removed_is_copied_again(filled, dest, flip_byte):
    filled.backup(dest)
    path = next(dest.glob("blobs/??/*"))
    flip_byte(path)
    [problem] = vecstore.verify_backup(dest)
    assert (problem.kind, problem.where) == ("content", str(path))
    path.unlink()
    assert filled.backup(dest).copied_contents == 1
    assert vecstore.verify_backup(dest) == []


def blob(engine, filename):
    sha256 = next(file.sha256 for file in engine.files() if file.filename == filename)
    return engine.folder / "blobs" / sha256[:2] / sha256


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_what_is_lost_in_the_data_folder_is_named_and_no_backup_is_made(filled, dest, flip_byte, how):
    filled.backup(dest)
    filled.upload(("lost.txt", b"soon lost"))
    path = blob(filled, "lost.txt")
    path.unlink() if how == "missing" else flip_byte(path)
    with pytest.raises(StorageError, match=f"the content of 'lost.txt' is {how}") as caught:
        filled.backup(dest)
    assert caught.value.code == "damaged"
    assert len(vecstore.list_snapshots(dest)) == 1
    assert vecstore.verify_backup(dest) == []
    assert not list(dest.rglob("*.tmp-*"))


def test_what_is_deleted_while_it_is_copied_is_not_in_the_backup(filled, dest):
    doomed = filled.upload(("doomed.txt", b"soon gone"))

    def delete(what, done, whole):
        if what == "copying the catalogue" and done == whole and doomed.id in {file.id for file in filled.files()}:
            filled.delete_file(doomed.id)

    made = filled.backup(dest, on_progress=delete)
    assert made.snapshot.files == len(filled.files()) == 22
    assert made.copied_contents == made.snapshot.contents == 22
    assert vecstore.verify_backup(dest) == []


def test_files_that_are_deleted_faster_than_they_are_copied_end_a_backup(engine, dest):
    def delete(what, done, whole):
        if what == "copying the catalogue" and done == whole:
            for file in engine.files():
                engine.delete_file(file.id)
            engine.upload(("next.txt", os.urandom(16)))

    engine.upload(("next.txt", b"the first"))
    with pytest.raises(StorageError, match="deleted faster than they can be copied; try again"):
        engine.backup(dest, on_progress=delete)
    assert vecstore.list_snapshots(dest) == []


def test_two_backups_into_one_folder_do_not_meet(filled, dest):
    refused = []

    def again(what, done, whole):
        with pytest.raises(FolderInUseError, match=r"another backup into .* is under way"):
            filled.backup(dest)
        refused.append(what)

    filled.backup(dest, on_progress=again)
    assert refused
    assert len(vecstore.list_snapshots(dest)) == 1


@pytest.mark.parametrize("when", ["copying the catalogue", "copying contents"])
def test_an_interrupted_backup_leaves_the_folder_as_it_was(filled, dest, when):
    def interrupt(what, done, whole):
        if what == when:
            raise KeyboardInterrupt

    filled.backup(dest)
    filled.upload(("new.txt", b"never seen"))
    with pytest.raises(KeyboardInterrupt):
        filled.backup(dest, on_progress=interrupt)
    assert len(vecstore.list_snapshots(dest)) == 1
    assert not list(dest.rglob("*.tmp-*"))
    assert vecstore.verify_backup(dest) == []
    assert filled.backup(dest).snapshot.files == 23


@pytest.mark.parametrize("step", [name for name in failpoints.names() if name.startswith("backup.")])
def test_a_disk_that_is_full_during_a_backup_is_said_and_loses_nothing(filled, dest, step):
    filled.backup(dest)
    filled.backup(dest)
    with failpoints.failing(step, errno.ENOSPC), pytest.raises(StorageError) as caught:
        filled.backup(dest, keep=1)
    assert caught.value.code == "full"
    assert vecstore.verify_backup(dest) == []
    assert filled.backup(dest, keep=1).snapshot.files == 22
    assert [each.files for each in vecstore.list_snapshots(dest)] == [22]


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


def test_two_data_folders_do_not_share_a_backup(filled, open_engine, dest, tmp_path):
    filled.backup(dest)
    before = tree(dest)
    other = open_engine(tmp_path / "other")
    with pytest.raises(FormatError, match="holds backups of another data folder"):
        other.backup(dest, keep=1)
    assert tree(dest) == before
    vecstore.restore(dest, tmp_path / "moved")
    assert open_engine(tmp_path / "moved").backup(dest).copied_contents == 0  # it is the same folder, elsewhere


def test_a_backup_that_was_never_completed_is_not_well(filled, dest):
    with failpoints.failing("backup.contents", errno.ENOSPC), pytest.raises(StorageError):
        filled.backup(dest)
    [problem] = vecstore.verify_backup(dest)
    assert problem.message == "there is none: no backup was completed"


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


def test_a_backup_goes_to_a_folder_of_its_own(filled, tmp_path):
    for inside in (filled.folder, filled.folder / "deep" / "backup"):
        with pytest.raises(InvalidRequestError, match="dest must lie outside of the data folder"):
            filled.backup(inside)
    other = tmp_path / "docs"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(FormatError, match=r"neither empty nor a backup of vecstore: it holds 'letter\.txt'"):
        filled.backup(other)
    assert tree(other).keys() == {"letter.txt"}
    with pytest.raises(FormatError, match="there is no data folder at"):
        vecstore.backup(tmp_path / "nowhere", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("odd", [None, 5, "", "a\0b", "x" * 10_000, b"x", object()])
def test_what_cannot_be_a_path_is_refused(odd, tmp_path):
    for call in (
        lambda: vecstore.backup(odd, tmp_path / "to"),
        lambda: vecstore.backup(tmp_path, odd),
        lambda: vecstore.restore(odd, tmp_path / "to"),
        lambda: vecstore.restore(tmp_path, odd),
        lambda: vecstore.list_snapshots(odd),
        lambda: vecstore.verify_backup(odd),
    ):
        with pytest.raises(InvalidRequestError, match="must be a path"):
            call()


def test_a_data_folder_of_another_format_is_not_backed_up_before_it_is_migrated(filled, dest):
    filled.close()
    for revision, sentence in (("0004", "open it once with this version"), ("9999", "reads up to")):
        with sqlite3.connect(filled.folder / "catalog.db") as database:
            database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        database.close()
        with pytest.raises(FormatError, match=sentence):
            vecstore.backup(filled.folder, dest)
    assert not dest.exists()


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


def test_the_catalogue_of_a_snapshot_has_the_sum_that_its_manifest_says(filled, dest):
    filled.backup(dest)
    [folder] = (dest / "snapshots").iterdir()
    said = json.loads((folder / "manifest.json").read_text())
    assert {path.name for path in folder.iterdir()} == {"catalog.db", "manifest.json"}
    assert said["catalog_sha256"] == sha256_of(folder / "catalog.db")
    assert said["blobs"] == {file.sha256: file.bytes for file in filled.files()}
