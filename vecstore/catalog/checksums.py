"""CRC-32 of what is kept of each file: SQLite's pages have none, so a flipped bit would be read as what was written."""

from __future__ import annotations

import json
from binascii import crc32
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from vecstore.catalog.schema import checksums, chunks, passages
from vecstore.errors import StorageError

_CHUNK = (
    "number",
    "index",
    "start",
    "end",
    "tokens",
    "first_page",
    "last_page",
    "heading_path",
    "first_window",
    "end_window",
    "first_line",
    "last_line",
    "table_header",
)
_PASSAGE = ("index", "window", "start", "end", "page", "heading_path", "first_line", "last_line", "table_header")
_of_chunk, _of_passage = attrgetter(*_CHUNK), attrgetter(*_PASSAGE)


def _crc_at(crcs: sa.Column[bytes], index: sa.Column[int]) -> sa.Label[bytes]:
    one: sa.ColumnElement[int] = sa.literal_column("1", sa.Integer)
    four: sa.ColumnElement[int] = sa.literal_column("4", sa.Integer)
    return sa.func.substr(crcs, index * four + one, four, type_=sa.LargeBinary()).label("crc")


CHUNK_CRC = _crc_at(checksums.c.chunks, chunks.c.index)
PASSAGE_CRC = _crc_at(checksums.c.passages, passages.c.index)


def row_of(
    member: int, chunk_rows: Sequence[Mapping[str, Any]], passage_rows: Sequence[Mapping[str, Any]], vectors: bytes
) -> dict[str, Any]:
    """The row of `checksums` for these rows of a member, each in the order of its index."""
    return {
        "member": member,
        "chunks": b"".join(map(chunk_crc, chunk_rows)),
        "passages": b"".join(map(passage_crc, passage_rows)),
        "vectors": crc32(vectors),
    }


def chunk_crc(row: Mapping[str, Any]) -> bytes:
    """Four bytes; none for what no chunk can be."""
    return _crc([row[name] for name in _CHUNK], row["text"])


def passage_crc(row: Mapping[str, Any]) -> bytes:
    """As `chunk_crc`; the text of a passage is in the chunks."""
    return _crc([row[name] for name in _PASSAGE], "")


def _crc(values: Sequence[Any], text: str) -> bytes:
    try:
        rest = json.dumps(values)
        return crc32(rest.encode(), crc32(text.encode())).to_bytes(4, "big")
    except (AttributeError, TypeError, ValueError):  # a value is of another type than was written
        return b""


def checked_chunk(row: Any) -> Any:
    """A row of `chunks` with CHUNK_CRC as `crc`, if it is as it was written. Raises StorageError."""
    return _checked(row, _crc(_of_chunk(row), row.text))


def checked_passage(row: Any) -> Any:
    """A row of `passages` with PASSAGE_CRC as `crc`. Raises StorageError."""
    return _checked(row, _crc(_of_passage(row), ""))


def _checked(row: Any, crc: bytes) -> Any:
    if not crc or row.crc != crc:
        raise damaged(row.member)
    return row


def is_as_written(stored: Any, chunk_rows: Sequence[Any], passage_rows: Sequence[Any] | None, vectors: Any) -> bool:
    """Whether a member's rows are those that its row of `checksums` was made of; without passages, the others."""
    if stored is None or not isinstance(vectors, bytes):
        return False
    of_chunks, of_passages = ([row._mapping for row in some] for some in (chunk_rows, passage_rows or ()))  # noqa: SLF001
    made = row_of(stored.member, of_chunks, of_passages, vectors)
    same = (made["chunks"], made["vectors"]) == (stored.chunks, stored.vectors)
    return same and (passage_rows is None or made["passages"] == stored.passages)


def damaged(member: int) -> StorageError:
    """What is raised where a member's rows are not as they were written."""
    return StorageError(
        f"what the catalogue holds of the file with the number {member} was changed on the disk", code="damaged"
    )
