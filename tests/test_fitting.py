import ir_measures
import numpy as np
import pytest
from ir_measures import nDCG

from vecstore.rank.fitting import best_column, cross_validated, distinct, interval, ndcg


def by_ir_measures(ranking, relevant):
    """The same, as everybody computes it: a place is a document, and so is each result without one."""
    run = {"q": {f"p{place}" if place >= 0 else f"none{i}": -float(i) for i, place in enumerate(ranking)}}
    qrels = {"q": {f"p{place}": 1 for place in range(relevant)}}
    [found] = ir_measures.iter_calc([nDCG @ 10], qrels, run)
    return found.value


def test_ndcg_is_that_of_ir_measures():
    random = np.random.default_rng(3)
    for _ in range(300):
        relevant = int(random.integers(1, 16))
        results = int(random.integers(1, 15))
        held = [
            sorted(set(random.integers(0, relevant, random.integers(0, 3)).tolist())) if random.random() < 0.6 else []
            for _ in range(results)
        ]
        ranking = distinct(held)
        assert ndcg(ranking, relevant) == pytest.approx(by_ir_measures(ranking, relevant), abs=1e-9)


def test_nothing_found_is_worth_nothing_and_all_of_it_in_front_is_worth_one():
    assert ndcg([], 3) == 0
    assert ndcg([-1, -1], 3) == 0
    assert ndcg([2, 0, 1, -1], 3) == pytest.approx(1)
    assert ndcg(list(range(10)), 25) == pytest.approx(1)


def test_a_place_counts_where_it_is_first_held_and_saying_it_again_is_no_result():
    assert distinct([[0], [0], [], [1, 0], []]) == [0, -1, 1, -1]
    assert distinct([[1, 0], [0]]) == [1, 0]


def test_of_equal_weights_the_nearest_to_the_present_one_is_chosen():
    values = np.array([[0.1, 0.5, 0.4, 0.5, 0.5]])
    assert best_column(values, 0) == 1
    assert best_column(values, 4) == 4
    assert best_column(values, 2) == 1


def test_a_question_has_no_say_in_the_choice_that_it_is_measured_by():
    values = np.eye(10)  # each question is answered by a choice of its own, which no other one would make
    assert cross_validated(values, 0).sum() <= 1  # but by the present choice, where the others are indifferent
    agreed = np.tile([0.2, 0.9, 0.3], (10, 1))
    assert cross_validated(agreed, 0).tolist() == [0.9] * 10


def test_the_interval_is_about_the_mean_and_the_same_each_time():
    values = np.random.default_rng(1).normal(0.1, 0.3, 200)
    low, high = interval(values)
    assert low < values.mean() < high
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(200), rel=0.15)
    assert interval(values) == (low, high)
    assert interval(np.full(12, 0.25)) == (0.25, 0.25)
