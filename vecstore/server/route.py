"""What every request goes through: the key, the pace, the body, the answer it may have had before."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from vecstore.jobs import MAX_FILE_BYTES
from vecstore.server.auth import Caller
from vecstore.server.body import Form, parse_json, read_body, read_form
from vecstore.server.errors import ApiError, too_busy
from vecstore.server.state import Server
from vecstore.uploads import MAX_PART_BYTES

MAX_KEY_CHARS = 255
SMALL_BYTES = 16 << 10  # of JSON, which is parsed sooner than a thread is found for it

Handle = Callable[[Request], Awaitable[Response]]


class Route(APIRoute):
    """Of everything under /v1."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            server: Server = request.app.state.server
            caller = await run_in_threadpool(server.doors.admit, request)
            request.state.caller = caller
            request.state.headers = server.pace.take(caller.id)
            with server.requests.entered(caller):
                return await self.answer(request, caller, server, handle)

        return handler

    async def answer(self, request: Request, caller: Caller, server: Server, handle: Handle) -> Response:
        """The body is JSON, or there is none."""
        settings = server.settings
        batch = self.path.endswith("/file_batches")
        body = await read_body(request, settings, settings.max_batch_json_bytes if batch else settings.max_json_bytes)
        headers = [each for each in request.scope["headers"] if each[0] != b"content-type"]
        request.scope["headers"] = [*headers, (b"content-type", b"application/json")]
        known = Request(request.scope, request.receive)
        known._body = body or b"{}"  # noqa: SLF001 - where Starlette keeps a body that was read
        if request.method == "POST":
            small = len(known._body) <= SMALL_BYTES  # noqa: SLF001
            parsed = parse_json(known._body) if small else await run_in_threadpool(parse_json, known._body)  # noqa: SLF001
            known._json = parsed  # noqa: SLF001 - and what it says
        return await _once(server, request, caller, body, lambda: handle(known))


class FormRoute(Route):
    """Of an upload: the body is a form, and its file goes straight to the disk."""

    async def answer(self, request: Request, caller: Caller, server: Server, handle: Handle) -> Response:
        name, limit = ("data", MAX_PART_BYTES) if self.path.endswith("/parts") else ("file", MAX_FILE_BYTES)
        with server.uploads.entered(caller), await run_in_threadpool(caller.project.receive) as incoming:
            form = Form(incoming)
            await read_form(request, server.settings, form, name=name, max_bytes=limit)
            request.state.form = form
            said = [form.filename, incoming.sha256, sorted(form.fields.items())]
            return await _once(server, request, caller, repr(said).encode(), lambda: handle(request))


async def _once(
    server: Server, request: Request, caller: Caller, body: bytes, act: Callable[[], Awaitable[Response]]
) -> Response:
    """The answer, or with an Idempotency-Key the one that the same request had before."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return await act()
    if not 1 <= len(key) <= MAX_KEY_CHARS:
        raise ApiError(400, f"An Idempotency-Key must have 1 to {MAX_KEY_CHARS} characters, not {len(key)}.")
    asked = hashlib.sha256(request.url.path.encode() + b"\0" + body).hexdigest()
    scope, answers = caller.project.project_id, server.engine.answers
    known = await run_in_threadpool(answers.begin, scope, key, asked, server.engine.now())
    if known is not None and known.status is not None:
        return Response(known.body, known.status, {**known.headers, "idempotent-replayed": "true"})
    if known is not None:
        raise _CUT_OFF if known.created_at < server.started_at else _IN_USE
    try:
        response = await act()
    except BaseException:
        await run_in_threadpool(answers.forget, scope, key)
        raise
    told = {name: value for name, value in response.headers.items() if name.lower() == "content-type"}
    await run_in_threadpool(answers.finish, scope, key, response.status_code, told, bytes(response.body))
    return response


_CUT_OFF = ApiError(
    409,
    "A request with this Idempotency-Key was cut off by a restart; look whether it took effect, and use a new key.",
    code="idempotency_unknown",
    headers={"x-should-retry": "false"},
)
_IN_USE = too_busy("A request with this Idempotency-Key is being answered.", status=409, code="idempotency_in_use")
