"""The engines that are measured, each in a module that needs its library and numpy alone."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.speed import given
from bench.speed.given import Chunk, Question


class Engine(Protocol):
    """One index of chunks in a folder. What a call changed is as durable as the library can make it."""

    def ingest(self, chunks: given.Chunks) -> None:
        """All chunks into an empty folder, and closed."""

    def open(self) -> None:
        """What was ingested."""

    def search(self, question: Question) -> Sequence[int | str]:
        """The numbers or names of the best chunks, best first. Raises NoSuchLegError for one it has not."""

    def add(self, chunk: Chunk) -> None:
        """One more."""

    def delete(self, number: int) -> None:
        """One that was added."""

    def close(self) -> None: ...


def engine(name: str, corpus: Path, folder: Path) -> Engine:
    """Imports its library."""
    module = importlib.import_module(f"bench.speed.engines.{name.replace('-', '_')}")
    made: Engine = module.make(corpus, folder)
    return made
