"""What an engine is given, as it lies in a folder. Needs numpy alone, since other environments read it, too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]
Leg: TypeAlias = Literal["hybrid", "dense", "keyword"]

DEPTH = 50  # candidates a leg, before they are fused
RESULTS = 10
RRF_K = 60  # Cormack et al., SIGIR 2009
FIELDS = ("part", "topic")  # whole numbers that each chunk has, to be filtered by


class NoSuchLegError(Exception):
    """An engine that is asked by words and has no keyword index."""


@dataclass(frozen=True, slots=True)
class Filter:
    """`part lt 10` or `topic eq 3`."""

    key: str
    operator: Literal["lt", "eq"]
    value: int

    @property
    def sql(self) -> str:
        return f"{self.key} {'<' if self.operator == 'lt' else '='} {self.value}"


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    vector: FloatArray
    leg: Leg
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    number: int
    text: str
    vector: FloatArray
    part: int
    topic: int


@dataclass(frozen=True, slots=True)
class Chunks:
    """Equally long; a chunk's number is its place. `names` are file and first character, `vectors` (n, d) unit norm."""

    texts: list[str]
    names: list[str]
    parts: list[int]
    topics: list[int]
    vectors: FloatArray

    def groups(self, size: int) -> list[range]:
        """Their numbers, so many at a time."""
        return [range(i, min(i + size, len(self.texts))) for i in range(0, len(self.texts), size)]


def chunks(folder: Path) -> Chunks:
    """All that is ingested."""
    return Chunks(**_read(folder / "chunks.json"), vectors=np.load(folder / "vectors.npy"))


def questions(folder: Path) -> tuple[list[str], FloatArray, list[int]]:
    """Texts, vectors (n, d), and of each the topic that is farthest from it."""
    asked = _read(folder / "questions.json")
    return asked["texts"], np.load(folder / "questions.npy"), asked["far"]


def extras(folder: Path) -> tuple[list[str], FloatArray]:
    """Texts and vectors of chunks that are added one by one later."""
    return _read(folder / "extras.json")["texts"], np.load(folder / "extras.npy")


def fused(rankings: list[list[int]]) -> list[int]:
    """By reciprocal ranks, best first; ties by number."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            scores[number] = scores.get(number, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores, key=lambda number: (-scores[number], number))[:RESULTS]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
