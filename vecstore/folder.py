"""A data folder: where its parts lie, and the lock that keeps a second process out."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vecstore.errors import FolderInUseError, FormatError
from vecstore.files import make_folder

_CATALOG, _LOCK, _OWNER = "catalog.db", "lock", "lock.owner"


class DataFolder:
    """Held by this process until `release`. Raises FolderInUseError when another one has it.

    Raises FormatError when the folder has other things in it, or does not exist and `create` is false.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        if not self.catalog.exists():
            _check_empty(path, create=create)
        make_folder(path)
        self.interrupted = False  # whether the last process that had it could not let go of it
        self._lock = FileLock(path / _LOCK, timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise FolderInUseError(
                f"{path} is open in another process{_owner(path)}; wait until it is done, or stop it."
            ) from None
        self.interrupted = (path / _OWNER).exists()
        (path / _OWNER).write_text(str(os.getpid()))

    @property
    def catalog(self) -> Path:
        return self.path / _CATALOG

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def stores(self) -> Path:
        return self.path / "stores"

    def release(self) -> None:
        (self.path / _OWNER).unlink(missing_ok=True)
        self._lock.release()


def _check_empty(path: Path, *, create: bool) -> None:
    if not create and not path.is_dir():
        raise FormatError(f"there is no data folder at {path}")
    if path.exists() and not path.is_dir():
        raise FormatError(f"{path} is not a folder")
    others = sorted(each.name for each in path.glob("*") if each.name not in (_LOCK, _OWNER)) if path.exists() else []
    if others or not create:
        found = f": it holds {others[0]!r} but no {_CATALOG}" if others else ": it is empty"
        raise FormatError(f"{path} is not a data folder of vecstore{found}")


def _owner(path: Path) -> str:
    with suppress(OSError):
        if owner := (path / _OWNER).read_text():
            return f" (process {owner})"
    return ""
