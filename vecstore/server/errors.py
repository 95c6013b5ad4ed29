"""Errors as OpenAI's envelope: status, type, code, the parameter that is wrong, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse

from vecstore.errors import (
    EmbedderMismatchError,
    EmbeddingError,
    ExpiredError,
    FileFailedError,
    IndexFailedError,
    InvalidRequestError,
    NotFoundError,
    SandboxError,
    StorageError,
    VecstoreError,
)
from vecstore.server.wire.objects import ErrorBody, ErrorEnvelope

RETRY_AFTER_S = 1


class ApiError(Exception):
    """An answer that is an error. `code` and `param` as OpenAI has them; `headers` go with it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        body = ErrorBody(message=str(self), type=_type(self.status), param=self.param, code=self.code)
        return JSONResponse(ErrorEnvelope(error=body).model_dump(), self.status, self.headers)


def too_busy(
    message: str, *, status: int = 503, code: str = "server_overloaded", after_s: int = RETRY_AFTER_S
) -> ApiError:
    """Come again."""
    return ApiError(status, message, code=code, headers={"retry-after": str(after_s)})


def of_engine(error: VecstoreError) -> ApiError:
    """What an error of the library says to a client."""
    if isinstance(error, InvalidRequestError):
        return ApiError(400, str(error), code="invalid_value", param=error.param)
    if isinstance(error, NotFoundError):
        return ApiError(404, str(error), param="id")
    if isinstance(error, FileFailedError):
        return ApiError(400, str(error), code=error.code)
    for kind, (status, code, headers) in _ANSWERS.items():
        if isinstance(error, kind):
            return ApiError(status, str(error), code=code, headers=headers)
    return ApiError(500, str(error), code="internal_error")


_ANSWERS: dict[type[VecstoreError], tuple[int, str, dict[str, str]]] = {
    ExpiredError: (400, "vector_store_expired", {}),
    EmbedderMismatchError: (400, "embedder_mismatch", {}),
    StorageError: (507, "insufficient_storage", {"x-should-retry": "false"}),  # a second try finds the same disk
    IndexFailedError: (503, "index_failed", {"retry-after": str(RETRY_AFTER_S)}),
    EmbeddingError: (503, "embedder_failed", {"retry-after": str(RETRY_AFTER_S)}),
    SandboxError: (503, "parser_failed", {"retry-after": str(RETRY_AFTER_S)}),
}


def of_validation(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """What is wrong with a request, told of the first place that is."""
    error = min(errors, key=_unspecific)
    path = _path(error["loc"])
    kind, context, given = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "json_invalid":
        return ApiError(400, f"We could not parse the JSON body of your request: {context.get('error', error['msg'])}.")
    code, message = _CODES.get(kind, ("invalid_value", None))
    if kind == "too_long" and isinstance(given, dict):
        code = "object_above_max_properties"
    if kind == "string_too_long" and error["loc"][-1] == "[key]":
        code = "property_name_above_max_length"
    if kind.endswith("_type") or kind in ("int_from_float", "union_tag_not_found", "bool_parsing"):
        code = "invalid_type"
    if kind in ("missing", "extra_forbidden"):
        said = f"{'Missing required' if kind == 'missing' else 'Unknown'} parameter: '{path}'."
    else:
        said = f"Invalid '{path}': {message or error['msg']}{_shown(given)}"
    return ApiError(400, said, code=code, param=path)


_CODES: dict[str, tuple[str, str | None]] = {
    "missing": ("missing_required_parameter", None),
    "extra_forbidden": ("unknown_parameter", None),
    "too_long": ("array_above_max_length", None),
    "too_short": ("array_below_min_length", None),
    "string_too_long": ("string_above_max_length", None),
    "string_too_short": ("string_below_min_length", None),
    "less_than_equal": ("integer_above_max_value", None),
    "greater_than_equal": ("integer_below_min_value", None),
    "string_pattern_mismatch": ("invalid_value", "it has a form that is not expected"),
}


def _unspecific(error: Mapping[str, Any]) -> tuple[bool, int]:
    """Of a value that may be of several types, what is wrong with it in its own type says most."""
    return (str(error["type"]).endswith("_type"), -len(error["loc"]))


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
        return loc[i - 1] in ("filters", "chunking_strategy") or isinstance(loc[i - 1], int)
    return "[" in part or (i == len(loc) - 1 and (part in _TYPES or part.startswith("constrained-")))


_TYPES = {"str", "bool", "int", "float"}
_TAGS = {"auto", "static", "structure", "and", "or", "eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"}


def _shown(given: object) -> str:
    if isinstance(given, str | int | float | bool) or given is None:
        return f" Got {given!r:.80} instead."
    return f" Got {'an array' if isinstance(given, list) else 'an object'} instead."


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    if status >= 500:
        return "server_error"
    return "permission_error" if status == 403 else "invalid_request_error"
