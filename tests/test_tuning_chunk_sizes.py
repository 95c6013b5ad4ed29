"""Chunk sizes compared by questions, and passages that answer however the file is cut."""

import itertools
import re
import tempfile

import lettered
import pytest
from lettered import name

import vecstore
from vecstore import tuning
from vecstore.questions import asked_of, checked_question, places_of

embedder = lettered.embedder


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def engine_of_long(open_engine):
    return open_engine(embedder=vecstore.HashingEmbedder())


@pytest.fixture
def long_store(engine_of_long, numbered_text):
    store = engine_of_long.create("long")
    texts = [f"{numbered_text(200, f'm{i}')} the answer {i} is here {numbered_text(200)}" for i in range(12)]
    for added in store.add_many([(name(i), each.encode()) for i, each in enumerate(texts)]):
        assert added.outcome == "added"
    yield store
    assert store.check() == []


def passages():
    return [
        {"query": f"m{i}0 the answer {i}", "relevant": [{"file": name(i), "passage": f"the answer\n{i} is here"}]}
        for i in range(12)
    ]


def test_other_chunk_sizes_are_compared_and_the_store_stays_as_it_is(long_store, scratch):
    before, files = long_store.info(), long_store.list()
    heard = []
    result = long_store.tune(
        passages(), chunk_sizes=[100, 800, 100], dry_run=True, on_progress=lambda *step: heard.append(step)
    )
    assert [cut.chunk_size for cut in result.cuts] == [None, 100, 800]
    as_it_is, small, same = result.cuts
    assert as_it_is.chunks == sum(file.chunks for file in files) < small.chunks
    assert (as_it_is.gain, as_it_is.gain_interval) == (0, (0, 0))
    assert as_it_is.ndcg == result.ndcg_after
    assert (same.chunks, same.ndcg) == (as_it_is.chunks, as_it_is.ndcg)  # 800 is how it is cut, so it is not cut anew
    assert small.gain == pytest.approx(small.ndcg - as_it_is.ndcg, abs=1e-5)
    assert small.ndcg_interval[0] <= small.ndcg <= small.ndcg_interval[1]
    assert (long_store.info(), long_store.list()) == (before, files)
    assert list(scratch.iterdir()) == []
    assert list(dict.fromkeys(what for what, _, _ in heard)) == [
        "asking",
        "cutting at 100 tokens",
        "asking at 100 tokens",
    ]
    assert all(0 <= done <= whole for _, done, whole in heard)
    assert heard[-1] == ("asking at 100 tokens", 12, 12)


