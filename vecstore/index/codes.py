"""One bit a dimension and vector (RaBitQ): what a search of many vectors looks at first."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np

from vecstore.errors import IndexFailedError
from vecstore.index.vectors import Vectors, open_mapped, selector, write
from vecstore.types import BoolArray, FloatArray, IntArray

_QUERY_BITS = 4  # of each of the query's values; a fourth faster than 8, as good
_SAMPLE = 20_000  # vectors whose mean is the centre
_BLOCK = 20_000  # vectors that are encoded at a time


class Codes:
    """Codes of all rows of some Vectors: they choose candidates, which the vectors then score."""

    def __init__(self, vectors: Vectors) -> None:
        """Made anew. They are a pure function of the vectors."""
        count, dimensions = len(vectors), vectors.index.d
        self._index = faiss.IndexRaBitQ(dimensions, faiss.METRIC_INNER_PRODUCT)
        self._index.qb = _QUERY_BITS
        self._index.train(vectors.take(np.arange(0, count, max(1, count // _SAMPLE))))
        for begin in range(0, count, _BLOCK):
            self._index.add(vectors.take(np.arange(begin, min(begin + _BLOCK, count))))

    @classmethod
    def open(cls, path: Path, vectors: Vectors) -> Codes:
        """What `write` wrote of these vectors, mapped. Raises IndexFailedError."""
        self = cls.__new__(cls)
        self._index = open_mapped(path)
        if self._index.ntotal != len(vectors) or self._index.d != vectors.index.d:
            raise IndexFailedError(f"{path} has {self._index.ntotal} x {self._index.d} values")
        return self

    def write(self, path: Path) -> None:
        """Raises IndexFailedError."""
        write(self._index, path)

    @property
    def size_bytes(self) -> int:
        """Of the codes."""
        return int(self._index.ntotal) * int(self._index.code_size)

    def search(self, query: FloatArray, k: int, allowed: BoolArray | None) -> tuple[IntArray, FloatArray]:
        """The `k` rows of the highest estimates, and these, highest first. There must be as many."""
        parameters = None if allowed is None else faiss.SearchParameters(sel=selector(allowed))
        estimates, found = self._index.search(query[None, :], k, params=parameters)
        return found[0], estimates[0]
