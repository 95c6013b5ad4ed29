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
    if not isinstance(file, tuple):
        return Source(Path(file).name, Path(file))
    filename, content = file
    return Source(filename, content if isinstance(content, bytes) else content.read(MAX_FILE_BYTES + 1))


def pieces(source: Source) -> Iterator[bytes]:
    """The content piece by piece. Raises InvalidRequestError past the limit, OSError where it cannot be read."""
    with io.BytesIO(source.content) if isinstance(source.content, bytes) else source.content.open("rb") as file:
        total = 0
        while piece := file.read(_READ_BYTES):
            total += len(piece)
            if total > MAX_FILE_BYTES:
                raise InvalidRequestError("file", f"{source.filename!r} may have {MAX_FILE_BYTES} bytes; it has more")
            yield piece
