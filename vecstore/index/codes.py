"""One bit a dimension and vector (RaBitQ): what a search of many vectors looks at first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from vecstore.errors import IndexFailedError
from vecstore.index.lists import assigned, centroids_of
from vecstore.index.vectors import Vectors, open_mapped, selector, write
from vecstore.types import BoolArray, FloatArray, IntArray

LISTED_ROWS = 100_000  # from which on lists of what is near take less than a scan of all, hard questions included
_NUMBER_BYTES = 8
_QUERY_BITS = 4  # of each of the query's values; a fourth faster than 8, as good
_SAMPLE = 20_000  # vectors whose mean is the centre
_BLOCK = 20_000  # vectors that are encoded at a time
_FIRST_SHARE = 1 / 16  # of the lists, the nearest ones, which are looked at first; then always as many as before
_SETTLED = 20  # best candidates: once none of them is of the last lists, the others are left


class Codes:
    """Codes of all rows of some Vectors: they choose candidates, which the vectors then score.

    Those of many rows stand in lists, each of what is near its centroid (IVF).
    """

    def __init__(self, vectors: Vectors, *, lists: bool = True) -> None:
        """Made anew, many in lists if that is asked for, which takes four times as long. A pure function of these."""
        count, dimensions = len(vectors), vectors.index.d
        if count < LISTED_ROWS or not lists:
            self._index: Any = faiss.IndexRaBitQ(dimensions, faiss.METRIC_INNER_PRODUCT)
            self._index.train(vectors.take(np.arange(0, count, max(1, count // _SAMPLE))))
            for _, some in _blocks(vectors):
                self._index.add(some)
        else:
            self._index = _listed(vectors)
        self._index.qb = _QUERY_BITS
        self._read_lists()

    @classmethod
    def open(cls, path: Path, vectors: Vectors) -> Codes:
        """What `write` wrote of these vectors, mapped. Raises IndexFailedError."""
        self = cls.__new__(cls)
        self._index = open_mapped(path)
        if self._index.ntotal != len(vectors) or self._index.d != vectors.index.d:
            raise IndexFailedError(f"{path} has {self._index.ntotal} x {self._index.d} values")
        self._read_lists()
        return self

    def _read_lists(self) -> None:
        self._centroids = None
        if isinstance(self._index, faiss.IndexIVF):
            self._centroids = self._index.quantizer.reconstruct_n(0, self._index.nlist)

    def write(self, path: Path) -> None:
        """Raises IndexFailedError."""
        write(self._index, path)

    @property
    def listed(self) -> bool:
        """Whether a search looks at some of them only."""
        return self._centroids is not None

    @property
    def size_bytes(self) -> int:
        """Of the codes, and in lists of the numbers of their rows."""
        return int(self._index.ntotal) * (int(self._index.code_size) + (_NUMBER_BYTES if self.listed else 0))

    def search(self, query: FloatArray, k: int, allowed: BoolArray | None) -> tuple[IntArray, FloatArray]:
        """The `k` rows of the highest estimates, and these, highest first. There must be as many.

        Of codes in lists, those of the nearest lists, and of more until they add no better ones.
        """
        among = None if allowed is None else selector(allowed)
        if self._centroids is not None:
            return self._search_nearest(self._centroids, query, k, among)
        parameters = None if among is None else faiss.SearchParameters(sel=among)
        estimates, found = self._index.search(query[None, :], k, params=parameters)
        return found[0], estimates[0]

    def _search_nearest(
        self, centroids: FloatArray, query: FloatArray, k: int, among: Any
    ) -> tuple[IntArray, FloatArray]:
        near = centroids @ query
        order = np.argsort(-near)
        seen, more = 0, max(1, int(_FIRST_SHARE * len(order)))
        rows, estimates = np.empty(0, np.int64), np.empty(0, np.float32)
        while seen < len(order):
            these = order[seen : seen + more]
            new_rows, new_estimates = self._search_lists(query, k, these, near[these], among)
            is_new = np.repeat([False, True], [len(rows), len(new_rows)])
            rows, estimates = np.concatenate([rows, new_rows]), np.concatenate([estimates, new_estimates])
            best = np.argsort(-estimates, kind="stable")[:k]
            rows, estimates = rows[best], estimates[best]
            if len(rows) == k and not is_new[best][:_SETTLED].any():
                break
            seen += len(these)
            more = seen
        return rows, estimates

    def _search_lists(
        self, query: FloatArray, k: int, lists: IntArray, near: FloatArray, among: Any
    ) -> tuple[IntArray, FloatArray]:
        """The `k` best rows of these lists by their estimates, or all if they are fewer."""
        parameters = faiss.SearchParametersIVF(nprobe=len(lists), sel=among)
        rows, estimates = np.empty(k, np.int64), np.empty(k, np.float32)
        # FAISS's own wrapper for Python takes no parameters
        self._index.search_preassigned_c(
            1, faiss.swig_ptr(query), k, *map(faiss.swig_ptr, (lists, near, estimates, rows)), False, parameters
        )
        held = rows >= 0
        return rows[held], estimates[held]


def _listed(vectors: Vectors) -> Any:
    dimensions = vectors.index.d
    centroids = centroids_of(vectors)
    quantizer = faiss.IndexFlatIP(dimensions)
    quantizer.add(centroids)
    index = faiss.IndexIVFRaBitQ(quantizer, dimensions, len(centroids), faiss.METRIC_INNER_PRODUCT)
    index.train(centroids)
    for begin, some in _blocks(vectors):
        rows, lists = np.arange(begin, begin + len(some)), assigned(some, centroids)
        index.add_core(len(some), *map(faiss.swig_ptr, (some, rows, lists)))
    return index


def _blocks(vectors: Vectors) -> Iterator[tuple[int, FloatArray]]:
    for begin in range(0, len(vectors), _BLOCK):
        yield begin, vectors.take(np.arange(begin, min(begin + _BLOCK, len(vectors))))
