"""How well a ranking answers, and which of several does so best on questions that did not choose it. Arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vecstore.types import IntArray, ScoreArray

NDCG_DEPTH = 10
FOLDS = 5
RESAMPLES = 2_000  # of the questions, for intervals
_DECIMALS = 6  # beyond them means are equal


def distinct(held: Sequence[Sequence[int]]) -> list[int]:
    """The places that answer, each where the first result holds it, and -1 for each result that holds none.

    held: of each result, best first, the numbers of the places that it holds. One that says only what
    was said before is passed over, as a document's second chunk is where documents are ranked.
    """
    ranking: list[int] = []
    for places in held:
        ranking += [each for each in dict.fromkeys(places) if each not in ranking] if places else [-1]
    return ranking


def ndcg(ranking: Sequence[int], relevant: int) -> float:
    """nDCG@10 (Järvelin and Kekäläinen, 2002) of a ranking as `distinct` gives it, of so many places that answer."""
    discounts = 1 / np.log2(np.arange(2, NDCG_DEPTH + 2))
    gained = discounts[: len(ranking)][np.array(ranking[:NDCG_DEPTH]) >= 0].sum()
    return float(gained / discounts[:relevant].sum())


def mean(values: ScoreArray) -> float:
    """So that what is equal is so to the last decimal."""
    return round(float(values.mean()), _DECIMALS)


def best_column(values: ScoreArray, present: int) -> int:
    """The column with the highest mean; of equals the nearest to the present one, then the first.

    values: (questions, choices).
    """
    means = np.round(values.mean(axis=0), _DECIMALS)
    equals: IntArray = np.flatnonzero(means == means.max())
    return int(equals[np.argmin(np.abs(equals - present))])


def cross_validated(values: ScoreArray, present: int) -> ScoreArray:
    """(questions,) each one's value by the choice that the questions of the other folds make. Deterministic."""
    folds = np.random.default_rng(0).permutation(len(values)) % FOLDS
    held_out = np.empty(len(values))
    for fold in range(FOLDS):
        here = folds == fold
        held_out[here] = values[here, best_column(values[~here], present)]
    return held_out


def interval(values: ScoreArray) -> tuple[float, float]:
    """The 95 % interval of the mean, by bootstrap over the questions; of differences it is the paired one."""
    random = np.random.default_rng(0)
    means = [values[random.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return round(float(low), _DECIMALS), round(float(high), _DECIMALS)
