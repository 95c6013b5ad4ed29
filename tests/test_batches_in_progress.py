"""File batches while they are worked on: progress, cancelling, what is deleted or fails meanwhile, and going on."""

import threading
import time

import batched
import pytest
from batched import counts, texts
from searched import WORDS_ONLY

import vecstore
from tests.gated_embedder import WAIT_S, Gated
from tests.parsers_at_work import LONG, kill_at_work
from vecstore import BatchFile, ExpiredError, HashingEmbedder, NotFoundError, StructureStrategy, Workers
from vecstore.runner import MAX_DEATHS

embedder = batched.embedder

gated = pytest.mark.parametrize("embedder", [Gated], indirect=True)


@gated
def test_files_are_in_progress_from_the_beginning(engine, store, embedder):
    batch = store.batch(texts(3))
    assert (batch.info().status, counts(batch.info()), counts(store.info())) == (
        "in_progress",
        (3, 0, 0, 0),
        (3, 0, 0, 0),
    )
    assert {(file.status, file.usage_bytes) for file in store.list()} == {("in_progress", 0)}
    assert (store.info().status, store.search("word")) == ("in_progress", [])
    embedder.gate.set()
    batch.wait(timeout_s=WAIT_S)
    assert (counts(store.info()), store.info().status) == ((0, 3, 0, 0), "completed")
    assert engine.check() == []


@gated
def test_progress_tells_stages_bytes_pages_and_chunks(engine, store, embedder):
    batch = store.batch(texts(4))
    embedder.waiting.wait(WAIT_S)
    now = batch.progress()
    assert {each.stage for each in now.working} <= {"parsing", "waiting to be embedded", "embedding"}
    assert {each.filename for each in now.working} <= {f"f{i}.txt" for i in range(4)}
    assert (now.done_bytes, now.sizes.chunks, now.left_s) == (0, 0, None)
    assert now.sizes.bytes == sum(len(content) for _, content in texts(4))
    embedder.gate.set()
    batch.wait(timeout_s=WAIT_S)
    now = batch.progress()
    assert (now.done_bytes, now.sizes.done_bytes, now.sizes.chunks) == (now.sizes.bytes, now.sizes.bytes, 4)
    assert now.working == ()


def test_counts_add_up_at_every_moment(engine, store):
    totals = set()
    batch = store.batch([*texts(60), ("bad.pdf", b"%PDF-1.7 nothing")])

    def look(progress):
        totals.add(progress.batch.file_counts.total)
        totals.add(store.info().file_counts.total)
        assert progress.sizes.done_bytes <= progress.done_bytes <= progress.sizes.bytes

    batch.wait(timeout_s=WAIT_S, on_progress=look)
    assert totals == {61}
    assert engine.check() == []


@gated
def test_cancelling_keeps_what_is_done_and_leaves_nothing_else_behind(engine, store, embedder):
    store.batch(texts(2, "done"))
    embedder.gate.set()
    store.batch(texts(2, "more")).wait(timeout_s=WAIT_S)
    embedder.gate.clear()
    embedder.waiting.clear()
    batch = store.batch(texts(5))
    embedder.waiting.wait(WAIT_S)
    cancelled = batch.cancel()
    assert (cancelled.status, counts(cancelled)) == ("cancelled", (0, 0, 0, 5))
    embedder.gate.set()
    assert store.batch(texts(1, "later")).wait(timeout_s=WAIT_S).status == "completed"
    assert {file.status for file in batch.files()} == {"cancelled"}
    assert counts(store.info()) == (0, 5, 0, 5)
    found = store.search("f1q", hybrid_search=WORDS_ONLY)
    assert {result.filename for result in found} <= {"done0.txt", "done1.txt", "more0.txt", "more1.txt", "later0.txt"}
    assert batch.cancel() == cancelled
    assert engine.check() == []


@gated
def test_a_cancelled_file_that_was_searchable_before_stays_so(engine, store, embedder):
    embedder.gate.set()
    file = store.add(("a.txt", b"the old way of cutting"))
    embedder.gate.clear()
    embedder.waiting.clear()
    batch = store.batch([BatchFile(file.id, {"new": True}, StructureStrategy())])
    assert store.file(file.id).status == "in_progress"
    assert [result.filename for result in store.search("cutting", hybrid_search=WORDS_ONLY)] == ["a.txt"]
    batch.cancel()
    assert (store.file(file.id), counts(store.info())) == (file, (0, 1, 0, 0))
    embedder.gate.set()
    assert engine.check() == []


