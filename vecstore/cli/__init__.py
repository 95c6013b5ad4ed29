"""The command line: one verb, one function. The only place that reads the environment."""

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
from vecstore.cli.options import main

__all__ = ["main"]
