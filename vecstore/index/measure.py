"""What a dense index is made of, and how much of the true best a search of it finds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from vecstore.index.dense import DenseIndex
from vecstore.index.segments import Segment
from vecstore.types import FloatArray

Kind: TypeAlias = Literal["exact", "rabitq", "ivf-rabitq"]
QUERIES = 100  # of the index's own vectors, spread evenly
DEPTH = 10  # results of each


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """How a vector store's vectors are searched.

    kind: `exact` scans all of them; `rabitq` scans one bit a dimension and scores the candidates exactly;
    `ivf-rabitq` scans those in the lists that are nearest.
    windows: vectors, without the `removed` that are still in a segment. memory_bytes are the engine's own;
    what a search reads of the disk_bytes is in memory as long as the system has room for it.
    recall_at_10: the share of the ten best chunks by an exact search that a search finds, of `recall_queries`
    vectors of the store as queries; None of an empty one.
    """

    kind: Kind
    windows: int
    removed: int
    segments: int
    disk_bytes: int
    memory_bytes: int
    recall_at_10: float | None
    recall_queries: int


def measured(index: DenseIndex, reading: AbstractContextManager[object]) -> IndexInfo:
    """Holds `reading` for one search at a time. Raises IndexFailedError."""
    with reading:
        index.check_untouched()
        segments, rows = index.segments, index.rows
        removed = index.rows_with_removed - len(rows)
        queries = index.sample(QUERIES)
        disk_bytes, memory_bytes = index.disk_bytes, index.memory_bytes
    shares = []
    for query in queries:
        with reading:
            index.check_untouched()
            shares.append(share_found(index, query))
    return IndexInfo(
        kind=_kind(segments),
        windows=len(rows),
        removed=removed,
        segments=len(segments),
        disk_bytes=disk_bytes,
        memory_bytes=memory_bytes,
        recall_at_10=float(np.mean(shares)) if shares else None,
        recall_queries=len(shares),
    )


def _kind(segments: Sequence[Segment]) -> Kind:
    """That of the largest segment, in which most rows are."""
    listed = [segment.codes.listed for segment in segments if segment.codes is not None]
    return "ivf-rabitq" if any(listed) else "rabitq" if listed else "exact"


def share_found(index: DenseIndex, query: FloatArray, members: np.ndarray | None = None) -> float:
    """Recall@10 of one search: a chunk as good as the tenth is as good an answer."""
    true, scores, _ = index.search(query, DEPTH, members, exact=True)
    if not len(true):
        return 1.0
    good = true[scores >= scores[:DEPTH][-1]]
    found, _, _ = index.search(query, DEPTH, members)
    return len(np.intersect1d(good, found[:DEPTH])) / min(DEPTH, len(true))
