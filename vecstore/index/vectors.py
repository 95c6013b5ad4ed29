"""Float16 vectors in FAISS, exactly as they were given: in memory, or mapped from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from vecstore.errors import IndexFailedError
from vecstore.types import BoolArray, FloatArray, HalfArray, IntArray

_BLOCK = 1_024  # rows that are gathered at a time; more of them leave the processor's cache

faiss.omp_set_num_threads(1)  # requests run in parallel, not the parts of one


class Vectors:
    """Unit vectors by row. Scores are the exact inner products with what is stored."""

    def __init__(self, dimensions: int) -> None:
        self.index = _empty(dimensions)

    @classmethod
    def open(cls, path: Path, dimensions: int) -> Vectors:
        """What `write` wrote, mapped: only what a search reads is in memory. Raises IndexFailedError."""
        self = cls(dimensions)
        self.index = open_mapped(path)
        if not isinstance(self.index, faiss.IndexScalarQuantizer) or self.index.d != dimensions:
            raise IndexFailedError(f"{path} has {self.index.ntotal} x {self.index.d} values, not x {dimensions}")
        return self

    def write(self, path: Path) -> None:
        """Raises IndexFailedError."""
        write(self.index, path)

    def __len__(self) -> int:
        return int(self.index.ntotal)

    @property
    def size_bytes(self) -> int:
        """Of the vectors, in memory or in the file."""
        return len(self) * int(self.index.code_size)

    def add(self, vectors: HalfArray) -> None:
        """vectors: (n, d) float16, unit norm."""
        self.index.add(vectors.astype(np.float32))

    def add_rows(self, other: Vectors, rows: IntArray) -> None:
        """These rows of another one, bit for bit."""
        for begin in range(0, len(rows), _BLOCK):
            self.index.add_sa_codes(other._codes()[rows[begin : begin + _BLOCK]])

    def reserve(self, count: int) -> None:
        """Takes the memory for so many vectors at once: growing to it would take up to twice as much."""
        self.index.codes.resize(count * int(self.index.code_size))
        self.index.codes.resize(0)

    def take(self, rows: IntArray) -> FloatArray:
        """(m, d) float32: the vectors of these rows."""
        return np.asarray(self.index.sa_decode(self._codes()[rows]), np.float32)

    def search(self, query: FloatArray, k: int, allowed: BoolArray | None) -> tuple[IntArray, FloatArray]:
        """The `k` best rows, best first, by a scan. There must be as many."""
        parameters = None if allowed is None else faiss.SearchParameters(sel=selector(allowed))
        scores, found = self.index.search(query[None, :], k, params=parameters)
        return found[0], scores[0]

    def score(self, query: FloatArray, rows: IntArray) -> FloatArray:
        """The scores of these rows (m,): copied out and scanned, which beats decoding them, or a scan for them."""
        codes, scores = self._codes(), np.empty(len(rows), np.float32)
        for begin in range(0, len(rows), _BLOCK):
            some = _empty(self.index.d)
            some.add_sa_codes(codes[rows[begin : begin + _BLOCK]])
            [found], [order] = some.search(query[None, :], some.ntotal)
            scores[begin + order] = found
        return scores

    def _codes(self) -> np.ndarray:
        """(n, bytes) uint8, without a copy."""
        count, size = len(self), int(self.index.code_size)
        flat = faiss.rev_swig_ptr(self.index.codes.data(), count * size) if count else np.empty(0, np.uint8)
        return np.asarray(flat).reshape(count, size)


def selector(allowed: BoolArray) -> Any:
    """The rows that may answer, as FAISS takes them."""
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def open_mapped(path: Path) -> Any:
    """An index whose values stay in the file. Raises IndexFailedError."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise IndexFailedError(f"{path} cannot be read: {error}") from error


def write(index: Any, path: Path) -> None:
    """Raises IndexFailedError; making it durable is the caller's."""
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:
        raise IndexFailedError(f"{path} cannot be written: {error}") from error


def _empty(dimensions: int) -> Any:
    index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    return index
