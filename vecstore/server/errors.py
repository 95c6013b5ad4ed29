"""Errors as OpenAI's envelope: status, type, code, the parameter that is wrong, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse

from vecstore.errors import (
    EmbedderMismatchError,
    EmbeddingError,
    ExpiredError,
    FileFailedError,
    IndexFailedError,
    InvalidRequestError,
    NotFoundError,
    RerankerError,
    SandboxError,
    StorageCode,
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

    def envelope(self) -> ErrorEnvelope:
        body = ErrorBody(message=str(self), type=_type(self.status), param=self.param, code=self.code)
        return ErrorEnvelope(error=body)

    def response(self) -> JSONResponse:
        return JSONResponse(self.envelope().model_dump(), self.status, self.headers)


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
    if isinstance(error, StorageError):
        status, code, headers = _STORAGE[error.code]
        return ApiError(status, str(error), code=code, headers=headers)
    for kind, (status, code, headers) in _ANSWERS.items():
        if isinstance(error, kind):
            return ApiError(status, str(error), code=code, headers=headers)
    return ApiError(500, str(error), code="internal_error")


_ANSWERS: dict[type[VecstoreError], tuple[int, str, dict[str, str]]] = {
    ExpiredError: (400, "vector_store_expired", {}),
    EmbedderMismatchError: (400, "embedder_mismatch", {}),
    IndexFailedError: (503, "index_failed", {"retry-after": str(RETRY_AFTER_S)}),
    EmbeddingError: (503, "embedder_failed", {"retry-after": str(RETRY_AFTER_S)}),
    RerankerError: (503, "reranker_failed", {"retry-after": str(RETRY_AFTER_S)}),
    SandboxError: (503, "parser_failed", {"retry-after": str(RETRY_AFTER_S)}),
}


_NO_RETRY = {"x-should-retry": "false"}  # a second try finds the same disk
_STORAGE: dict[StorageCode, tuple[int, str, dict[str, str]]] = {
    "full": (507, "insufficient_storage", _NO_RETRY),
    "busy": (503, "storage_busy", {"retry-after": str(RETRY_AFTER_S)}),
    "stopped": (503, "storage_stopped", _NO_RETRY),
    "damaged": (500, "storage_damaged", _NO_RETRY),
    "failed": (500, "storage_failed", _NO_RETRY),
}


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    if status >= 500:
        return "server_error"
    return "permission_error" if status == 403 else "invalid_request_error"
