"""The command line: one verb, one function. The only place that reads the environment."""

import os
import sys
from contextlib import suppress

from vecstore.cli import (  # noqa: F401 - each puts its verbs into `main`
    backup,
    files,
    jobs,
    keys,
    moving,
    searching,
    serve,
    stores,
    tuning,
    usage,
)
from vecstore.cli.options import INTERRUPTED, main

__all__ = ["main", "program"]


def program() -> None:
    """`main` as a process of its own, which Ctrl-C ends as soon as all is closed.

    Python would wait for the threads of libraries, which an interrupt may have left waiting for ever.
    """
    try:
        main()
    except SystemExit as ended:
        if ended.code != INTERRUPTED:
            raise
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(INTERRUPTED)
