"""Re-ranking the best candidates with a model of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from vecstore.errors import VecstoreError
from vecstore.rank.fusion import SCORE_DECIMALS
from vecstore.types import FloatArray, ScoreArray

RERANK_DEPTH = 30  # deeper brings nothing measurable and costs time
RERANK_WEIGHT = 0.5  # a third term beside the legs, never their replacement


class Reranker(Protocol):
    """Scores passages against a query, such as a cross-encoder. Must be thread-safe."""

    def scores(self, query: str, texts: Sequence[str]) -> FloatArray:
        """(len(texts),) values from 0 to 1, higher is better."""


def blend(scores: ScoreArray, reranked: FloatArray) -> ScoreArray:
    """Fused and reranker scores as one, 0 to 1. Raises VecstoreError on NaN, values out of 0 to 1, or a wrong count."""
    given = np.asarray(reranked, np.float64)
    if given.shape != scores.shape:
        raise VecstoreError(f"the reranker gave {given.shape} scores for {len(scores)} passages")
    if not ((given >= 0) & (given <= 1)).all():
        raise VecstoreError("the reranker must give scores from 0 to 1")
    blended: ScoreArray = np.round((1 - RERANK_WEIGHT) * scores + RERANK_WEIGHT * given, SCORE_DECIMALS)
    return blended
