"""Weights fitted to questions. To the embedder of these stores a text means its first letter."""

import itertools
import re
import tempfile

import numpy as np
import pytest

import vecstore
from vecstore import HybridSearch, InvalidRequestError, tuning
from vecstore.errors import ExpiredError
from vecstore.questions import asked_of, checked_question, places_of

FILES = 20


class Lettered:
    """Texts with the same first letter are near; a question is a little farther off."""

    identity, dimensions = "lettered", 32

    def __init__(self, read=1.0):
        self._read = read

    def fits(self, texts):
        return [True for _ in texts]

    def embed(self, texts):
        return np.stack([self._direction(text) for text in texts])

    def embed_query(self, text):
        return 0.35 * self._direction(text) + 0.94 * np.eye(self.dimensions)[31]

    def _direction(self, text):
        return np.eye(self.dimensions)[ord(text[0]) % 31]

    def reads(self, _):
        return self._read


def letter(i):
    return chr(ord("a") + i)


def name(i):
    return f"file{letter(i)}.txt"


def text(i):
    return f"{letter(i)}alpha {letter(i)}beta {letter(i)}gamma"


def question(means, says, relevant, besides=""):
    return {"query": f"{letter(means)}about {besides} {letter(says)}beta", "relevant": [name(relevant)]}


def others(i):
    return (i + 7) % FILES


MEANT = [question(i, others(i), i) for i in range(FILES)]  # meaning is right, and the words name another file
SAID = [
    question(others(i), i, i, "many words that stand in none of these files at all") for i in range(FILES)
]  # the other way round


@pytest.fixture
def embedder():
    return Lettered()


@pytest.fixture
def store(engine):
    made = engine.create("test")
    for added in made.add_many([(name(i), text(i).encode()) for i in range(FILES)]):
        assert added.outcome == "added"
    yield made
    if not made._parts.closed.is_set():
        assert made.check() == []


def first(store, text, **how):
    return store.search(text, max_num_results=1, **how)[0]


def test_where_meaning_is_right_its_weight_rises_and_searches_use_it(store):
    asked, right, wrong = MEANT[3]["query"], name(3), name(others(3))
    result = store.tune(MEANT)
    assert result.stored
    assert result.why_not is None
    assert result.embedding_weight > 0.5 == result.weight_before
    assert result.ndcg_after == pytest.approx(1)
    assert result.ndcg_after - result.ndcg_before == pytest.approx(result.gain, abs=1e-5)
    assert 0 < result.gain_interval[0] <= result.gain <= result.gain_interval[1]
    assert store.info().embedding_weight == result.embedding_weight
    best = first(store, asked, explain=True)
    assert best.filename == right
    assert best.explanation.embedding.weight == result.embedding_weight
    assert best.explanation.text.weight == pytest.approx(1 - result.embedding_weight)
    assert first(store, asked, hybrid_search=HybridSearch(0.2, 0.8)).filename == wrong


def test_where_words_are_right_it_falls(store):
    result = store.tune(SAID)
    assert result.stored
    assert result.embedding_weight < 0.5
    assert result.ndcg_after == pytest.approx(1)
    assert first(store, SAID[3]["query"]).filename == name(3)


def test_it_is_there_after_the_folder_was_opened_again_and_gone_after_a_reset(store, engine, open_engine):
    fitted = store.tune(MEANT).embedding_weight
    engine.close()
    again = open_engine().get("test")
    assert again.info().embedding_weight == fitted
    assert first(again, MEANT[3]["query"], explain=True).explanation.embedding.weight == fitted
    assert again.reset_tuning().embedding_weight is None
    assert first(again, MEANT[3]["query"], explain=True).explanation.embedding.weight == 0.5


def test_a_server_searches_by_it_too(store, engine):
    store.tune(MEANT)
    [best] = engine.scope().search(MEANT[3]["query"], [store.id], max_num_results=1)
    assert best.filename == name(3)


def test_tried_only_it_is_told_and_not_stored(store):
    tried = store.tune(MEANT, dry_run=True)
    assert (tried.stored, tried.why_not) == (False, "it was only tried, and would be stored")
    assert store.info().embedding_weight is None
    assert store.tune(MEANT).embedding_weight == tried.embedding_weight


def test_what_may_be_chance_is_stored_only_by_force(store):
    mixed = MEANT[:2] + [question(i, i, i) for i in range(2, FILES)]
    doubtful = store.tune(mixed)
    assert not doubtful.stored
    assert doubtful.why_not.startswith("what fits some of the questions is no better for the others")
    assert doubtful.gain_interval[0] <= 0
    assert store.info().embedding_weight is None
    assert store.tune(mixed, force=True).stored
    assert store.info().embedding_weight == doubtful.embedding_weight != 0.5


def test_tuned_again_it_is_compared_with_what_searches_took_so_far(store):
    fitted = store.tune(MEANT).embedding_weight
    again = store.tune(MEANT)
    assert (again.weight_before, again.stored, again.why_not) == (fitted, False, "the weights in use fit best")
    assert again.gain == 0
    assert store.info().embedding_weight == fitted


def test_it_says_the_same_each_time(store):
    assert store.tune(MEANT + SAID[:5], dry_run=True) == store.tune(MEANT + SAID[:5], dry_run=True)


def test_a_question_that_the_embedder_half_reads_gets_half_of_the_stored_weight(store, engine, open_engine):
    fitted = store.tune(MEANT).embedding_weight
    engine.close()
    again = open_engine(embedder=Lettered(read=0.5)).get("test")
    assert first(again, MEANT[3]["query"], explain=True).explanation.embedding.weight == pytest.approx(fitted / 2)
    [measured] = tuning.rankings_by_weight(again._parts, again.info(), MEANT[3]["query"], [1.0])
    halves = again.search(MEANT[3]["query"], hybrid_search=HybridSearch(1, 1))
    assert [each.chunk_id for each in measured] == [each.chunk_id for each in halves]


