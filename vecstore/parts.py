"""The parts of an open data folder, as the engine and its vector stores share them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ingestion.worker import Workers
from vecstore.blobs import Blobs
from vecstore.catalog import Catalog
from vecstore.embed import Embedder
from vecstore.errors import EmbedderMismatchError, VecstoreError
from vecstore.folder import DataFolder
from vecstore.rank import Reranker
from vecstore.shards import Shards
from vecstore.types import VectorStoreInfo


@dataclass(frozen=True, slots=True)
class Parts:
    """`clock` gives Unix seconds. `contents` is held while blobs change together with the rows that want them."""

    folder: DataFolder
    catalog: Catalog
    blobs: Blobs
    shards: Shards
    embedder: Embedder
    reranker: Reranker | None
    workers: Workers
    clock: Callable[[], float]
    contents: threading.RLock = field(default_factory=threading.RLock)
    closed: threading.Event = field(default_factory=threading.Event)

    def now(self) -> int:
        """The time in whole Unix seconds."""
        return int(self.clock())

    def check_open(self) -> None:
        """Raises VecstoreError once the engine is closed."""
        if self.closed.is_set():
            raise VecstoreError(f"the engine on {self.folder.path} is closed")

    def usable_store(self, store_id: str) -> VectorStoreInfo:
        """The vector store, if its vectors are this embedder's. Raises EmbedderMismatchError, NotFoundError."""
        self.check_open()
        info = self.catalog.vector_store(store_id)
        given = self.embedder
        if info.embedder != given.identity or info.dimensions != given.dimensions:
            raise EmbedderMismatchError(
                f"vector store {info.name or info.id!r} was made with the embedder {info.embedder} "
                f"({info.dimensions} dimensions) and cannot be used with {given.identity} ({given.dimensions})"
            )
        return info

    @contextmanager
    def sweeping(self, contents: Iterable[str]) -> Iterator[None]:
        """Afterwards, done or interrupted, those of these contents that no file wants are gone. Holds `contents`."""
        with self.contents:
            self.check_open()
            try:
                yield
            finally:
                for sha256 in contents:
                    if not self.catalog.blob_in_use(sha256):
                        self.blobs.delete(sha256)
