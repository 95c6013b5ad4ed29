"""What the disk refuses, as an error of ours; and the gate that is shut for good once an fsync has failed."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from vecstore.errors import StorageCode, StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_PRIMARY = 0xFF  # of SQLite's result codes; the bits above say more
_OF_SQLITE: dict[int, StorageCode] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_NOMEM: "busy",
    sqlite3.SQLITE_CANTOPEN: "busy",  # as a rule, because there are no descriptors left
}
_SYNC_FAILED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}

log = logging.getLogger(__name__)


class SyncFailedError(OSError):
    """An fsync failed: what it was to make durable may be gone, and a second one would say that all is well."""


class WriteGate:
    """Open until an fsync fails, then shut for as long as the process lives. Thread-safe.

    The system may drop the pages that it could not write and call the next fsync a success, so that nothing
    written from then on could be promised. Reads go on.
    """

    def __init__(self) -> None:
        self.why_shut = ""  # a sentence once it is

    @property
    def is_shut(self) -> bool:
        return bool(self.why_shut)

    def check(self) -> None:
        """Raises StorageError once it is shut."""
        if self.why_shut:
            raise StorageError(self.why_shut, code="stopped")

    def shut(self, error: BaseException) -> None:
        """No write passes any more."""
        if not self.why_shut:
            self.why_shut = (
                f"nothing is written any more until a restart: the disk could not make durable what it was given "
                f"({error}), and would not say so a second time. What was answered before is safe; reads go on."
            )
            log.critical("%s", self.why_shut)

    @contextmanager
    def passing(self, what: str) -> Iterator[None]:
        """For a write. Raises StorageError, which begins with `what`, for all that disk and memory refuse."""
        self.check()
        with refusals(what):
            try:
                yield
            except SyncFailedError as error:
                self.shut(error)
                self.check()

    def look_at(self, error: BaseException | None) -> None:
        """Shuts it where SQLite says that an fsync failed, and raises StorageError then."""
        if getattr(error, "sqlite_errorcode", None) in _SYNC_FAILED:
            assert error is not None
            self.shut(error)
            self.check()


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Raises StorageError, which begins with `what`, for all that disk and memory refuse meanwhile."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise storage_error(what, error) from error


def storage_error(what: str, error: BaseException | None) -> StorageError:
    """The refusal as a sentence that begins with `what`, and what kind of refusal it is."""
    said = "there is not enough memory" if isinstance(error, MemoryError) else str(error)
    return StorageError(f"{what}: {said}", code=_code_of(error))


def check_not_exhausted(what: str, error: OSError) -> None:
    """Raises StorageError where it says nothing of a file, but that this machine has no room or descriptors left."""
    refusal = storage_error(what, error)
    if refusal.code in ("full", "busy"):
        raise refusal from error


def _code_of(error: BaseException | None) -> StorageCode:
    if isinstance(error, MemoryError):
        return "busy"
    if isinstance(error, OSError):
        return "full" if error.errno in _FULL else "busy" if error.errno in _BUSY else "failed"
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_NOMEM:
        return "busy"
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # the first thing that there is no room for
        return "full"
    if code is None:  # the driver's own: text that is no UTF-8
        return "damaged" if str(error).startswith("Could not decode") else "failed"
    return _OF_SQLITE.get(code & _PRIMARY, "failed")