@pytest.mark.parametrize("reranked", [False, True])
def test_each_weight_is_measured_by_what_a_search_with_it_finds(open_engine, numbered_text, reranked):
    class Last:
        shown = 0

        def scores(self, _, texts):
            self.shown += len(texts)
            return np.array([sum(map(ord, text)) % 97 / 97 for text in texts])

    reranker = Last() if reranked else None
    engine = open_engine(embedder=vecstore.HashingEmbedder(16), reranker=reranker)
    store = engine.create("long")
    sizes = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}
    for i in range(8):
        said = f"{numbered_text(400, mark=f'm{i % 3}')} shared words of every file number {i}"
        store.add((f"{i}.txt", said.encode()), chunking_strategy=sizes)
    for asked in ("m0w5 m1w17 shared words", "w3 every", "nothing of it", "?"):
        found = tuning.rankings_by_weight(engine._parts, store.info(), asked, tuning.GRID)
        for weight, ranking in zip(tuning.GRID, found, strict=True):
            wanted = store.search(asked, hybrid_search=HybridSearch(weight, 1 - weight))
            assert [each.chunk_id for each in ranking] == [each.chunk_id for each in wanted]
    if reranker is not None:
        before = reranker.shown
        tuning.rankings_by_weight(engine._parts, store.info(), "m0w5 shared", (0.5, 0.5, 0.6))
        assert 0 < reranker.shown - before < 2 * 30


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


def test_lines_of_the_same_query_are_one_question(store):
    twice = [*MEANT, {"query": MEANT[0]["query"], "relevant": [name(0), name(1)]}]
    assert store.tune(twice, dry_run=True).questions == FILES
    with pytest.raises(InvalidRequestError, match="questions must be 10 or more that differ, not 1"):
        store.tune([MEANT[0]] * 30)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("text", "must be an object with"),
        ({"query": "x"}, '"query" and "relevant"'),
        ({"query": " ", "relevant": [name(0)]}, "query must be a text that is not empty"),
        ({"query": 7, "relevant": [name(0)]}, "query must be a text"),
        ({"query": "x", "relevant": []}, "relevant must be a list of one or more"),
        ({"query": "x", "relevant": name(0)}, "relevant must be a list"),
        ({"query": "x", "relevant": [7]}, "relevant has 7; each must be"),
        ({"query": "x", "relevant": [""]}, "each must be a file's name or id"),
        ({"query": "x", "relevant": [{"file": name(0), "pasage": "aalpha"}]}, "each must be"),
        ({"query": "x", "relevant": [{"file": name(0), "passage": " "}]}, "passage must be a text"),
        ({"query": "x", "relevant": ["gone.txt"]}, "names the file 'gone.txt', which vector store 'test' does not"),
        ({"query": "x", "relevant": [{"chunk_id": "chunk_999"}]}, "names the chunk 'chunk_999'"),
        ({"query": "x", "relevant": [{"chunk_id": "nonsense"}]}, "names the chunk 'nonsense'"),
        ({"query": "x", "relevant": [{"file": name(0), "passage": "balpha"}]}, "has a passage that 'filea.txt' does"),
    ],
)
def test_what_is_wrong_is_told_with_the_question_and_nothing_is_stored(store, wrong, said):
    with pytest.raises(InvalidRequestError, match=re.escape(said)) as told:
        store.tune([*MEANT, wrong], force=True)
    assert told.value.param == "question 21:"
    assert store.info().embedding_weight is None


def test_names_may_be_ids_or_ends_of_names_and_must_say_one_file(store):
    store.add(("deep/er/one.txt", b"walpha one"))
    two = store.add(("deep/two.txt", b"walpha two"))
    store.add(("other/two.txt", b"walpha another"))
    for known in ("one.txt", "er/one.txt", two.id):
        store.tune([*MEANT, {"query": "walpha", "relevant": [known]}], dry_run=True)
    with pytest.raises(InvalidRequestError, match=r"names 'two.txt', the name of 2 files: file-"):
        store.tune([*MEANT, {"query": "walpha", "relevant": ["two.txt"]}])


def test_a_file_that_nothing_can_be_found_of_is_told(store, engine):
    broken = engine.upload(("broken.pdf", b"%PDF-1.4 nothing"))
    store.attach(broken.id)
    with pytest.raises(InvalidRequestError, match="of which nothing can be found"):
        store.tune([*MEANT, {"query": "x", "relevant": ["broken.pdf"]}])


@pytest.mark.parametrize("sizes", [[99], [5000], ["200"], [True], [200.0], 200, list(range(100, 111))])
def test_sizes_that_cannot_be_are_told_before_anything_is_done(store, sizes):
    with pytest.raises(InvalidRequestError, match="chunk"):
        store.tune(MEANT, chunk_sizes=sizes, force=True)
    assert store.info().embedding_weight is None


@pytest.mark.parametrize("questions", ["text", {"query": "x"}, None, 7])
def test_questions_are_a_list(store, questions):
    with pytest.raises(InvalidRequestError, match="questions must be a list"):
        store.tune(questions)


def test_an_expired_store_has_nothing_to_tune(engine, clock):
    store = engine.create("brief", expires_after={"anchor": "last_active_at", "days": 1})
    clock.move(2 * 86_400)
    with pytest.raises(ExpiredError):
        store.tune(MEANT)
