"""The parts of an open data folder, as the engine and its vector stores share them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from ingestion.worker import Workers
from vecstore.activity import Activity
from vecstore.blobs import Blobs
from vecstore.catalog import Catalog
from vecstore.disk import WriteGate
from vecstore.embed import Embedder, RecentQueries
from vecstore.errors import EmbedderMismatchError, ExpiredError, NotFoundError, StorageError, VecstoreError
from vecstore.folder import DataFolder
from vecstore.progress import Board
from vecstore.rank import Reranker
from vecstore.reading import Reader
from vecstore.rewriters import Rewriter
from vecstore.shards import Shards
from vecstore.types import Expired, VectorStoreInfo


@dataclass(frozen=True, slots=True)
class Parts:
    """`clock` gives Unix seconds. `contents` is held while blobs change together with the rows that want them.

    `unswept` are contents that the disk refused to delete. `waking` is set when there is something for the job
    loop to do, `working` while it is at it; `board` shows what it does.
    """

    folder: DataFolder
    catalog: Catalog
    blobs: Blobs
    gate: WriteGate
    shards: Shards
    embedder: Embedder
    recent_queries: RecentQueries
    reranker: Reranker | None
    rewriter: Rewriter
    workers: Workers
    reader: Reader
    activity: Activity
    clock: Callable[[], float]
    board: Board = field(default_factory=Board)
    waking: threading.Event = field(default_factory=threading.Event)
    working: threading.Event = field(default_factory=threading.Event)
    contents: threading.RLock = field(default_factory=threading.RLock)
    unswept: set[str] = field(default_factory=set)
    closed: threading.Event = field(default_factory=threading.Event)

    def now(self) -> int:
        """The time in whole Unix seconds."""
        return int(self.clock())

    def check_open(self) -> None:
        """Raises VecstoreError once the engine is closed."""
        if self.closed.is_set():
            raise VecstoreError(f"the engine on {self.folder.path} is closed")

    @property
    def is_working(self) -> bool:
        """Whether the job loop is at what batches have left to do, or about to be."""
        return self.waking.is_set() or self.working.is_set()

    def begin(self) -> None:
        """What every call on the engine does first: once closed it raises; and what has expired is gone.

        Raises StorageError where something must go and the disk says no: nobody is shown what has expired.
        """
        self.check_open()
        self.expire()

    def expire(self) -> list[Expired]:
        """Takes out what has expired by now, each as of its second; in that order."""
        now = self.now()
        if not self.catalog.expiring.due(now):
            return []
        self.activity.flush()  # which may put off the end of some
        return [each for each in self.catalog.expiring.due(now) if self._expired(each, now)]

    def _expired(self, due: Expired, now: int) -> bool:
        if due.kind == "vector_store":
            with self.shards.writing(due.id):
                return self.catalog.expiring.expire_store(due.id, now=now)
        if due.kind == "file":
            with suppress(NotFoundError):  # deleted meanwhile
                self.remove_file(due.id, at=due.expired_at)
                return True
            return False
        contents: list[str] = []
        with self.sweeping(contents):
            contents += self.catalog.expiring.expire_upload(due.id, now=now)
        return True

    def remove_file(self, file_id: str, *, at: int) -> None:
        """Takes the file out of every vector store and forgets it, as of `at`. Raises NotFoundError."""
        stored = self.catalog.file(file_id)
        with ExitStack() as writing:
            # in one order, so that two deletions do not wait for each other
            held = sorted(self.catalog.holders(file_id))
            for store_id in held:
                writing.enter_context(self.shards.writing(store_id))
            with self.sweeping([stored.sha256]):
                gone_from = self.catalog.delete_file(file_id, now=at)
        for store_id in set(gone_from) - set(held):  # attached meanwhile
            with suppress(NotFoundError):
                self.shards.refresh(store_id)

    def usable_store(self, store_id: str) -> VectorStoreInfo:
        """The vector store, if it has not expired and its vectors are this embedder's.

        Raises NotFoundError, ExpiredError, EmbedderMismatchError.
        """
        self.begin()
        info = self.catalog.vector_store(store_id)
        if info.status == "expired":
            raise ExpiredError(f"Vector store '{store_id}' has expired.")  # OpenAI's wording
        given = self.embedder
        if info.embedder != given.identity or info.dimensions != given.dimensions:
            raise EmbedderMismatchError(
                f"vector store {info.name or info.id!r} was made with the embedder {info.embedder} "
                f"({info.dimensions} dimensions) and cannot be used with {given.identity} ({given.dimensions})"
            )
        return info

    @contextmanager
    def sweeping(self, contents: Iterable[str]) -> Iterator[None]:
        """Afterwards, done or interrupted, those of these contents that no file wants are gone. Holds `contents`.

        One that the disk refuses to delete is tried again by the next sweep. Where the disk can write no more
        they stay: who opens the folder next sweeps them out.
        """
        with self.contents:
            self.check_open()
            try:
                yield
            finally:
                for sha256 in () if self.gate.is_shut else tuple(self.unswept):
                    with suppress(StorageError):
                        self._sweep(sha256)
                self.unswept.update(contents)
                for sha256 in () if self.gate.is_shut else contents:
                    self._sweep(sha256)

    def _sweep(self, sha256: str) -> None:
        if not self.catalog.blob_in_use(sha256):
            self.blobs.delete(sha256)
        self.unswept.discard(sha256)
