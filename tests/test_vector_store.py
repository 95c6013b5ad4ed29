import threading

import pytest

from vecstore import FileFailedError, HybridSearch, InvalidRequestError, NotFoundError, StaticStrategy, VecstoreError

BROKEN = ("broken.pdf", b"%PDF-1.7 and then nothing that makes sense")


def test_a_new_store_is_empty(engine, clock):
    info = engine.create("handbook", metadata={"owner": "me"}).info()
    assert (info.name, info.metadata, info.usage_bytes, info.file_counts.total) == ("handbook", {"owner": "me"}, 0, 0)
    assert info.created_at == info.last_active_at == clock.seconds
    assert engine.check() == []


def test_stores_are_listed_in_the_order_of_creation(engine):
    for name in ("b", "a", "c", ""):
        engine.create(name)
    assert [info.name for info in engine.list()] == ["b", "a", "c", ""]


def test_a_store_is_had_by_id_or_by_its_name(engine):
    made = engine.create("handbook")
    assert engine.get("handbook").id == engine.get(made.id).id == made.id


def test_a_name_that_two_have_is_refused_with_both_ids(engine):
    ids = {engine.create("twin").id, engine.create("twin").id}
    with pytest.raises(InvalidRequestError, match="is the name of 2 vector stores") as caught:
        engine.get("twin")
    assert all(each in str(caught.value) for each in ids)
    assert {engine.get(each).id for each in ids} == ids


def test_an_unknown_store_is_not_found(engine):
    with pytest.raises(NotFoundError, match="No vector store found with the name or id 'nobody'"):
        engine.get("nobody")


def test_a_name_too_long_is_refused(engine):
    engine.create("x" * 256)
    with pytest.raises(InvalidRequestError, match="name must be a string of 0 to 256 characters"):
        engine.create("x" * 257)


def test_a_deleted_store_is_gone_and_its_files_stay(engine, store, data_folder):
    file = store.add(("a.txt", b"some text"))
    engine.delete(store.id)
    assert engine.list() == []
    assert not (data_folder / "stores" / store.id).exists()
    assert engine.file_content(file.id) == b"some text"
    for call in (store.info, store.list, store.delete, lambda: store.add(("b.txt", b"x"))):
        with pytest.raises(NotFoundError):
            call()
    assert engine.check() == []


def test_an_uploaded_file_is_attached(engine, store):
    uploaded = engine.upload(("a.txt", b"some text"))
    assert store.list() == []
    attached = store.attach(uploaded.id, attributes={"year": 2026})
    assert (attached.id, attached.status, attached.attributes, attached.chunks) == (
        uploaded.id,
        "completed",
        {"year": 2026},
        1,
    )
    assert attached.usage_bytes == len("some text") + 4 * 64 == store.info().usage_bytes
    assert [result.file_id for result in store.search("text")] == [uploaded.id]
    assert store.check() == []


def test_a_file_is_found_by_both_legs_as_soon_as_it_is_added(store):
    for i, word in enumerate(["apple", "plum", "fig"]):
        assert len(store.search(word, max_num_results=50)) == i
        file = store.add((f"{i}.txt", word.encode()))
        for weights in (HybridSearch(1, 0), HybridSearch(0, 1)):
            assert store.search(word, hybrid_search=weights)[0].file_id == file.id
    assert store.check() == []


def test_attaching_again_indexes_anew_and_counts_once(engine, store, numbered_text):
    uploaded = engine.upload(("a.txt", numbered_text(600).encode()))
    once = store.attach(uploaded.id)
    small = StaticStrategy(100, 0)
    twice = store.attach(uploaded.id, chunking_strategy=small, attributes={"n": 2})
    assert twice.chunks > once.chunks
    assert (twice.chunking_strategy, twice.attributes) == (small, {"n": 2})
    assert store.info().file_counts.completed == len(store.list()) == 1
    assert store.info().usage_bytes == twice.usage_bytes
    assert store.check() == []


def test_attaching_a_broken_file_keeps_it_as_failed_with_the_reason(engine, store):
    uploaded = engine.upload(BROKEN)
    attached = store.attach(uploaded.id)
    assert attached.status == "failed"
    assert attached.last_error.code == "invalid_file"
    assert "broken.pdf" in attached.last_error.message
    assert (attached.usage_bytes, attached.chunks) == (0, 0)
    assert store.info().file_counts.failed == 1
    assert store.search("nothing") == []
    assert store.check() == []


def test_attaching_an_unsupported_file_says_so(engine, store):
    attached = store.attach(engine.upload(("cat", b"\x7fELF\x02\x01\x01\0")).id)
    assert (attached.status, attached.last_error.code) == ("failed", "unsupported_file")
    assert store.check() == []


def test_attaching_a_file_that_does_not_exist_is_not_found(store):
    with pytest.raises(NotFoundError, match="No such File object: file-x"):
        store.attach("file-x")


def test_one_file_in_two_stores_is_independent(engine, store):
    other = engine.create("other")
    file = store.add(("a.txt", b"some text"), attributes={"in": "one"})
    other.attach(file.id, attributes={"in": "two"})
    store.detach(file.id)
    assert store.search("text") == []
    assert [result.attributes for result in other.search("text")] == [{"in": "two"}]
    assert engine.check() == []


def test_a_detached_file_is_never_found_and_stays_uploaded(engine, store, open_engine):
    file = store.add(("a.txt", b"unmistakable"))
    store.detach(file.id)
    assert (store.list(), store.search("unmistakable"), store.info().usage_bytes) == ([], [], 0)
    assert engine.file(file.id).filename == "a.txt"
    with pytest.raises(NotFoundError):
        store.detach(file.id)
    engine.close()
    store = open_engine().get("test")
    assert store.search("unmistakable") == []
    assert store.check() == []


