"""The server's log: lines on standard error, for people or for programs, without content, names or keys."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

_FIELDS = ("request_id", "method", "route", "status", "ms", "caller")


def log_to_stderr(*, as_json: bool, level: int = logging.INFO) -> None:
    """What we say from `level` up, of uvicorn the warnings, of parsers nothing: that comes as a file's warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _Lines())
    for name, least in (("vecstore", level), ("uvicorn", max(level, logging.WARNING))):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(least)
    logging.getLogger().addHandler(logging.NullHandler())


class _Lines(logging.Formatter):
    """What failed is told by its type and place: its message may quote what a client sent, and is for `debug`."""

    def format(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name}={value}" for name, value in _said(record).items() if name not in ("method", "route"))
        line = f"{_time(record)} {record.levelname:7} {record.getMessage()}{about and '  '}{about}"
        return f"{line}\n{_trace(record)}" if record.exc_info else line


class _JsonLines(logging.Formatter):
    """One object a line: time, level, message, and of a request its id, method, route, status, ms and key's id."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_said(record),
        }
        if record.exc_info:
            line["trace"] = _trace(record)
        return json.dumps(line, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _said(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) is not None}


def _trace(record: logging.LogRecord) -> str:
    assert record.exc_info is not None
    kind, error, frames = record.exc_info
    if logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
        return "".join(traceback.format_exception(kind, error, frames)).rstrip()
    said = kind.__qualname__ if kind is not None else "no error"
    return "".join(traceback.format_tb(frames)) + f"{said} (its message is told with the log level debug)"