@gated
def test_deleted_and_detached_files_leave_a_batch(engine, store, embedder):
    ids = [engine.upload(text).id for text in texts(3)]
    batch = store.batch(ids)
    engine.delete_file(ids[0])
    store.detach(ids[1])
    embedder.gate.set()
    assert (batch.wait(timeout_s=WAIT_S).status, counts(batch.info())) == ("completed", (0, 1, 1, 1))
    assert [file.status for file in batch.files()] == ["failed", "cancelled", "completed"]
    assert "'f0.txt' was deleted" in batch.files()[0].last_error.message
    assert [file.id for file in store.list()] == [ids[2]]
    assert engine.check() == []


@gated
def test_deleting_the_store_ends_its_batches(engine, store, embedder):
    batch = store.batch(texts(3))
    embedder.waiting.wait(WAIT_S)
    store.delete()
    with pytest.raises(NotFoundError):
        batch.info()
    embedder.gate.set()
    other = engine.create("other")
    assert other.batch(texts(1)).wait(timeout_s=WAIT_S).status == "completed"
    assert engine.check() == []


@gated
def test_two_batches_with_the_same_file_both_end(engine, store, embedder):
    file = engine.upload(("a.txt", b"twice wanted"))
    first = store.batch([BatchFile(file.id, {"batch": 1})])
    second = store.batch([BatchFile(file.id, {"batch": 2})])
    embedder.gate.set()
    assert {each.wait(timeout_s=WAIT_S).status for each in (first, second)} == {"completed"}
    assert (store.file(file.id).attributes, counts(store.info())) == ({"batch": 2}, (0, 1, 0, 0))
    assert engine.check() == []


@gated
def test_a_small_batch_beside_a_huge_one_finishes_soon(engine, store, embedder):
    huge = store.batch([("huge.txt", b"many words of one huge document. " * 60_000)])
    embedder.waiting.wait(WAIT_S)
    small = engine.create("small").batch(texts(1))
    embedder.gate.set()
    small.wait(timeout_s=WAIT_S)
    assert huge.info().status == "in_progress"
    huge.cancel()
    assert engine.check() == []


def test_a_batch_goes_on_where_the_engine_was_closed(open_engine):
    embedder = Gated()
    engine = open_engine(embedder=embedder)
    batch = engine.create("s").batch(texts(100))
    embedder.waiting.wait(WAIT_S)
    threading.Timer(0.2, embedder.gate.set).start()
    engine.close()
    engine = open_engine(embedder=HashingEmbedder(), resume=False)
    before = engine.batch(batch.id).info()
    assert before.status == "in_progress"
    assert {file.status for file in engine.get("s").list()} <= {"in_progress", "completed"}
    engine.close()
    engine = open_engine(embedder=HashingEmbedder())
    assert counts(engine.batch(batch.id).wait(timeout_s=WAIT_S)) == (0, 100, 0, 0)
    assert engine.check() == []


def test_a_file_that_kills_its_parser_fails_and_the_others_go_on(open_engine):
    with Workers(count=1) as workers:
        store = open_engine(workers=workers).create("s")
        store.add(("before.txt", b"the tide"))
        killer = kill_at_work(workers)
        batch = store.batch([("deadly.txt", LONG), *texts(3)])
        info = batch.wait(timeout_s=WAIT_S)
        killer.join()
    assert (info.status, counts(info)) == ("completed", (0, 3, 1, 0))
    [error] = [file.last_error for file in batch.files() if file.last_error]
    assert (error.code, "'deadly.txt' broke its parser" in error.message) == ("invalid_file", True)


