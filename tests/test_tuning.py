"""Weights fitted to questions. To the embedder of these stores a text means its first letter."""

import re

import lettered
import numpy as np
import pytest
from lettered import Lettered, letter, name

import vecstore
from vecstore import HybridSearch, InvalidRequestError, tuning
from vecstore.errors import ExpiredError

embedder = lettered.embedder

FILES = 20


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
