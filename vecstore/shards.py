"""The open indexes of many vector stores: opened when needed, brought up to date, closed when idle."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from vecstore.catalog import Catalog
from vecstore.disk import SyncFailedError, refusals, storage_error
from vecstore.errors import IndexFailedError, NotFoundError, StorageError, VecstoreError
from vecstore.failpoints import reach
from vecstore.files import remove, temporary_sibling
from vecstore.index import Codes, LocalShard, Segment

MAX_OPEN = 256  # an open Tantivy index has some nine memory maps a segment
CHECKPOINT_EVERY = 500  # changes of one store; a crash replays no more than these
CHECKPOINT_CHUNKS = 4_000  # added in them, or a hundredth of the store's where that is more: two seconds of replay

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
        self._listing: dict[str, threading.Thread] = {}  # at the codes of these stores

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
            self._checkpoint_if_due(store_id, self._up_to_date(store_id))  # so that nobody replays as much again
            return self._up_to_date(store_id)

    @contextmanager
    def writing(self, store_id: str) -> Iterator[None]:
        """For a commit to one store: alone at it, and its indexes are up to date at the end."""
        with self._lock(store_id), self._writer(store_id):
            self._settle(store_id)  # before the commit, after which searches wait for the indexes
            try:
                yield
            except BaseException:
                self._forget_unless_current(store_id)  # perhaps after the commit: then the next call replays it
                raise
            try:
                shard = self._up_to_date(store_id)
            except NotFoundError:
                return  # deleted while this one waited for it
            self._checkpoint_if_due(store_id, shard)
        self._settle_later(store_id)

    def _settle_later(self, store_id: str) -> None:
        """Merging segments takes up to seconds, for which neither searches nor this writer wait."""

        def settle() -> None:
            if store_id in self._open:
                with self._lock(store_id):
                    self._settle(store_id)

        with suppress(RuntimeError):  # no more threads are to be had: the next writer waits for it
            threading.Thread(target=settle, name="vecstore-merges", daemon=True).start()

    def _settle(self, store_id: str) -> None:
        """Called under the store's lock. What fails is made again when it is needed."""
        shard = self._open.get(store_id)
        try:
            if shard is not None:
                shard.settle()
        except IndexFailedError as error:
            log.warning("vector store %s: %s; its indexes are opened again", store_id, error)
            self._forget(store_id)

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
            try:
                reach("store.folder")
                remove(self.folder(store_id))
            except OSError as error:  # it is deleted all the same; `check` names what is left
                log.warning("vector store %s is deleted, but not its index files: %s", store_id, error)
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

    def set_aside_damaged(self, store_id: str, error: StorageError) -> None:
        """After this error: the store's files that are damaged in the catalogue are in no result any more.

        Raises the error where that is not what it says, or none is found.
        """
        with self.alone(store_id):
            self._set_aside_damaged(store_id, error)

    def _set_aside_damaged(self, store_id: str, error: StorageError) -> None:
        if error.code != "damaged" or not self._catalog.damage.quarantine(store_id):
            raise error

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
            with self._forgetting(store_id), refusals(f"the indexes of vector store {store_id} cannot be written"):
                reach("rebuild.begun")
                self._checkpoint(store_id, self._up_to_date(store_id))

    @contextmanager
    def rebuilt_aside(self, store_id: str) -> Iterator[LocalShard]:
        """Indexes as the catalogue makes them now, beside those in use, and gone afterwards. Raises StorageError."""
        store = self._catalog.vector_store(store_id)
        what = f"the indexes of vector store {store_id} cannot be made a second time"
        with refusals(what), temporary_sibling(self.folder(store_id) / "aside") as folder:
            shard = LocalShard(folder, store.dimensions, None)
            with closing(shard):
                shard.catch_up(partial(self._catalog.changes_since, store_id))
                yield shard

    def stray_folders(self) -> list[Path]:
        """Index folders of vector stores that the catalogue does not know."""
        known = {store.id for store in self._catalog.vector_stores()}
        return sorted(path for path in self._folder.glob("*") if path.name not in known)

    def close(self) -> None:
        """Waits for writers, checkpoints what has changed, and forgets all shards."""
        with self._guard:
            at_work = list(self._listing.values())
        for thread in at_work:
            thread.join()
        for store_id in list(self._locks):
            self._close(store_id)

    def _up_to_date(self, store_id: str) -> LocalShard:
        """Called under the store's lock. Files that are damaged in the catalogue are left out. Raises as `_opened`."""
        try:
            return self._opened(store_id)
        except StorageError as error:
            self._set_aside_damaged(store_id, error)
        return self._opened(store_id)

    def _opened(self, store_id: str) -> LocalShard:
        """A shard that fails is dropped and made again, at last in memory.

        So a disk that takes nothing keeps nobody from searching. Raises IndexFailedError, StorageError.
        """
        for _ in range(2):
            try:
                with self._forgetting(store_id):
                    return self._caught_up(store_id, in_memory=False)
            except (IndexFailedError, OSError) as error:
                log.warning("vector store %s: %s; its indexes are opened again", store_id, error)
            except MemoryError as error:
                raise storage_error(f"the indexes of vector store {store_id} cannot be opened", error) from error
        log.warning("vector store %s: its indexes are made anew in memory until the disk takes them", store_id)
        with self._forgetting(store_id), refusals(f"the indexes of vector store {store_id} cannot be opened"):
            return self._caught_up(store_id, in_memory=True)

    def _caught_up(self, store_id: str, *, in_memory: bool) -> LocalShard:
        store = self._catalog.vector_store(store_id)
        shard = self._open.get(store_id)
        if shard is None:
            checkpoint = self._catalog.checkpoint(store_id)
            shard = LocalShard(self.folder(store_id), store.dimensions, checkpoint, in_memory=in_memory)
            if checkpoint is not None and shard.sequence != checkpoint.sequence and not in_memory:
                self._disown(store_id)
        if shard.sequence < store.sequence:
            try:
                shard.catch_up(partial(self._catalog.changes_since, store_id))
            except BaseException:
                shard.close()
                raise
        with self._moved_on:
            self._open[store_id] = shard
            self._open.move_to_end(store_id)
            self._moved_on.notify_all()
            idle = next(iter(self._open)) if len(self._open) > self._max_open else None
        if idle is not None and idle != store_id:
            self._close(idle, wait=False)
        return shard

    def _disown(self, store_id: str) -> None:
        """A damaged checkpoint is not vouched for any more, and written anew later."""
        try:
            self._catalog.set_checkpoint(store_id, None)
        except StorageError as error:  # then the next one who opens it finds out, too
            log.warning("vector store %s: its damaged checkpoint is still listed: %s", store_id, error)

    def _checkpointed(self, store_id: str) -> int:
        checkpoint = self._catalog.checkpoint(store_id)
        return checkpoint.sequence if checkpoint else 0

    def _checkpoint_if_due(self, store_id: str, shard: LocalShard) -> None:
        much = max(CHECKPOINT_CHUNKS, shard.chunks // 100)
        if shard.sequence - shard.saved_sequence >= CHECKPOINT_EVERY or shard.unsaved_chunks >= much:
            self._try_checkpoint(store_id, shard, lists=False)
            self._list_later(store_id)

    def _list_later(self, store_id: str) -> None:
        """Codes of many rows are put into lists while searches and writers go on; nothing, if there are none such."""
        with self._guard:
            if store_id in self._listing or self._unlisted(store_id) is None:
                return
            thread = threading.Thread(target=self._list, args=(store_id,), name="vecstore-lists", daemon=True)
            self._listing[store_id] = thread
        thread.start()

    def _list(self, store_id: str) -> None:
        """Until none are left: a writer may merge a segment away while its codes are listed."""
        try:
            while (segment := self._next_to_list(store_id)) is not None:
                codes = Codes(segment.vectors)
                with self._lock(store_id):
                    shard = self._open.get(store_id)
                    if shard is not None and shard.take_codes(segment, codes):
                        self._try_checkpoint(store_id, shard, lists=False)
        except (IndexFailedError, MemoryError, OSError) as error:
            log.warning("vector store %s: its codes stay without lists for now: %s", store_id, error)
        finally:
            with self._guard:
                if self._listing.get(store_id) is threading.current_thread():
                    del self._listing[store_id]

    def _next_to_list(self, store_id: str) -> Segment | None:
        with self._guard:
            segment = self._unlisted(store_id)
            if segment is None:  # known at once to a writer who leaves another one behind
                del self._listing[store_id]
            return segment

    def _unlisted(self, store_id: str) -> Segment | None:
        shard = self._open.get(store_id)
        return shard.unlisted() if shard is not None else None

    def _try_checkpoint(self, store_id: str, shard: LocalShard, *, lists: bool, anew: bool = True) -> None:
        """A checkpoint only saves time: without one, the next open replays the catalogue.

        An fsync that fails here does not stop other writes: nothing that was promised lies in these files. But
        none of them may be vouched for later, when a second fsync would say that all is well: they are dropped.
        """
        try:
            self._checkpoint(store_id, shard, lists=lists, anew=anew)
        except (IndexFailedError, NotFoundError, StorageError, OSError, MemoryError) as error:
            log.warning("vector store %s: its indexes were not written down: %s", store_id, error)
            shard.unsaved_chunks, shard.saved_sequence = 0, shard.sequence  # tried again after as much more
            if isinstance(error, SyncFailedError | IndexFailedError):
                self._forget(store_id)

    def _checkpoint(self, store_id: str, shard: LocalShard, *, lists: bool = True, anew: bool = True) -> None:
        """anew: indexes that want it are made so before."""
        if anew and (shard.wants_rebuild or shard.in_memory):
            self._forget(store_id)
            self._catalog.set_checkpoint(store_id, None)
            shard = self._up_to_date(store_id)
        if shard.in_memory:
            raise StorageError(f"the indexes of vector store {store_id} cannot be written to {self.folder(store_id)}")
        checkpoint = shard.checkpoint(lists=lists)
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
                # who does not wait searches another one; and making these anew would open, and so close, others
                self._try_checkpoint(store_id, shard, lists=wait, anew=wait)
            self._forget(store_id)
        finally:
            lock.release()

    @contextmanager
    def _forgetting(self, store_id: str) -> Iterator[None]:
        """What fails meanwhile leaves a shard of which it is not known what it holds."""
        try:
            yield
        except BaseException:
            self._forget(store_id)
            raise

    def _forget_unless_current(self, store_id: str) -> None:
        """What was refused has changed nothing, and on a full disk the indexes may not open a second time."""
        shard = self._open.get(store_id)
        try:
            current = shard is not None and shard.sequence == self._catalog.vector_store(store_id).sequence
        except VecstoreError:
            current = False
        if not current:
            self._forget(store_id)

    def _forget(self, store_id: str) -> None:
        with self._guard:
            shard = self._open.pop(store_id, None)
        if shard is not None:
            shard.close()

    def _lock(self, store_id: str) -> threading.RLock:
        with self._guard:
            return self._locks.setdefault(store_id, threading.RLock())
