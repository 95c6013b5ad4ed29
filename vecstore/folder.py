"""A data folder: where its parts lie, and the lock that keeps a second process out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vecstore.errors import FolderInUseError, FormatError
from vecstore.files import make_folder

CATALOG, _LOCK, _OWNER, _PARSING = "catalog.db", "lock", "lock.owner", "parsing"


class DataFolder:
    """Held by this process until `release`. Raises FolderInUseError when another one has it.

    Raises FormatError when the folder has other things in it, or does not exist and `create` is false.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        if not self.catalog.exists() or not self.catalog.stat().st_size:
            _check_empty(path, create=create)
        try:
            make_folder(path)
        except OSError as error:
            raise FormatError(f"no data folder can be made at {path}: {error.strerror or error}") from error
        self.interrupted = False  # whether the last process that had it could not let go of it
        self._lock = FileLock(path / _LOCK, timeout=0, thread_local=False)  # any thread may close
        try:
            self._lock.acquire()
        except Timeout:
            raise FolderInUseError(
                f"{path} is open {_owner(path)}, and only one can have it: end that one, or ask it if it is a server. "
                "'vecstore keys' and 'vecstore projects' work beside it."
            ) from None
        self.interrupted = (path / _OWNER).exists()
        with suppress(OSError):  # a full disk is no reason not to open
            (path / _OWNER).write_text(str(os.getpid()))

    @property
    def catalog(self) -> Path:
        return self.path / CATALOG

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def stores(self) -> Path:
        return self.path / "stores"

    @contextmanager
    def parsing(self, task: int) -> Iterator[None]:
        """While this file is parsed. Should the process end meanwhile, `interrupted_tasks` names it."""
        marker = self.path / _PARSING / str(task)
        with suppress(OSError):  # a full disk is no reason not to parse
            marker.parent.mkdir(exist_ok=True)
            marker.touch()
        try:
            yield
        finally:
            with suppress(OSError):
                marker.unlink(missing_ok=True)

    def interrupted_tasks(self) -> list[int]:
        """What the last process was parsing when it was killed."""
        return sorted(int(path.name) for path in (self.path / _PARSING).glob("*") if path.name.isdecimal())

    def forget_interrupted(self) -> None:
        """They are noted elsewhere."""
        for task in self.interrupted_tasks():
            (self.path / _PARSING / str(task)).unlink(missing_ok=True)

    def release(self, *, swept: bool = True) -> None:
        """swept: nothing is left to be swept out by who opens it next."""
        if swept:
            with suppress(OSError):
                (self.path / _OWNER).unlink(missing_ok=True)
        self._lock.release()


def _check_empty(path: Path, *, create: bool) -> None:
    if not create and not path.is_dir():
        raise FormatError(f"there is no data folder at {path}")
    if path.exists() and not path.is_dir():
        raise FormatError(f"{path} is not a folder")
    ours = (_LOCK, _OWNER, CATALOG, *(f"{CATALOG}-{part}" for part in ("wal", "shm", "journal")))
    others = sorted(each.name for each in path.glob("*") if each.name not in ours)
    if others:
        raise FormatError(f"{path} is not a data folder of vecstore: it holds {others[0]!r} but no {CATALOG}")
    if not create:
        raise FormatError(f"{path} is not a data folder of vecstore: it is empty")


def _owner(path: Path) -> str:
    with suppress(OSError):
        owner = (path / _OWNER).read_text()
        if owner == str(os.getpid()):
            return "in this process already"
        if owner:
            return f"in another process (process {owner})"
    return "in another process"
