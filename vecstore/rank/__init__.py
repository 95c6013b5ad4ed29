"""From two legs' candidates to one ranking."""

from vecstore.rank.fusion import Fused, fuse
from vecstore.rank.rerank import RERANK_DEPTH, Reranker, blend

__all__ = ["RERANK_DEPTH", "Fused", "Reranker", "blend", "fuse"]
