"""Places where the crash tests let the process die or the disk fail. Nothing happens unless one is switched on.

`VECSTORE_FAILPOINT=NAME:HIT` in the environment of a new process kills it, as `kill -9` does, when it comes to that
place for the HIT-th time; `NAME:HIT:ENOSPC` lets the disk fail there with that error instead. `vecstore failpoints`
lists the names.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "VECSTORE_FAILPOINT"

# Transactions of the catalogue: each has a failpoint before it is committed, and one after.
TRANSACTIONS = (
    "upload",  # the row of an uploaded file
    "upload.create",  # an upload in parts
    "upload.part",
    "upload.complete",
    "upload.cancel",
    "file.delete",
    "store.create",
    "store.update",
    "store.delete",
    "index.commit",  # files become searchable
    "index.detach",
    "index.attributes",
    "index.quarantine",  # a file whose rows are damaged is in no result any more
    "index.checkpoint",  # the row that vouches for index files
    "batch.create",
    "batch.cancel",
    "batch.died",  # files that a process was parsing when it was killed
    "batch.commit",  # files of a batch become searchable
    "check.recount",  # counts, bytes and the ledger's level are put right
    "expiry.store",
    "expiry.upload",
    "import.store",  # a vector store out of an archive
    "meter.calls",  # searches and activity
    "meter.marks",  # the roll-up of the ledger
)
STEPS = (
    "disk.fsync",  # of any file or folder but SQLite's
    "open.locked",  # the data folder is this process's; nothing was read yet
    "blob.received",  # under a temporary name, not durable
    "blob.synced",
    "blob.renamed",  # its folder is not durable
    "blob.kept",
    "blob.delete",  # no row wants it; it is still there
    "read.parsed",
    "read.embedded",
    "keyword.written",  # Tantivy has committed; searches do not see it
    "index.applied",
    "checkpoint.copied",  # the keyword index, under a temporary name
    "checkpoint.saved",  # the dense index too; nothing is durable
    "checkpoint.synced",
    "checkpoint.renamed",
    "checkpoint.durable",  # not vouched for yet
    "checkpoint.discard",  # vouched for; older ones are still there
    "rebuild.begun",  # the old indexes are not vouched for any more
    "store.folder",  # the vector store is deleted, its index files are still there
    "migration.copied",  # the catalogue as it was is kept
    "migration.commit",  # of each
    "migration.committed",
    "close.flushed",
    "backup.catalog",  # the copy of the catalogue, under a temporary name
    "backup.contents",  # all contents are in the backup
    "backup.written",  # the manifest too; neither is durable
    "backup.synced",
    "backup.renamed",
    "backup.durable",
    "backup.dropped",  # a snapshot that is not kept; its contents are still there
    "backup.swept",
    "restore.begun",  # the folder is locked, and empty
    "restore.catalog",  # under a temporary name, verified
    "restore.contents",  # all of them, verified; still no data folder
    "restore.renamed",
    "restore.durable",
    "export.catalog",  # the archive's catalogue and contents, in a temporary folder
    "export.written",  # the archive, under a temporary name, not durable
    "export.synced",
    "export.renamed",
    "export.durable",
    "import.catalog",  # in a temporary folder, not looked at
    "import.contents",  # all of them are blobs; no row wants them
)


def names() -> list[str]:
    """Every failpoint."""
    return sorted([*STEPS, *(f"{name}.{when}" for name in TRANSACTIONS for when in ("begun", "done"))])


class _Armed:
    """One failpoint that is switched on."""

    def __init__(self, name: str, hit: int, error: int | None) -> None:
        if name not in names():
            raise ValueError(f"{VARIABLE}: there is no failpoint {name!r}; 'vecstore failpoints' lists them")
        self.name = name
        self._left, self._error, self._guard = hit, error, threading.Lock()

    def hit(self) -> None:
        with self._guard:
            self._left -= 1
            if self._left != 0:
                return
        if self._error is not None:
            raise OSError(self._error, os.strerror(self._error), f"failpoint {self.name}")
        os.kill(os.getpid(), signal.SIGKILL)


def _parsed(text: str | None) -> _Armed | None:
    if not text:
        return None
    name, hit, error, *_ = [*text.split(":"), "", ""]
    return _Armed(name, int(hit or 1), getattr(errno, error) if error else None)


_armed = _parsed(os.environ.get(VARIABLE))


def switch_on(text: str) -> None:
    """As if this process had begun with it in its environment. Raises ValueError for a name there is not."""
    global _armed  # noqa: PLW0603 - one a process
    _armed = _parsed(text)


def reach(name: str) -> None:
    """The process has come to this place."""
    if _armed is not None and _armed.name == name:
        _armed.hit()


@contextmanager
def failing(name: str, error: int, *, hit: int = 1) -> Iterator[None]:
    """Meanwhile the disk fails with that errno at this place, once. For tests in one process."""
    global _armed  # noqa: PLW0603 - as it is at the start of a process
    before, _armed = _armed, _Armed(name, hit, error)
    try:
        yield
    finally:
        _armed = before
