"""A file as callers hand it over: a path, or a name with bytes or a binary file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vecstore.errors import InvalidRequestError
from vecstore.jobs import MAX_FILE_BYTES, Source

_READ_BYTES = 1 << 20

Upload: TypeAlias = str | PathLike[str] | tuple[str, bytes | BinaryIO]


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


def pieces(source: Source) -> Iterator[bytes]:
    """The content piece by piece. Raises InvalidRequestError past the limit, OSError where it cannot be read."""
    with io.BytesIO(source.content) if isinstance(source.content, bytes) else source.content.open("rb") as file:
        total = 0
        while piece := file.read(_READ_BYTES):
            total += len(piece)
            if total > MAX_FILE_BYTES:
                raise InvalidRequestError("file", f"{source.filename!r} may have {MAX_FILE_BYTES} bytes; it has more")
            yield piece
