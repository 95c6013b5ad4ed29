"""OpenAI's `chunking_strategy` as a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ingestion import AUTO, ChunkingStrategy, StaticStrategy, StructureStrategy
from vecstore.errors import InvalidRequestError

Strategy: TypeAlias = ChunkingStrategy | Mapping[str, object]

_SIZES = {
    "static": (StaticStrategy, ("max_chunk_size_tokens", "chunk_overlap_tokens")),
    "structure": (StructureStrategy, ("target_chunk_size_tokens",)),
}


def checked_strategy(strategy: Strategy | None) -> ChunkingStrategy:
    """`{"type": "auto"}`, `{"type": "static", "static": {...}}` or our `structure` as a value; None is auto.

    Raises InvalidRequestError with the value and the limit.
    """
    if strategy is None or isinstance(strategy, StaticStrategy | StructureStrategy):
        return strategy or AUTO
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
