"""vecstore by its library, as it is by default: files are parsed, cut and cited; their vectors are given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import vecstore
from bench.speed import given
from bench.speed.given import RESULTS, Chunk, Filter, Question
from ingestion import StaticStrategy
from vecstore import HybridSearch, Source
from vecstore.types import FloatArray

NAME = "speed"
_WEIGHTS = {"hybrid": None, "dense": HybridSearch(1, 0), "keyword": HybridSearch(0, 1)}


class GivenVectors:
    """An embedder that looks up what it is told before."""

    identity, dimensions, texts_at_once = "given", 384, 1024

    def __init__(self) -> None:
        self._known: dict[str, FloatArray] = {}

    def learn(self, texts: Sequence[str], vectors: FloatArray) -> None:
        self._known.update(zip(texts, vectors, strict=True))

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [True] * len(texts)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        return np.stack([self._known[text] for text in texts])

    def embed_query(self, text: str) -> FloatArray:
        return self._known[text]


class Vecstore:
    def __init__(self, corpus: Path, folder: Path) -> None:
        self._corpus, self._folder, self._vectors = corpus, folder, GivenVectors()
        self._added: dict[int, str] = {}

    def ingest(self, chunks: given.Chunks) -> None:
        self._vectors.learn(chunks.texts, chunks.vectors)
        strategy = StaticStrategy(json.loads((self._corpus / "tokens.json").read_bytes()), 0)
        files = json.loads((self._corpus / "files.json").read_bytes())
        sources = [Source(name, self._corpus / "files" / name, attributes=fields) for name, fields in files.items()]
        with vecstore.open(self._folder, embedder=self._vectors) as engine:
            added = list(engine.create(NAME).add_many(sources, chunking_strategy=strategy))
        made = sum(each.chunks for each in added)
        if made != len(chunks.texts):
            raise RuntimeError(f"{made} chunks were made of the files, not {len(chunks.texts)}")

    def open(self) -> None:
        texts, vectors, _ = given.questions(self._corpus)
        self._vectors.learn(texts, vectors)
        self._engine = vecstore.open(self._folder, embedder=self._vectors)
        self._store = self._engine.get(NAME)

    def search(self, question: Question) -> Sequence[int | str]:
        found = self._store.search(
            question.text,
            max_num_results=RESULTS,
            filters=wanted_of(question.filter),
            hybrid_search=_WEIGHTS[question.leg],
            ranker="auto" if question.leg == "hybrid" else "none",
        )
        return [f"{each.filename}:{each.start}" for each in found]

    def add(self, chunk: Chunk) -> None:
        self._vectors.learn([chunk.text], chunk.vector[None])
        name = f"{chunk.number}.txt"
        fields = {"part": chunk.part, "topic": chunk.topic}
        self._added[chunk.number] = self._store.add((name, chunk.text.encode()), attributes=fields).id

    def delete(self, number: int) -> None:
        self._engine.delete_file(self._added.pop(number))

    def close(self) -> None:
        self._engine.close()


def wanted_of(filter_: Filter | None) -> dict[str, object] | None:
    if filter_ is None:
        return None
    return {"type": filter_.operator, "key": filter_.key, "value": filter_.value}


make = Vecstore
