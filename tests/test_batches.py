"""File batches: what becomes of each file, what is billed, and what is refused."""

import batched
import pytest
from batched import counts, texts
from searched import WORDS_ONLY

from tests.gated_embedder import WAIT_S, Gated
from vecstore import BatchFile, HashingEmbedder, InvalidRequestError, NotFoundError, Source, StructureStrategy

embedder = batched.embedder


class Broken(HashingEmbedder):
    """Fails for every text with the word `cursed` in it."""

    def embed(self, texts):
        if any("cursed" in text for text in texts):
            raise RuntimeError("the model is cursed")
        return super().embed(texts)


class Down(HashingEmbedder):
    """Fails for everything, so many times."""

    def __init__(self, times=3):
        super().__init__()
        self.left = times

    def embed(self, texts):
        if self.left:
            self.left -= 1
            raise ConnectionError("nobody answers")
        return super().embed(texts)


def test_a_batch_makes_its_files_searchable(engine, store):
    batch = store.batch(texts(5), attributes={"year": 2026})
    info = batch.wait(timeout_s=WAIT_S)
    assert (info.status, counts(info), info.finished_at) == ("completed", (0, 5, 0, 0), info.created_at)
    assert [file.filename for file in batch.files()] == [f"f{i}.txt" for i in range(5)]
    assert {file.status for file in store.list()} == {"completed"}
    assert store.search("f3q", hybrid_search=WORDS_ONLY)[0].filename == "f3.txt"
    assert store.list()[0].attributes == {"year": 2026}
    assert engine.check() == []


def test_a_file_that_cannot_be_read_fails_alone(engine, store):
    batch = store.batch([*texts(2), ("photo.bin", b"\x00\x01\x02" * 50), ("bad.pdf", b"%PDF-1.7 nothing")])
    info = batch.wait(timeout_s=WAIT_S)
    assert (info.status, counts(info)) == ("completed", (0, 2, 2, 0))
    errors = {file.filename: file.last_error for file in batch.files() if file.last_error}
    assert errors["photo.bin"].code == "unsupported_file"
    assert errors["bad.pdf"].code == "invalid_file"
    assert "'bad.pdf'" in errors["bad.pdf"].message
    assert counts(store.info()) == (0, 2, 2, 0)
    assert engine.check() == []


def test_a_batch_of_which_every_file_failed_is_failed(engine, store):
    info = store.batch([("bad.pdf", b"%PDF-1.7 nothing"), BatchFile("file-unknown")]).wait(timeout_s=WAIT_S)
    assert (info.status, counts(info)) == ("failed", (0, 0, 2, 0))
    assert {file.id for file in store.list() if not file.filename} == {"file-unknown"}
    assert engine.check() == []


@pytest.mark.parametrize("embedder", [Broken], indirect=True)
def test_a_text_that_the_embedder_fails_at_fails_no_other(engine, store):
    batch = store.batch([*texts(3), ("bad.txt", b"a cursed text"), *texts(3, "g")])
    assert counts(batch.wait(timeout_s=WAIT_S)) == (0, 6, 1, 0)
    [error] = [file.last_error for file in batch.files() if file.last_error]
    assert (error.code, error.message) == ("server_error", "'bad.txt' could not be embedded: the model is cursed")
    assert engine.check() == []


@pytest.mark.parametrize("embedder", [Down], indirect=True)
def test_an_embedder_that_is_down_for_a_moment_fails_no_file(engine, store, monkeypatch):
    monkeypatch.setattr("vecstore.runner.FIRST_PAUSE_S", 0.05)
    assert counts(store.batch(texts(1)).wait(timeout_s=WAIT_S)) == (0, 1, 0, 0)
    assert engine.check() == []


