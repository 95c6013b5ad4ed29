"""What is wrong with a request, in OpenAI's words: its codes, its sentences, and the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vecstore.server.errors import ApiError

# pydantic's kinds of errors: OpenAI's code, and the sentence
_SENTENCES: dict[str, tuple[str, str]] = {
    "missing": ("missing_required_parameter", "Missing required parameter: '{path}'."),
    "union_tag_not_found": ("missing_required_parameter", "Missing required parameter: '{path}'."),
    "extra_forbidden": ("unknown_parameter", "Unknown parameter: '{path}'."),
    "type": ("invalid_type", "Invalid type for '{path}': expected {wanted}, but got {got} instead."),
    "literal_error": ("invalid_value", "Invalid value for '{path}': {shown}. Supported values are {expected}."),
    "union_tag_invalid": (
        "invalid_value",
        "Invalid value for '{path}': '{tag}'. Supported values are {expected_tags}.",
    ),
    "less_than_equal": (
        "integer_above_max_value",
        "Invalid '{path}': above the maximum value. Expected a value <= {le}, but got {shown} instead.",
    ),
    "greater_than_equal": (
        "integer_below_min_value",
        "Invalid '{path}': below the minimum value. Expected a value >= {ge}, but got {shown} instead.",
    ),
    "too_long": (
        "array_above_max_length",
        (
            "Invalid '{path}': array too long. Expected an array with maximum length {max_length}, "
            "but got an array with length {length} instead."
        ),
    ),
    "too_many_properties": (
        "object_above_max_properties",
        (
            "Invalid '{path}': too many properties. Expected an object with at most {max_length} properties, "
            "but got an object with {length} properties instead."
        ),
    ),
    "too_short": (
        "array_below_min_length",
        (
            "Invalid '{path}': array too short. Expected an array with minimum length {min_length}, "
            "but got an array with length {length} instead."
        ),
    ),
    "string_too_long": (
        "string_above_max_length",
        (
            "Invalid '{path}': string too long. Expected a string with maximum length {max_length}, "
            "but got a string with length {length} instead."
        ),
    ),
    "key_too_long": (
        "property_name_above_max_length",
        (
            "Invalid '{path}': property name too long. Expected a name with maximum length {max_length}, "
            "but got one with length {length} instead."
        ),
    ),
    "string_too_short": (
        "string_below_min_length",
        (
            "Invalid '{path}': string too short. Expected a string with minimum length {min_length}, "
            "but got a string with length {length} instead."
        ),
    ),
    "string_pattern_mismatch": ("invalid_value", "Invalid '{path}': {shown} does not match {pattern}."),
    "finite_number": ("invalid_value", "Invalid '{path}': expected a finite number, but got {shown} instead."),
}
_OTHER = ("invalid_value", "Invalid '{path}': {shown}. {msg}")
_OTHER_INSIDE = ("invalid_value", "Invalid '{path}': {msg}")  # of an object or array, which is not shown
_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "bool_parsing": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_TAGGED = {"filters", "chunking_strategy"}
_TAGS = {"auto", "static", "structure", "and", "or", "eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"}
_TYPES = {"str", "bool", "int", "float"}


def of_validation(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """Told of the first place where something is wrong."""
    error = min(errors, key=_unspecific)
    path, kind = _path(error["loc"]), _kind(error)
    given = error.get("input")
    code, sentence = _SENTENCES.get(kind, _OTHER_INSIDE if isinstance(given, dict | list) else _OTHER)
    if kind.startswith("union_tag"):
        path += ".type"
    wanted = dict.fromkeys(_WANTED[each["type"]] for each in errors if _path(each["loc"]) == path and _is_type(each))
    said = {
        "path": path,
        "wanted": _listed(list(wanted)),
        "got": _got(given),
        "shown": repr(given)[:80] if isinstance(given, str) else str(given)[:80] if _is_plain(given) else _got(given),
        "length": len(given) if isinstance(given, str | list | dict) else 0,
        "msg": f"{error['msg'].removesuffix('.')}.",
    }
    return ApiError(400, sentence.format(**{**error.get("ctx", {}), **said}), code=code, param=path)


def _kind(error: Mapping[str, Any]) -> str:
    kind, given = str(error["type"]), error.get("input")
    if _is_type(error) or (kind == "union_tag_not_found" and not isinstance(given, dict)):
        return "type"
    if kind == "too_long" and isinstance(given, dict):
        return "too_many_properties"
    if kind == "string_too_long" and error["loc"][-1] == "[key]":
        return "key_too_long"
    return kind


def _is_type(error: Mapping[str, Any]) -> bool:
    return error["type"] in _WANTED


def _is_plain(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _got(given: object) -> str:
    """Its type in JSON's words."""
    if given is None:
        return "null"
    if isinstance(given, bool):
        return "a boolean"
    kinds = {str: "a string", int: "an integer", float: "a number", list: "an array", dict: "an object"}
    return kinds.get(type(given), "something else")


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "an object"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _unspecific(error: Mapping[str, Any]) -> tuple[bool, int]:
    """Of a value that may be of several types, what is wrong with it in its own type says most."""
    return (_is_type(error), -len(error["loc"]))


def _path(loc: Sequence[Any]) -> str:
    """`files[0].attributes.year` of ('body', 'files', 0, 'attributes', 'year', 'constrained-str')."""
    path = ""
    for i, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _added(part, i, loc):
            path += f".{part}" if path else str(part)
    return path or str(loc[0])


def _added(part: str, i: int, loc: Sequence[Any]) -> bool:
    """Whether pydantic put it there: where a value came from, or the type of a union that it tried."""
    if i == 0:
        return part in ("body", "query", "path", "header")
    if part in _TAGS:
        return loc[i - 1] in _TAGGED or isinstance(loc[i - 1], int)
    return "[" in part or (i == len(loc) - 1 and (part in _TYPES or part.startswith("constrained-")))