def test_a_file_that_ended_the_whole_process_too_often_is_given_up(open_engine):
    embedder = Gated()
    engine = open_engine(embedder=embedder, resume=False)
    store = engine.create("s")
    files = [engine.upload(text).id for text in texts(2)]
    batch = engine._parts.catalog.batches.add(
        "vsfb_1", store.id, {file_id: ({}, StructureStrategy()) for file_id in files}, now=engine._parts.now()
    )
    [deadly, _] = engine._parts.catalog.batches.tasks(1, after=0, limit=2)
    for _ in range(MAX_DEATHS):  # as if the process had ended while it parsed the file
        engine._parts.catalog.batches.died([deadly.number])
    engine.close()
    embedder.gate.set()
    engine = open_engine(embedder=embedder)
    assert counts(engine.batch(batch.id).wait(timeout_s=WAIT_S)) == (0, 1, 1, 0)
    failed, _ = engine.batch(batch.id).files()
    assert failed.last_error.code == "invalid_file"
    assert failed.last_error.message.startswith("'f0.txt' was being parsed 3 times when the process ended")
    assert engine.check() == []


def test_closing_in_the_middle_is_no_death_of_a_file(open_engine):
    embedder = Gated()
    engine = open_engine(embedder=embedder)
    batch = engine.create("s").batch([("slow.txt", LONG)])
    while not batch.progress().working:
        time.sleep(0.01)
    engine.close()
    engine = open_engine(embedder=embedder, resume=False)
    [task] = engine._parts.catalog.batches.tasks(1, after=0, limit=2)
    assert task.deaths == 0
    engine.batch(batch.id).cancel()


def test_a_full_disk_pauses_a_batch_and_loses_nothing(open_engine, monkeypatch):
    engine = open_engine(resume=False)
    store = engine.create("s")
    commit = type(engine._parts.catalog.batches).commit
    refused = []

    def full(self, store_id, done, *, now):
        if len(refused) < 2:
            refused.append(store_id)
            raise vecstore.StorageError("the disk is full")
        return commit(self, store_id, done, now=now)

    monkeypatch.setattr("vecstore.runner.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(type(engine._parts.catalog.batches), "commit", full)
    assert counts(store.batch(texts(4)).wait(timeout_s=WAIT_S)) == (0, 4, 0, 0)
    assert len(refused) == 2
    assert engine.check() == []


def test_an_expired_store_takes_no_batch_and_ends_those_it_has(open_engine, clock):
    embedder = Gated()
    engine = open_engine(embedder=embedder)
    store = engine.create("s", expires_after={"anchor": "last_active_at", "days": 1})
    batch = store.batch(texts(2))
    embedder.waiting.wait(WAIT_S)
    clock.move(86_400)
    with pytest.raises(ExpiredError, match=f"Vector store '{store.id}' has expired."):
        store.batch(texts(1))
    embedder.gate.set()
    assert (batch.wait(timeout_s=WAIT_S).status, counts(batch.info())) == ("failed", (0, 0, 2, 0))
    assert store.list() == []
    assert engine.check() == []


@gated
def test_a_file_that_is_replaced_while_it_waits_leaves_its_batch(engine, store, embedder, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("the first words")
    embedder.gate.set()
    file = store.add(path)
    embedder.gate.clear()
    embedder.waiting.clear()
    batch = store.batch([BatchFile(file.id, None, StructureStrategy())])
    embedder.waiting.wait(WAIT_S)
    path.write_text("the second words")
    threading.Timer(0.2, embedder.gate.set).start()
    store.add(path)
    info = batch.wait(timeout_s=WAIT_S)
    assert info.file_counts.in_progress == 0
    assert [result.text for result in store.search("words")] == ["the second words"]
    assert engine.check() == []


def test_a_file_deleted_while_it_waits_is_no_alarm(engine, store, caplog, monkeypatch):
    go_on = threading.Event()
    open_blob = engine._parts.blobs.open

    def wait_and_open(sha256):
        assert go_on.wait(20)
        return open_blob(sha256)

    monkeypatch.setattr(engine._parts.blobs, "open", wait_and_open)
    files = [engine.upload((f"{i}.txt", f"text {i}".encode())) for i in range(8)]
    batch = store.batch([BatchFile(file.id) for file in files])
    for file in files[2:]:
        engine.delete_file(file.id)
    go_on.set()
    assert batch.wait().file_counts.completed == 2
    assert [record for record in caplog.records if record.exc_info] == []
    assert store.check() == []
