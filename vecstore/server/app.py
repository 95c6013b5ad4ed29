"""`create_app()`: the routes over one engine."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from vecstore.disk import storage_error
from vecstore.engine import Engine
from vecstore.errors import VecstoreError
from vecstore.server import errors
from vecstore.server.background import background, sweep
from vecstore.server.frame import Frame
from vecstore.server.routes import batches, chunks, files, models, operations, organization, searching, stores, uploads
from vecstore.server.settings import Settings
from vecstore.server.state import Server
from vecstore.server.validation import of_validation
from vecstore.server.wire.objects import ErrorEnvelope

log = logging.getLogger("vecstore.server")


def create_app(engine: Engine, settings: Settings | None = None) -> FastAPI:
    """An ASGI application that speaks OpenAI's Files, Uploads and Vector Stores APIs over this engine.

    The engine stays the caller's to close. While the application lives, the model is loaded ahead and
    what expires is swept out.
    """
    server = Server.of(engine, settings or Settings())

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        with background(sweep, engine), background(server.model.load):
            yield
            server.draining.set()

    app = FastAPIOffline(
        "/docs",
        None,
        title="vecstore",
        version=version("vecstore"),
        summary="file_search that you own: OpenAI's Files, Uploads and Vector Stores APIs.",
        lifespan=life,
        strict_content_type=False,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.server = server
    app.add_middleware(Frame, metrics=server.metrics)
    app.add_exception_handler(errors.ApiError, _api_error)
    app.add_exception_handler(VecstoreError, _engine_error)
    app.add_exception_handler(MemoryError, _refused)
    app.add_exception_handler(OSError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    for module in (files, uploads, stores, batches, searching, chunks, organization, models):
        app.include_router(module.router, prefix="/v1", responses=_ERRORS, dependencies=[_BEARER])
    app.include_router(operations.router)
    return app


# For the description alone: who asks is looked at before anything else, in `Route`.
_BEARER = Security(HTTPBearer(auto_error=False, description="An API key: `vecstore keys create NAME`."))
_ERRORS: dict[int | str, dict[str, object]] = {
    "4XX": {"model": ErrorEnvelope, "description": "The request cannot be answered; the envelope says why."},
    "5XX": {"model": ErrorEnvelope, "description": "The server cannot answer; the envelope says why."},
}


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ApiError)
    return error.response()


async def _engine_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VecstoreError)
    answer = errors.of_engine(error)
    if answer.status >= 500:
        log.error("request failed: %s", error, extra={"request_id": request.state.request_id})
    return answer.response()


async def _refused(request: Request, error: Exception) -> Response:
    """By disk or memory, wherever that was."""
    return await _engine_error(request, storage_error("the request could not be answered", error))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_validation(error.errors()).response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    below = request.url.path.startswith("/v1/")
    if error.status_code == 404:
        hint = "/docs lists what this server answers" if below else "the API is below /v1: a base_url ends in it"
        message = f"Invalid URL ({request.method} {request.url.path:.200}); {hint}."
    else:
        message = str(error.detail)
    headers = {"allow": ", ".join(_allowed(request))} if error.status_code == 405 else error.headers or {}
    return errors.ApiError(error.status_code, message, headers=headers).response()


def _allowed(request: Request) -> list[str]:
    """The methods that some route has for this path; the router knows only those of the first one."""
    asked = [dict(request.scope, method=method) for method in ("GET", "POST", "DELETE")]
    routes = request.app.routes
    return [each["method"] for each in asked if any(route.matches(each)[0] is Match.FULL for route in routes)]
