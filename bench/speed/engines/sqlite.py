"""sqlite-vec and FTS5 in one database: WAL, `synchronous=FULL`; fused here."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from bench.speed import given
from bench.speed.given import DEPTH, RESULTS, Chunk, Question

_SCHEMA = """
CREATE TABLE chunks (id INTEGER PRIMARY KEY, text TEXT, part INTEGER, topic INTEGER);
CREATE INDEX by_part ON chunks (part);
CREATE INDEX by_topic ON chunks (topic);
CREATE VIRTUAL TABLE words USING fts5(text, content='chunks', content_rowid='id', tokenize='porter unicode61');
CREATE VIRTUAL TABLE near USING vec0(
    id INTEGER PRIMARY KEY, vector float[384] distance_metric=cosine, part integer, topic integer
);
"""


class Sqlite:
    def __init__(self, _: Path, folder: Path) -> None:
        self._folder: Path = folder
        self._sqlite: Any = importlib.import_module("pysqlite3.dbapi2")
        self._library: Any = importlib.import_module("sqlite_vec")

    def ingest(self, chunks: given.Chunks) -> None:
        self._folder.mkdir(parents=True)
        self.open()
        self._db.executescript(_SCHEMA)
        for some in chunks.groups(1_000):
            self._insert(
                [Chunk(i, chunks.texts[i], chunks.vectors[i], chunks.parts[i], chunks.topics[i]) for i in some]
            )
        self.close()

    def open(self) -> None:
        self._db: Any = self._sqlite.connect(str(self._folder / "chunks.db"))
        self._db.enable_load_extension(True)
        self._library.load(self._db)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")

    def search(self, question: Question) -> list[int]:
        if question.leg == "dense":
            return self._near(question, RESULTS)
        if question.leg == "keyword":
            return self._saying(question, RESULTS)
        return given.fused([self._near(question, DEPTH), self._saying(question, DEPTH)])

    def add(self, chunk: Chunk) -> None:
        self._insert([chunk])

    def delete(self, number: int) -> None:
        with self._db:
            [[text]] = self._db.execute("SELECT text FROM chunks WHERE id = ?", [number])
            self._db.execute("INSERT INTO words(words, rowid, text) VALUES ('delete', ?, ?)", [number, text])
            self._db.execute("DELETE FROM near WHERE id = ?", [number])
            self._db.execute("DELETE FROM chunks WHERE id = ?", [number])

    def close(self) -> None:
        self._db.close()

    def _insert(self, some: list[Chunk]) -> None:
        rows = [(each.number, each.text, each.part, each.topic) for each in some]
        vectors = [(each.number, each.vector.tobytes(), each.part, each.topic) for each in some]
        with self._db:
            self._db.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?)", rows)
            self._db.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", [row[:2] for row in rows])
            self._db.executemany("INSERT INTO near VALUES (?, ?, ?, ?)", vectors)

    def _near(self, question: Question, k: int) -> list[int]:
        among = f" AND {question.filter.sql}" if question.filter else ""
        sql = f"SELECT id FROM near WHERE vector MATCH ? AND k = ?{among} ORDER BY distance"
        return self._ids(sql, [question.vector.tobytes(), k])

    def _saying(self, question: Question, k: int) -> list[int]:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", question.text))
        sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
        if question.filter:
            sql = (
                "SELECT words.rowid FROM words JOIN chunks ON chunks.id = words.rowid "
                f"WHERE words MATCH ? AND chunks.{question.filter.sql} ORDER BY words.rank LIMIT ?"
            )
        return self._ids(sql, [words, k])

    def _ids(self, sql: str, values: list[Any]) -> list[int]:
        return [row[0] for row in self._db.execute(sql, values)]


make = Sqlite
