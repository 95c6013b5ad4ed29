"""Maximal marginal relevance (Carbonell and Goldstein, 1998): each next result is good, and unlike those before it."""

from __future__ import annotations

import numpy as np

from vecstore.rank.fusion import above
from vecstore.types import FloatArray, IntArray, ScoreArray


def diversified(scores: ScoreArray, vectors: FloatArray, diversity: float, floor: float = 0.0) -> IntArray:
    """(m,) positions, each the best of what is left by `(1 - diversity) * score - diversity * nearest`.

    scores: (m,) 0 to 1, best first. vectors: (m, d), unit norm. `nearest` is the highest cosine to a
    position that came before, counted from `floor`, at least 0. Of equals the first.
    """
    similar = np.clip(above(vectors @ vectors.T, floor), 0.0, 1.0)
    nearest, left = np.zeros(len(scores)), np.ones(len(scores), bool)
    order = np.empty(len(scores), np.int64)
    for i in range(len(scores)):
        marginal = (1 - diversity) * scores - diversity * nearest
        order[i] = np.argmax(np.where(left, marginal, -np.inf))
        left[order[i]] = False
        nearest = np.maximum(nearest, similar[order[i]])
    return order
