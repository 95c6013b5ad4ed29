"""Re-ranking the best candidates with a model of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from vecstore.errors import InvalidRequestError, RerankerError
from vecstore.rank.fusion import SCORE_DECIMALS
from vecstore.types import FloatArray, ScoreArray

RERANK_DEPTH = 30  # deeper brings nothing measurable and costs time
RERANK_WEIGHT = 0.5  # a third term beside the legs, never their replacement


@runtime_checkable
class Reranker(Protocol):
    """Scores passages against a query, such as a cross-encoder. Must be thread-safe."""

    def scores(self, query: str, texts: Sequence[str]) -> FloatArray:
        """(len(texts),) values from 0 to 1, higher is better."""


def checked_reranker(reranker: Reranker | None) -> Reranker | None:
    """Raises InvalidRequestError for what cannot re-rank."""
    if reranker is not None and (isinstance(reranker, type) or not isinstance(reranker, Reranker)):
        raise InvalidRequestError("reranker", f"must be an object with scores(query, texts), not {reranker!r:.80}")
    return reranker


def rerank(reranker: Reranker, query: str, texts: Sequence[str]) -> FloatArray:
    """(len(texts),) what the reranker says. Raises RerankerError on NaN, values out of 0 to 1, or a wrong count."""
    given = _numbers(reranker.scores(query, texts))
    if given.shape != (len(texts),):
        raise RerankerError(f"the reranker gave {given.shape} scores for {len(texts)} passages")
    if not ((given >= 0) & (given <= 1)).all():
        raise RerankerError("the reranker must give scores from 0 to 1")
    return given.astype(np.float32)


def _numbers(given: object) -> ScoreArray:
    try:
        numbers = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # lists of unlike length; a tensor that is not in memory
        raise RerankerError(f"the reranker must give numbers, one for each passage: {error}") from error
    if numbers.dtype.kind not in "biuf":
        raise RerankerError(f"the reranker must give numbers, one for each passage, not {given!r:.80}")
    return numbers.astype(np.float64)


def blend(scores: ScoreArray, reranked: FloatArray, weight: float) -> ScoreArray:
    """Fused scores and those of a re-ranking as one, 0 to 1; `weight` is the latter's."""
    blended: ScoreArray = np.round((1 - weight) * scores + weight * reranked.astype(np.float64), SCORE_DECIMALS)
    return blended
