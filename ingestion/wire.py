"""What passes between a worker and its owner: framed JSON, believed no more than a file is."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from typing import Any, get_args

from ingestion.types import Document, InvalidFileError, Span, SpanKind

MAX_MESSAGE_BYTES = 256 << 20  # 5,000,000 tokens are some 20 MB of text, and its spans as much again
LENGTH = struct.Struct(">Q")
STATUS = struct.Struct(">q")  # of a process that was waited for; UNKNOWN where nothing is known of it
UNKNOWN = -1
PIECE_BYTES = 1 << 20
MAX_TITLE_CHARS = 1_000

_KINDS = frozenset(get_args(SpanKind))


class WireError(Exception):
    """The other side said something that is no message, or nothing any more."""


def frame(message: dict[str, Any]) -> bytes:
    """The message with its length in front."""
    body = json.dumps(message, ensure_ascii=False).encode(errors="surrogatepass")
    return LENGTH.pack(len(body)) + body


def write(fd: int, message: dict[str, Any]) -> None:
    """All of it; not by send, which a sandboxed process may not call."""
    left = memoryview(frame(message))
    while left:
        left = left[os.write(fd, left[:PIECE_BYTES]) :]


def read(receive: Callable[[int], bytes], *, max_bytes: int = MAX_MESSAGE_BYTES) -> dict[str, Any]:
    """The next message; `receive(n)` gives up to n bytes, b"" at the end. Raises WireError."""
    (length,) = LENGTH.unpack(_exactly(receive, LENGTH.size))
    if length > max_bytes:
        raise WireError(f"a message of {length} bytes, the limit is {max_bytes}")
    try:
        message = json.loads(_exactly(receive, length))
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a message: {error}") from error
    if not isinstance(message, dict):
        raise WireError("not a message")
    return message


def _exactly(receive: Callable[[int], bytes], length: int) -> bytearray:
    got = bytearray()
    while len(got) < length:
        piece = receive(min(length - len(got), PIECE_BYTES))
        if not piece:
            raise WireError("closed")
        got += piece
    return got


def packed(document: Document) -> dict[str, Any]:
    spans = [[span.kind, span.start, span.end, span.label, span.level] for span in document.spans]
    return {
        "text": document.text,
        "media_type": document.media_type,
        "spans": spans,
        "warnings": list(document.warnings),
        "verbatim": document.verbatim,
        "title": document.title,
    }


def unpacked(message: dict[str, Any], filename: str) -> Document:
    """The document, if it is one: a worker that a file has taken over may say anything. Raises InvalidFileError."""
    try:
        text, media_type, title = message["text"], message["media_type"], message["title"]
        spans = tuple(Span(*span) for span in message["spans"])
        warnings = tuple(message["warnings"])
        sound = all(isinstance(each, str) for each in (text, media_type, title, *warnings))
        sound = sound and all(_is_sound(span, len(text)) for span in spans)
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise InvalidFileError(f"'{filename}' broke its parser: what it gave is no document")
    title = title if title.isprintable() and len(title) <= MAX_TITLE_CHARS else ""
    return Document(text, media_type, spans, warnings, verbatim=message.get("verbatim") is True, title=title)


def _is_sound(span: Span, length: int) -> bool:
    numbers = span.start, span.end, span.level
    if span.kind not in _KINDS or not isinstance(span.label, str) or not all(type(n) is int for n in numbers):
        return False
    return 0 <= span.start < span.end <= length and span.level >= 0
