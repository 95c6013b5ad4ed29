"""The uploaded bytes, one file a content, named by its SHA-256."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from vecstore.disk import WriteGate, refusals
from vecstore.errors import NotFoundError, StorageError
from vecstore.failpoints import reach
from vecstore.files import (
    fsync,
    fsync_folder,
    make_folder,
    remove_leftovers,
    sha256_of,
    sha256_of_content,
    temporary_sibling,
)


def blob_path(folder: Path, sha256: str) -> Path:
    """Where in a folder of blobs this content is, if it is there."""
    return folder / sha256[:2] / sha256


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
        with refusals(f"the content could not be written to {self.path.parent}"):
            self.file.write(piece)
        self._digest.update(piece)
        self.bytes += len(piece)


class Blobs:
    """A folder of blobs. A blob is there whole or not at all; putting the same content twice keeps one."""

    def __init__(self, folder: Path, gate: WriteGate | None = None) -> None:
        self._folder = folder
        self._gate = gate or WriteGate()
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
            fsync(incoming.file.fileno(), incoming.path)
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
        Raises StorageError when the disk says no, and what `pieces` raises; nothing is left then.
        """
        with self.receive() as incoming:
            for piece in pieces:
                incoming.write(piece)
            if expected not in (None, incoming.sha256):
                raise ContentChangedError(f"the content had the SHA-256 {expected} and now has {incoming.sha256}")
            self.keep(incoming)
        return incoming.sha256, incoming.bytes

    def read(self, sha256: str) -> bytes:
        """The content. Raises as `open`."""
        with self.open(sha256) as file, refusals(f"the content {sha256} cannot be read"):
            return file.read()

    def open(self, sha256: str) -> BinaryIO:
        """The content as a file on disk, which has been read once to see that it is what was uploaded.

        Raises NotFoundError when it is missing from the folder, StorageError when it was changed there.
        """
        try:
            with refusals(f"the content {sha256} cannot be read"), ExitStack() as opened:
                file = opened.enter_context(self._path(sha256).open("rb"))
                if sha256_of_content(file) != sha256:
                    raise StorageError(
                        f"the content {sha256} in {self._folder} was changed on the disk; upload the original again",
                        code="damaged",
                    )
                file.seek(0)
                opened.pop_all()
                return file
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise NotFoundError(f"the content {sha256} is missing from {self._folder}") from None
            raise

    def delete(self, sha256: str) -> None:
        """Forgets the content; one that is not there is no error."""
        with self._gate.passing(f"the content {sha256} could not be deleted"):
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
        return blob_path(self._folder, sha256)

    def _writing(self) -> AbstractContextManager[None]:
        return self._gate.passing(f"the content could not be written to {self._folder}")