@pytest.mark.parametrize("embedder", [lambda: Down(10_000)], indirect=True)
def test_an_embedder_that_stays_down_fails_the_files_after_a_while(engine, store, monkeypatch):
    monkeypatch.setattr("vecstore.runner.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("vecstore.runner.OUTAGE_S", 0.3)
    batch = store.batch(texts(3))
    info = batch.wait(timeout_s=WAIT_S)
    assert (info.status, counts(info)) == ("failed", (0, 0, 3, 0))
    assert "could not be embedded: nobody answers" in batch.files()[0].last_error.message
    assert engine.check() == []


def test_a_path_may_have_attributes_of_its_own(engine, store, tmp_path):
    (tmp_path / "file-notes.txt").write_text("the words")
    store.batch([Source("own.txt", tmp_path / "file-notes.txt", {"own": 1}), str(tmp_path / "file-notes.txt")]).wait()
    assert [(file.filename, file.attributes) for file in store.list()] == [
        ("own.txt", {"own": 1}),
        ("file-notes.txt", {}),
    ]
    assert engine.check() == []


def test_each_file_may_have_attributes_and_a_strategy_of_its_own(engine, store):
    ids = [engine.upload(text).id for text in texts(3)]
    strategy = StructureStrategy(200)
    files = [
        ids[0],
        BatchFile(ids[1], {"own": True}),
        BatchFile(ids[2], None, {"type": "structure", "structure": None}),
    ]
    store.batch(files, attributes={"all": True}, chunking_strategy=strategy).wait(timeout_s=WAIT_S)
    first, second, third = (store.file(file_id) for file_id in ids)
    assert (first.attributes, first.chunking_strategy) == ({"all": True}, strategy)
    assert (second.attributes, second.chunking_strategy) == ({"own": True}, strategy)
    assert (third.attributes, third.chunking_strategy) == ({"all": True}, StructureStrategy())
    assert engine.check() == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([], "files must be 1 to 2,000 files, not 0"),
        ([f"file-{i}" for i in range(2001)], "files must be 1 to 2,000 files, not 2,001"),
        (["nowhere.txt"], "'nowhere.txt' does not exist"),
        ([(f"{i}.txt", b"text") for i in range(2001)], "files must be 1 to 2,000 files, not 2,001"),
        ([BatchFile("docs/0.md")], "file_id must begin with 'file-', not 'docs/0.md'"),
        ("docs/0.md", "files must be a list of files, not 'docs/0.md'"),
        ([Source("a.txt", "docs/0.md")], "content of 'a.txt' must be a Path or bytes, not str"),
        ([BatchFile("file-1", {"a": None})], r"attributes \['a'\] must be"),
        ([BatchFile("file-1", None, {"type": "semantic"})], "'semantic'"),
    ],
)
def test_a_batch_that_cannot_be_is_told_and_nothing_begins(engine, store, files, sentence):
    with pytest.raises(InvalidRequestError, match=sentence):
        store.batch(files)
    assert (store.batches(), store.list(), engine.files()) == ([], [], [])


def test_a_batch_of_another_store_looks_like_none(engine, store):
    batch = store.batch(texts(1))
    batch.wait(timeout_s=WAIT_S)
    with pytest.raises(NotFoundError, match=f"No file batch found with id '{batch.id}'"):
        engine.create("other").get_batch(batch.id)
    assert store.get_batch(batch.id).info() == engine.batch(batch.id).info()
    assert [each.id for each in engine.batches()] == [batch.id]


def test_attaching_again_keeps_the_place_and_counts_once(engine, store):
    files = [store.add(text) for text in texts(3)]
    before = store.info().usage_bytes
    store.batch([BatchFile(files[0].id, {"again": True})]).wait(timeout_s=WAIT_S)
    assert [file.id for file in store.list()] == [file.id for file in files]
    assert store.list()[0].attributes == {"again": True}
    assert (store.info().usage_bytes, counts(store.info())) == (before, (0, 3, 0, 0))
    assert engine.check() == []


def test_the_same_content_is_parsed_and_embedded_once_and_billed_each(open_engine):
    embedder = Gated()
    embedder.gate.set()
    engine = open_engine(embedder=embedder)
    one, other = engine.create("one"), engine.create("other")
    content = b"one content under several names"
    one.batch([("a.txt", content), ("b.txt", content)], attributes={"store": 1}).wait(timeout_s=WAIT_S)
    other.batch([("c.txt", content)], attributes={"store": 2}).wait(timeout_s=WAIT_S)
    other.add(("d.txt", content))
    assert len(embedder.texts) == 1
    assert one.info().usage_bytes == other.info().usage_bytes == 2 * (len(content) + 4 * 64)
    assert [file.attributes for file in (*one.list(), *other.list())] == [{"store": 1}] * 2 + [{"store": 2}, {}]
    one.delete(with_files=True)
    assert {result.filename for result in other.search("content")} == {"c.txt", "d.txt"}
    other.add(("e.md", content))  # another type may be read another way
    assert len(embedder.texts) == 2
    assert engine.check() == []


def test_another_projects_content_is_not_looked_at(open_engine):
    embedder = Gated()
    embedder.gate.set()
    engine = open_engine(embedder=embedder)
    engine.create_project("theirs")
    content = ("a.txt", b"the same in both projects")
    engine.create("mine").add(content)
    engine.create("theirs", project="theirs").attach(engine.upload(content, project="theirs").id)
    assert len(embedder.texts) == 2
    assert engine.check() == []


def test_a_copy_has_its_own_name_in_its_warnings(engine, store):
    content = "Gr\u00fc\u00dfe aus M\u00fcnchen, sch\u00f6ne Stra\u00dfe".encode("latin-1")
    store.add(("one.txt", content))
    store.batch([("two.txt", content), ("three.txt", content)]).wait(timeout_s=WAIT_S)
    for file in store.list():
        assert [f"'{file.filename}'" in warning for warning in file.warnings] == [True]
    assert engine.check() == []


def test_a_store_with_a_file_that_never_was_can_be_deleted_with_its_files(engine, store):
    store.batch([*texts(2), BatchFile("file-unknown")]).wait(timeout_s=WAIT_S)
    store.delete(with_files=True)
    assert (engine.files(), engine.check()) == ([], [])
