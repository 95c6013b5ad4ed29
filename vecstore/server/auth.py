"""Who asks, and whether they may: an API key says which project, and what of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from starlette.requests import Request

from vecstore.engine import Engine
from vecstore.scope import ProjectScope
from vecstore.server.errors import ApiError
from vecstore.server.settings import Settings

EVERYBODY = "everybody"  # who needs no key
_ALL = frozenset({"read", "write", "admin"})
_SCHEME = "bearer "
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """`id` is the key's, or that of all who have none."""

    id: str
    project: ProjectScope
    scopes: frozenset[str]


class Doorkeeper:
    """Looks at the key before anything else of a request; nothing is remembered, so a revoked one fails at once."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._closed = not settings.open_to_all

    def admit(self, request: Request) -> Caller:
        """Raises ApiError 401 without a key that holds, 403 where it does not reach."""
        given = request.headers.get("authorization", "")
        secret = given[len(_SCHEME) :].strip() if given.lower().startswith(_SCHEME) else ""
        if self._is_open():
            _check_local(request)
            return Caller(EVERYBODY, self._engine.scope(), _ALL)
        if not secret:
            raise ApiError(
                401,
                "You didn't provide an API key: 'Authorization: Bearer KEY'. 'vecstore keys create' makes one.",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        key = self._engine.keys.authenticate(secret)
        if key is None:
            raise ApiError(
                401,
                "Incorrect API key provided: it is unknown, expired or revoked.",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        needed = scope_needed(request.method, request.url.path)
        if needed not in key.scopes:
            raise ApiError(403, f"This API key has the scope {_said(key.scopes)}; this request needs {needed!r}.")
        return Caller(key.id, self._engine.scope(key), frozenset(key.scopes))

    def _is_open(self) -> bool:
        """Until the first key is made; from then on one is asked for, also when it was revoked since."""
        if not self._closed:
            self._closed = self._engine.keys.any()
        return not self._closed


def scope_needed(method: str, path: str) -> str:
    """The scope a request needs: reports of all projects are the administrator's, searching is reading."""
    if "/organization/" in path:
        return "admin"
    return "read" if method in ("GET", "HEAD") or path.endswith("/search") else "write"


def _check_local(request: Request) -> None:
    """A page in a browser may reach this machine, too: it tells by its Origin, or by a Host that is not this one."""
    if "origin" in request.headers or not _LOCAL_HOST.fullmatch(request.headers.get("host", "")):
        raise ApiError(
            403,
            "Without API keys only programs on this machine are answered, under the name localhost; "
            "'vecstore keys create' makes a key.",
        )


def _said(scopes: Collection[str]) -> str:
    return " and ".join(repr(scope) for scope in sorted(scopes)) or "none"
