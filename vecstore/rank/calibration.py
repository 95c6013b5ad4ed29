"""From a ranking's own scores to how likely a passage answers: what a threshold is set against."""

from __future__ import annotations

import numpy as np

from vecstore.rank.fusion import SCORE_DECIMALS
from vecstore.types import ScoreArray

# Fitted by `bench calibration --fit` on dev sets, with words alone, meaning alone and both.
SLOPE = 5.2  # of the score
LACK = 9.2  # of what it lacks to the best of the same question
OFFSET = -2.8
UNREAD = 2.0  # by meaning alone, of a question that the embedder reads nothing of; with more, thresholds lose more


def calibrated(raw: ScoreArray, best: float, unread: float = 0.0) -> ScoreArray:
    """(m,) 0 to 1, in the same order: the share of passages with such scores that were judged to answer.

    raw: (m,) 0 to 1, fused and re-ranked. best: the highest raw score of the question. A logistic
    regression on both: beside a much better one, a passage answers less often than its score alone says.
    unread: 0 to 1, see Query.
    """
    odds = SLOPE * raw - LACK * (best - raw) + OFFSET - UNREAD * unread
    likely: ScoreArray = np.round(1 / (1 + np.exp(-odds)), SCORE_DECIMALS)
    return likely
