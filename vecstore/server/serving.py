"""`serve()`: the application on a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from vecstore.engine import Engine
from vecstore.errors import InvalidRequestError, ServerError
from vecstore.server.app import create_app
from vecstore.server.errors import ApiError, too_busy
from vecstore.server.frame import new_request_id
from vecstore.server.settings import LOOPBACK, Settings

DRAIN_S = 30  # for requests under way, once it is told to stop
KEEP_ALIVE_S = 75
HEADERS_S = 15.0  # from the first byte of a request, or the connection, to the end of the headers
MAX_HEADER_BYTES = 64 << 10


log = logging.getLogger("vecstore.server")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. `max_connections` counts idle ones, too."""

    host: str = "127.0.0.1"
    port: int = 8000
    max_connections: int = 1000


def serve(
    engine: Engine, address: Address, settings: Settings | None = None, *, told: Callable[[str], None] = lambda _: None
) -> None:
    """Answers until SIGTERM or SIGINT; then lets requests under way end, and returns.

    `told` is given the base URL once it listens there. Raises InvalidRequestError where it would be open to others
    without a key, ServerError where it cannot listen.
    """
    settings = settings or Settings()
    if settings.open_to_all and address.host not in LOOPBACK and not engine.keys.any():
        reason = "reaches beyond this machine, and there is no API key yet: 'vecstore keys create NAME' makes one"
        raise InvalidRequestError("host", f"{address.host!r} {reason}")
    app = create_app(engine, settings)
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
    server = _Draining(config, app.state.server.draining, told)
    try:
        server.run()
    except SystemExit as error:  # its way of saying that it could not begin
        raise ServerError(f"cannot listen on {_netloc(address.host, address.port)}; the log above says why") from error


class _Draining(uvicorn.Server):
    """Uvicorn's server, which after a signal returns to its caller, so that what is open is closed.

    Streams are told to end at once, since requests under way are waited for.
    """

    def __init__(self, config: uvicorn.Config, draining: threading.Event, told: Callable[[str], None]) -> None:
        super().__init__(config)
        self._draining = draining
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._told(f"http://{_netloc(host, port)}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("shutting down; requests under way have %d s to end", DRAIN_S)
        await super().shutdown(sockets)
        if self.force_exit:  # a second Ctrl-C: it did not wait for the requests, and left this out
            await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._draining.set()
        super().handle_exit(sig, frame)


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def limited_protocol(max_connections: int) -> type[H11Protocol]:
    """Uvicorn's protocol with what it lacks: a limit on connections, and a time for headers to come."""

    class Limited(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.write(_answer(too_busy("The server has as many connections as it takes.")))
                transport.close()
                return
            self._await_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._await_headers()

        def send_400_response(self, msg: str) -> None:
            """In the envelope, unless an answer has begun already."""
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self.transport.write(_answer(ApiError(400, f"We could not parse your request: {msg}")))
            self.transport.close()

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


def _answer(error: ApiError) -> bytes:
    """To a connection that has no request yet."""
    response = error.response()
    response.headers["x-request-id"] = new_request_id()
    response.headers["connection"] = "close"
    head = b"".join(b"%s: %s\r\n" % pair for pair in response.raw_headers)
    status = b"%d %s" % (error.status, HTTPStatus(error.status).phrase.encode())
    return b"HTTP/1.1 %s\r\n%s\r\n%s" % (status, head, bytes(response.body))
