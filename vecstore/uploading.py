"""A file as callers hand it over: a path, or a name with bytes or a binary file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vecstore import ids
from vecstore.attributes import checked_attributes, storable_text
from vecstore.chunking import checked_strategy
from vecstore.errors import InvalidRequestError
from vecstore.jobs import GROUP_FILES, MAX_FILE_BYTES, Source
from vecstore.parts import Parts
from vecstore.types import File

Upload: TypeAlias = str | PathLike[str] | tuple[str, bytes | BinaryIO]


def store_uploads(parts: Parts, sources: Sequence[Source]) -> list[File]:
    """As `store_upload` for many; the rows are written together, group by group."""
    stored = []
    for i in range(0, len(sources), GROUP_FILES):
        written: list[str] = []
        with parts.sweeping(written):
            group = []
            for source in sources[i : i + GROUP_FILES]:
                sha256, size = parts.blobs.put(source.pieces())
                written.append(sha256)
                group.append(File(ids.new_file_id(), storable_text(source.filename), size, sha256, parts.now()))
            parts.catalog.add_files(group)
        stored += group
    return stored


def store_upload(
    parts: Parts, source: Source, *, purpose: str = "assistants", expires_after_s: int | None = None
) -> File:
    """Stores the content and then the row that wants it; durable when it returns. Raises StorageError, OSError."""
    written: list[str] = []
    with parts.sweeping(written):
        sha256, size = parts.blobs.put(source.pieces())
        written.append(sha256)
        now = parts.now()
        expires_at = None if expires_after_s is None else now + expires_after_s
        filename = storable_text(source.filename)
        stored = File(ids.new_file_id(), filename, size, sha256, now, purpose, expires_at)
        parts.catalog.add_files([stored])
    return stored


def checked_source(source: Source) -> Source:
    """A copy whose attributes and strategy are in order. Raises InvalidRequestError."""
    attributes, strategy = source.attributes, source.chunking_strategy
    if not isinstance(source.content, Path | bytes):
        kind = type(source.content).__name__
        raise InvalidRequestError("content", f"of {source.filename!r:.80} must be a Path or bytes, not {kind}")
    return replace(
        source,
        attributes=None if attributes is None else checked_attributes(attributes),
        chunking_strategy=None if strategy is None else checked_strategy(strategy),
    )


def promised(file: Upload) -> Source:
    """As `source_of`, but whether a path can be read is found out when it is."""
    return Source(Path(file).name, Path(file)) if isinstance(file, str | PathLike) else source_of(file)


def source_of(file: Upload | Source) -> Source:
    """Raises InvalidRequestError when it is neither a path nor a name with bytes or a binary file."""
    if isinstance(file, Source):
        return checked_source(file)
    if isinstance(file, str | PathLike):
        path = Path(file)
        if not path.is_file():
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
