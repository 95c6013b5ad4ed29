"""A part of the dense index: vectors that are written once, and codes of them where a scan would be slow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vecstore.errors import IndexFailedError
from vecstore.files import link_or_copy, sha256_of
from vecstore.index.codes import LISTED_ROWS, Codes
from vecstore.index.vectors import Vectors
from vecstore.types import BoolArray, FloatArray, IntArray

EXACT_ROWS = 20_000  # that may answer; up to so many, scoring each is as fast as codes
_GATHERED_SHARE = 1 / 150  # of the rows; so few are copied out and scored, more are scanned for


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A file as it was vouched for; `state` is what writing to it changes."""

    path: Path
    sha256: str
    state: tuple[int, int] | None

    @classmethod
    def of(cls, path: Path, sha256: str) -> SegmentFile:
        return cls(path, sha256, _state(path))

    def check_untouched(self) -> None:
        """Raises IndexFailedError where somebody has written to it; one that was removed stays as it was mapped."""
        if _state(self.path) not in (self.state, None):
            raise IndexFailedError(f"{self.path} was changed while it was open")

    def check_content(self, path: Path) -> None:
        """Raises IndexFailedError where what lies there is not what was vouched for."""
        if sha256_of(path) != self.sha256:
            raise IndexFailedError(f"{self.path} was changed since it was written")


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of vectors. `codes` and `files` are those of a segment that was written; the last one grows in memory."""

    vectors: Vectors
    codes: Codes | None = None
    files: tuple[SegmentFile, ...] = ()

    @classmethod
    def open(cls, folder: Path, number: int, dimensions: int, sha256s: Mapping[str, str]) -> Segment:
        """The segment of that number among the files in `folder`, of these hashes. Raises IndexFailedError."""
        names = [name for name in _names(number) if name in sha256s]
        vectors = Vectors.open(folder / names[0], dimensions)
        codes = Codes.open(folder / names[1], vectors) if len(names) > 1 else None
        return cls(vectors, codes, tuple(SegmentFile.of(folder / name, sha256s[name]) for name in names))

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def size_bytes(self) -> int:
        """Of its vectors and codes."""
        return self.vectors.size_bytes + (self.codes.size_bytes if self.codes else 0)

    def search(self, query: FloatArray, k: int, allowed: BoolArray) -> tuple[IntArray, FloatArray]:
        """The `k` best rows of those allowed, or all if they are fewer, best first. Raises IndexFailedError."""
        count = int(np.count_nonzero(allowed))
        k = min(k, count)
        if k == 0:
            return _nothing()
        if count < _GATHERED_SHARE * len(self):
            rows = np.flatnonzero(allowed)
            return best(rows, self.vectors.score(query, rows), k)
        return _whole(*self.vectors.search(query, k, _unless_all(allowed, count)))

    def candidates(self, query: FloatArray, k: int, allowed: BoolArray) -> tuple[IntArray, FloatArray]:
        """The `k` rows of the highest estimates by the codes, and these, or all if they are fewer; highest first."""
        assert self.codes is not None
        count = int(np.count_nonzero(allowed))
        return _whole(*self.codes.search(query, min(k, count), _unless_all(allowed, count)))

    @property
    def wants_lists(self) -> bool:
        """Whether its codes should stand in lists, and do not yet."""
        return self.codes is not None and not self.codes.listed and len(self) >= LISTED_ROWS

    def with_codes(self, codes: Codes) -> Segment:
        """With these in place of its own; no file has them yet."""
        return Segment(self.vectors, codes, self.files[:1])

    def write(self, folder: Path, number: int, *, lists: bool) -> None:
        """As files of that number, with codes if there are many rows. Raises IndexFailedError."""
        vectors_name, codes_name = _names(number)
        self.vectors.write(folder / vectors_name)
        if len(self) > EXACT_ROWS:
            Codes(self.vectors, lists=lists).write(folder / codes_name)

    def carry_over(self, folder: Path, number: int) -> dict[str, str]:
        """Its files a second time, and the SHA-256 of each, as it was vouched for: nothing is read again.

        Where they are gone they are written from what is mapped. Codes that no file has are written, and not vouched
        for. Raises IndexFailedError where that differs.
        """
        carried = {}
        for name, file, values in zip(_names(number), self.files, (self.vectors, self.codes), strict=False):
            file.check_untouched()
            try:
                link_or_copy(file.path, folder / name)
            except FileNotFoundError:
                assert values is not None
                values.write(folder / name)
                file.check_content(folder / name)
            carried[name] = file.sha256
        if self.codes is not None and len(self.files) == 1:
            self.codes.write(folder / _names(number)[1])
        return carried

    def check_vectors(self, scratch: Path) -> None:
        """Reads them all before they are written anew: nothing else would find out what the disk did to them.

        Where their file is gone it is `scratch` that is written and read. Raises IndexFailedError.
        """
        for file in self.files[:1]:
            file.check_untouched()
            if file.path.exists():
                file.check_content(file.path)
                continue
            self.vectors.write(scratch)
            file.check_content(scratch)
            scratch.unlink()


def best(rows: IntArray, scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """The `k` best, best first; ties by row."""
    if len(rows) > k:
        enough = np.flatnonzero(scores >= np.partition(scores, -k)[-k])  # and those that are as good as the last
        rows, scores = rows[enough], scores[enough]
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def _nothing() -> tuple[IntArray, FloatArray]:
    return np.empty(0, np.int64), np.empty(0, np.float32)


def _unless_all(allowed: BoolArray, count: int) -> BoolArray | None:
    return None if count == len(allowed) else allowed


def _whole(rows: IntArray, scores: FloatArray) -> tuple[IntArray, FloatArray]:
    """FAISS answers -1 where it has no more rows, which is never asked of it."""
    if (rows < 0).any():
        raise IndexFailedError(f"the dense index answered {int((rows >= 0).sum())} of {len(rows)} windows")
    return rows, scores


def segments_in(names: Mapping[str, str]) -> int:
    """How many segments are among these files."""
    return next(number for number in range(len(names) + 1) if _names(number)[0] not in names)


def _names(number: int) -> tuple[str, str]:
    return f"dense.{number}.faiss", f"dense.{number}.codes.faiss"


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
