"""Attribute filters: OpenAI's comparison and compound filters, parsed once.

A missing key is false for every operator but `ne` and `nin`, which are true. Types are never
coerced: a comparison across types is false (`ne` and `nin` true); integers and floats are one type.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from vecstore.attributes import AttributeValue
from vecstore.errors import InvalidRequestError, shown

MAX_DEPTH = 16  # deeper trees are refused rather than left to the recursion limit
MAX_NODES = 2_000

_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_COMPARISONS = ("eq", "ne", *_ORDER, "in", "nin")
_COMPOUNDS = ("and", "or")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`{"type": "eq", "key": "year", "value": 2024}`."""

    type: str
    key: str
    value: AttributeValue | tuple[AttributeValue, ...]

    def verdicts(self, found: Sequence[AttributeValue | None]) -> list[bool]:
        """Whether a file passes that has this value, for each; None stands for a file without the key."""
        if self.type in _ORDER:
            kind, compare = _kind(self.value), _ORDER[self.type]
            return [value is not None and _kind(value) is kind and compare(value, self.value) for value in found]
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        wanted, equal = {(_kind(value), value) for value in values}, self.type in ("eq", "in")
        return [(value is not None and (_kind(value), value) in wanted) is equal for value in found]


@dataclass(frozen=True, slots=True)
class Compound:
    """`{"type": "and", "filters": [...]}`."""

    type: str
    filters: tuple[Filter, ...]


Filter: TypeAlias = Comparison | Compound


def parse_filter(tree: object) -> Filter:
    """The filter of OpenAI's JSON shape. Raises InvalidRequestError that names the place in the tree."""
    return _parse(tree, "filters", 1, [0])


def _parse(tree: object, path: str, depth: int, nodes: list[int]) -> Filter:
    nodes[0] += 1
    if depth > MAX_DEPTH or nodes[0] > MAX_NODES:
        raise InvalidRequestError("filters", f"may be nested {MAX_DEPTH} deep and have {MAX_NODES} parts at most")
    if not isinstance(tree, Mapping):
        raise InvalidRequestError(path, f"must be an object with a 'type', not {type(tree).__name__}")
    kind = tree.get("type")
    if kind in _COMPOUNDS:
        return _compound(tree, path, depth, nodes)
    if kind in _COMPARISONS:
        return _comparison(tree, path)
    raise InvalidRequestError(
        f"{path}.type", f"must be one of {', '.join((*_COMPARISONS, *_COMPOUNDS))}, not {shown(kind)}"
    )


def _compound(tree: Mapping[str, object], path: str, depth: int, nodes: list[int]) -> Compound:
    _check_keys(tree, path, {"type", "filters"})
    children = tree["filters"]
    if not isinstance(children, list | tuple) or not children:
        raise InvalidRequestError(f"{path}.filters", "must be a list of at least one filter")
    parsed = tuple(_parse(child, f"{path}.filters[{i}]", depth + 1, nodes) for i, child in enumerate(children))
    return Compound(str(tree["type"]), parsed)


def _comparison(tree: Mapping[str, object], path: str) -> Comparison:
    _check_keys(tree, path, {"type", "key", "value"})
    kind, key, value = str(tree["type"]), tree["key"], tree["value"]
    if not isinstance(key, str):
        raise InvalidRequestError(f"{path}.key", f"must be a string, not {type(key).__name__}")
    if kind in ("in", "nin"):
        if not isinstance(value, list | tuple):
            raise InvalidRequestError(f"{path}.value", f"must be a list for '{kind}', not {type(value).__name__}")
        for item in value:
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                raise InvalidRequestError(f"{path}.value", f"must be a list of strings or numbers, not {shown(item)}")
        return Comparison(kind, key, tuple(value))
    if not isinstance(value, str | bool | int | float):
        raise InvalidRequestError(f"{path}.value", f"must be a string, number or boolean, not {type(value).__name__}")
    return Comparison(kind, key, value)


def _check_keys(tree: Mapping[str, object], path: str, wanted: set[str]) -> None:
    if missing := sorted(wanted - set(tree)):
        raise InvalidRequestError(path, f"of type {tree['type']!r} needs the key {missing[0]!r}")
    if unknown := sorted(map(str, set(tree) - wanted)):
        raise InvalidRequestError(path, f"of type {tree['type']!r} has no key {unknown[0]!r}")


def _kind(value: object) -> type:
    if isinstance(value, bool):
        return bool
    return str if isinstance(value, str) else float
