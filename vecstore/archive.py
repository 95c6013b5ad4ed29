"""One vector store in one file: a plain tar of a manifest, a catalogue and the contents, in this order."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from vecstore.catalog.copies import names_of_contents
from vecstore.disk import refusals
from vecstore.errors import FormatError, InvalidRequestError
from vecstore.failpoints import reach
from vecstore.files import fsync_folder, fsync_path, temporary_sibling
from vecstore.folder import BLOBS, CATALOG
from vecstore.manifest import MANIFEST, MAX_BYTES, Manifest, damaged, manifest_bytes, read_manifest

_PIECE_BYTES = 1 << 20


def check_new(path: Path) -> None:
    """Raises InvalidRequestError unless a file can be made there without replacing one."""
    if path.exists():
        raise InvalidRequestError("path", f"must be a new file, and {path} exists already")
    if not path.parent.is_dir():
        raise InvalidRequestError("path", f"must lie in a folder that exists, and {path.parent} is none")


def write_archive(
    target: Path, manifest: Manifest, catalog: Path, contents: Path, on_bytes: Callable[[int], None]
) -> None:
    """Durable and whole, or not there. `contents` is a folder of files that are named by their SHA-256.

    on_bytes hears how many bytes more are done. Raises StorageError, also where a content is damaged.
    """
    with temporary_sibling(target) as draft:
        with tarfile.open(draft, "w", format=tarfile.GNU_FORMAT) as tar:
            data = manifest_bytes(manifest)
            tar.addfile(_member(MANIFEST, len(data), manifest), io.BytesIO(data))
            for name, path, sha256, size in (
                (CATALOG, catalog, manifest.catalog_sha256, manifest.catalog_bytes),
                *((f"{BLOBS}/{sha256}", contents / sha256, sha256, size) for sha256, size in manifest.blobs.items()),
            ):
                with path.open("rb") as file:
                    read = _Read(file, on_bytes)
                    if path.stat().st_size == size:
                        tar.addfile(_member(name, size, manifest), read)
                if read.sha256 != sha256:
                    [changed, *_] = [*names_of_contents(catalog, [sha256]), name]
                    raise damaged(f"the content of {changed!r} was changed on the disk; add the original again")
        reach("export.written")
        fsync_path(draft)
        reach("export.synced")
        draft.rename(target)
        reach("export.renamed")
    fsync_folder(target.parent)
    reach("export.durable")


def _member(name: str, size: int, manifest: Manifest) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, manifest.created_at
    return info


class _Read(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        self._file, self._on_bytes, self._digest = file, on_bytes, hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._digest.update(piece)
        self._on_bytes(len(piece))
        return piece


class Archive:
    """An archive that is read from its beginning to its end. Nothing in it is believed before it was hashed."""

    def __init__(self, path: Path, tar: tarfile.TarFile, on_bytes: Callable[[int], None]) -> None:
        self.path, self._tar, self._on_bytes = path, tar, on_bytes
        where = f"{path}: {MANIFEST}"
        self.manifest = read_manifest(b"".join(self._pieces(MANIFEST, None)), where, "vector store")

    def write_catalog(self, target: Path) -> None:
        """The catalogue as a file. Raises StorageError where it is not the one that the manifest names."""
        digest = hashlib.sha256()
        with target.open("wb") as file:
            for piece in self._pieces(CATALOG, self.manifest.catalog_bytes):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != self.manifest.catalog_sha256:
            raise damaged(f"{self.path} is damaged: {CATALOG} was changed after it was written")

    def contents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Each content as its SHA-256, which is not looked at here, and its pieces, after the catalogue."""
        for sha256, size in self.manifest.blobs.items():
            yield sha256, self._pieces(f"{BLOBS}/{sha256}", size)

    def _pieces(self, name: str, size: int | None) -> Iterator[bytes]:
        """What comes next, which must be a file of that name and size."""
        with _judging(self.path):
            member = self._tar.next()
            if member is None:
                raise damaged(f"{self.path} is damaged: it ends before {name}")
            if member.name != name or member.size != (size if size is not None else min(member.size, MAX_BYTES)):
                raise damaged(f"{self.path} is damaged: where {name} should be is another file, or one of another size")
            file = self._tar.extractfile(member)
            assert file is not None  # of a plain file
            while piece := file.read(_PIECE_BYTES):
                self._on_bytes(len(piece))
                yield piece


class _PlainFile(tarfile.TarInfo):
    """A header of a plain file: links, folders, devices, sparse files and long headers are refused unread."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or info.size < 0:
            raise tarfile.ReadError(f"{info.name!r:.80} is no plain file")
        return info


@contextmanager
def open_archive(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[Archive]:
    """on_bytes hears how many bytes more were read. Raises FormatError for what is no archive, or a newer one.

    Raises InvalidRequestError where there is no such file, StorageError where it is damaged.
    """
    if not path.is_file():
        raise InvalidRequestError("path", f"must be a file, and {path} is none")
    with refusals(f"{path} cannot be read"), ExitStack() as opened:
        try:
            tar = opened.enter_context(tarfile.open(path, "r:", tarinfo=_PlainFile))
        except tarfile.TarError as error:
            raise FormatError(f"{path} is no archive of a vector store, as 'vecstore export' writes them") from error
        yield Archive(path, tar, on_bytes)


@contextmanager
def _judging(path: Path) -> Iterator[None]:
    try:
        with refusals(f"{path} cannot be read"):
            yield
    except tarfile.TarError as error:
        raise damaged(f"{path} is damaged: {error}") from error
