"""What was asked for last holds, also where earlier requests about the same file are still being worked on."""

import pytest

from tests.gated_embedder import Gated
from vecstore import BatchFile, StaticStrategy
from vecstore.runner import Runner


@pytest.fixture
def embedder():
    return Gated()


def test_attributes_changed_while_a_file_is_indexed_stay(engine, store, embedder):
    file = engine.upload(("a.txt", b"words to be found"))
    batch = store.batch([BatchFile(file.id, {"v": 1})])
    assert store.update(file.id, attributes={"v": 2}).attributes == {"v": 2}
    embedder.gate.set()
    batch.wait()
    assert store.file(file.id).attributes == {"v": 2}
    assert store.search("words", filters={"type": "eq", "key": "v", "value": 2})
    assert store.check() == []


def test_of_two_batches_with_a_file_the_later_request_holds(engine, store, embedder, numbered_text):
    file = engine.upload(("a.txt", numbered_text(600).encode()))
    others = [engine.upload((f"{i}.txt", f"text {i}".encode())).id for i in range(5)]
    first = store.batch([*(BatchFile(other) for other in others), BatchFile(file.id, {"v": "old"})])
    second = store.batch([BatchFile(file.id, {"v": "new"}, StaticStrategy(200, 0))])
    embedder.gate.set()
    assert [batch.wait().status for batch in (first, second)] == ["completed", "completed"]
    found = store.file(file.id)
    assert (found.attributes, found.chunking_strategy) == ({"v": "new"}, StaticStrategy(200, 0))
    assert store.check() == []


def test_what_is_attached_at_once_is_not_undone_by_a_batch_from_before(engine, store, embedder, numbered_text):
    embedder.gate.set()
    file = engine.upload(("a.txt", numbered_text(600).encode()))
    engine._runner.stop()
    batch = store.batch([BatchFile(file.id, {"v": "old"})])
    store.attach(file.id, attributes={"v": "new"}, chunking_strategy=StaticStrategy(200, 0))
    engine._runner = Runner(engine._parts)
    engine._parts.waking.set()
    assert batch.wait().status == "completed"
    found = store.file(file.id)
    assert (found.attributes, found.chunking_strategy) == ({"v": "new"}, StaticStrategy(200, 0))
    assert store.check() == []
