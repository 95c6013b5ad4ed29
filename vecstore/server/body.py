"""Bodies on their way in: bounded in size and time, JSON parsed without recursion, files straight to the disk."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from pydantic_core import from_json
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from vecstore.blobs import Incoming
from vecstore.server.errors import ApiError
from vecstore.server.settings import Settings

LARGE_BYTES = 256 << 10
MAX_KEYS = 100  # of an object in JSON; 16 attributes are allowed
MAX_ITEMS = 10_000  # of an array; so many parts an upload may have
MAX_VALUES = 200_000  # of all of it; a batch of 2,000 files with all attributes has 100,000
MAX_FIELDS = 16
MAX_FIELD_BYTES = 64 << 10
MAX_OVERHEAD_BYTES = 1 << 20  # of a form: boundaries, headers, fields
FIRST_S = 60.0  # before the least pace is asked for
_WRITE_BYTES = 1 << 20
_MAX_BOUNDARY_BYTES = 256


async def read_body(request: Request, settings: Settings, max_bytes: int) -> bytes:
    """The body, whole. Raises ApiError 413 past the limit, 408 when it does not come."""
    pieces = []
    async for piece in _pieces(request, settings, max_bytes):
        pieces.append(piece)  # noqa: PERF401 - the limit is checked on the way
    return b"".join(pieces)


def parse_json(body: bytes) -> Any:
    """Nested at most 200 deep, without NaN, of no more values than a request can need. Raises ApiError."""
    # a large body may become a hundred times as large before its values are counted, so one at a time
    with _large if len(body) > LARGE_BYTES else nullcontext():
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise ApiError(400, f"We could not parse the JSON body of your request: {error}.") from error
        _check_shape(value)
    return value


_large = threading.Lock()


def _check_shape(value: Any) -> None:
    """What is wrong with a body is found value by value, so there must not be too many."""
    waiting, seen = [value], 0
    while waiting:
        value = waiting.pop()
        if not isinstance(value, dict | list):
            continue
        limit, what = (MAX_KEYS, "keys") if isinstance(value, dict) else (MAX_ITEMS, "items")
        seen += len(value)
        if len(value) > limit:
            raise ApiError(400, f"The JSON body has a value with {len(value):,} {what}; {limit:,} are the most.")
        if seen > MAX_VALUES:
            raise ApiError(400, f"The JSON body has more than {MAX_VALUES:,} values.")
        waiting += value.values() if isinstance(value, dict) else value


@dataclass(slots=True)
class Form:
    """A form with one file: the other fields, the file's name, and where its content went."""

    content: Incoming
    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None

    def text(self, name: str) -> str:
        """Raises ApiError for a field that is not there."""
        value = self.fields.get(name)
        if value is None:
            raise ApiError(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
        return value


async def read_form(request: Request, settings: Settings, form: Form, *, name: str, max_bytes: int) -> None:
    """Fills the form; the file is the field of that name and has at most `max_bytes`. Raises ApiError, StorageError."""
    reader = _FormReader(_boundary(request), form, name, max_bytes)
    async for piece in _pieces(request, settings, max_bytes + MAX_OVERHEAD_BYTES):
        reader.feed(piece)
        if reader.waiting_bytes >= _WRITE_BYTES:
            await run_in_threadpool(reader.write)
    await run_in_threadpool(reader.write)
    reader.finish()


class _FormReader:
    """Takes a form apart as it comes. Order and content types of the parts are of no account."""

    def __init__(self, boundary: bytes, form: Form, name: str, max_bytes: int) -> None:
        self._form = form
        self._name = name
        self._max_bytes = max_bytes
        self._header: bytearray = bytearray()
        self._value: bytearray = bytearray()
        self._disposition = b""
        self._field = ""
        self._text: bytearray | None = None  # of the field that comes, unless it is the file
        self._waiting: list[bytes] = []
        self.waiting_bytes = 0
        self._bytes = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
                "on_end": self._on_end,
            },
        )

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise ApiError(400, f"We could not parse the form of your request: {error}.") from error

    def write(self) -> None:
        """What has come of the file, to the disk."""
        waiting, self._waiting, self.waiting_bytes = self._waiting, [], 0
        if waiting:
            self._form.content.write(b"".join(waiting))

    def finish(self) -> None:
        if not self._ended:
            raise ApiError(400, "We could not parse the form of your request: it ends before its last boundary.")
        if self._form.filename is None:
            raise ApiError(
                400,
                f"Missing required parameter: '{self._name}'.",
                code="missing_required_parameter",
                param=self._name,
            )

    def _begin(self) -> None:
        self._disposition = b""

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers(self) -> None:
        name, filename = _disposition(self._disposition)
        self._field, self._text = name, None
        if name == self._name:
            if self._form.filename is not None:
                raise ApiError(400, f"Invalid '{name}': it comes more than once.", code="invalid_value", param=name)
            self._form.filename = filename or "upload"
        else:
            if len(self._form.fields) >= MAX_FIELDS:
                raise ApiError(400, f"A form may have {MAX_FIELDS} fields; this one has more.", code="invalid_value")
            self._text = bytearray()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._text is None:
            self._bytes += end - start
            if self._bytes > self._max_bytes:
                raise _too_large(self._max_bytes, self._name)
            self._waiting.append(data[start:end])
            self.waiting_bytes += end - start
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD_BYTES:
            message = f"Invalid '{self._field:.80}': a field may have {MAX_FIELD_BYTES} bytes."
            raise ApiError(400, message, code="string_above_max_length", param=self._field[:80])

    def _end(self) -> None:
        if self._text is not None:
            try:
                self._form.fields[self._field] = self._text.decode()
            except UnicodeDecodeError as error:
                message = f"Invalid '{self._field:.80}': it is not UTF-8."
                raise ApiError(400, message, code="invalid_value", param=self._field[:80]) from error

    def _on_end(self) -> None:
        self._ended = True


