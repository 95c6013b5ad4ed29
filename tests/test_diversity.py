"""Maximal marginal relevance, where one can count it."""

import numpy as np
import pytest

from vecstore.rank import diversified

VECTORS = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
SCORES = np.array([0.9, 0.8, 0.5, 0.4])


@pytest.mark.parametrize(("diversity", "order"), [(0.0, [0, 1, 2, 3]), (0.5, [0, 2, 1, 3]), (1.0, [0, 2, 3, 1])])
def test_each_next_one_is_good_and_unlike_those_before(diversity, order):
    assert diversified(SCORES, VECTORS, diversity).tolist() == order


def test_opposites_are_no_more_than_unlike():
    vectors = np.array([[1, 0], [-1, 0], [0, 1]], np.float32)
    assert diversified(np.array([0.9, 0.5, 0.6]), vectors, 0.9).tolist() == [0, 2, 1]


def test_nothing_is_nothing():
    assert diversified(np.zeros(0), np.zeros((0, 4), np.float32), 0.5).tolist() == []
