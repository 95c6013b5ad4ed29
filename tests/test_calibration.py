"""Scores that say how likely a passage answers: in the order of what they were made of, and the same wherever it stands."""

import numpy as np

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
