"""Weighted score fusion of the two legs: pure arithmetic on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vecstore.types import FloatArray, ScoreArray

SCORE_DECIMALS = 5  # beyond them processors differ; what is equal here is a tie
SATURATION = 0.5  # a third of the highest BM25 counts as six tenths; chosen by `bench quality` on dev sets


@dataclass(frozen=True, slots=True)
class Fused:
    """The legs' scores brought to 0 to 1, and their weighted sum; all (m,) in the order of the input."""

    embedding: FloatArray
    text: FloatArray
    scores: ScoreArray


def above(cosines: FloatArray, floor: float) -> FloatArray:
    """Cosines so that those of texts that have nothing to do with each other are 0; 1 stays 1."""
    return (cosines - floor) / (1 - floor)


def fuse(
    cosines: FloatArray, bm25: FloatArray, highest_bm25: float, embedding_weight: float, floor: float = 0.0
) -> Fused:
    """`w * cosine + (1 - w) * saturated(BM25 / highest)`; `w` is 0 to 1. A cosine counts from `floor`, below it as 0.

    `highest_bm25` is what no chunk can exceed, so a score says how well the chunk answers the
    query and not how it stands among the others: equal for equal passages whatever else is there.
    Of a long question no chunk says every word, so a share `s` of the highest counts as
    `s * (1 + k) / (s + k)`, which is 1 for all of it and rises fastest at the beginning.
    """
    embedding = np.clip(above(cosines, floor), 0.0, 1.0)
    share = np.clip(bm25 / highest_bm25, 0.0, 1.0) if highest_bm25 > 0 else np.zeros_like(bm25)
    text = share * (1 + SATURATION) / (share + SATURATION)
    scores = embedding_weight * embedding.astype(np.float64) + (1.0 - embedding_weight) * text.astype(np.float64)
    return Fused(embedding, text, np.round(scores, SCORE_DECIMALS).astype(np.float64))
