"""The dense index: an exact scan over float16 codes with FAISS. The only module that knows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np

from vecstore.errors import IndexFailedError
from vecstore.types import FloatArray, HalfArray, IntArray

_MEMBER, _WINDOW, _FIRST_CHUNK, _LAST_CHUNK = range(4)
_CODES, _ROWS = "dense.faiss", "dense.rows.npy"

faiss.omp_set_num_threads(1)  # requests run in parallel, not the parts of one


class DenseIndex:
    """Vectors of windows, and the chunks that each window belongs to.

    The codes are the catalogue's float16 values bit for bit, so scores are exact for what is stored.
    Rows stand in the order they were added, which is that of chunk numbers. Not thread-safe.
    """

    def __init__(self, dimensions: int) -> None:
        self._index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._index.is_trained = True
        self._rows: IntArray = np.empty((0, 4), np.int64)

    @classmethod
    def load(cls, folder: Path, dimensions: int) -> DenseIndex:
        """What `save` wrote. Raises IndexFailedError when it cannot be read or has another shape."""
        self = cls(dimensions)
        try:
            self._index = faiss.read_index(str(folder / _CODES))
            self._rows = np.load(folder / _ROWS)
        except (RuntimeError, OSError, ValueError, EOFError) as error:
            raise IndexFailedError(f"the dense index in {folder} cannot be read: {error}") from error
        if self._index.d != dimensions or self._rows.shape != (self._index.ntotal, 4):
            raise IndexFailedError(f"the dense index in {folder} has {self._index.ntotal} x {self._index.d} values")
        return self

    def save(self, folder: Path) -> None:
        """Writes its two files into `folder`; making them durable is the caller's."""
        try:
            faiss.write_index(self._index, str(folder / _CODES))
        except RuntimeError as error:
            raise IndexFailedError(f"the dense index cannot be written to {folder}: {error}") from error
        np.save(folder / _ROWS, self._rows)

    @property
    def rows(self) -> IntArray:
        """(n, 4) int64: member, window, first and last chunk."""
        return self._rows

    def vectors(self) -> FloatArray:
        """(n, d) float32: what is stored, one a row."""
        return np.asarray(self._index.reconstruct_n(0, self._index.ntotal), np.float32)

    def add(self, rows: IntArray, vectors: HalfArray) -> None:
        """rows: (n, 4) int64. vectors: (n, d) float16, unit norm."""
        if len(rows):
            self._index.add(vectors.astype(np.float32))
            self._rows = np.concatenate([self._rows, rows])

    def remove(self, members: Sequence[int]) -> None:
        """Forgets the rows of these members; unknown ones are no error."""
        gone = np.isin(self._rows[:, _MEMBER], np.asarray(members, np.int64))
        if gone.any():
            self._index.remove_ids(faiss.IDSelectorBatch(np.flatnonzero(gone)))
            self._rows = self._rows[~gone]

    def search(self, query: FloatArray, k: int, members: IntArray | None = None) -> tuple[IntArray, FloatArray, bool]:
        """Chunks by their best window, best first, at least `k` of them if there are; ties by chunk number.

        query: (d,) float32, unit norm. members: those that may answer, None for all. Gives the chunk
        numbers (m,), their cosines (m,), and whether these are all the chunks there are.
        """
        allowed = None if members is None else np.isin(self._rows[:, _MEMBER], members)
        available = len(self._rows) if allowed is None else int(allowed.sum())
        depth = k * 4  # an 800-token chunk has four windows or more
        while True:
            depth = min(depth, available)
            numbers, scores = self._chunks(*self._windows(query, depth, allowed))
            if len(numbers) >= k or depth == available:
                return numbers, scores, depth == available
            depth *= 2

    def score(self, query: FloatArray, numbers: IntArray) -> FloatArray:
        """The cosine of each chunk's best window (m,); 0 for a chunk without rows."""
        scores = np.zeros(len(numbers), np.float32)
        begin, count = self._held(numbers)
        held = np.flatnonzero(count > 0)
        if len(held):
            rows, starts = _ranges(begin[held], count[held])
            scores[held] = np.maximum.reduceat(self._scores(query, rows), starts)
        return scores

    def centres(self, numbers: IntArray) -> FloatArray:
        """The mean of each chunk's windows (m, d), unit norm; zeros for a chunk without rows."""
        centres = np.zeros((len(numbers), self._index.d), np.float32)
        begin, count = self._held(numbers)
        held = np.flatnonzero(count > 0)
        if len(held):
            rows, starts = _ranges(begin[held], count[held])
            sums = np.add.reduceat(self._index.reconstruct_batch(rows), starts)
            centres[held] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        return centres

    def members(self, numbers: IntArray) -> IntArray:
        """The member that each chunk belongs to (m,); -1 for a chunk without rows."""
        members = np.full(len(numbers), -1, np.int64)
        begin, count = self._held(numbers)
        members[count > 0] = self._rows[begin[count > 0], _MEMBER]
        return members

    def windows(self, query: FloatArray, number: int) -> FloatArray:
        """The cosine of each window of one chunk, in reading order; none for a chunk without rows."""
        [begin], [count] = self._held(np.array([number], np.int64))
        return np.asarray(self._index.reconstruct_n(int(begin), int(count)) @ query, np.float32)

    def _held(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """The first row of each chunk and how many it has: both ends of the rows' chunk ranges grow with the row."""
        begin = np.searchsorted(self._rows[:, _LAST_CHUNK], numbers, side="left")
        return begin, np.searchsorted(self._rows[:, _FIRST_CHUNK], numbers, side="right") - begin

    def _scores(self, query: FloatArray, rows: IntArray) -> FloatArray:
        """The cosine of each of these rows (m,); by a masked scan, which is several times as fast as decoding them."""
        wanted = np.zeros(len(self._rows), bool)
        wanted[rows] = True
        distinct = np.flatnonzero(wanted)
        found, scores = self._windows(query, len(distinct), wanted)
        of_distinct = np.empty(len(distinct), np.float32)
        of_distinct[np.searchsorted(distinct, found)] = scores
        return of_distinct[np.searchsorted(distinct, rows)]

    def _windows(self, query: FloatArray, k: int, allowed: np.ndarray | None) -> tuple[IntArray, FloatArray]:
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        parameters = None
        if allowed is not None:
            bitmap = np.packbits(allowed, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bitmap))
        scores, found = self._index.search(query[None, :], k, params=parameters)
        if (found < 0).any():
            raise IndexFailedError(f"the dense index answered {int((found >= 0).sum())} of {k} windows")
        return found[0], scores[0]

    def _chunks(self, found: IntArray, scores: FloatArray) -> tuple[IntArray, FloatArray]:
        first, last = self._rows[found, _FIRST_CHUNK], self._rows[found, _LAST_CHUNK]
        spread = last - first + 1
        each, _ = _ranges(first, spread)
        numbers, which = np.unique(each, return_inverse=True)
        highest = np.full(len(numbers), -np.inf, np.float32)
        np.maximum.at(highest, which, np.repeat(scores, spread))
        order = np.lexsort((numbers, -highest))
        return numbers[order], highest[order]


def _ranges(begin: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """`begin[i], ..., begin[i] + count[i] - 1` one after another, and where each of these runs starts."""
    starts = np.cumsum(count) - count
    return np.repeat(begin - starts, count) + np.arange(int(count.sum())), starts
