"""Re-ranking the best candidates with a model of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from vecstore.errors import RerankerError
from vecstore.rank.fusion import SCORE_DECIMALS
from vecstore.types import FloatArray, ScoreArray

RERANK_DEPTH = 30  # deeper brings nothing measurable and costs time
RERANK_WEIGHT = 0.5  # a third term beside the legs, never their replacement


class Reranker(Protocol):
    """Scores passages against a query, such as a cross-encoder. Must be thread-safe."""

    def scores(self, query: str, texts: Sequence[str]) -> FloatArray:
        """(len(texts),) values from 0 to 1, higher is better."""


def rerank(reranker: Reranker, query: str, texts: Sequence[str]) -> FloatArray:
    """(len(texts),) what the reranker says. Raises RerankerError on NaN, values out of 0 to 1, or a wrong count."""
    given = np.asarray(reranker.scores(query, texts), np.float32)
    if given.shape != (len(texts),):
        raise RerankerError(f"the reranker gave {given.shape} scores for {len(texts)} passages")
    if not ((given >= 0) & (given <= 1)).all():
        raise RerankerError("the reranker must give scores from 0 to 1")
    return given


def blend(scores: ScoreArray, reranked: FloatArray, weight: float) -> ScoreArray:
    """Fused scores and those of a re-ranking as one, 0 to 1; `weight` is the latter's."""
    blended: ScoreArray = np.round((1 - weight) * scores + weight * reranked.astype(np.float64), SCORE_DECIMALS)
    return blended
