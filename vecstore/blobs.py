"""The uploaded bytes, one file a content, named by its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vecstore.errors import NotFoundError, StorageError
from vecstore.files import fsync_folder, fsync_path, make_folder, remove_leftovers, sha256_of, temporary_sibling


class ContentChangedError(Exception):
    """What was to be stored is no longer what it was."""


class Blobs:
    """A folder of blobs. A blob is there whole or not at all; putting the same content twice keeps one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        remove_leftovers(folder)

    def put(self, pieces: Iterable[bytes], *, expected: str | None = None) -> tuple[str, int]:
        """Streams the pieces to disk; the content's SHA-256 and its length, once both are durable.

        expected: the SHA-256 it had before; ContentChangedError where it has another now.
        Raises StorageError when the disk says no; nothing is left then.
        """
        digest, length = hashlib.sha256(), 0
        with temporary_sibling(self._folder / "incoming") as incoming:
            with self._writing(), incoming.open("wb") as out:
                for piece in pieces:
                    digest.update(piece)
                    length += len(piece)
                    out.write(piece)
            if expected not in (None, digest.hexdigest()):
                raise ContentChangedError(f"the content had the SHA-256 {expected} and now has {digest.hexdigest()}")
            with self._writing():
                fsync_path(incoming)
                target = self._path(digest.hexdigest())
                make_folder(target.parent)
                incoming.replace(target)
                fsync_folder(target.parent)
        return digest.hexdigest(), length

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
