"""The dense and the keyword index of one vector store, in step behind one protocol."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vecstore.changes import Change, Checkpoint
from vecstore.errors import IndexFailedError
from vecstore.failpoints import reach
from vecstore.files import (
    fsync_folder,
    fsync_path,
    link_or_copy,
    remove,
    remove_leftovers,
    sha256_of,
    sha256s_of,
    temporary_sibling,
)
from vecstore.index.codes import Codes
from vecstore.index.dense import DenseIndex
from vecstore.index.keyword import NEAR_SHARE, KeywordIndex
from vecstore.index.language import warm_up
from vecstore.index.measure import IndexInfo, measured
from vecstore.index.segments import Segment
from vecstore.types import FloatArray, IntArray

_CHECKPOINT, LIVE, _KEYWORD = "checkpoint-", "live", "keyword"
_LARGE_BYTES = 64 << 20  # of a file that takes a while to be checked
_MAX_DELETED_SHARE = 0.1  # beyond it, BM25's statistics speak too much of what is gone

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Chunks that either leg found, each with its true score from both; ascending by number. All arrays (m,).

    `members` are the files that they belong to, -1 where a chunk has no vectors. A rank counts from 1; 0 says
    that the leg's search did not reach that deep. `bm25` is with what a chunk earns by words near each other,
    NEAR_SHARE of it times `closeness`, 0 to 1; `highest` is (words,): the most that each word can add without that.
    `exhausted` says that no deeper search would find more chunks.
    """

    numbers: IntArray
    members: IntArray
    cosines: FloatArray
    embedding_ranks: IntArray
    bm25: FloatArray
    closeness: FloatArray
    text_ranks: IntArray
    highest: FloatArray
    exhausted: bool

    @property
    def highest_bm25(self) -> float:
        """What no chunk can exceed but by words near each other."""
        return float(self.highest.sum(dtype=np.float64))


class Shard(Protocol):
    """What search and indexing need of a vector store's indexes. Thread-safe."""

    @property
    def sequence(self) -> int:
        """The catalogue's sequence number up to which changes were applied."""

    def apply(self, change: Change) -> None:
        """Makes one change visible to searches, whole. Raises IndexFailedError; the shard is of no use then."""

    def candidates(
        self, vector: FloatArray | None, words: Sequence[str], *, depth: int, members: IntArray | None = None
    ) -> Candidates:
        """The `depth` best chunks of each leg, among `members` if given; a leg without a query stays out."""

    def languages(self) -> Sequence[str]:
        """Those in Latin letters that some chunks are in beside English, by Snowball's names."""

    def centres(self, numbers: IntArray) -> FloatArray:
        """(m, d) what each chunk is about, unit norm; zeros where it is gone."""

    def windows(self, vector: FloatArray, numbers: IntArray) -> list[FloatArray]:
        """The cosine of each window of each of these chunks, in reading order; none where a chunk is gone."""

    def checkpoint(self) -> Checkpoint:
        """Durable files of the present state; good once the catalogue vouches for them."""

    def contents(self) -> tuple[IntArray, FloatArray, IntArray]:
        """Dense rows (n, 4), their vectors (n, d), and the keyword index's chunk numbers (m,), for `check`.

        Raises IndexFailedError; the shard is of no use then.
        """


