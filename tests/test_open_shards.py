"""Many vector stores: how many are open at a time, and that closing one loses nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from vecstore import Source, StorageError, shards
from vecstore.catalog import Catalog
from vecstore.files import remove
from vecstore.index import codes, nearest, segments
from vecstore.shards import Shards


@pytest.fixture
def three(engine):
    stores = [engine.create(name) for name in ("one", "two", "three")]
    for store in stores:
        store.add(("words.txt", f"only {store.info().name} says this".encode()))
    engine.close()
    return [store.id for store in stores]


@pytest.fixture
def catalog(data_folder, three):
    catalog = Catalog(data_folder / "catalog.db")
    yield catalog
    catalog.close()


def test_idle_stores_are_closed_and_opened_again_as_they_were(data_folder, catalog, three):
    shards = Shards(data_folder / "stores", catalog, max_open=2)
    first = [shards.get(store_id).contents()[2].tolist() for store_id in three]
    assert list(shards._open) == three[1:]
    assert [shards.get(store_id).contents()[2].tolist() for store_id in three] == first == [[1], [2], [3]]
    shards.close()
    assert not shards._open


def test_a_closed_store_was_written_down_before(data_folder, catalog, three):
    shards = Shards(data_folder / "stores", catalog, max_open=1)
    with shards.writing(three[0]):
        catalog.remove_member(three[0], catalog.members(three[0])[0].id, now=1)
    shards.get(three[1])
    assert catalog.checkpoint(three[0]).sequence == catalog.vector_store(three[0]).sequence
    assert shards.get(three[0]).contents()[2].tolist() == []


def test_what_is_closed_for_another_one_is_not_opened_to_be_made_anew(engine, monkeypatch):
    """Else that one would close a third, which is made anew, and so on."""
    stores = [engine.create(str(i)) for i in range(3)]
    for store in stores:
        list(store.add_many([Source(f"{i}.txt", f"heron {i}".encode()) for i in range(3)]))
        store.detach(store.find("0.txt").id)
    opened, caught_up = [], Shards._caught_up

    def watched(self, store_id, **options):
        opened.append(store_id)
        return caught_up(self, store_id, **options)

    monkeypatch.setattr(Shards, "_caught_up", watched)
    monkeypatch.setattr(engine._parts.shards, "_max_open", 3)
    new = engine.create("new")
    new.add(("new.txt", b"a crane"))
    assert set(opened) == {new.id}
    assert stores[0].id not in engine._parts.shards._open
    assert sorted(each.filename for each in stores[0].search("heron")) == ["1.txt", "2.txt"]
    assert engine.check(deep=True) == []


def test_a_store_in_use_is_not_closed_over_its_head(data_folder, catalog, three):
    shards = Shards(data_folder / "stores", catalog, max_open=1)
    with shards.writing(three[0]):
        shards.get(three[0])
        shards.get(three[1])
    assert shards.get(three[0]).contents()[2].tolist() == [1]


def test_who_knows_of_a_commit_waits_for_the_indexes_and_who_does_not_is_not_held_up(data_folder, catalog, three):
    """The catalogue has a commit a moment before the indexes do."""
    shards = Shards(data_folder / "stores", catalog)
    before = shards.get(three[0]).sequence
    committed, go_on = threading.Event(), threading.Event()

    def write():
        with shards.writing(three[0]):
            catalog.remove_member(three[0], catalog.members(three[0])[0].id, now=1)
            committed.set()
            assert go_on.wait(20)

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(write)
        assert committed.wait(20)
        sequence = catalog.vector_store(three[0]).sequence
        assert shards.get(three[0], sequence=before).contents()[2].tolist() == [1]
        found = pool.submit(shards.get, three[0], sequence=sequence)
        assert not wait([found], timeout=0.3).done
        go_on.set()
        assert found.result(20).contents()[2].tolist() == []
        writing.result(20)


def test_a_write_that_was_interrupted_after_its_commit_is_replayed(data_folder, catalog, three):
    shards = Shards(data_folder / "stores", catalog)
    shards.get(three[0])
    file_id = catalog.members(three[0])[0].id

    def interrupted():
        with shards.writing(three[0]):
            catalog.remove_member(three[0], file_id, now=1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shards.get(three[0]).contents()[2].tolist() == []


def test_a_full_disk_is_an_honest_error_and_nothing_is_lost(engine, store, full_disk):
    store.add(("kept.txt", b"kept words"))
    with full_disk(engine):
        with pytest.raises(StorageError, match="database or disk is full"):
            store.add(("large.txt", b"many words " * 20_000))
        assert [result.filename for result in store.search("words")] == ["kept.txt"]
    store.add(("large.txt", b"many words " * 20_000))
    assert [file.filename for file in store.list()] == ["kept.txt", "large.txt"]
    assert store.check() == []


def test_while_one_store_is_made_anew_its_searches_wait_for_the_truth_and_all_else_goes_on(engine):
    slow, other = engine.create("slow"), engine.create("other")
    for each in (slow, other):
        each.add(("a.txt", b"green pear"))
    shards, begun, go_on = engine._parts.shards, threading.Event(), threading.Event()

    def rebuild():
        with shards.alone(slow.id):
            shards._forget(slow.id)
            begun.set()
            assert go_on.wait(20)
            shards.rebuild(slow.id)

    with ThreadPoolExecutor(2) as pool:
        rebuilding = pool.submit(rebuild)
        assert begun.wait(20)
        waiting = pool.submit(slow.search, "pear")
        assert not wait([waiting], timeout=0.3).done
        assert [result.filename for result in other.search("pear")] == ["a.txt"]
        other.add(("b.txt", b"yellow pear"))
        assert len(engine.list()) == 2
        assert slow.info().file_counts.completed == 1
        go_on.set()
        assert [result.filename for result in waiting.result(20)] == ["a.txt"]
        rebuilding.result(20)
    assert engine.check() == []


def checkpoints(engine, store):
    return engine._parts.catalog.checkpoint(store.id)


def test_a_checkpoint_is_due_after_many_chunks_however_few_files_they_came_in(
    engine, store, monkeypatch, numbered_text
):
    monkeypatch.setattr(shards, "CHECKPOINT_CHUNKS", 20)
    store.add(("a.txt", numbered_text(100).encode()))
    assert checkpoints(engine, store) is None
    store.add(("b.txt", numbered_text(4_000).encode()))
    written = checkpoints(engine, store)
    assert written.sequence == 2
    store.add(("c.txt", b"apple"))
    assert checkpoints(engine, store) == written


def test_what_was_made_anew_is_written_down_before_it_answers(open_engine, monkeypatch, data_folder, numbered_text):
    monkeypatch.setattr(shards, "CHECKPOINT_CHUNKS", 20)
    engine = open_engine()
    store = engine.create("s")
    store.add(("b.txt", numbered_text(4_000).encode()))
    engine.close()
    remove(data_folder / "stores" / store.id)
    engine = open_engine()
    assert engine.get("s").search("w7")
    [folder] = (data_folder / "stores" / store.id).glob("checkpoint-*")
    assert checkpoints(engine, store).folder == folder.name


@pytest.fixture
def listed_soon(monkeypatch):
    """Codes from 50 windows on, in lists from 100."""
    monkeypatch.setattr(shards, "CHECKPOINT_CHUNKS", 20)
    for module in (segments, nearest):
        monkeypatch.setattr(module, "EXACT_ROWS", 50)
    for module in (segments, codes):
        monkeypatch.setattr(module, "LISTED_ROWS", 100)
    monkeypatch.setattr(nearest, "MIN_CANDIDATES", 10)


def listing(engine):
    return list(engine._parts.shards._listing.values())


def test_codes_are_put_into_lists_while_searches_and_writers_go_on(
    open_engine, monkeypatch, listed_soon, numbered_text, data_folder
):
    may_go_on, made = threading.Event(), []

    class Slow(codes.Codes):
        def __init__(self, vectors, *, lists=True):
            if lists:
                assert may_go_on.wait(30)
                made.append(len(vectors))
            super().__init__(vectors, lists=lists)

    monkeypatch.setattr(shards, "Codes", Slow)
    with open_engine() as engine:
        store = engine.create("grown")
        for i in range(8):
            store.add((f"{i}.txt", numbered_text(4_000, mark=f"w{i}x").encode()))
        assert store.index_info().kind == "rabitq"
        [thread] = listing(engine)
        assert made == []
        before = [each.chunk_id for each in store.search("w3x7 w3x8")]  # neither waits
        store.add(("more.txt", b"a few words"))
        may_go_on.set()
        thread.join(30)
        assert made
        for later in listing(engine):  # of what came meanwhile
            later.join(30)
        store.add(("last.txt", numbered_text(4_000, mark="last").encode()))
        for later in listing(engine):
            later.join(30)
        assert store.index_info().kind == "ivf-rabitq"
        assert [each.chunk_id for each in store.search("w3x7 w3x8")] == before
        assert engine.check(deep=True) == []
    with open_engine() as engine:
        assert engine.get("grown").index_info().kind == "ivf-rabitq"
        assert engine.check(deep=True) == []


def test_what_writers_leave_behind_meanwhile_is_listed_after_it(open_engine, monkeypatch, listed_soon, numbered_text):
    """Its segment is merged with what was added, and no write comes after that."""
    may_go_on = threading.Event()
    monkeypatch.setattr(shards, "Codes", lambda vectors: may_go_on.wait(30) and codes.Codes(vectors))
    with open_engine() as engine:
        store = engine.create("grown")
        for i in range(16):
            store.add((f"{i}.txt", numbered_text(4_000, mark=f"w{i}x").encode()))
        [thread] = listing(engine)
        assert store.index_info().kind == "rabitq"
        may_go_on.set()
        thread.join(30)
        assert store.index_info().kind == "ivf-rabitq"
        assert listing(engine) == []
    with open_engine() as engine:
        assert engine.get("grown").index_info().kind == "ivf-rabitq"


def test_what_is_closed_has_its_lists(open_engine, listed_soon, numbered_text):
    with open_engine() as engine:
        store = engine.create("grown")
        list(store.add_many([(f"{i}.txt", numbered_text(4_000, mark=f"w{i}x").encode()) for i in range(8)]))
    with open_engine() as engine:
        assert engine.get("grown").index_info().kind == "ivf-rabitq"


def test_a_store_that_is_deleted_while_its_codes_are_listed_is_gone(
    open_engine, monkeypatch, listed_soon, numbered_text, data_folder
):
    may_go_on = threading.Event()
    monkeypatch.setattr(shards, "Codes", lambda vectors: may_go_on.wait(30) and codes.Codes(vectors))
    with open_engine() as engine:
        store = engine.create("grown")
        list(store.add_many([(f"{i}.txt", numbered_text(4_000, mark=f"w{i}x").encode()) for i in range(8)]))
        [thread] = listing(engine)
        store.delete()
        may_go_on.set()
        thread.join(30)
        assert not (data_folder / "stores" / store.id).exists()
        assert engine.check() == []


def test_lists_that_cannot_be_made_are_told_and_searches_go_on(
    open_engine, monkeypatch, listed_soon, numbered_text, caplog
):
    def fail(_):
        raise MemoryError("not enough")

    monkeypatch.setattr(shards, "Codes", fail)
    with open_engine() as engine:
        store = engine.create("grown")
        list(store.add_many([(f"{i}.txt", numbered_text(4_000, mark=f"w{i}x").encode()) for i in range(8)]))
        for thread in listing(engine):
            thread.join(30)
        assert "its codes stay without lists for now: not enough" in caplog.text
        assert store.search("w3x7")


def test_a_store_that_grows_is_searched_by_codes_before_and_after_it_is_opened_again(
    open_engine, monkeypatch, numbered_text
):
    monkeypatch.setattr(shards, "CHECKPOINT_CHUNKS", 20)
    for module in (segments, nearest):
        monkeypatch.setattr(module, "EXACT_ROWS", 50)
    monkeypatch.setattr(nearest, "MIN_CANDIDATES", 10)
    engine = open_engine()
    store = engine.create("grown")
    kinds = [store.index_info().kind]
    for i in range(8):
        store.add((f"{i}.txt", numbered_text(4_000, mark=f"w{i}x").encode()))
        kinds.append(store.index_info().kind)
    assert kinds == sorted(kinds)
    assert (kinds[0], kinds[-1]) == ("exact", "rabitq")
    asked = [f"w{i}x7 w{i}x8" for i in range(8)]
    before = [[result.chunk_id for result in store.search(query)] for query in asked]
    engine.close()
    engine = open_engine()
    store = engine.get("grown")
    info = store.index_info()
    assert (info.kind, info.removed) == ("rabitq", 0)
    assert [[result.chunk_id for result in store.search(query)] for query in asked] == before
    store.detach(store.find("3.txt").id)
    assert store.index_info().removed > 0
    assert all(result.filename != "3.txt" for query in asked for result in store.search(query, max_num_results=50))
    assert engine.check(deep=True) == []
