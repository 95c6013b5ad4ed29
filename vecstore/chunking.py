"""OpenAI's `chunking_strategy` as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ingestion import AUTO, ChunkingStrategy, StaticStrategy, StructureStrategy
from ingestion.types import AUTO_OVERLAP_TOKENS
from vecstore.errors import InvalidRequestError
from vecstore.types import VectorStoreInfo

Strategy: TypeAlias = ChunkingStrategy | Mapping[str, object]

_SIZES = {
    "static": (StaticStrategy, ("max_chunk_size_tokens", "chunk_overlap_tokens")),
    "structure": (StructureStrategy, ("target_chunk_size_tokens",)),
}


def usual_strategy(store: VectorStoreInfo) -> ChunkingStrategy:
    """How files are cut of which nothing is said: by the size that was fitted, else auto."""
    return AUTO if store.chunk_size is None else sized_strategy(store.chunk_size)


def sized_strategy(size: int) -> ChunkingStrategy:
    """As `add --chunk-size` cuts. Raises InvalidRequestError."""
    whole = isinstance(size, int) and not isinstance(size, bool)
    overlap = min(AUTO_OVERLAP_TOKENS, size // 2) if whole else 0
    sizes = {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}
    return checked_strategy({"type": "static", "static": sizes})


def checked_strategy(strategy: Strategy | None, usual: ChunkingStrategy = AUTO) -> ChunkingStrategy:
    """`{"type": "auto"}`, `{"type": "static", "static": {...}}` or our `structure` as a value; None is the usual one.

    Raises InvalidRequestError with the value and the limit.
    """
    if strategy is None or isinstance(strategy, StaticStrategy | StructureStrategy):
        return strategy or usual
    if isinstance(strategy, str):
        given = repr(strategy)[:30]
        raise InvalidRequestError("chunking_strategy", f"must be like {{'type': {given}}}, not {given}")
    kind = strategy.get("type") if isinstance(strategy, Mapping) else None
    if kind == "auto":
        return AUTO
    if not isinstance(kind, str) or kind not in _SIZES:
        raise InvalidRequestError(
            "chunking_strategy", f"must have the type 'auto', 'static' or 'structure', not {strategy!r:.100}"
        )
    if kind == "structure" and strategy.get(kind) is None:
        return StructureStrategy()
    make, wanted = _SIZES[kind]
    where, sizes = f"chunking_strategy.{kind}", strategy.get(kind)
    if not isinstance(sizes, Mapping) or set(sizes) != set(wanted):
        raise InvalidRequestError(where, f"must have {' and '.join(wanted)}, not {sizes!r:.100}")
    values = [sizes[name] for name in wanted]
    if any(isinstance(value, bool) or not isinstance(value, int) for value in values):
        raise InvalidRequestError(where, f"must have whole numbers, not {' and '.join(map(repr, values))}")
    try:
        made: ChunkingStrategy = make(*values)
    except ValueError as error:
        raise InvalidRequestError("chunking_strategy", f"cannot be used: {error}") from error
    return made
