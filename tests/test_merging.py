"""Segments of the keyword index are merged beside searches and writers."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from searched import names

from vecstore import IndexFailedError
from vecstore.changes import IndexedChunk
from vecstore.index import language
from vecstore.index.keyword import KeywordIndex
from vecstore.shards import Shards

WAIT_S = 20


def write(index, number):
    index.write((), [IndexedChunk(number, number, "", f"apple word{number}")])
    index.refresh()


def found(index):
    return sorted(index.search(["appl"], 100, None)[0].tolist())


@pytest.fixture
def merging(monkeypatch):
    """A merge that lasts until `go_on` is set; `begun` once somebody waits for it."""
    settle, begun, go_on = KeywordIndex.settle, threading.Event(), threading.Event()

    def lasting(self):
        if self._merging is not None:
            begun.set()
            assert go_on.wait(WAIT_S)
        return settle(self)

    monkeypatch.setattr(KeywordIndex, "settle", lasting)
    yield begun, go_on
    go_on.set()


def test_what_was_written_is_found_before_its_segments_are_merged_and_after(tmp_path):
    index = KeywordIndex(tmp_path / "keyword")
    for number in range(1, 25):
        write(index, number)
        assert found(index) == list(range(1, number + 1))
        index.check_untouched()
    assert index.settle()
    assert not index.settle()
    index.check_untouched()  # of segments that are gone, and still mapped
    assert found(index) == list(range(1, 25))
    index.refresh()
    assert index._searcher.num_segments < 12
    assert found(index) == list(range(1, 25))
    assert {path.name.partition(".")[0] for path in index.files() if path.suffix != ".json"} == set(index._segments())


def test_the_same_history_makes_the_same_segments(tmp_path):
    at_once, slowly = KeywordIndex(tmp_path / "one"), KeywordIndex(tmp_path / "other")
    for number in range(1, 31):
        write(at_once, number)
        write(slowly, number)
        slowly.settle()
    at_once.settle()
    assert sorted(at_once._segments().values()) == sorted(slowly._segments().values())
    assert len(at_once._segments()) < 10


def test_neither_searches_nor_the_writer_wait_for_a_merge_and_the_next_one_waits_before_its_commit(engine, merging):
    begun, go_on = merging
    store = engine.create("lakes")
    store.add(("one.txt", b"a heron"))
    assert begun.wait(WAIT_S)
    assert names(store.search("heron")) == ["one.txt"]
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(store.add, ("two.txt", b"a second heron"))
        assert not wait([adding], timeout=0.3).done
        assert [file.filename for file in store.list()] == ["one.txt"]
        assert names(store.search("heron")) == ["one.txt"]
        go_on.set()
        adding.result(WAIT_S)
    assert sorted(names(store.search("heron"))) == ["one.txt", "two.txt"]
    assert store.check() == []


def test_closing_waits_for_a_merge(open_engine, merging):
    begun, go_on = merging
    engine = open_engine()
    engine.create("lakes").add(("one.txt", b"a heron"))
    assert begun.wait(WAIT_S)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(engine.close)
        assert not wait([closing], timeout=0.3).done
        go_on.set()
        closing.result(WAIT_S)
    store = open_engine().get("lakes")
    assert names(store.search("heron")) == ["one.txt"]
    assert store.check() == []


def test_a_merge_that_fails_is_made_good_by_opening_the_indexes_again(engine, monkeypatch, caplog):
    settle, failed = KeywordIndex.settle, threading.Event()

    def failing(self):
        had = settle(self)
        if had and not failed.is_set():
            failed.set()
            raise IndexFailedError("the disk says no")
        return had

    monkeypatch.setattr(KeywordIndex, "settle", failing)
    store = engine.create("lakes")
    store.add(("one.txt", b"a heron"))
    assert failed.wait(WAIT_S)
    store.add(("two.txt", b"a second heron"))
    assert sorted(names(store.search("heron"))) == ["one.txt", "two.txt"]
    assert "the disk says no; its indexes are opened again" in caplog.text
    assert store.check() == []


def test_a_store_is_deleted_while_its_segments_are_merged(engine, merging, data_folder):
    begun, go_on = merging
    store = engine.create("lakes")
    store.add(("one.txt", b"a heron"))
    assert begun.wait(WAIT_S)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(engine.delete, store.id)
        go_on.set()
        deleting.result(WAIT_S)
    assert not (data_folder / "stores" / store.id).exists()
    assert engine.check() == []


def test_what_tells_languages_is_loaded_before_searches_wait_for_the_index(engine, monkeypatch):
    store, loaded, writing = engine.create("lakes"), [], Shards.writing

    def watched(self, store_id):
        loaded.append(language._loaded.cache_info().currsize)
        return writing(self, store_id)

    monkeypatch.setattr(Shards, "writing", watched)
    language._loaded.cache_clear()
    store.add(("english.txt", b"the heron that stands in the reeds"))
    store.add(("other.txt", b"der Reiher steht im Schilf"))
    assert loaded == [0, 1]
    assert names(store.search("Reiher"))[0] == "other.txt"
