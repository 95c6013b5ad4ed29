"""`serve()`: the application on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from vecstore.engine import Engine
from vecstore.errors import InvalidRequestError
from vecstore.server.app import create_app
from vecstore.server.errors import too_busy
from vecstore.server.settings import LOOPBACK, Settings

DRAIN_S = 30  # for requests under way, once it is told to stop
KEEP_ALIVE_S = 75
HEADERS_S = 15.0  # from the first byte of a request, or the connection, to the end of the headers
MAX_HEADER_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `max_connections` counts idle ones, too."""

    host: str = "127.0.0.1"
    port: int = 8000
    max_connections: int = 1000


def serve(engine: Engine, address: Address, settings: Settings | None = None) -> None:
    """Answers until SIGTERM or SIGINT; then lets requests under way end, and returns.

    Raises InvalidRequestError where it would be open to others without a key.
    """
    settings = settings or Settings()
    if settings.open_to_all and address.host not in LOOPBACK and not engine.keys.any():
        reason = "reaches beyond this machine, and there is no API key yet: 'vecstore keys create NAME' makes one"
        raise InvalidRequestError("host", f"{address.host!r} {reason}")
    app: ASGIApp = create_app(engine, settings)
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        http=limited_protocol(address.max_connections),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    uvicorn.Server(config).run()


def log_as_json(level: int = logging.INFO) -> None:
    """One JSON object a line on stderr: time, level, message, and what the record has beside these."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _JsonLines(logging.Formatter):
    _OURS = ("request_id", "method", "route", "status", "ms", "caller")

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in self._OURS if hasattr(record, name)}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def limited_protocol(max_connections: int) -> type[H11Protocol]:
    """Uvicorn's protocol with what it lacks: a limit on connections, and a time for headers to come."""

    class Limited(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.write(_FULL)
                transport.close()
                return
            self._await_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._await_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _await_headers(self) -> None:
            """The clock runs while a request has begun and its headers are not all there; it is not set back."""
            begun = self.conn.their_state is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
            if not begun:
                self._forget()
            elif self._late is None:
                self._late = self.loop.call_later(HEADERS_S, self.transport.close)

        def _forget(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Limited


_BODY = too_busy("The server has as many connections as it takes.").response().body
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_BODY), bytes(_BODY))
)
