"""Writing that survives a power cut: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vecstore.disk import SyncFailedError
from vecstore.failpoints import reach

_LARGE_BYTES = 16 << 20  # from which on threads are worth their start
TEMPORARY_MARK = ".tmp-"  # leftovers of a crash carry it, and are removed on open


@contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """A fresh name beside `target`; whatever is left under it at the end is removed, or else when it is opened."""
    path = target.with_name(f"{target.name}{TEMPORARY_MARK}{secrets.token_hex(8)}")
    try:
        yield path
    finally:
        with suppress(OSError):
            remove(path)


def remove(path: Path) -> None:
    """Removes a file or a folder; one that is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_unless_gone)
    else:
        path.unlink(missing_ok=True)


def _unless_gone(_function: object, _path: str, failure: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]


def remove_leftovers(folder: Path) -> None:
    """Removes what a crash left under a temporary name directly in `folder`."""
    for path in folder.glob(f"*{TEMPORARY_MARK}*"):
        remove(path)


def make_folder(folder: Path) -> None:
    """The folder, and those above it, there and durable."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync_folder(folder.parent)


def fsync(descriptor: int, path: Path) -> None:
    """Makes an open file's bytes durable. Raises SyncFailedError when the disk says no."""
    try:
        reach("disk.fsync")
        os.fsync(descriptor)
    except OSError as error:
        raise SyncFailedError(error.errno, error.strerror, str(path)) from error


def fsync_path(path: Path) -> None:
    """As `fsync`, of a file that is not open. Raises OSError where it cannot be opened."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fsync(descriptor, path)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Makes the names in a folder durable, where the system has such a thing."""
    if os.name == "posix":
        fsync_path(folder)


def link_or_copy(source: Path, target: Path) -> None:
    """The same bytes under a second name: a hard link where the file system has them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return sha256_of_content(file)


def sha256s_of(paths: Sequence[Path]) -> list[str]:
    """As `sha256_of` of each; large ones as many at a time as there are processors."""
    if sum(path.stat().st_size for path in paths) < _LARGE_BYTES:
        return list(map(sha256_of, paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(sha256_of, paths))


def sha256_of_content(content: BinaryIO | bytes) -> str:
    """The SHA-256 of the bytes, or of a file from where it stands, in hexadecimal."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    digest = hashlib.sha256()
    while piece := content.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
