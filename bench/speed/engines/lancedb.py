"""LanceDB: its own full-text index and fusion by reciprocal ranks; an exact scan below 100,000 chunks, as advised."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from bench.speed import given
from bench.speed.given import DEPTH, FIELDS, RESULTS, RRF_K, Chunk, Question

_INDEX_FROM = 100_000  # chunks
_REFINE = 10  # times as many are read again in full


class Lance:
    def __init__(self, _: Path, folder: Path) -> None:
        self._folder: Path = folder
        self._library: Any = importlib.import_module("lancedb")
        self._arrow: Any = importlib.import_module("pyarrow")
        self._fusion: Any = importlib.import_module("lancedb.rerankers").RRFReranker(RRF_K)

    def ingest(self, chunks: given.Chunks) -> None:
        table = self._library.connect(self._folder).create_table("chunks", schema=self._schema())
        for some in chunks.groups(10_000):
            of = slice(some.start, some.stop)
            columns = (list(some), chunks.texts[of], chunks.parts[of], chunks.topics[of])
            table.add(self._rows(*columns, chunks.vectors[of]))
        table.create_fts_index("text")
        for key in FIELDS:
            table.create_scalar_index(key)
        if len(chunks.texts) >= _INDEX_FROM:
            table.create_index(metric="dot", index_type="IVF_HNSW_SQ")  # the usual IVF_PQ has half the recall here
        table.optimize()

    def open(self) -> None:
        self._table: Any = self._library.connect(self._folder).open_table("chunks")

    def search(self, question: Question) -> list[int]:
        if question.leg == "keyword":
            query = self._table.search(question.text, query_type="fts").limit(RESULTS)
        elif question.leg == "dense":
            query = self._near(self._table.search(question.vector, query_type="vector")).limit(RESULTS)
        else:
            both = self._table.search(query_type="hybrid").vector(question.vector).text(question.text)
            query = self._near(both).rerank(self._fusion).limit(DEPTH)
        if question.filter:
            query = query.where(question.filter.sql)
        found: list[int] = query.select(["id"]).to_arrow()["id"].to_pylist()
        return found[:RESULTS]

    def add(self, chunk: Chunk) -> None:
        self._table.add(self._rows([chunk.number], [chunk.text], [chunk.part], [chunk.topic], chunk.vector[None]))

    def delete(self, number: int) -> None:
        self._table.delete(f"id = {number}")

    def close(self) -> None: ...

    def _near(self, query: Any) -> Any:
        return query.distance_type("dot").refine_factor(_REFINE)

    def _schema(self) -> Any:
        pa = self._arrow
        whole = [(name, pa.int32()) for name in ("id", *FIELDS)]
        return pa.schema([*whole, ("text", pa.string()), ("vector", pa.list_(pa.float32(), 384))])

    def _rows(
        self, numbers: list[int], texts: list[str], parts: list[int], topics: list[int], vectors: given.FloatArray
    ) -> Any:
        pa = self._arrow
        stored = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 384)
        return pa.table([numbers, parts, topics, texts, stored], schema=self._schema())


make = Lance
