"""From two legs' candidates to one ranking."""

from vecstore.rank.calibration import calibrated
from vecstore.rank.cross_encoder import CrossEncoderReranker
from vecstore.rank.diversity import diversified
from vecstore.rank.fusion import Fused, above, fuse
from vecstore.rank.neighbours import NEIGHBOUR_WEIGHT, best_around
from vecstore.rank.rerank import RERANK_DEPTH, RERANK_WEIGHT, Reranker, blend, checked_reranker, rerank

__all__ = [
    "NEIGHBOUR_WEIGHT",
    "RERANK_DEPTH",
    "RERANK_WEIGHT",
    "CrossEncoderReranker",
    "Fused",
    "Reranker",
    "above",
    "best_around",
    "blend",
    "calibrated",
    "checked_reranker",
    "diversified",
    "fuse",
    "rerank",
]
