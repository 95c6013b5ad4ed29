"""A file as callers hand it over: a path, or a name with bytes or a binary file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vecstore.errors import InvalidRequestError
from vecstore.jobs import MAX_FILE_BYTES, Source

Upload: TypeAlias = str | PathLike[str] | tuple[str, bytes | BinaryIO]


def promised(file: Upload) -> Source:
    """As `source_of`, but whether a path can be read is found out when it is."""
    return Source(Path(file).name, Path(file)) if isinstance(file, str | PathLike) else source_of(file)


def source_of(file: Upload) -> Source:
    """Raises InvalidRequestError when it is neither a path nor a name with bytes or a binary file."""
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