def test_a_size_that_surely_gains_is_stored_for_files_to_come(long_store, scratch, monkeypatch):
    monkeypatch.setattr(tuning, "_ndcg", lambda chunks, _: 1.0 / (1 + max(each.tokens for each in chunks) // 100))
    tried = long_store.tune(passages(), chunk_sizes=[100], dry_run=True)
    assert (tried.chunk_size, tried.chunk_size_stored) == (100, False)
    assert long_store.info().chunk_size is None
    result = long_store.tune(passages(), chunk_sizes=[100, 400])
    assert (result.chunk_size, result.chunk_size_stored) == (100, True)
    assert result.chunk_size_gain_interval[0] > 0
    assert result.chunk_size_gain == pytest.approx(result.cuts[1].gain)
    assert long_store.info().chunk_size == 100
    before = {file.id: file.chunks for file in long_store.list()}
    words = " ".join(f"word{i}" for i in range(400)).encode()
    new = long_store.add(("new.txt", words))
    assert max(chunk.tokens for chunk in long_store.content(new.id)) <= 100
    explicit = long_store.add(("auto.txt", words), chunking_strategy={"type": "auto"})
    assert explicit.chunks < new.chunks
    assert {file.id: file.chunks for file in long_store.list() if file.id in before} == before
    assert long_store.reset_tuning().chunk_size is None
    assert long_store.add(("later.txt", words)).chunks == explicit.chunks


def test_a_size_that_may_be_chance_is_told_and_not_stored(long_store, scratch, monkeypatch):
    luck = itertools.cycle([0.0, 1.05])  # every other question
    monkeypatch.setattr(tuning, "_ndcg", lambda chunks, _: next(luck) if chunks[0].tokens <= 100 else 0.5)
    result = long_store.tune(passages(), chunk_sizes=[100], force=True)
    assert (result.chunk_size, result.chunk_size_stored) == (100, False)
    assert long_store.info().chunk_size is None


def test_a_stored_size_goes_along_with_uploads_batches_and_archives(engine, tmp_path):
    store = engine.create("sized")
    catalog, now = engine._parts.catalog, engine._parts.now()
    catalog.update_vector_store(store.id, {"chunk_size": 100}, now=now)
    words = " ".join(f"word{i}" for i in range(400)).encode()
    attached = store.attach(engine.upload(("a.txt", words)).id)
    [added] = store.add_many([("b.txt", words)])
    batch = store.batch([engine.upload(("c.txt", words)).id])
    batch.wait()
    chunks = {file.chunks for file in store.list()}
    assert chunks == {attached.chunks} == {added.chunks}
    assert attached.chunks > 5
    store.export(tmp_path / "sized.tar")
    assert engine.import_store(tmp_path / "sized.tar", name="again").info().chunk_size == 100


def test_cut_anew_it_is_as_if_it_had_been_added_so(long_store, engine_of_long, scratch):
    cut = long_store.tune(passages(), chunk_sizes=[150], dry_run=True).cuts[1]
    added = engine_of_long.create("cut")
    sizes = {"type": "static", "static": {"max_chunk_size_tokens": 150, "chunk_overlap_tokens": 75}}
    for i, file in enumerate(long_store.list()):
        added.add((name(i), long_store.text(file.id).encode()), chunking_strategy=sizes)
    alike = added.tune(passages(), dry_run=True)
    assert (cut.ndcg, cut.embedding_weight) == (alike.ndcg_after, alike.embedding_weight)
    assert cut.chunks == sum(file.chunks for file in added.list())


@pytest.mark.parametrize("step", ["cutting at 100 tokens", "asking at 100 tokens"])
def test_interrupted_it_leaves_nothing_behind(long_store, scratch, step):
    seen = []

    def interrupt(what, done, whole):
        if what == step and done > 0:
            seen.extend(scratch.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        long_store.tune(passages(), chunk_sizes=[100], force=True, on_progress=interrupt)
    assert len(seen) == 1
    assert list(scratch.iterdir()) == []
    assert long_store.info().embedding_weight is None


def test_a_clicked_chunk_answers_however_the_file_is_cut(long_store, scratch):
    clicked = [
        {"query": each["query"], "relevant": [{"chunk_id": found.chunk_id, "score": found.score}]}
        for each in passages()
        for found in long_store.search(each["query"], max_num_results=1)
    ]
    result = long_store.tune(clicked, chunk_sizes=[200], dry_run=True)
    assert result.ndcg_before == pytest.approx(1)
    assert result.cuts[1].ndcg > 0.5


def test_only_a_chunk_that_holds_half_of_the_passage_answers(engine, numbered_text):
    store = engine.create("halves")
    sizes = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}}
    file = store.add(("long.txt", numbered_text(400).encode()), chunking_strategy=sizes)
    chunks, whole = store.content(file.id), store.text(file.id)
    cut = chunks[0].end
    for start, end, wanted in ((cut - 60, cut + 20, [0]), (cut - 20, cut + 60, [1]), (cut + 5, cut + 60, [1])):
        passage = re.sub(r"\s+", "\n | ", whole[start:end].strip())
        line = {"query": "x", "relevant": [{"file": "long.txt", "passage": passage}]}
        catalog = engine._parts.catalog
        asked = asked_of(catalog, store.info(), [checked_question(line, "here:")])
        [[place]] = places_of(catalog, store.id, asked)
        assert [i for i, chunk in enumerate(chunks) if place.held_by(chunk)] == wanted
