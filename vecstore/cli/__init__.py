"""The command line: one verb, one function. The only place that reads the environment."""

from vecstore.cli import files, jobs, searching, stores, usage  # noqa: F401 - each puts its verbs into `main`
from vecstore.cli.options import main

__all__ = ["main"]