def _boundary(request: Request) -> bytes:
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    try:
        boundary = message.get_boundary("") if message.get_content_type() == "multipart/form-data" else ""
    except (ValueError, LookupError):  # a character set of its own that is none
        boundary = ""
    if not boundary or not boundary.isascii() or len(boundary) > _MAX_BOUNDARY_BYTES:
        raise ApiError(400, "This request must be a form: its content type 'multipart/form-data; boundary=...'.")
    return boundary.encode()


def _disposition(value: bytes) -> tuple[str, str | None]:
    """The name and the filename of a part; browsers and clients write UTF-8 there."""
    message = Message()
    message["content-disposition"] = value.decode(errors="replace")
    try:
        name, filename = message.get_param("name", "", "content-disposition"), message.get_filename()
    except (ValueError, LookupError) as error:
        raise ApiError(400, "A part of the form has a name in a character set that cannot be read.") from error
    return (name if isinstance(name, str) else name[2]), filename


async def _pieces(request: Request, settings: Settings, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes; what is too large by its own word is not waited for."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes, None)
    begin, total, stream = time.monotonic(), 0, aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(settings.body_idle_s):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise _too_slow(f"nothing came for {settings.body_idle_s:g} s") from error
        except ClientDisconnect as error:
            raise ApiError(400, "The connection was closed before the request was complete.") from error
        if piece is None:
            return
        total += len(piece)
        if total > max_bytes:
            raise _too_large(max_bytes, None)
        if time.monotonic() - begin > FIRST_S + total / settings.body_least_bytes_per_s:
            raise _too_slow(f"it comes at less than {settings.body_least_bytes_per_s} bytes/s")
        yield piece


def _too_large(max_bytes: int, param: str | None) -> ApiError:
    message = f"The request is too large: it may have at most {max_bytes:,} bytes."
    return ApiError(413, message, code="request_too_large", param=param, headers={"connection": "close"})


def _too_slow(reason: str) -> ApiError:
    message = f"The request was not complete in time: {reason}."
    return ApiError(408, message, code="request_timeout", headers={"connection": "close"})
