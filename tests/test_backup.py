"""Backups as they are made: of one moment, beside whatever else goes on, copying what is new, or not at all."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
import threading

import backed_up
import pytest
from backed_up import tree

import vecstore
from tests.stories import story
from vecstore import FolderInUseError, FormatError, InvalidRequestError, StorageError, failpoints
from vecstore.files import sha256_of

dest, filled = backed_up.dest, backed_up.filled


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


def test_the_catalogue_of_a_snapshot_has_the_sum_that_its_manifest_says(filled, dest):
    filled.backup(dest)
    [folder] = (dest / "snapshots").iterdir()
    said = json.loads((folder / "manifest.json").read_text())
    assert {path.name for path in folder.iterdir()} == {"catalog.db", "manifest.json"}
    assert said["catalog_sha256"] == sha256_of(folder / "catalog.db")
    assert said["blobs"] == {file.sha256: file.bytes for file in filled.files()}
