"""What passes between the catalogue and the indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vecstore.types import HalfArray, IntArray


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk as the keyword index takes it: `header` is what names it (file, title, headings), `text` what it says."""

    number: int
    member: int
    header: str
    text: str


def header_of(filename: str, title: str, heading_path: Iterable[str], table_header: str) -> str:
    """What names a chunk in the keyword index."""
    return "\n".join(filter(None, (filename, title, *heading_path, table_header)))


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one vector store up to `sequence`.

    rows: (n, 4) int64: member, window index in its file, first and last chunk number it belongs to.
    vectors: (n, d) float16, unit norm, one a row. `removed` are members, gone before anything is added.
    """

    sequence: int
    removed: tuple[int, ...] = ()
    chunks: tuple[IndexedChunk, ...] = ()
    rows: IntArray = field(default_factory=lambda: np.empty((0, 4), np.int64))
    vectors: HalfArray = field(default_factory=lambda: np.empty((0, 0), np.float16))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A set of index files that the catalogue vouches for: `files` maps path in `folder` to SHA-256."""

    folder: str
    sequence: int
    files: Mapping[str, str]
