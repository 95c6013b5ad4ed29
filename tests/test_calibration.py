"""Scores that say how likely a passage answers: in the order of what they were made of, and the same wherever it stands."""

import numpy as np
import pytest

from vecstore.rank import calibrated


def test_what_is_better_is_likelier_beside_the_same_best():
    raw = np.linspace(0.4, 0.9, 50)
    likely = calibrated(raw, 0.9)
    assert (np.diff(likely) > 0).all()
    assert 0 <= likely.min() <= likely.max() < 1


def test_the_same_passage_is_less_likely_beside_a_much_better_one():
    likely = [float(calibrated(np.array([0.4]), best)[0]) for best in (0.4, 0.5, 0.8)]
    assert likely == sorted(likely, reverse=True)
    assert likely[0] > 2 * likely[2]


def test_the_best_of_a_question_that_nothing_answers_is_unlikely():
    assert float(calibrated(np.array([0.15]), 0.15)[0]) < 0.15


def test_nothing_is_nothing():
    assert calibrated(np.zeros(0), 0.0).tolist() == []


def test_one_query_in_two_vector_stores_has_one_best(open_engine):
    engine = open_engine()
    strong, weak = engine.create("strong"), engine.create("weak")
    for store, texts in (
        (strong, ["boat harbour", "boat harbour and many more words"]),
        (weak, ["a boat among other words here"]),
    ):
        for i, text in enumerate(texts):
            store.add((f"{store.info().name}{i}.txt", text.encode()))
    scope = engine.scope()
    found = scope.search("boat harbour", [weak.id, strong.id], explain=True)
    assert [each.raw_score for each in found] == sorted((each.raw_score for each in found), reverse=True)
    for each in found:
        assert each.score == calibrated(np.array([each.raw_score]), found[0].raw_score)[0]
        assert each.explanation.best_raw_score == found[0].raw_score
    [alone] = weak.search("boat harbour")
    beside = next(each for each in found if each.vector_store_id == weak.id)
    assert beside.score < alone.score
    middle = (alone.score + beside.score) / 2
    kept = scope.search("boat harbour", [weak.id, strong.id], score_threshold=middle)
    assert weak.id not in {each.vector_store_id for each in kept}
    assert all(each.score >= middle for each in kept)


def test_each_of_several_queries_has_its_own_best(open_engine):
    store = open_engine().create("two")
    for i, text in enumerate(["boat harbour", "violin among many other words that nobody asked for"]):
        store.add((f"{i}.txt", text.encode()))
    [boat] = [each for each in store.search("boat harbour") if each.filename == "0.txt"]
    [violin] = [each for each in store.search("violin") if each.filename == "1.txt"]
    both = {each.filename: each.score for each in store.search(["boat harbour", "violin"])}
    assert both == {"0.txt": boat.score, "1.txt": violin.score}


@pytest.fixture
def pumps(open_engine):
    engine = open_engine()
    texts = {
        "a": ["The pump is serviced every spring.", "A valve report is filed with the harbour.", "pump valve notes"],
        "b": ["valve torque limits", "The pump of the harbour is blue."],
    }
    for name, some in texts.items():
        store = engine.create(name)
        for i, text in enumerate(some):
            store.add((f"{name}{i}.txt", text.encode()))
    return engine.scope(), [engine.get(name).id for name in texts]


QUERIES = ["pump serviced spring", "valve torque limits", "harbour"]


def test_several_queries_in_several_stores_are_merged_once(pumps):
    """Each chunk has the best of the scores that each query alone gives it over both stores."""
    scope, stores = pumps
    alone = [{each.chunk_id: each.score for each in scope.search(query, stores)} for query in QUERIES]
    found = scope.search(QUERIES, stores)
    assert {each.chunk_id: each.score for each in found} == {
        chunk: max(scores.get(chunk, 0) for scores in alone) for chunk in {c for scores in alone for c in scores}
    }
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    for n in range(1, len(found)):
        assert scope.search(QUERIES, stores, max_num_results=n) == found[:n]
        threshold = found[n].score
        passing = [each for each in found if each.score >= threshold]
        assert scope.search(QUERIES, stores, score_threshold=threshold) == passing


def test_merged_results_differ_on_request(pumps):
    scope, stores = pumps
    found = scope.search(QUERIES, stores)
    diverse = scope.search(QUERIES, stores, diversity=0.9)
    assert diverse[0] == found[0]
    assert sorted(each.chunk_id for each in diverse) == sorted(each.chunk_id for each in found)
    assert [each.score for each in diverse] != sorted((each.score for each in diverse), reverse=True)
