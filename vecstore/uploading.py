"""A file as callers hand it over: a path, or a name with bytes or a binary file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vecstore import ids
from vecstore.attributes import checked_attributes, storable_text
from vecstore.blobs import Incoming
from vecstore.chunking import checked_strategy
from vecstore.errors import InvalidRequestError
from vecstore.jobs import GROUP_FILES, MAX_FILE_BYTES, Source
from vecstore.parts import Parts
from vecstore.types import File

_READ_BYTES = 1 << 20

Upload: TypeAlias = str | PathLike[str] | tuple[str, bytes | BinaryIO]


def store_uploads(parts: Parts, sources: Sequence[Source], *, project_id: str) -> list[File]:
    """As `store_upload` for many; the rows are written together, group by group."""
    stored = []
    for i in range(0, len(sources), GROUP_FILES):
        written: list[str] = []
        with parts.sweeping(written):
            group = []
            for source in sources[i : i + GROUP_FILES]:
                sha256, size = parts.blobs.put(source.pieces())
                written.append(sha256)
                name = storable_text(source.filename)
                group.append(File(ids.new_file_id(), name, size, sha256, parts.now(), project_id=project_id))
            parts.catalog.add_files(group)
        stored += group
    return stored


def store_upload(parts: Parts, file: Upload, *, purpose: str, expires_after_s: int | None, project_id: str) -> File:
    """Stores the content and then the row that wants it; durable when it returns.

    Raises InvalidRequestError, StorageError, OSError.
    """
    filename, pieces = _content_of(file)
    with parts.blobs.receive() as incoming:  # before any lock is held: the caller's stream may stall
        for piece in pieces:
            if incoming.bytes + len(piece) > MAX_FILE_BYTES:
                raise InvalidRequestError("file", f"{filename!r} may have {MAX_FILE_BYTES} bytes; it has more")
            incoming.write(piece)
        return keep_upload(
            parts, filename, incoming, purpose=purpose, expires_after_s=expires_after_s, project_id=project_id
        )


def keep_upload(
    parts: Parts,
    filename: str,
    incoming: Incoming,
    *,
    purpose: str,
    expires_after_s: int | None,
    project_id: str,
) -> File:
    """As `store_upload` of a content that has come in already."""
    with parts.sweeping([incoming.sha256]):
        parts.blobs.keep(incoming)
        now = parts.now()
        stored = File(
            id=ids.new_file_id(),
            filename=storable_text(filename),
            bytes=incoming.bytes,
            sha256=incoming.sha256,
            created_at=now,
            purpose=purpose,
            expires_at=None if expires_after_s is None else now + expires_after_s,
            project_id=project_id,
        )
        parts.catalog.add_files([stored])
    return stored


def _content_of(file: Upload) -> tuple[str, Iterator[bytes]]:
    """Its name and its content piece by piece."""
    if isinstance(file, tuple) and len(file) == 2 and isinstance(file[0], str):
        filename, content = file
        if not isinstance(content, bytes) and hasattr(content, "read"):
            return filename, _read(filename, content)
    source = source_of(file)
    return source.filename, source.pieces()


def _read(filename: str, content: BinaryIO) -> Iterator[bytes]:
    while piece := content.read(_READ_BYTES):
        if not isinstance(piece, bytes):
            raise InvalidRequestError("file", f"{filename!r} must hold bytes, not {type(piece).__name__}")
        yield piece


def checked_source(source: Source) -> Source:
    """A copy whose attributes and strategy are in order. Raises InvalidRequestError."""
    attributes, strategy = source.attributes, source.chunking_strategy
    if not isinstance(source.filename, str):
        raise InvalidRequestError("filename", f"must be a string, not {source.filename!r:.80}")
    if isinstance(source.content, Path):
        checked_path("content", source.content)
    elif not isinstance(source.content, bytes):
        kind = type(source.content).__name__
        raise InvalidRequestError("content", f"of {source.filename!r:.80} must be a Path or bytes, not {kind}")
    return replace(
        source,
        attributes=None if attributes is None else checked_attributes(attributes),
        chunking_strategy=None if strategy is None else checked_strategy(strategy),
    )


def promised(file: Upload) -> Source:
    """As `source_of`, but whether a path can be read is found out when it is."""
    if not isinstance(file, str | PathLike):
        return source_of(file)
    path = checked_path("file", file)
    return Source(path.name, path)


def checked_path(param: str, path: str | PathLike[str]) -> Path:
    """A path that a file system can have. Raises InvalidRequestError."""
    if not isinstance(path, str | PathLike):
        raise InvalidRequestError(param, f"must be a path, not {path!r:.80}")
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise InvalidRequestError(param, f"must be a path, and {str(path)!r:.80} has a character that none may have")
    return Path(path)


def checked_place(param: str, path: str | PathLike[str]) -> Path:
    """A path that can be looked at, whether or not there is something. Raises InvalidRequestError."""
    place = checked_path(param, path)
    if path == "":
        raise InvalidRequestError(param, "must be a path, not ''")
    try:
        place.exists()
    except OSError as error:
        raise InvalidRequestError(param, f"must be a path, and {str(path)!r:.80} is none: {error.strerror}") from error
    return place


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise InvalidRequestError("file", f"{str(path)!r:.80} cannot be a file: {error.strerror}") from error


def source_of(file: Upload | Source) -> Source:
    """Raises InvalidRequestError when it is neither a path nor a name with bytes or a binary file."""
    if isinstance(file, Source):
        return checked_source(file)
    if isinstance(file, str | PathLike):
        path = checked_path("file", file)
        if not _is_file(path):
            raise InvalidRequestError("file", f"{str(path)!r} {'is not a file' if path.exists() else 'does not exist'}")
        return Source(path.name, path)
    if not isinstance(file, tuple) or len(file) != 2 or not isinstance(file[0], str):
        raise InvalidRequestError("file", f"must be a path or (filename, bytes), not {type(file).__name__}")
    filename, content = file
    if not isinstance(content, bytes | bytearray | memoryview):
        content = content.read(MAX_FILE_BYTES + 1) if hasattr(content, "read") else content
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InvalidRequestError("file", f"{filename!r} must hold bytes, not {type(content).__name__}")
    return Source(filename, bytes(content))
