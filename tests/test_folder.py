import shutil
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

import vecstore
from vecstore import FolderInUseError, FormatError, HashingEmbedder

OPEN = """
import sys, vecstore
try:
    vecstore.open(sys.argv[1], embedder=vecstore.HashingEmbedder()).close()
except vecstore.FolderInUseError as error:
    print("in use:", error)
else:
    print("opened")
"""


def in_another_process(folder):
    done = subprocess.run([sys.executable, "-c", OPEN, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "lock" not in path.name}


def test_a_folder_is_made_when_it_does_not_exist(open_engine, tmp_path):
    open_engine(tmp_path / "deep" / "down")
    assert (tmp_path / "deep" / "down" / "catalog.db").is_file()


def test_an_empty_folder_is_taken(open_engine, data_folder):
    data_folder.mkdir()
    assert open_engine().list() == []


def test_without_create_a_missing_folder_is_refused_and_not_made(open_engine, data_folder):
    with pytest.raises(FormatError, match="there is no data folder at"):
        open_engine(create=False)
    assert not data_folder.exists()


def test_without_create_an_existing_folder_is_opened(open_engine):
    open_engine().close()
    assert open_engine(create=False).check() == []


def test_a_folder_with_other_things_in_it_is_refused_untouched(open_engine, data_folder):
    data_folder.mkdir()
    (data_folder / "thesis.txt").write_text("years of work")
    with pytest.raises(FormatError, match=r"it holds 'thesis.txt' but no catalog.db"):
        open_engine()
    assert [path.name for path in data_folder.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_data_folder(open_engine, data_folder):
    data_folder.write_text("a file")
    with pytest.raises(FormatError, match="is not a folder"):
        open_engine()


def test_a_second_process_is_refused_and_told_who_has_it(engine, data_folder):
    said = in_another_process(data_folder)
    assert said.startswith("in use:")
    assert "is open in another process (process " in said


def test_once_closed_another_process_may_have_it(engine, data_folder):
    engine.close()
    assert in_another_process(data_folder) == "opened"


def test_a_second_engine_in_the_same_process_is_refused_too(engine, open_engine):
    with pytest.raises(FolderInUseError):
        open_engine()
    assert engine.list() == []


def test_a_refused_opening_leaves_the_owner_at_work(engine, open_engine, data_folder):
    store = engine.create("mine")
    with pytest.raises(FolderInUseError):
        open_engine()
    in_another_process(data_folder)
    assert in_another_process(data_folder).startswith("in use: ")
    store.add(("a.txt", b"still writable"))
    assert store.check() == []


def test_a_failed_opening_lets_go_of_the_folder(open_engine, data_folder):
    open_engine().close()
    kept = (data_folder / "catalog.db").read_bytes()
    (data_folder / "catalog.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(FormatError, match="cannot be read as a database"):
        open_engine()
    (data_folder / "catalog.db").write_bytes(kept)
    assert open_engine().check() == []


def test_a_newer_format_is_refused_untouched(open_engine, data_folder):
    engine = open_engine()
    engine.create("kept").add(("a.txt", b"some words"))
    engine.close()
    with sqlite3.connect(data_folder / "catalog.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = contents(data_folder)
    with pytest.raises(FormatError, match="has data format 9999; this version of vecstore reads up to"):
        open_engine()
    assert contents(data_folder) == before


def test_a_database_of_somebody_else_is_refused_untouched(open_engine, data_folder):
    data_folder.mkdir()
    with sqlite3.connect(data_folder / "catalog.db") as database:
        database.execute("CREATE TABLE birds (name TEXT)")
    database.close()
    before = contents(data_folder)
    with pytest.raises(FormatError, match="not one of vecstore's"):
        open_engine()
    assert contents(data_folder) == before


def test_what_was_interrupted_while_being_made_is_made_whole(data_folder, open_engine):
    data_folder.mkdir()
    (data_folder / "lock").touch()
    (data_folder / "lock.owner").write_text("1")
    (data_folder / "catalog.db").touch()  # killed before the first transaction
    assert open_engine().check() == []


def test_a_path_may_be_a_string(data_folder):
    with vecstore.open(str(data_folder), embedder=HashingEmbedder()) as engine:
        assert engine.list() == []


def test_what_an_interrupted_process_left_is_swept_on_the_next_open(open_engine, data_folder):
    engine = open_engine()
    engine.create("kept").add(("a.txt", b"some words"))
    engine.close()
    stray = data_folder / "blobs" / "ab" / ("ab" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"uploaded, then killed")
    (data_folder / "stores" / "vs_gone").mkdir()
    (data_folder / "lock.owner").write_text("12345")
    (data_folder / "catalog.db-wal").touch()  # as whoever is killed leaves it
    engine = open_engine()
    assert not stray.exists()
    assert engine.check() == []


def test_nothing_is_swept_where_the_log_of_who_was_killed_is_gone(open_engine, data_folder, killed):
    """Its rows were in the log: what they wanted is there when that is put back."""
    killed("engine.create('kept').add(('a.txt', b'some words'))")
    log = data_folder / "catalog.db-wal"
    away = log.rename(data_folder.parent / "log")
    with pytest.raises(FormatError, match=r"nothing in it, and there are uploaded contents"):
        open_engine()
    away.rename(log)
    engine = open_engine()
    assert [store.name for store in engine.list()] == ["kept"]
    assert engine.check() == []
    engine.close()
    killed("engine.get('kept').add(('b.txt', b'other words'))")
    away = log.rename(data_folder.parent / "log")
    engine = open_engine()
    assert [problem.kind for problem in engine.check()] == ["stray content"]
    engine.close()
    assert len(list((data_folder / "blobs").glob("??/*"))) == 2


@pytest.mark.parametrize("files", [0, 2])
def test_contents_are_not_taken_for_strays_on_the_word_of_another_catalogue(open_engine, data_folder, tmp_path, files):
    engine = open_engine()
    store = engine.create("s")
    for i in range(12):
        store.add((f"{i}.txt", f"words {i}".encode()))
    engine.close()
    other = open_engine(tmp_path / "other")
    for i in range(files):
        other.upload((f"{i}.txt", f"other words {i}".encode()))
    other.close()
    shutil.copy(tmp_path / "other" / "catalog.db", data_folder / "catalog.db")
    engine = open_engine()
    problems = engine.check(fix=True)
    strays = [problem for problem in problems if problem.kind == "stray content"]
    assert len(strays) == 12
    assert all("is this the catalogue" in problem.message and not problem.fixed for problem in strays)
    assert len(list((data_folder / "blobs").glob("??/*"))) == 12


@pytest.fixture
def killed(data_folder):
    """`killed(code)`: runs it with an `engine` on the test's folder, and kills the process."""

    def run(code):
        script = f"""
import os, signal, vecstore
engine = vecstore.open({str(data_folder)!r}, embedder=vecstore.HashingEmbedder(), now=lambda: 1_700_000_000)
{code}
os.kill(os.getpid(), signal.SIGKILL)
"""
        assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == -signal.SIGKILL

    return run


def test_another_thread_may_close_the_engine(open_engine):
    engine = open_engine()
    closing = threading.Thread(target=engine.close)
    closing.start()
    closing.join()
    assert open_engine().list() == []


def test_a_process_killed_while_it_made_the_folder_leaves_one_that_opens(open_engine, data_folder):
    data_folder.mkdir()
    with sqlite3.connect(data_folder / "catalog.db") as database:
        database.execute("PRAGMA journal_mode = WAL")
    database.close()
    engine = open_engine()
    engine.create("kept").add(("a.txt", b"some words"))
    assert engine.check() == []
