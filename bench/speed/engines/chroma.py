"""Chroma in a folder: vectors and filters; it ranks no words there, and so fuses nothing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bench.speed import given
from bench.speed.given import RESULTS, Chunk, NoSuchLegError, Question


class Chroma:
    def __init__(self, _: Path, folder: Path) -> None:
        self._folder: Path = folder
        self._library: Any = importlib.import_module("chromadb")

    def ingest(self, chunks: given.Chunks) -> None:
        self._connect()
        configuration = {"hnsw": {"space": "ip"}}
        self._chunks = self._client.create_collection("chunks", configuration=configuration, embedding_function=None)
        for some in chunks.groups(5_000):
            of = slice(some.start, some.stop)
            fields = [{"part": chunks.parts[i], "topic": chunks.topics[i]} for i in some]
            self._put(list(map(str, some)), chunks.texts[of], fields, chunks.vectors[of])
        self.close()

    def open(self) -> None:
        self._connect()
        self._chunks = self._client.get_collection("chunks", embedding_function=None)

    def search(self, question: Question) -> list[int]:
        if question.leg != "dense":
            raise NoSuchLegError(question.leg)
        wanted = question.filter and {question.filter.key: {f"${question.filter.operator}": question.filter.value}}
        found = self._chunks.query(
            query_embeddings=[question.vector], n_results=RESULTS, where=wanted, include=["distances"]
        )
        return [int(each) for each in found["ids"][0]]

    def add(self, chunk: Chunk) -> None:
        fields = {"part": chunk.part, "topic": chunk.topic}
        self._put([str(chunk.number)], [chunk.text], [fields], chunk.vector[None])

    def delete(self, number: int) -> None:
        self._chunks.delete(ids=[str(number)])

    def close(self) -> None:
        self._client.close()

    def _connect(self) -> None:
        settings = self._library.config.Settings(anonymized_telemetry=False)
        self._client: Any = self._library.PersistentClient(str(self._folder), settings=settings)

    def _put(self, ids: list[str], texts: list[str], fields: list[dict[str, int]], vectors: given.FloatArray) -> None:
        self._chunks.add(ids=ids, documents=texts, metadatas=fields, embeddings=vectors)


make = Chroma
