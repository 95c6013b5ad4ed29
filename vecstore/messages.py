"""What the library has to say, such as that a model is converted, as lines on standard error."""

from __future__ import annotations

import logging
import sys


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        dim, plain = ("\x1b[2m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
        sys.stderr.write(f"{dim}{record.getMessage()}{plain}\n")


def to_stderr() -> None:
    """Ours from INFO up; what parsers mumble is dropped, since it comes as a file's warnings."""
    logger = logging.getLogger("vecstore")
    logger.handlers = [_Lines(logging.INFO)]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())
