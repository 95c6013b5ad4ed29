"""The open indexes of many vector stores: opened when needed, brought up to date, closed when idle."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vecstore.catalog import Catalog
from vecstore.errors import IndexFailedError, NotFoundError, StorageError
from vecstore.failpoints import reach
from vecstore.files import remove
from vecstore.index import LocalShard

MAX_OPEN = 256  # an open Tantivy index has some nine memory maps a segment
CHECKPOINT_EVERY = 500  # changes of one store; a crash replays no more than these

log = logging.getLogger(__name__)


class Shards:
    """One shard a vector store, opened lazily. Thread-safe; writers of one store take turns."""

    def __init__(self, folder: Path, catalog: Catalog, *, max_open: int = MAX_OPEN) -> None:
        self._folder, self._catalog, self._max_open = folder, catalog, max_open
        self._open: OrderedDict[str, LocalShard] = OrderedDict()
        self._locks: dict[str, threading.RLock] = {}
        self._writers: dict[str, int] = {}  # the thread that is at each store
        self._guard = threading.Lock()
        self._moved_on = threading.Condition(self._guard)

    def get(self, store_id: str, *, sequence: int = 0) -> LocalShard:
        """The shard with every change up to the catalogue's `sequence`, at least. Raises NotFoundError.

        What was committed and is being applied is waited for, but not the writers that come after it.
        """
        this = threading.get_ident()
        with self._moved_on:
            while True:
                shard = self._open.get(store_id)
                if shard is not None and shard.sequence >= sequence:
                    self._open.move_to_end(store_id)
                    return shard
                if self._writers.get(store_id, this) == this:
                    break
                self._moved_on.wait()
        with self._lock(store_id):
            return self._up_to_date(store_id)

    @contextmanager
    def writing(self, store_id: str) -> Iterator[None]:
        """For a commit to one store: alone at it, and its indexes are up to date at the end."""
        with self._lock(store_id), self._writer(store_id):
            try:
                yield
            except BaseException:
                self._forget(store_id)  # perhaps after the commit: then the next call replays it
                raise
            try:
                shard = self._up_to_date(store_id)
            except NotFoundError:
                return  # deleted while this one waited for it
            if shard.sequence - self._checkpointed(store_id) >= CHECKPOINT_EVERY:
                self._try_checkpoint(store_id, shard)

    @contextmanager
    def _writer(self, store_id: str) -> Iterator[None]:
        with self._guard:
            before = self._writers.get(store_id)
            self._writers[store_id] = threading.get_ident()
        try:
            yield
        finally:
            with self._moved_on:
                if before is None:
                    del self._writers[store_id]
                self._moved_on.notify_all()

    @contextmanager
    def deleting(self, store_id: str) -> Iterator[None]:
        """For the deletion of a store: its indexes go after it."""
        with self._lock(store_id):
            yield
            self._forget(store_id)
            reach("store.folder")
            remove(self.folder(store_id))
            with self._guard:
                self._locks.pop(store_id, None)

    @contextmanager
    def alone(self, store_id: str) -> Iterator[None]:
        """No write to this store goes on meanwhile."""
        with self._lock(store_id):
            yield

    def reopen(self, store_id: str) -> None:
        """Drops a shard that failed; the next call makes it again from what the catalogue has."""
        with self._lock(store_id):
            self._forget(store_id)

    def refresh(self, store_id: str) -> None:
        """Waits for a write under way and brings the indexes up to date with what was committed elsewhere."""
        with self._lock(store_id):
            self._up_to_date(store_id)

    def folder(self, store_id: str) -> Path:
        """Where a vector store's index files lie."""
        return self._folder / store_id

    def rebuild(self, store_id: str) -> None:
        """Throws the indexes away and makes them anew from the catalogue, without parsing or embedding."""
        with self._lock(store_id):
            self._forget(store_id)
            self._catalog.set_checkpoint(store_id, None)
            reach("rebuild.begun")
            self._checkpoint(store_id, self._up_to_date(store_id))

    def stray_folders(self) -> list[Path]:
        """Index folders of vector stores that the catalogue does not know."""
        known = {store.id for store in self._catalog.vector_stores()}
        return sorted(path for path in self._folder.glob("*") if path.name not in known)

    def close(self) -> None:
        """Waits for writers, checkpoints what has changed, and forgets all shards."""
        for store_id in list(self._locks):
            self._close(store_id)

    def _up_to_date(self, store_id: str) -> LocalShard:
        """Called under the store's lock. A shard that fails is dropped and made again, once."""
        try:
            return self._caught_up(store_id)
        except (IndexFailedError, OSError) as error:
            log.warning("vector store %s: %s; its indexes are opened again", store_id, error)
            self._forget(store_id)
            return self._caught_up(store_id)
        except BaseException:
            self._forget(store_id)  # interrupted halfway: what it holds is not known
            raise

    def _caught_up(self, store_id: str) -> LocalShard:
        store = self._catalog.vector_store(store_id)
        shard = self._open.get(store_id)
        if shard is None:
            checkpoint = self._catalog.checkpoint(store_id)
            shard = LocalShard(self.folder(store_id), store.dimensions, checkpoint)
            if checkpoint is not None and shard.sequence != checkpoint.sequence:
                self._catalog.set_checkpoint(store_id, None)  # damaged: no longer vouched for, written anew later
        if shard.sequence < store.sequence:
            for change in self._catalog.changes_since(store_id, shard.sequence):
                shard.apply(change)
        with self._moved_on:
            self._open[store_id] = shard
            self._open.move_to_end(store_id)
            self._moved_on.notify_all()
            idle = next(iter(self._open)) if len(self._open) > self._max_open else None
        if idle is not None and idle != store_id:
            self._close(idle, wait=False)
        return shard

    def _checkpointed(self, store_id: str) -> int:
        checkpoint = self._catalog.checkpoint(store_id)
        return checkpoint.sequence if checkpoint else 0

    def _try_checkpoint(self, store_id: str, shard: LocalShard) -> None:
        """A checkpoint only saves time: without one, the next open replays the catalogue."""
        try:
            self._checkpoint(store_id, shard)
        except (IndexFailedError, NotFoundError, StorageError, OSError) as error:
            log.warning("vector store %s: its indexes were not written down: %s", store_id, error)

    def _checkpoint(self, store_id: str, shard: LocalShard) -> None:
        if shard.wants_rebuild:
            self._forget(store_id)
            self._catalog.set_checkpoint(store_id, None)
            shard = self._up_to_date(store_id)
        checkpoint = shard.checkpoint()
        self._catalog.set_checkpoint(store_id, checkpoint)
        reach("checkpoint.discard")
        shard.discard_all_but(checkpoint)

    def _close(self, store_id: str, *, wait: bool = True) -> None:
        lock = self._lock(store_id)
        if not lock.acquire(blocking=wait):
            return  # somebody is at it, so it is not idle
        try:
            shard = self._open.get(store_id)
            if shard is not None and shard.sequence != self._checkpointed(store_id):
                self._try_checkpoint(store_id, shard)
            self._forget(store_id)
        finally:
            lock.release()

    def _forget(self, store_id: str) -> None:
        with self._guard:
            self._open.pop(store_id, None)

    def _lock(self, store_id: str) -> threading.RLock:
        with self._guard:
            return self._locks.setdefault(store_id, threading.RLock())
