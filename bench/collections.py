"""Test collections as files to index, questions and judgments: each is named by a path, the project has only `data`.

Four layouts are known: BEIR's (`corpus.jsonl[.gz]`, `queries.jsonl`, `qrels/*.tsv`), files whose pages are judged
(`files/`, `queries.jsonl`, `qrels/*.tsv` with `file.pdf#page=0`), texts of which exact stretches answer a question
(`corpora/*.md`, `questions.jsonl`), and files with passages copied from them (`samples/`, `questions.jsonl`; see
data/README.md).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vecstore import Source

PAGE = "#page="
_FOLDERS = {"pages": "files", "spans": "corpora", "passages": "samples"}  # of the files, by layout


@dataclass(frozen=True, slots=True)
class Question:
    """`evidence` are the texts that answer it, where the collection has them; `spans` where they stand.

    `passages` are (file, passage, what it answers): one of those that answer the same is enough.
    """

    id: str
    text: str
    evidence: tuple[str, ...] = ()
    spans: tuple[tuple[str, int, int], ...] = ()  # file, start, end in characters
    passages: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """`documents` tells the judged document of each file's name; empty where files are judged by their own names."""

    name: str
    layout: Literal["documents", "pages", "spans", "passages"]
    folder: Path
    questions: tuple[Question, ...]
    qrels: Mapping[str, Mapping[str, int]]  # question, document, grade
    documents: Mapping[str, str]

    def sources(self) -> Iterator[Source]:
        """What is indexed."""
        if self.layout == "documents":
            for name, (_, text) in zip(self.documents, _corpus(self.folder), strict=True):
                yield Source(name, text.encode())
            return
        files = self.folder / _FOLDERS[self.layout]
        for path in _files(files):
            yield Source(path.relative_to(files).as_posix(), path)

    def digest(self) -> str:
        """Changes with what is indexed."""
        here = self.folder
        paths = [_corpus_path(here)] if self.layout == "documents" else _files(here / _FOLDERS[self.layout])
        digest = hashlib.sha256()
        for path in paths:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:12]


def load(folder: Path) -> Collection:
    """Raises ValueError for a folder of none of the layouts."""
    if (folder / "corpora").is_dir():
        return _spans(folder)
    if (folder / "files").is_dir():
        questions = [_question(line) for line in _lines(folder / "queries.jsonl")]
        return Collection(folder.name, "pages", folder, tuple(questions), _qrels(folder), {})
    if (folder / "samples").is_dir():
        passages = tuple(map(_judged_passages, _lines(folder / "questions.jsonl")))
        return Collection(folder.resolve().name, "passages", folder, passages, {}, {})
    if not folder.is_dir() or not _corpus_path(folder).exists():
        raise ValueError(f"{folder} has neither corpus.jsonl, nor files/, corpora/ or samples/")
    qrels = _qrels(folder)
    questions = [each for each in map(_question, _lines(folder / "queries.jsonl")) if each.id in qrels]
    documents = {f"{i:06}.{_ending(text)}": key for i, (key, text) in enumerate(_corpus(folder))}
    return Collection(folder.name, "documents", folder, tuple(questions), qrels, documents)


def _corpus(folder: Path) -> Iterator[tuple[str, str]]:
    """Each document's id and text; a title is its heading."""
    for row in _lines(_corpus_path(folder)):
        title = " ".join(str(row.get("title", "")).split())
        yield str(row["_id"]), f"# {title}\n\n{row['text']}" if title else str(row["text"])


def _ending(text: str) -> str:
    return "md" if text.startswith("# ") else "txt"


def _corpus_path(folder: Path) -> Path:
    packed = folder / "corpus.jsonl.gz"
    return packed if packed.exists() else folder / "corpus.jsonl"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _judged_passages(row: Mapping[str, Any]) -> Question:
    """Of a question of several parts every passage is wanted, of others any."""
    parts = row["kind"] == "multi-hop"
    passages = [(each["file"], each["passage"], str(i if parts else 0)) for i, each in enumerate(row["relevant"])]
    return Question(row["id"], row["query"], passages=tuple(passages))


def _question(row: Mapping[str, Any]) -> Question:
    evidence = tuple(str(each["text"]) for each in row.get("evidence", ()))
    return Question(str(row["_id"]), str(row["text"]), evidence)


def _spans(folder: Path) -> Collection:
    questions = []
    for row in _lines(folder / "questions.jsonl"):
        name = f"{row['corpus']}.md"
        spans = tuple((name, int(each["start"]), int(each["end"])) for each in row["references"])
        evidence = tuple(str(each["content"]) for each in row["references"])
        questions.append(Question(str(row["_id"]), str(row["text"]), evidence, spans))
    return Collection(folder.name, "spans", folder, tuple(questions), {}, {})


def _qrels(folder: Path) -> dict[str, dict[str, int]]:
    """Only questions with a document that answers them; of several splits those of `test.tsv`, if there is one."""
    found: dict[str, dict[str, int]] = {}
    test = folder / "qrels" / "test.tsv"
    for path in [test] if test.exists() else sorted((folder / "qrels").glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                found.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return {question: grades for question, grades in found.items() if max(grades.values()) > 0}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)
