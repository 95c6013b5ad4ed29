"""A disk that is full, or refuses, at any step: an honest error, reads go on, nothing is lost, writing resumes."""

import errno
from contextlib import contextmanager

import pytest
from searched import found

from vecstore import StorageError, failpoints


def test_a_full_disk_refuses_honestly_loses_nothing_and_is_written_to_again(open_engine, small_disk, filled, full_disk):
    folder, real = small_disk
    engine = open_engine(folder / "kb")
    store = engine.create("kept")
    names = [store.add((f"{i}.txt", f"green pear {i}".encode())).filename for i in range(3)]
    with filled(folder) if real else full_disk(engine):
        refused = 0
        for i in range(60):
            try:
                names.append(store.add((f"large{i}.txt", b"a pear, and many words " * 400 + b"%d" % i)).filename)
            except StorageError as error:
                refused += 1
                assert error.code == "full"  # noqa: PT017 - not every step is refused
        assert refused
        assert found(store) == [sorted(names)] * 2
        assert sorted(file.filename for file in store.list()) == sorted(names)
        assert len(engine.files()) == len(names)
    names.append(store.add(("again.txt", b"yellow pear")).filename)
    assert found(store) == [sorted(names)] * 2
    assert engine.check() == []
    engine.close()
    engine = open_engine(folder / "kb")
    assert found(engine.get("kept")) == [sorted(names)] * 2
    assert engine.check() == []
    engine.close()


def test_what_cannot_even_be_opened_on_a_full_disk_is_told_and_opens_later(open_engine, small_disk, filled):
    folder, real = small_disk
    with open_engine(folder / "kb") as engine:
        engine.create("kept").add(("a.txt", b"green pear"))
    if real:
        with filled(folder), pytest.raises(StorageError) as full:
            open_engine(folder / "kb")
        assert full.value.code == "full"
    engine = open_engine(folder / "kb")
    assert found(engine.get("kept")) == [["a.txt"]] * 2
    engine.close()


def test_what_was_committed_on_a_full_disk_is_found_though_the_indexes_cannot_be_written(
    open_engine, small_disk, filled
):
    """The write-ahead log has room left when nothing else has: the keyword index goes on in memory."""
    folder, real = small_disk
    engine = open_engine(folder / "kb")
    store, other = engine.create("kept"), engine.create("other")
    gone = store.add(("gone.txt", b"green pear"))
    store.add(("stays.txt", b"yellow pear"))
    catalog, shards = engine._parts.catalog, engine._parts.shards
    with (folder / "kb" / "catalog.db-wal").open("ab") as log:
        log.write(bytes(1 << 20))  # room in the log, as one has that was longer before
    with filled(folder) if real else refusing(folder / "kb" / "stores" / store.id):
        with shards.writing(store.id):
            catalog.remove_member(store.id, gone.id, now=engine.now())
        assert found(store) == [["stays.txt"]] * 2
        assert found(other) == [[], []]
    assert engine.check() == []
    engine.close()
    engine = open_engine(folder / "kb")
    assert found(engine.get("kept")) == [["stays.txt"]] * 2
    assert engine.check() == []
    engine.close()


@contextmanager
def refusing(folder):
    """Nothing can be made in it, not even by root: it is a file meanwhile."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("in the way")
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


AREAS = ("blob", "checkpoint", "disk", "index", "keyword", "read", "rebuild", "store")
NEVER = ("index.attributes", "index.quarantine", "store.update")  # what the steps below do not come to
WRITES = [name for name in failpoints.names() if name.split(".")[0] in AREAS and not name.startswith(NEVER)]


@pytest.mark.parametrize("name", WRITES)
def test_a_disk_that_is_full_at_any_step_is_an_honest_error_after_which_all_goes_on(open_engine, name):
    """Whatever fails once, no write is half done, searches tell the truth, and the same write is done again."""
    engine = open_engine(resume=False)
    store = engine.create("kept")
    store.add(("a.txt", b"green pear"))
    steps = (
        lambda: store.add(("b.txt", b"yellow pear")),
        lambda: engine._parts.shards.rebuild(store.id),
        lambda: store.detach(store.find("a.txt").id),
        lambda: engine.delete(engine.create("passing").id),
        lambda: engine.delete_file(engine.upload(("passing.txt", b"a file")).id),
    )
    with failpoints.failing(name, errno.ENOSPC):
        for step in steps:
            try:
                step()
            except StorageError as error:
                assert error.code == ("stopped" if name == "disk.fsync" else "full")  # noqa: PT017 - not every step is refused
            assert found(store) == [sorted(file.filename for file in store.list())] * 2
        assert failpoints._armed._left <= 0  # it was come to
    engine.close()
    engine = open_engine()
    store = engine.get("kept")
    assert found(store) == [sorted(file.filename for file in store.list())] * 2
    store.add(("c.txt", b"red pear"))
    assert "c.txt" in found(store)[0]
    assert [problem for problem in engine.check(fix=True) if not problem.fixed] == []
    assert engine.check() == []


def test_a_content_that_the_disk_refuses_to_delete_goes_with_the_next_one(open_engine):
    engine = open_engine()
    first, second = engine.upload(("a.txt", b"secret")), engine.upload(("b.txt", b"other"))
    with failpoints.failing("blob.delete", errno.EACCES), pytest.raises(StorageError, match="could not be deleted"):
        engine.delete_file(first.id)
    assert [file.id for file in engine.files()] == [second.id]
    assert [problem.kind for problem in engine.check()] == ["stray content"]
    engine.delete_file(second.id)
    assert engine.check() == []
