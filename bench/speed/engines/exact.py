"""numpy and a dictionary: every vector is looked at, and every chunk that has one of the words."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np

from bench.speed import given
from bench.speed.given import DEPTH, RESULTS, Chunk, Filter, Question


class Exact:
    def __init__(self, _: Path, folder: Path) -> None:
        self._folder = folder

    def ingest(self, chunks: given.Chunks) -> None:
        self._folder.mkdir(parents=True)
        np.save(self._folder / "vectors.npy", chunks.vectors)
        kept = {name: getattr(chunks, name) for name in ("texts", "parts", "topics")}
        (self._folder / "chunks.json").write_text(json.dumps(kept), encoding="utf-8")

    def open(self) -> None:
        kept = json.loads((self._folder / "chunks.json").read_text(encoding="utf-8"))
        self._vectors = np.load(self._folder / "vectors.npy")
        self._said: dict[str, dict[int, int]] = {}
        for number, text in enumerate(kept["texts"]):
            self._note(number, text)
        self._fields = {"part": np.array(kept["parts"]), "topic": np.array(kept["topics"])}
        self._there = np.ones(len(self._vectors), bool)

    def search(self, question: Question) -> list[int]:
        allowed = self._allowed(question.filter)
        if question.leg == "dense":
            return self._near(question, allowed, RESULTS)
        if question.leg == "keyword":
            return self._saying(question, allowed, RESULTS)
        return given.fused([self._near(question, allowed, DEPTH), self._saying(question, allowed, DEPTH)])

    def add(self, chunk: Chunk) -> None:
        self._vectors = np.concatenate([self._vectors, chunk.vector[None]])
        for key in given.FIELDS:
            self._fields[key] = np.append(self._fields[key], getattr(chunk, key))
        self._there = np.append(self._there, [True])
        self._note(chunk.number, chunk.text)

    def delete(self, number: int) -> None:
        self._there[number] = False

    def close(self) -> None: ...

    def _note(self, number: int, text: str) -> None:
        for word, times in Counter(_words(text)).items():
            self._said.setdefault(word, {})[number] = times

    def _allowed(self, filter_: Filter | None) -> np.ndarray:
        if filter_ is None:
            return self._there
        values = self._fields[filter_.key]
        wanted = values < filter_.value if filter_.operator == "lt" else values == filter_.value
        return np.asarray(wanted & self._there)

    def _near(self, question: Question, allowed: np.ndarray, k: int) -> list[int]:
        cosines = np.where(allowed, self._vectors @ question.vector, -2)
        found: list[int] = np.argsort(-cosines, kind="stable")[:k].tolist()
        return [number for number in found if allowed[number]]

    def _saying(self, question: Question, allowed: np.ndarray, k: int) -> list[int]:
        scores: dict[int, float] = {}
        for word in set(_words(question.text)):
            said = self._said.get(word, {})
            rare = math.log(1 + len(self._vectors) / (len(said) + 1))
            for number, times in said.items():
                scores[number] = scores.get(number, 0.0) + rare * times / (times + 1)
        best = sorted(scores, key=lambda number: (-scores[number], number))
        return [number for number in best if allowed[number]][:k]


def _words(text: str) -> list[str]:
    return text.lower().replace(".", " ").split()


make = Exact
