"""For who runs the server: is it alive, is it ready, what does it do."""

from __future__ import annotations

import hmac
import shutil

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from vecstore.errors import VecstoreError
from vecstore.server.errors import ApiError
from vecstore.server.settings import LOOPBACK
from vecstore.server.state import Server

router = APIRouter(tags=["Operations"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    """Whether it can do its work, and if not, why: 200 or 503."""
    server: Server = request.app.state.server
    checks = {
        "serving": (not server.draining.is_set(), "it is shutting down"),
        "catalogue": _catalogue(server),
        "model": (server.model.missing is None, server.model.missing or "ok"),
        "disk": _disk(server),
        "writing": _writing(server),
        "sandbox": _sandbox(server),
    }
    ready = all(well for well, _ in checks.values())
    told = {name: "ok" if well and name != "sandbox" else said for name, (well, said) in checks.items()}
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": told}, 200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """In Prometheus' text format; to this machine, or to who has the token."""
    server: Server = request.app.state.server
    token, given = server.settings.metrics_token, request.headers.get("authorization", "")
    proxied = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    local = request.client is not None and request.client.host in LOOPBACK and not proxied
    if token is None and not local:
        raise ApiError(403, "The metrics are for this machine alone, as long as no metrics token is set.")
    if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise ApiError(401, "The metrics need 'Authorization: Bearer TOKEN'.", headers={"www-authenticate": "Bearer"})
    return Response(server.metrics.text(), media_type="text/plain; version=0.0.4")


def _catalogue(server: Server) -> tuple[bool, str]:
    try:
        server.engine.projects()
    except VecstoreError as error:
        return False, str(error)
    return True, "ok"


def _disk(server: Server) -> tuple[bool, str]:
    free, least = shutil.disk_usage(server.engine.folder).free, server.settings.min_free_bytes
    return free >= least, f"{free >> 20} MiB are free, and {least >> 20} MiB must be"


def _writing(server: Server) -> tuple[bool, str]:
    try:
        server.engine.check_writable()
    except VecstoreError as error:
        return False, str(error)
    return True, "ok"


def _sandbox(server: Server) -> tuple[bool, str]:
    try:
        return True, str(server.engine.sandbox())
    except VecstoreError as error:
        return False, str(error)