def test_a_deleted_file_is_gone_from_every_store_and_from_disk(engine, store, data_folder):
    other = engine.create("other")
    file = store.add(("a.txt", b"unmistakable"))
    other.attach(file.id)
    engine.delete_file(file.id)
    assert store.search("unmistakable") == other.search("unmistakable") == []
    assert (engine.files(), engine.usage().total.usage_bytes) == ([], 0)
    with pytest.raises(NotFoundError):
        engine.file_content(file.id)
    assert not [path for path in (data_folder / "blobs").rglob("*") if path.is_file()]
    assert engine.check() == []


def test_deleting_a_file_keeps_content_that_another_shares(engine):
    one, two = engine.upload(("a.txt", b"shared")), engine.upload(("b.txt", b"shared"))
    engine.delete_file(one.id)
    assert engine.file_content(two.id) == b"shared"
    assert engine.check() == []


def test_content_is_how_a_file_was_cut(store, numbered_text):
    text = numbered_text(2000)
    file = store.add(("a.txt", text.encode()))
    content = store.content(file.id)
    assert [chunk.index for chunk in content] == list(range(file.chunks))
    for chunk in content:
        assert text[chunk.start : chunk.end] == chunk.text
        assert "".join(text[start:end] for start, end in chunk.windows) == chunk.text
    assert (content[0].start, content[-1].end) == (0, len(text))
    assert store.check() == []


def test_attributes_are_replaced_not_merged(store):
    file = store.add(("a.txt", b"text"), attributes={"a": 1})
    assert store.update(file.id, attributes={"b": 2}).attributes == {"b": 2}
    assert store.update(file.id, attributes=None).attributes == {}
    with pytest.raises(InvalidRequestError):
        store.update(file.id, attributes={"": 1})
    with pytest.raises(NotFoundError):
        store.update("file-x", attributes={})
    assert store.check() == []


def test_last_active_at_moves_with_attach_and_search(engine, store, clock):
    clock.move(1000)
    file = engine.upload(("a.txt", b"text"))
    assert store.info().last_active_at == clock.seconds - 1000
    store.attach(file.id)
    assert store.info().last_active_at == clock.seconds
    clock.move(1)
    store.search("text")
    assert store.info().last_active_at == clock.seconds
    assert store.info().created_at == clock.seconds - 1000 - 1
    assert store.check() == []


def test_reading_is_no_activity(store, clock):
    clock.move(5000)
    store.info(), store.list(), store.check()
    assert store.info().last_active_at == clock.seconds - 5000


def test_usage_sums_up_all_stores(engine):
    stores = [engine.create(name) for name in "ab"]
    for store in stores:
        store.add((f"{store.info().name}.txt", b"text"))
    usage = engine.usage(by="store")
    assert {row.key: row.usage_bytes for row in usage.rows} == {store.id: len("text") + 4 * 64 for store in stores}
    assert usage.total.usage_bytes == sum(row.usage_bytes for row in usage.rows)


def test_everything_is_there_after_reopening(engine, store, open_engine):
    file = store.add(("a.txt", b"unmistakable words"), attributes={"year": 2026})
    before = store.info(), store.list(), store.content(file.id), engine.files()
    engine.close()
    engine = open_engine()
    store = engine.get("test")
    assert (store.info(), store.list(), store.content(file.id), engine.files()) == before
    assert engine.check() == []


def test_a_closed_engine_says_so(engine, store):
    engine.close()
    engine.close()
    for call in (engine.list, store.list, lambda: store.search("x"), lambda: engine.upload(("a", b"b"))):
        with pytest.raises(VecstoreError, match="is closed"):
            call()


def test_a_file_is_uploaded_by_path_bytes_or_stream(engine, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"some text")
    with path.open("rb") as stream:
        files = [engine.upload(path), engine.upload(str(path)), engine.upload(("b", b"some text"))]
        files.append(engine.upload(("c", stream)))
    assert [file.filename for file in files] == ["a.txt", "a.txt", "b", "c"]
    assert {(file.bytes, engine.file_content(file.id)) for file in files} == {(9, b"some text")}
    assert engine.files() == files
    assert engine.check() == []


def test_uploading_a_path_that_is_not_there_leaves_nothing(engine, tmp_path):
    with pytest.raises(InvalidRequestError, match=r"missing\.txt' does not exist"):
        engine.upload(tmp_path / "missing.txt")
    assert engine.files() == []
    assert engine.check() == []


def test_a_name_that_utf8_cannot_hold_is_replaced(store):
    file = store.add(("bad\udcff.txt", b"words"))
    assert file.filename == "bad?.txt"
    assert store.check() == []


def test_threads_may_add_to_one_store(store):
    def add(mark):
        for i in range(4):
            store.add((f"{mark}{i}.txt", f"text {mark} {i}".encode()))

    threads = [threading.Thread(target=add, args=(mark,)) for mark in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.filename for file in store.list()) == sorted(
        f"{mark}{i}.txt" for mark in "abc" for i in range(4)
    )
    assert store.check() == []


def test_what_fails_to_be_added_is_not_kept(engine, store):
    with pytest.raises(FileFailedError, match=r"broken\.pdf") as caught:
        store.add(BROKEN)
    assert caught.value.code == "invalid_file"
    assert (store.list(), engine.files()) == ([], [])
    assert engine.check() == []


def test_the_content_of_a_file_that_failed_is_its_error_and_not_empty(store, engine):
    file = engine.upload(("broken.pdf", b"%PDF-1.7 broken"))
    assert store.attach(file.id).status == "failed"
    with pytest.raises(FileFailedError, match=r"'broken\.pdf'"):
        store.content(file.id)
    assert store.check() == []
