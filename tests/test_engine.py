"""What holds across an engine's life: paths, closing, failing disks, threads, and what an interruption leaves."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from vecstore import FormatError, IndexFailedError, InvalidRequestError, Source, VecstoreError


def words_only(store, query, n=50):
    return store.search(query, max_num_results=n, hybrid_search={"embedding_weight": 0, "text_weight": 1})


@pytest.mark.parametrize("name", ["q?x=1", "a%41b", "with space", "ünï 🍎", "new\nline", "#hash"])
def test_a_data_folder_may_be_called_anything(open_engine, tmp_path, name):
    engine = open_engine(tmp_path / name)
    engine.create("kept").add(("a.txt", b"some words"))
    engine.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    engine = open_engine(tmp_path / name)
    assert [file.filename for file in engine.get("kept").list()] == ["a.txt"]
    assert engine.check() == []


def test_an_emptied_catalogue_is_refused_and_nothing_is_swept(open_engine, data_folder):
    engine = open_engine()
    engine.create("kept").add(("a.txt", b"some words"))
    engine.close()
    (data_folder / "catalog.db").write_bytes(b"")
    (data_folder / "lock.owner").write_text("1")
    before = sorted(data_folder.rglob("*"))
    with pytest.raises(FormatError, match="holds 'blobs' but no catalog"):
        open_engine()
    assert [path for path in before if path.is_file() and not path.exists() and path.name != "lock.owner"] == []


def test_a_closed_engine_writes_nothing_more(open_engine):
    engine = open_engine()
    store = engine.create("kept")
    file = engine.upload(("later.txt", b"later words"))
    adding = store.add_many([(f"{i}.txt", f"words {i} ".encode() * 3000) for i in range(6)])
    assert next(adding).outcome == "added"
    engine.close()
    kept = {each.filename for each in open_engine().get("kept").list()}
    with pytest.raises(VecstoreError, match="is closed"):
        list(adding)
    with pytest.raises(VecstoreError, match="is closed"):
        store.attach(file.id)
    assert len(kept) < 6


def test_the_same_file_from_many_threads_is_one_file(engine, store, tmp_path):
    path = tmp_path / "shared.txt"
    path.write_text("the first draft")
    with ThreadPoolExecutor(8) as pool:
        assert len({file.id for file in pool.map(lambda _: store.add(("same.txt", b"same words")), range(8))}) == 1
        list(pool.map(lambda _: store.add(path), range(8)))
        path.write_text("the second draft")
        list(pool.map(lambda _: store.add(path), range(8)))
    assert sorted(file.filename for file in store.list()) == ["same.txt", "shared.txt"]
    assert engine.check() == []


def test_equal_scores_stand_in_the_order_of_adding_and_so_after_a_rebuild(store, engine):
    for n in (3, 90, 1, 60, 40):
        had = len(store.list())
        list(store.add_many([(f"{had + i:04}.txt", b"alpha beta gamma") for i in range(n)]))
    expected = [f"{i:04}.txt" for i in range(50)]
    assert [result.filename for result in words_only(store, "beta")] == expected
    engine._parts.shards.rebuild(store.id)
    assert [result.filename for result in words_only(store, "beta")] == expected


def test_what_was_detached_no_longer_counts_in_scores(store, engine):
    files = [store.add((f"{i}.txt", f"{'rare' if i % 3 else 'usual'} word{i} here".encode())) for i in range(60)]
    for file in files[::7]:
        store.detach(file.id)
    before = [(result.filename, result.score) for result in words_only(store, "rare word5")]
    engine._parts.shards.rebuild(store.id)
    assert [(result.filename, result.score) for result in words_only(store, "rare word5")] == before


def test_a_full_disk_does_not_stop_searches_or_closing(open_engine, clock):
    engine = open_engine()
    store = engine.create("kept")
    store.add(("a.txt", b"some words"))
    pool = engine._parts.catalog.database._engine
    pool.dispose()

    def full(connection, _):
        connection.execute("PRAGMA query_only = ON")

    event.listen(pool, "connect", full)
    clock.move(61)
    assert [result.filename for result in store.search("words")] == ["a.txt"]
    engine.close()
    assert open_engine().check() == []


def test_an_interrupted_upload_leaves_no_stray(engine, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(engine._parts.catalog), "add_files", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.upload(("a.txt", b"never wanted"))
    assert engine.check() == []


def test_an_index_that_fails_is_opened_again_by_the_search_that_met_it(store, engine, monkeypatch):
    store.add(("a.txt", b"some words"))
    shard = engine._parts.shards.get(store.id)

    def broken(*_, **__):
        raise IndexFailedError("a broken index")

    monkeypatch.setattr(shard, "candidates", broken)
    assert [result.filename for result in store.search("words")] == ["a.txt"]


def test_checking_while_others_write_finds_nothing_wrong(engine):
    stores = [engine.create(f"s{i}") for i in range(2)]
    done, found = threading.Event(), []

    def check():
        while not done.is_set():
            found.extend(engine.check())

    checking = threading.Thread(target=check)
    checking.start()
    try:
        for i in range(12):
            for store in stores:
                store.add((f"{i}.txt", f"words {i}".encode()))
                engine.delete_file(store.add((f"gone{i}.txt", f"gone {i} {store.id}".encode())).id)
    finally:
        done.set()
        checking.join()
    assert found == []


def test_exist_ok_gives_the_store_that_is_there(engine):
    first = engine.create("handbook", exist_ok=True)
    assert engine.create("handbook", exist_ok=True).id == first.id
    assert engine.create("handbook").id != first.id
    with pytest.raises(InvalidRequestError, match="is the name of 2 vector stores"):
        engine.create("handbook", exist_ok=True)


def test_deleting_a_store_with_its_files_spares_those_of_others(engine):
    one, two = engine.create("one"), engine.create("two")
    shared, own = one.add(("shared.txt", b"shared words")), one.add(("own.txt", b"own words"))
    two.attach(shared.id)
    one.delete(with_files=True)
    assert [file.id for file in engine.files()] == [shared.id]
    assert own.id not in {file.id for file in engine.files()}
    assert engine.check() == []


def test_a_damaged_content_is_made_good_by_adding_the_original(engine, store, data_folder):
    file = store.add(("a.txt", b"some words"))
    [blob] = (data_folder / "blobs").glob("??/*")
    blob.write_bytes(b"other words")
    [problem] = engine.check(fix=True)
    assert "Add the original again" in problem.message
    assert not problem.fixed
    assert store.add(("a.txt", b"some words")).id == file.id
    assert engine.check() == []


def test_a_chunk_size_is_remembered_until_another_is_given(store):
    strategy = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    text = b"many words to cut into chunks. " * 60
    [added] = store.add_many([("a.txt", text)], chunking_strategy=strategy)
    assert [each.outcome for each in store.add_many([("a.txt", text)])] == ["unchanged"]
    [again] = store.add_many([Source("a.txt", text)], chunking_strategy={"type": "auto"})
    assert (again.outcome, again.chunks < added.chunks) == ("updated", True)
    assert len(store.list()) == 1
    assert store.check() == []


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"bytes", "must be a path or (filename, bytes), not bytes"),
        (("a.txt", "text"), "'a.txt' must hold bytes, not str"),
        ((None, b"x"), "must be a path or (filename, bytes), not tuple"),
        ("nowhere.txt", "'nowhere.txt' does not exist"),
    ],
)
def test_what_is_no_file_is_told(engine, store, file, sentence):
    for take in (store.add, engine.upload):
        with pytest.raises(InvalidRequestError) as error:
            take(file)
        assert sentence in str(error.value)
    assert engine.check() == []
