"""The best rows of all segments: some rows are scored one by one, and of many those that codes choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vecstore.index.segments import EXACT_ROWS, Segment, best
from vecstore.types import BoolArray, FloatArray, IntArray

MIN_CANDIDATES = 500  # rows of the highest estimates, which are scored
OVERSAMPLING = 4  # of them to a row that is asked for, where that is more
_AHEAD = 2  # times as many are looked for, so that the next ones need no other scan
_MAX_CANDIDATES_SHARE = 1 / 8  # of the rows that may answer; beyond it, the exact scan is as fast
_SURE = 20  # best rows that no other one should belong to
_ERRORS = 3  # standard errors of the estimates; 99.5 % of the ten best are found then, whatever the filter


@dataclass(frozen=True, slots=True)
class Part:
    """A segment, the number of its first row, and which of its rows may answer: (n,) bool."""

    begin: int
    segment: Segment
    allowed: BoolArray


def nearest(
    parts: Sequence[Part], query: FloatArray, k: int, *, score: Callable[[IntArray], FloatArray], exact: bool
) -> tuple[IntArray, FloatArray]:
    """The `k` best rows and their scores, or all if they are fewer, best first; ties by row.

    score: gives the scores of these rows. exact: codes are not looked at. Raises IndexFailedError.
    """
    scanned: list[Part] = []
    coded: list[Part] = []
    for part in parts:
        by_codes = not exact and part.segment.codes is not None and np.count_nonzero(part.allowed) > EXACT_ROWS
        (coded if by_codes else scanned).append(part)
    chosen = _by_codes(coded, query, k, score) if coded else None
    found = [chosen] if chosen is not None else [_scan(part, query, k) for part in coded]
    found += [_scan(part, query, k) for part in scanned]
    return best(*_joined(found), k)


def _by_codes(
    parts: Sequence[Part], query: FloatArray, k: int, score: Callable[[IntArray], FloatArray]
) -> tuple[IntArray, FloatArray] | None:
    """The best of the candidates, once the first ones are sure; None where an exact scan is sooner done."""
    count = sum(int(np.count_nonzero(part.allowed)) for part in parts)
    rows, estimates, scores = np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32)
    wanted = max(MIN_CANDIDATES, OVERSAMPLING * k)
    while wanted <= _MAX_CANDIDATES_SHARE * count:
        if wanted > len(rows):
            rows, estimates = _candidates(parts, query, min(_AHEAD * wanted, count))
            scores = scores[:0]
        scores = np.concatenate([scores, score(rows[len(scores) : wanted])])
        of_best = best(rows[:wanted], scores, k)
        last = estimates[wanted - 1]
        missed = last - (of_best[1][:_SURE][-1] - _ERRORS * np.std(scores - estimates[:wanted]))
        if missed <= 0:
            return of_best
        # half of the candidates lie within `spread` of the last one, and at most as densely go on below it
        spread = max(float(estimates[wanted // 2] - last), 1e-6)
        wanted *= max(2, math.ceil(2 ** min(float(missed) / spread, 20)))
    return None


def _candidates(parts: Sequence[Part], query: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """The `k` rows of the highest estimates of all parts, and these, highest first."""
    found = [part.segment.candidates(query, k, part.allowed) for part in parts]
    numbered = [(rows + part.begin, estimates) for part, (rows, estimates) in zip(parts, found, strict=True)]
    return best(*_joined(numbered), k)


def _scan(part: Part, query: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    rows, scores = part.segment.search(query, k, part.allowed)
    return rows + part.begin, scores


def _joined(found: Sequence[tuple[IntArray, FloatArray]]) -> tuple[IntArray, FloatArray]:
    rows, scores = (np.concatenate(each) for each in zip(*found, strict=True))
    return rows, scores
