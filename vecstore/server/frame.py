"""The frame round every request: its id, its time, a line in the log, a count, and no exception without an envelope."""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vecstore.server.errors import ApiError
from vecstore.server.metrics import Metrics

OPENAI_VERSION = "2020-10-01"
MAX_CLIENT_ID_CHARS = 512
_API = "/v1/"
_METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"}  # others would each make a label

log = logging.getLogger("vecstore.server")


class Frame:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        scope.setdefault("state", {})["request_id"] = answer.id
        try:
            _check_client_id(Headers(scope=scope))
            await self._app(scope, receive, answer.send)
        except ApiError as error:
            await error.response()(scope, receive, answer.send)
        except Exception:
            log.exception("request failed", extra={"request_id": answer.id})
            if answer.status:  # it has begun: what is left is to break off
                raise
            await _failed(answer.id).response()(scope, receive, answer.send)
        finally:
            self._told(scope, answer)

    def _told(self, scope: Scope, answer: _Answer) -> None:
        route, seconds = _route(scope), time.perf_counter() - answer.begin
        self._metrics.answered(_method(scope), route, answer.status, seconds)
        caller = scope.get("state", {}).get("caller")
        log.info(
            "%s %s %s",
            _method(scope),
            route,
            answer.status,
            extra={
                "request_id": answer.id,
                "method": _method(scope),
                "route": route,
                "status": answer.status,
                "ms": round(1000 * seconds, 1),
                "caller": getattr(caller, "id", None),
            },
        )


def new_request_id() -> str:
    return f"req_{secrets.token_hex(16)}"


class _Answer:
    """Sends on what the application sends, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = new_request_id()
        self.begin = time.perf_counter()
        self.status = 0
        self._scope = scope
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.id
            headers["openai-version"] = OPENAI_VERSION
            headers["openai-processing-ms"] = str(int(1000 * (time.perf_counter() - self.begin)))
            for name, value in self._scope.get("state", {}).get("headers", {}).items():
                headers.setdefault(name, value)
        await self._send(message)


def _check_client_id(headers: Headers) -> None:
    given = headers.get("x-client-request-id", "")
    if len(given) > MAX_CLIENT_ID_CHARS or not given.isascii():
        raise ApiError(
            400,
            f"X-Client-Request-Id must be ASCII of at most {MAX_CLIENT_ID_CHARS} characters, not {len(given)}.",
            code="invalid_value",
        )


def _failed(request_id: str) -> ApiError:
    return ApiError(500, f"The server failed; its log has the reason under {request_id}.", code="internal_error")


def _route(scope: Scope) -> str:
    """The pattern of the path: ids and names stay out of logs and metrics."""
    path: str = getattr(scope.get("route"), "path", "none")
    nested = scope["path"].startswith(_API) and not path.startswith(_API)  # told without what its router is under
    return _API + path.removeprefix("/") if nested and path != "none" else path


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "OTHER"
