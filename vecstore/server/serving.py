"""`serve()`: the application on a socket, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn

from vecstore.engine import Engine
from vecstore.errors import InvalidRequestError, ServerError
from vecstore.server.app import create_app
from vecstore.server.protocol import limited_protocol
from vecstore.server.settings import LOOPBACK, Settings

DRAIN_S = 30  # for requests under way, once it is told to stop
KEEP_ALIVE_S = 75
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
