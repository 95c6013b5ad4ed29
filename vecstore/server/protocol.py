"""Uvicorn's HTTP protocol with what it lacks: limits of connections and of time, and errors in the envelope."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from vecstore.server.errors import ApiError, too_busy
from vecstore.server.frame import new_request_id

HEADERS_S = 15.0  # from the first byte of a request, or the connection, to the end of the headers
UNREAD_S = 5.0  # for the rest of a body whose request was answered already, such as refused


def limited_protocol(max_connections: int) -> type[H11Protocol]:
    """The protocol for a server of so many connections, idle ones included."""
    return type("LimitedProtocol", (_Limited,), {"max_connections": max_connections})


class _Limited(H11Protocol):
    max_connections: ClassVar[int]
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.write(_answer(too_busy("The server has as many connections as it takes.")))
            transport.close()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """In the envelope, unless an answer has begun already."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_answer(ApiError(400, f"We could not parse your request: {msg}")))
        self.transport.close()

    def _watch(self) -> None:
        """The clock runs while headers have begun and are not all there, and while a body comes after its answer.

        It is not set back by what comes.
        """
        theirs = self.conn.their_state
        begun = theirs is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
        unread = theirs is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete
        if not begun and not unread:
            self._forget()
        elif self._late is None:
            self._late = self.loop.call_later(HEADERS_S if begun else UNREAD_S, self.transport.close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _answer(error: ApiError) -> bytes:
    """To a connection that has no request yet."""
    response = error.response()
    response.headers["x-request-id"] = new_request_id()
    response.headers["connection"] = "close"
    head = b"".join(b"%s: %s\r\n" % pair for pair in response.raw_headers)
    status = b"%d %s" % (error.status, HTTPStatus(error.status).phrase.encode())
    return b"HTTP/1.1 %s\r\n%s\r\n%s" % (status, head, bytes(response.body))
