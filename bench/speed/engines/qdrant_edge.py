"""Qdrant Edge: vectors beside its own BM25 as sparse vectors, and its own fusion; optimised after ingestion."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bench.speed import given
from bench.speed.given import DEPTH, FIELDS, RESULTS, RRF_K, Chunk, Question

_NEAR, _WORDS = "near", "words"


class QdrantEdge:
    def __init__(self, _: Path, folder: Path) -> None:
        self._folder: Path = folder
        self._q: Any = importlib.import_module("qdrant_edge")
        self._bm25: Any = self._q.Bm25(self._q.Bm25Config(language="english"))

    def ingest(self, chunks: given.Chunks) -> None:
        q = self._q
        self._folder.mkdir(parents=True)
        config = q.EdgeConfig(
            vectors={_NEAR: q.EdgeVectorParams(size=384, distance=q.Distance.Dot)},
            sparse_vectors={_WORDS: q.EdgeSparseVectorParams(modifier=q.Modifier.Idf)},
            max_search_threads=1,
        )
        self._shard: Any = q.EdgeShard.create(str(self._folder), config)
        for key in FIELDS:
            self._shard.update(q.UpdateOperation.create_field_index(key, q.PayloadSchemaType.Integer))
        for some in chunks.groups(1_000):
            self._put([Chunk(i, chunks.texts[i], chunks.vectors[i], chunks.parts[i], chunks.topics[i]) for i in some])
        self._shard.optimize()
        self.close()

    def open(self) -> None:
        self._shard = self._q.EdgeShard.load(str(self._folder))

    def search(self, question: Question) -> list[int]:
        q, wanted = self._q, self._filter(question)
        if question.leg == "hybrid":
            legs = [self._near(question), self._saying(question)]
            asked = [q.Prefetch(limit=DEPTH, query=leg, filter=wanted) for leg in legs]
            request = q.QueryRequest(limit=RESULTS, prefetches=asked, query=q.Fusion.Rrf(k=RRF_K))
        else:
            leg = self._near(question) if question.leg == "dense" else self._saying(question)
            request = q.QueryRequest(limit=RESULTS, query=leg, filter=wanted)
        return [point.id for point in self._shard.query(request)]

    def add(self, chunk: Chunk) -> None:
        self._put([chunk])
        self._shard.flush()

    def delete(self, number: int) -> None:
        self._shard.update(self._q.UpdateOperation.delete_points([number]))
        self._shard.flush()

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()

    def _put(self, some: list[Chunk]) -> None:
        points = [
            self._q.Point(
                each.number,
                {_NEAR: each.vector.tolist(), _WORDS: self._bm25.embed_document(each.text)},
                {"text": each.text, "part": each.part, "topic": each.topic},
            )
            for each in some
        ]
        self._shard.update(self._q.UpdateOperation.upsert_points(points))

    def _near(self, question: Question) -> Any:
        return self._q.Query.Nearest(question.vector.tolist(), using=_NEAR)

    def _saying(self, question: Question) -> Any:
        return self._q.Query.Nearest(self._bm25.embed_query(question.text), using=_WORDS)

    def _filter(self, question: Question) -> Any:
        wanted, q = question.filter, self._q
        if wanted is None:
            return None
        if wanted.operator == "lt":
            return q.Filter(must=[q.FieldCondition(wanted.key, range=q.RangeFloat(lt=wanted.value))])
        return q.Filter(must=[q.FieldCondition(wanted.key, match=q.MatchValue(wanted.value))])


make = QdrantEdge