class LocalShard:
    """FAISS and Tantivy in a folder of this machine.

    `checkpoint-*` folders are never changed once written. `live` is where Tantivy writes after the
    first change; it is scratch, thrown away on the next open. Each index knows the sequence number that
    it has applied: where one is damaged, it alone is made anew.
    """

    def __init__(
        self, folder: Path, dimensions: int, checkpoint: Checkpoint | None, *, in_memory: bool = False
    ) -> None:
        """Opens what the catalogue vouches for; an index that is damaged, or not vouched for, begins empty.

        in_memory: both begin empty, and nothing of the disk is touched.
        """
        self._folder, self._dimensions = folder, dimensions
        self._reading = threading.Lock()
        self._hashes: dict[str, str] = {}  # of Tantivy's files that never change, as they were once vouched for
        self._live = self.in_memory = in_memory
        self.saved_sequence = checkpoint.sequence if checkpoint else 0
        self.unsaved_chunks = 0  # added since then
        self._dense, self._dense_sequence = DenseIndex(dimensions), 0
        if in_memory:
            self._keyword, self._keyword_sequence = KeywordIndex(None), 0
            return
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        self.discard_all_but(checkpoint)
        remove(folder / LIVE)
        if checkpoint is None or not self._load_keyword(checkpoint):
            self._start_empty()
        if checkpoint is not None:
            self._load_dense(checkpoint)
            if self.sequence != checkpoint.sequence:
                self._go_live()  # what is left of it is kept there
                self.discard_all_but(None)

    @property
    def sequence(self) -> int:
        return min(self._dense_sequence, self._keyword_sequence)

    @property
    def wants_rebuild(self) -> bool:
        """Whether so much was deleted that the statistics should be made anew."""
        return self._keyword.deleted_share > _MAX_DELETED_SHARE

    def catch_up(self, changes_since: Callable[[int], Iterator[Change]]) -> None:
        """Applies what it lacks, to each index what that one lacks. Raises as `apply`."""
        if self._dense_sequence == self._keyword_sequence:
            for change in changes_since(self.sequence):
                self.apply(change)
            return
        for change in changes_since(self._dense_sequence):
            self._apply_dense(change)
        for change in changes_since(self._keyword_sequence):
            self._write_keyword(change)
            self._refresh_keyword(change)
        if self._dense_sequence != self._keyword_sequence:
            raise IndexFailedError(f"the catalogue was changed while one index in {self._folder} was made anew")

    @property
    def has_removed(self) -> bool:
        """Whether the statistics are not quite those of indexes made anew, since chunks were taken out."""
        return self._keyword.has_removed

    @property
    def chunks(self) -> int:
        """How many are searchable."""
        return self._keyword.chunks

    def apply(self, change: Change) -> None:
        self._write_keyword(change)
        with self._reading:
            self._apply_dense(change)
            self._refresh_keyword(change)
        reach("index.applied")

    def settle(self) -> None:
        """Waits for what the last change left to be done beside searches. Raises IndexFailedError, as `apply`."""
        if self._keyword.settle():
            with self._reading:
                self._keyword.refresh()

    def close(self) -> None:
        """Nothing writes to its folder any more."""
        with suppress(IndexFailedError):
            self._keyword.settle()

    def _write_keyword(self, change: Change) -> None:
        self.unsaved_chunks += len(change.chunks)
        if change.removed or change.chunks:
            self._go_live()
            self._keyword.write(change.removed, change.chunks)
            reach("keyword.written")

    def _refresh_keyword(self, change: Change) -> None:
        self._keyword.refresh()
        self._keyword_sequence = change.sequence

    def _apply_dense(self, change: Change) -> None:
        self._dense.remove(change.removed)
        self._dense.add(change.rows, change.vectors)
        self._dense_sequence = change.sequence

    def candidates(
        self,
        vector: FloatArray | None,
        words: Sequence[str],
        *,
        depth: int,
        members: IntArray | None = None,
        exact: bool = False,
    ) -> Candidates:
        """exact: the vectors are searched without codes, however many there are."""
        nothing = np.empty(0, np.int64)
        with self._reading:
            self._keyword.check_untouched()
            self._dense.check_untouched()
            near, exhausted = nothing, True
            if vector is not None:
                near, _, exhausted = self._dense.search(vector, depth, members, exact=exact)
            said, said_bm25 = self._keyword.search(words, depth, members)
            numbers = np.union1d(near, said)
            bm25, at = np.zeros(len(numbers), np.float32), np.searchsorted(numbers, said)
            others = np.delete(np.arange(len(numbers)), at)
            bm25[at] = said_bm25
            bm25[others] = self._keyword.score(words, numbers[others])
            closeness = self._keyword.closeness(words, numbers)
            bm25 *= 1 + NEAR_SHARE * closeness
            said = said[np.lexsort((said, -bm25[at]))]
            return Candidates(
                numbers=numbers,
                members=self._dense.members(numbers),
                # codes may have missed a chunk's best window, so what they found is scored like the others
                cosines=np.zeros(len(numbers), np.float32) if vector is None else self._dense.score(vector, numbers),
                embedding_ranks=_ranks(near, numbers),
                bm25=bm25,
                closeness=closeness,
                text_ranks=_ranks(said, numbers),
                highest=self._keyword.highest(words),
                exhausted=exhausted and (vector is not None or len(said) < depth),
            )

    def languages(self) -> Sequence[str]:
        with self._reading:
            return self._keyword.languages

    def index_info(self) -> IndexInfo:
        """How the vectors are searched, measured now; searches go on meanwhile."""
        return measured(self._dense, self._reading)

    def centres(self, numbers: IntArray) -> FloatArray:
        with self._reading:
            return self._dense.centres(numbers)

    def windows(self, vector: FloatArray, numbers: IntArray) -> list[FloatArray]:
        with self._reading:
            return self._dense.windows(vector, numbers)

    def checkpoint(self, *, lists: bool = True) -> Checkpoint:
        self.settle()
        self._keyword.check_untouched()
        name = f"{_CHECKPOINT}{self.sequence}-{secrets.token_hex(4)}"
        target = self._folder / name
        with temporary_sibling(target) as folder:
            self._copy_keyword(folder / _KEYWORD)
            reach("checkpoint.copied")
            carried = self._dense.save(folder, lists=lists)
            reach("checkpoint.saved")
            written = sorted(path for path in folder.rglob("*") if path.is_file())
            for path in (*written, folder / _KEYWORD, folder):
                fsync_path(path) if path.is_file() else fsync_folder(path)
            names = {path.relative_to(folder).as_posix(): path for path in written}
            files = {name: carried.get(name) or sha256_of(path) for name, path in names.items()}
            self._check_unchanged(files)
            reach("checkpoint.synced")
            folder.rename(target)
            reach("checkpoint.renamed")
        fsync_folder(self._folder)
        reach("checkpoint.durable")
        dense = DenseIndex.load(target, self._dimensions, files)
        with self._reading:
            self._dense = dense  # what was in memory is mapped
        self._hashes = _unchanging(files)
        self.saved_sequence, self.unsaved_chunks = self.sequence, 0
        return Checkpoint(name, self.sequence, files)

    def unlisted(self) -> Segment | None:
        """A segment of the dense index whose codes should stand in lists: it never changes, so that can wait."""
        with self._reading:
            return self._dense.unlisted()

    def take_codes(self, made_of: Segment, codes: Codes) -> bool:
        """As that of the dense index; searches go on with either."""
        with self._reading:
            return self._dense.take_codes(made_of, codes)

    def _check_unchanged(self, files: Mapping[str, str]) -> None:
        """What was vouched for once is not vouched for anew with another content."""
        for name, sha256 in self._hashes.items():
            if files.get(name, sha256) != sha256:
                raise IndexFailedError(f"{self._folder}: {name} was changed since it was written")

    def contents(self) -> tuple[IntArray, FloatArray, IntArray]:
        with self._reading:
            self._keyword.check_untouched()
            self._dense.check_untouched()
            return self._dense.rows, self._dense.vectors(), self._keyword.chunk_numbers()

    def discard_all_but(self, checkpoint: Checkpoint | None) -> None:
        """Removes the checkpoints that the catalogue does not vouch for."""
        for path in self._folder.glob(f"{_CHECKPOINT}*"):
            if checkpoint is None or path.name != checkpoint.folder:
                remove(path)

    def _load_keyword(self, checkpoint: Checkpoint) -> bool:
        folder = self._folder / checkpoint.folder
        try:
            _check_files(folder, {name: value for name, value in checkpoint.files.items() if _is_keyword(name)})
            self._keyword = KeywordIndex(folder / _KEYWORD)
        except (IndexFailedError, OSError) as error:
            log.warning("the keyword index is made anew from the catalogue: %s", error)
            return False
        self._keyword_sequence, self._hashes = checkpoint.sequence, _unchanging(checkpoint.files)
        return True

    def _load_dense(self, checkpoint: Checkpoint) -> None:
        folder = self._folder / checkpoint.folder
        files = {name: value for name, value in checkpoint.files.items() if not _is_keyword(name)}
        try:
            if self._keyword.languages and any((folder / name).stat().st_size > _LARGE_BYTES for name in files):
                warm_up()
            _check_files(folder, files)
            self._dense = DenseIndex.load(folder, self._dimensions, checkpoint.files)
        except (IndexFailedError, OSError) as error:
            log.warning("the dense index is made anew from the catalogue: %s", error)
            return
        self._dense_sequence = checkpoint.sequence

    def _start_empty(self) -> None:
        remove(self._folder / LIVE)
        self._keyword = KeywordIndex(self._folder / LIVE)
        self._live = True
        self._keyword_sequence = 0

    def _go_live(self) -> None:
        if self._live:
            return
        self._copy_keyword(self._folder / LIVE)
        keyword = KeywordIndex(self._folder / LIVE)
        with self._reading:
            self._keyword, self._live = keyword, True

    def _copy_keyword(self, target: Path) -> None:
        """The keyword index a second time: Tantivy never changes a segment's file, but replaces its lists of them."""
        target.mkdir(parents=True)
        for path in self._keyword.files():
            copy = shutil.copyfile if path.suffix == ".json" else link_or_copy
            copy(path, target / path.name)


def _check_files(folder: Path, files: Mapping[str, str]) -> None:
    """Raises IndexFailedError, OSError where one is not as it was vouched for."""
    found = sha256s_of([folder / name for name in files])
    for (name, sha256), now in zip(files.items(), found, strict=True):
        if now != sha256:
            raise IndexFailedError(f"{folder / name} was changed after it was written")


def _is_keyword(name: str) -> bool:
    return name.startswith(f"{_KEYWORD}/")


def _unchanging(files: Mapping[str, str]) -> dict[str, str]:
    """Those of Tantivy but for its lists of segments."""
    return {name: value for name, value in files.items() if _is_keyword(name) and not name.endswith(".json")}


def _ranks(ranking: IntArray, numbers: IntArray) -> IntArray:
    """The rank from 1 of each of `numbers`, which hold all of `ranking`; 0 where it is not in it."""
    ranks = np.zeros(len(numbers), np.int64)
    ranks[np.searchsorted(numbers, ranking)] = np.arange(1, len(ranking) + 1)
    return ranks
