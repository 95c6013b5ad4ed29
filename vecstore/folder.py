"""A data folder: where its parts lie, and the lock that keeps a second process out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from vecstore.errors import FolderInUseError, FormatError
from vecstore.files import TEMPORARY_MARK, make_folder, remove, temporary_sibling

CATALOG, BLOBS, STORES, PARSING, LOCK, _OWNER = "catalog.db", "blobs", "stores", "parsing", "lock", "lock.owner"


_CATALOG_FILES = (CATALOG, *(f"{CATALOG}-{part}" for part in ("wal", "shm", "journal")))


def known_names() -> frozenset[str]:
    """What lies directly in a data folder, copies of older formats aside."""
    return frozenset((LOCK, _OWNER, BLOBS, STORES, PARSING, *_CATALOG_FILES))


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
        self._lock = FileLock(path / LOCK, timeout=0, thread_local=False)  # any thread may close
        try:
            self._lock.acquire()
        except Timeout:
            raise FolderInUseError(
                f"{path} is open {_owner(path)}, and only one can have it: end that one, or ask it if it is a server. "
                "'vecstore keys', 'vecstore projects' and 'vecstore backup' work beside it."
            ) from None
        self.interrupted = (path / _OWNER).exists()
        self.has_log = self.catalog.with_name(f"{CATALOG}-wal").exists()  # as every process that is killed leaves it
        with suppress(OSError):  # a full disk is no reason not to open
            (path / _OWNER).write_text(str(os.getpid()))

    @property
    def catalog(self) -> Path:
        return self.path / CATALOG

    @property
    def blobs(self) -> Path:
        return self.path / BLOBS

    @property
    def stores(self) -> Path:
        return self.path / STORES

    @contextmanager
    def parsing(self, task: int) -> Iterator[None]:
        """While this file is parsed. Should the process end meanwhile, `interrupted_tasks` names it."""
        marker = self.path / PARSING / str(task)
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
        return sorted(int(path.name) for path in (self.path / PARSING).glob("*") if path.name.isdecimal())

    def forget_interrupted(self) -> None:
        """They are noted elsewhere."""
        for task in self.interrupted_tasks():
            (self.path / PARSING / str(task)).unlink(missing_ok=True)

    def release(self, *, swept: bool = True) -> None:
        """swept: nothing is left to be swept out by who opens it next."""
        if swept:
            with suppress(OSError):
                (self.path / _OWNER).unlink(missing_ok=True)
        self._lock.release()


@contextmanager
def alone(lock: Path, otherwise: str) -> Iterator[None]:
    """Raises FolderInUseError with the sentence `otherwise` while another one has this lock."""
    try:
        with FileLock(lock, timeout=0, thread_local=False):
            yield
    except Timeout:
        raise FolderInUseError(otherwise) from None


@contextmanager
def becoming(path: Path) -> Iterator[Path]:
    """An empty folder, or what an interrupted restore left, on its way to a data folder; locked meanwhile.

    Under the name given here its catalogue is put together before any blob is there; renaming it to CATALOG ends
    that. Unless it was, nothing is left. Raises FormatError for a folder with other things in it.
    """
    made = not path.exists()
    _check_restorable(path)
    make_folder(path)
    with alone(path / LOCK, f"{path} is open {_owner(path)}, and nothing can be restored into it meanwhile"):
        _check_restorable(path)
        remove(path / BLOBS)
        for left in path.glob(f"{CATALOG}{TEMPORARY_MARK}*"):
            remove(left)  # after the blobs, since it tells whose they are
        try:
            with _draft(path) as draft:
                yield draft
        except BaseException:
            if not (path / CATALOG).exists():
                (path / LOCK).unlink(missing_ok=True)
                if made:
                    path.rmdir()
            raise


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    with temporary_sibling(path / CATALOG) as draft:
        try:
            yield draft
        except BaseException:
            if draft.exists():
                remove(path / BLOBS)
            raise


def _check_restorable(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise FormatError(f"{path} is not a folder")
    names = {each.name for each in path.iterdir()} - {LOCK}
    if CATALOG in names:
        raise FormatError(f"{path} is a data folder already; restore into one that is empty or does not exist")
    drafts = {name for name in names if name.startswith(f"{CATALOG}{TEMPORARY_MARK}")}
    others = sorted(names - drafts - ({BLOBS} if drafts else set()))
    if others:
        raise FormatError(f"{path} is not empty: it holds {others[0]!r}. Restore into a folder that is empty")


def _check_empty(path: Path, *, create: bool) -> None:
    if not create and not path.is_dir():
        raise FormatError(f"there is no data folder at {path}")
    if path.exists() and not path.is_dir():
        raise FormatError(f"{path} is not a folder")
    ours = (LOCK, _OWNER, *_CATALOG_FILES)
    others = sorted(each.name for each in path.glob("*") if each.name not in ours)
    if any(name.startswith(f"{CATALOG}{TEMPORARY_MARK}") for name in others):
        raise FormatError(f"{path} is no data folder yet: a restore into it was interrupted; run it again")
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
