"""Means over questions, how sure they are, and whether a difference is more than chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import permutation_test

RESAMPLES = 1_000  # of the questions, for intervals
PERMUTATIONS = 9_999  # of which of two systems gave which value, for a test
_CELLS = 1_000_000  # of a permutation test at once

PerQuestion = Mapping[str, float]  # question, value


def mean(values: PerQuestion) -> float:
    return float(np.mean(list(values.values())))


def half_width(values: PerQuestion) -> float:
    """Of the 95 % interval of the mean, by bootstrap over questions."""
    given = np.array(list(values.values()))
    random = np.random.default_rng(0)
    means = [given[random.integers(0, len(given), len(given))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(high - low) / 2


def differences(values: PerQuestion, others: PerQuestion) -> dict[str, float]:
    """Question by question, of those that both have."""
    return {key: values[key] - others[key] for key in values if key in others}


def p_value(paired: PerQuestion) -> float:
    """Of paired differences, by a two-sided randomisation test: how often chance alone gives a mean as far from 0."""
    given = np.array([each for each in paired.values() if each])  # what is equal cannot be exchanged
    if len(given) < 2:
        return 1.0  # a single one is as often turned round as not
    tested = permutation_test(
        (given,),
        np.sum,
        permutation_type="samples",
        n_resamples=PERMUTATIONS,
        batch=max(1, _CELLS // len(given)),
        rng=np.random.default_rng(0),
    )
    return float(tested.pvalue)
