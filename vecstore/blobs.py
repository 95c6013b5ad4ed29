"""The uploaded bytes, one file a content, named by its SHA-256."""

from __future__ import annotations

import builtins
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vecstore.errors import NotFoundError, StorageError
from vecstore.failpoints import reach
from vecstore.files import fsync_folder, make_folder, remove_leftovers, sha256_of, temporary_sibling


class ContentChangedError(Exception):
    """What was to be stored is no longer what it was."""


class Incoming:
    """Content that comes piece by piece, by `write`, and is hashed on the way. `bytes` is what has come so far."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of what has come so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, piece: builtins.bytes) -> None:
        """Raises StorageError when the disk says no."""
        try:
            self.file.write(piece)
        except OSError as error:
            raise StorageError(f"the content could not be written to {self.path.parent}: {error}") from error
        self._digest.update(piece)
        self.bytes += len(piece)


class Blobs:
    """A folder of blobs. A blob is there whole or not at all; putting the same content twice keeps one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        remove_leftovers(folder)

    @contextmanager
    def receive(self) -> Iterator[Incoming]:
        """Content on its way in; afterwards it is gone, unless it was kept. Raises StorageError."""
        with temporary_sibling(self._folder / "incoming") as path:
            with self._writing():
                file = path.open("wb")
            with file:
                yield Incoming(path, file)

    def keep(self, incoming: Incoming) -> None:
        """Makes what has come in a blob, durable when this returns. Raises StorageError."""
        with self._writing():
            incoming.file.flush()
            reach("blob.received")
            os.fsync(incoming.file.fileno())
            reach("blob.synced")
            target = self._path(incoming.sha256)
            make_folder(target.parent)
            incoming.path.replace(target)
            reach("blob.renamed")
            fsync_folder(target.parent)
            reach("blob.kept")

    def put(self, pieces: Iterable[bytes], *, expected: str | None = None) -> tuple[str, int]:
        """Streams the pieces to disk; the content's SHA-256 and its length, once both are durable.

        expected: the SHA-256 it had before; ContentChangedError where it has another now.
        Raises StorageError when the disk says no; nothing is left then.
        """
        with self.receive() as incoming:
            with self._writing():
                for piece in pieces:
                    incoming.write(piece)
            if expected not in (None, incoming.sha256):
                raise ContentChangedError(f"the content had the SHA-256 {expected} and now has {incoming.sha256}")
            self.keep(incoming)
        return incoming.sha256, incoming.bytes

    def read(self, sha256: str) -> bytes:
        """The content. Raises NotFoundError when it is missing from the folder."""
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"the content {sha256} is missing from {self._folder}") from None

    def open(self, sha256: str) -> BinaryIO:
        """The content as a file on disk. Raises NotFoundError when it is missing from the folder."""
        try:
            return self._path(sha256).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"the content {sha256} is missing from {self._folder}") from None

    def delete(self, sha256: str) -> None:
        """Forgets the content; one that is not there is no error."""
        reach("blob.delete")
        self._path(sha256).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[str]:
        """The SHA-256 of every blob in the folder, sorted."""
        return iter(sorted(path.name for path in self._folder.glob("??/*") if len(path.name) == 64))

    def intact(self, sha256: str) -> bool:
        """Whether the blob is there and its bytes are the ones it is named for."""
        path = self._path(sha256)
        return path.is_file() and sha256_of(path) == sha256

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"the content could not be written to {self._folder}: {error}") from error
