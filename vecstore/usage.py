"""Logical bytes: what a vector store holds, whatever index holds it."""

from __future__ import annotations

from collections.abc import Iterable

GB = 1 << 30
BYTES_PER_DIMENSION = 4  # as if every component were a float32


def usage_bytes(texts: Iterable[str], dimensions: int) -> int:
    """For each chunk its UTF-8 bytes and 4 a dimension; independent of windows and index kinds."""
    return sum(len(text.encode()) + BYTES_PER_DIMENSION * dimensions for text in texts)
