"""The dense index: segments of vectors on disk and those that came since, and the chunks that each one is of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from vecstore.errors import IndexFailedError
from vecstore.index.codes import Codes
from vecstore.index.nearest import Part, nearest
from vecstore.index.segments import Segment, segments_in
from vecstore.index.vectors import Vectors
from vecstore.types import BoolArray, FloatArray, HalfArray, IntArray

_MEMBER, _WINDOW, _FIRST_CHUNK, _LAST_CHUNK = range(4)
_ROWS, _SCRATCH = "dense.rows.npy", "dense.scratch"
_GONE = -1  # in place of the member, of a row that was removed and is still in its segment
_MAX_GONE_SHARE = 0.1  # of a segment, which is written anew then
_GROWTH = 2  # a segment stays as it is while it is more than so many times what comes behind it


class DenseIndex:
    """Vectors of windows, and the chunks that each window belongs to.

    They are the catalogue's float16 values bit for bit, so scores are exact for what is stored.
    Rows stand in the order they were added, which is that of chunk numbers. Segments are never changed:
    what is removed from one is only marked, until `save` writes it anew. Not thread-safe.
    """

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._segments: list[Segment] = []
        self._tail = Segment(Vectors(dimensions))
        self._columns: IntArray = np.empty((4, 0), np.int64)  # of all rows, with those that are gone
        self._live: BoolArray = np.empty(0, bool)  # those that are not
        self._chunk_count = 0  # of these rows

    @classmethod
    def load(cls, folder: Path, dimensions: int, sha256s: Mapping[str, str]) -> DenseIndex:
        """What `save` wrote: files of these hashes, which nobody looks at here.

        Raises IndexFailedError when it cannot be read or has another shape.
        """
        self = cls(dimensions)
        try:
            self._columns = np.load(folder / _ROWS)
        except (OSError, ValueError, EOFError) as error:
            raise IndexFailedError(f"the dense index in {folder} cannot be read: {error}") from error
        self._segments = [Segment.open(folder, i, dimensions, sha256s) for i in range(segments_in(sha256s))]
        held = sum(map(len, self._segments))
        if self._columns.shape != (4, held):
            raise IndexFailedError(f"the dense index in {folder} has {held} vectors for rows of {self._columns.shape}")
        self._live = self._columns[_MEMBER] != _GONE
        self._chunk_count = _count_chunks(self._columns)
        return self

    def save(self, folder: Path, *, lists: bool = True) -> dict[str, str]:
        """Writes its files into `folder`; making them durable is the caller's. Without `lists`, many codes have none.

        What a segment holds already is not written again: gives the SHA-256 of its files. Those behind the last
        one that is worth keeping, and what was added, become one segment without what is gone.
        """
        kept = self._worth_keeping()
        carried: dict[str, str] = {}
        for i, segment in enumerate(self._segments[:kept]):
            carried |= segment.carry_over(folder, i)
        begin = sum(map(len, self._segments[:kept]))
        live = self._live[begin:]
        if live.any():
            for segment in self._segments[kept:]:
                segment.check_vectors(folder / _SCRATCH)
            self._merged(kept, int(live.sum())).write(folder, kept, lists=lists)
        columns = np.concatenate([self._columns[:, :begin], self._columns[:, begin:][:, live]], axis=1)
        np.save(folder / _ROWS, columns)
        return carried

    def unlisted(self) -> Segment | None:
        """One of those on disk whose codes should stand in lists."""
        return next((segment for segment in self._segments if segment.wants_lists), None)

    def take_codes(self, made_of: Segment, codes: Codes) -> bool:
        """Puts them in place of those of the segment that has the same vectors; whether there is one, still without."""
        for i, segment in enumerate(self._segments):
            if segment.wants_lists and segment.files[0].sha256 == made_of.files[0].sha256:
                self._segments[i] = segment.with_codes(codes)
                return True
        return False

    def _worth_keeping(self) -> int:
        """How many segments stay as they are, each far longer than all behind it: so there are never many."""
        live = [int(np.count_nonzero(self._live[begin : begin + len(part)])) for begin, part in self._parts()]
        for i, segment in enumerate(self._segments):
            gone, behind = len(segment) - live[i], sum(live[i + 1 :])
            if gone > _MAX_GONE_SHARE * len(segment) or (behind and live[i] <= _GROWTH * behind):
                return i
        return len(self._segments)

    def _merged(self, kept: int, count: int) -> Segment:
        merged = Vectors(self._dimensions)
        merged.reserve(count)
        for begin, part in self._parts()[kept:]:
            merged.add_rows(part.vectors, np.flatnonzero(self._live[begin : begin + len(part)]))
        return Segment(merged)

    def _parts(self) -> list[tuple[int, Segment]]:
        """Every segment behind the number of its first row, the one in memory last."""
        parts = [*self._segments, self._tail]
        begins = np.cumsum([0, *map(len, parts[:-1])]).tolist()
        return list(zip(begins, parts, strict=True))

    def _of(self, members: IntArray) -> BoolArray:
        """The rows of these members; by a table, which is ten times as fast as `np.isin`."""
        highest = int(self._columns[_MEMBER].max(initial=0))
        wanted = np.zeros(highest + 2, bool)  # the last one is for what is gone
        wanted[members[(members >= 0) & (members <= highest)]] = True
        found: BoolArray = wanted[self._columns[_MEMBER]]
        return found

    @property
    def rows(self) -> IntArray:
        """(n, 4) int64: member, window, first and last chunk."""
        return self._columns[:, self._live].T

    def vectors(self) -> FloatArray:
        """(n, d) float32: what is stored, one a row."""
        return self._take(np.flatnonzero(self._live))

    @property
    def segments(self) -> Sequence[Segment]:
        """Those on disk, in the order of their rows."""
        return self._segments

    @property
    def rows_with_removed(self) -> int:
        """How many rows there are, with those that are only marked."""
        return int(self._columns.shape[1])

    @property
    def disk_bytes(self) -> int:
        """Of the vectors and codes that are mapped from files."""
        return sum(segment.size_bytes for segment in self._segments)

    @property
    def memory_bytes(self) -> int:
        """Of the rows, and of the vectors that no file has yet."""
        return self._columns.nbytes + self._tail.size_bytes

    def sample(self, count: int) -> FloatArray:
        """(m, d) float32: so many of the vectors, spread evenly, or all if they are fewer."""
        live = np.flatnonzero(self._live)
        return self._take(live[np.linspace(0, len(live) - 1, min(count, len(live))).astype(np.int64)])

    def check_untouched(self) -> None:
        """Raises IndexFailedError where somebody has written to a file that is mapped into memory."""
        for segment in self._segments:
            for file in segment.files:
                file.check_untouched()

    def add(self, rows: IntArray, vectors: HalfArray) -> None:
        """rows: (n, 4) int64. vectors: (n, d) float16, unit norm."""
        if len(rows):
            self._tail.vectors.add(vectors)
            self._columns = np.concatenate([self._columns, rows.T], axis=1)
            self._live = np.concatenate([self._live, np.ones(len(rows), bool)])
            self._chunk_count += _count_chunks(rows.T)

    def remove(self, members: Sequence[int]) -> None:
        """Forgets the rows of these members; unknown ones are no error."""
        if len(members):
            gone = self._of(np.asarray(members, np.int64))
            self._columns[_MEMBER, gone], self._live[gone] = _GONE, False

    def search(
        self, query: FloatArray, k: int, members: IntArray | None = None, *, exact: bool = False
    ) -> tuple[IntArray, FloatArray, bool]:
        """The `k` best chunks by their best window, best first; ties by chunk number.

        query: (d,) float32, unit norm. members: those that may answer, None for all. exact: every vector is
        scored; else the candidates that codes of a large segment give. Gives the chunk numbers (m,), their
        cosines (m,), and whether these are all the chunks there are.
        """
        allowed = self._live if members is None else self._of(members)
        available = int(np.count_nonzero(allowed))
        depth = math.ceil(k * self._columns.shape[1] / max(1, self._chunk_count))  # each may have all its windows there
        while True:
            depth = min(depth, available)
            numbers, scores = self._chunks(*self._windows(query, depth, allowed, exact=exact))
            if len(numbers) >= k or depth == available:
                return numbers[:k], scores[:k], depth == available and len(numbers) <= k
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
        centres = np.zeros((len(numbers), self._dimensions), np.float32)
        begin, count = self._held(numbers)
        held = np.flatnonzero(count > 0)
        if len(held):
            rows, starts = _ranges(begin[held], count[held])
            sums = np.add.reduceat(self._take(rows), starts)
            centres[held] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        return centres

    def members(self, numbers: IntArray) -> IntArray:
        """The member that each chunk belongs to (m,); -1 for a chunk without rows."""
        members = np.full(len(numbers), -1, np.int64)
        begin = np.searchsorted(self._columns[_LAST_CHUNK], numbers)
        there = np.flatnonzero(begin < self._columns.shape[1])
        there = there[self._columns[_FIRST_CHUNK, begin[there]] <= numbers[there]]
        members[there] = self._columns[_MEMBER, begin[there]]  # which is -1 of what is gone
        return members

    def windows(self, query: FloatArray, numbers: IntArray) -> list[FloatArray]:
        """The cosine of each window of each of these chunks, in reading order; none for a chunk without rows."""
        begin, count = self._held(numbers)
        rows, starts = _ranges(begin, count)
        scores = self._scores(query, rows)
        return [scores[start : start + n] for start, n in zip(starts.tolist(), count.tolist(), strict=True)]

    def _held(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """The first row of each chunk and how many it has: both ends of the rows' chunk ranges grow with the row."""
        begin = np.searchsorted(self._columns[_LAST_CHUNK], numbers, side="left")
        count = np.searchsorted(self._columns[_FIRST_CHUNK], numbers, side="right") - begin
        held = np.flatnonzero(count > 0)
        count[held[self._columns[_MEMBER, begin[held]] == _GONE]] = 0
        return begin, count

    def _scores(self, query: FloatArray, rows: IntArray) -> FloatArray:
        """The cosine of each of these rows (m,)."""
        return self._read(rows, lambda vectors, some: vectors.score(query, some))

    def _take(self, rows: IntArray) -> FloatArray:
        """(m, d) float32: the vectors of these rows."""
        return self._read(rows, Vectors.take)

    def _read(self, rows: IntArray, read: Callable[[Vectors, IntArray], FloatArray]) -> FloatArray:
        """What is read for each of these rows, each of them once, segment by segment."""
        distinct, which = np.unique(rows, return_inverse=True)
        found = []
        for begin, part in self._parts():
            first, last = np.searchsorted(distinct, [begin, begin + len(part)])
            if last > first:
                found.append(read(part.vectors, distinct[first:last] - begin))
        return np.concatenate(found)[which] if found else read(self._tail.vectors, distinct)

    def _windows(self, query: FloatArray, k: int, allowed: BoolArray, *, exact: bool) -> tuple[IntArray, FloatArray]:
        """The `k` best of the rows that may answer, best first; ties by row."""
        parts = [Part(begin, part, allowed[begin : begin + len(part)]) for begin, part in self._parts()]
        return nearest(parts, query, k, score=lambda rows: self._scores(query, rows), exact=exact)

    def _chunks(self, found: IntArray, scores: FloatArray) -> tuple[IntArray, FloatArray]:
        first, last = self._columns[_FIRST_CHUNK, found], self._columns[_LAST_CHUNK, found]
        spread = last - first + 1
        each, _ = _ranges(first, spread)
        numbers, which = np.unique(each, return_inverse=True)
        highest = np.full(len(numbers), -np.inf, np.float32)
        np.maximum.at(highest, which, np.repeat(scores, spread))
        order = np.lexsort((numbers, -highest))
        return numbers[order], highest[order]


def _count_chunks(columns: IntArray) -> int:
    """How many chunks these rows are of: both ends of their ranges grow with the row."""
    first, last = columns[_FIRST_CHUNK], columns[_LAST_CHUNK]
    return int(np.sum(last - np.maximum(first - 1, np.concatenate([first[:1] - 1, last[:-1]]))))


def _ranges(begin: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """`begin[i], ..., begin[i] + count[i] - 1` one after another, and where each of these runs starts."""
    starts = np.cumsum(count) - count
    return np.repeat(begin - starts, count) + np.arange(int(count.sum())), starts
