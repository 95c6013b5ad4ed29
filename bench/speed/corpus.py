"""Files, their chunks, vectors and questions: made from a seed, so that every run and every machine has the same.

Words are as frequent as in English (Zipf). A file is of one topic, and the vectors of a topic lie together, with a
spectrum that falls as that of a real model's does. The chunks are those that vecstore cuts, each of one window.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.embed import default_model
from bench.speed import given
from bench.speed.given import RESULTS, Filter, FloatArray
from ingestion import StaticStrategy, chunk, parse

DIMENSIONS = 384
FILE_CHUNKS, PARTS, TOPICS, EXTRAS = 20, 100, 50, 10
_WORDS_A_TOKEN = 0.83
_QUESTION_WORDS = 6
_FLATTEST = 16  # dimensions that vary about as much as the first
_APART = 0.6  # a question from the chunk that it is about


@dataclass(frozen=True)
class Corpus:
    """In a folder, see `given`; and what the right answers are."""

    folder: Path
    chunks: given.Chunks

    @cached_property
    def numbers(self) -> dict[str, int]:
        """A chunk's number by its name."""
        return {name: i for i, name in enumerate(self.chunks.names)}

    def nearest(self, vectors: FloatArray, filter_: Filter | None) -> list[set[int]]:
        """The chunks that an exact search finds for each."""
        allowed = np.arange(len(self.chunks.texts))
        if filter_ is not None:
            values = np.array(self.chunks.parts if filter_.key == "part" else self.chunks.topics)
            allowed = np.flatnonzero(values < filter_.value if filter_.operator == "lt" else values == filter_.value)
        cosines = vectors @ self.chunks.vectors[allowed].T
        return [set(allowed[np.argsort(-row, kind="stable")[:RESULTS]].tolist()) for row in cosines]


def make(folder: Path, *, chunks: int, tokens: int, questions: int, seed: int) -> Corpus:
    """So many chunks or a few more, of up to so many tokens. Raises ValueError where a chunk has several windows."""
    rng = np.random.default_rng(seed)
    texts, names, file_of = _files(folder / "files", rng, chunks, tokens)
    files = file_of[-1] + 1
    parts, topics = rng.permutation(files) % PARTS, rng.permutation(files) % TOPICS
    space = _Space(rng)
    vectors = space.around(topics[file_of])
    made = given.Chunks(texts, names, parts[file_of].tolist(), topics[file_of].tolist(), vectors)
    _write(folder / "chunks.json", {name: getattr(made, name) for name in ("texts", "names", "parts", "topics")})
    np.save(folder / "vectors.npy", vectors)
    _write(folder / "tokens.json", tokens)
    _write_files(folder, {name.partition(":")[0]: i for i, name in enumerate(names)}, made)
    _write_questions(folder, rng, space, made, questions)
    _write(folder / "extras.json", {"texts": [f"{_said(rng, texts[i])} extra{i}." for i in range(EXTRAS)]})
    np.save(folder / "extras.npy", space.around(rng.integers(0, TOPICS, EXTRAS)))
    return Corpus(folder, made)


def _files(folder: Path, rng: np.random.Generator, chunks: int, tokens: int) -> tuple[list[str], list[str], list[int]]:
    """Writes them; the texts, names and file numbers of their chunks."""
    folder.mkdir(parents=True)
    words, strategy = _Words(rng), StaticStrategy(tokens, 0)
    texts: list[str] = []
    names: list[str] = []
    file_of: list[int] = []
    while len(texts) < chunks:
        number = file_of[-1] + 1 if file_of else 0
        name = f"{number:06}.txt"
        content = words.text(int(FILE_CHUNKS * tokens * _WORDS_A_TOKEN)).encode()
        cut = chunk(parse(content, name), strategy)
        if len(cut.windows) != len(cut.chunks):
            raise ValueError(f"chunks of {tokens} tokens are embedded as several windows each; at most 200 are one")
        (folder / name).write_bytes(content)
        file_of += [number] * len(cut.chunks)
        names += [f"{name}:{each.start}" for each in cut.chunks]
        texts += [each.text for each in cut.chunks]
    return texts, names, file_of


def _write_files(folder: Path, some_chunk: dict[str, int], made: given.Chunks) -> None:
    """The attributes of each file, which are those of its chunks."""
    attributes = {name: {"part": made.parts[i], "topic": made.topics[i]} for name, i in some_chunk.items()}
    _write(folder / "files.json", attributes)


def _write_questions(folder: Path, rng: np.random.Generator, space: _Space, made: given.Chunks, count: int) -> None:
    """Each about one chunk: some of its words, and a vector near to its own."""
    about = rng.choice(len(made.texts), count, replace=count > len(made.texts))
    vectors = _unit(made.vectors[about] + _APART * space.around(rng.integers(0, TOPICS, count)))
    there = np.unique(made.topics)
    far = there[np.argmin(vectors @ space.centres[there].T, axis=1)]
    texts = [f"{_said(rng, made.texts[i])} {number}" for number, i in enumerate(about)]  # no two are equal
    _write(folder / "questions.json", {"texts": texts, "far": far.tolist()})
    np.save(folder / "questions.npy", vectors)


def _said(rng: np.random.Generator, text: str) -> str:
    words = sorted(set(text.replace(".", " ").split()))
    return " ".join(rng.choice(words, min(_QUESTION_WORDS, len(words)), replace=False))


class _Words:
    """Running text of the words that the default model knows, the most frequent ones first."""

    def __init__(self, rng: np.random.Generator) -> None:
        vocabulary = json.loads((default_model() / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        self._words = np.array([word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 1])
        weights = 1 / (np.arange(len(self._words)) + 2.7)  # Mandelbrot
        self._shares, self._rng = weights / weights.sum(), rng

    def text(self, count: int) -> str:
        drawn = self._rng.choice(self._words, count, p=self._shares)
        sentences = [" ".join(drawn[i : i + 15]) + "." for i in range(0, count, 15)]
        return "\n\n".join(" ".join(sentences[i : i + 6]) for i in range(0, len(sentences), 6))


class _Space:
    """Where vectors lie: about as far from their topic's centre as that is from the middle."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        spectrum = 1 / np.sqrt(1 + np.arange(DIMENSIONS) / _FLATTEST)
        turned = np.linalg.qr(rng.standard_normal((DIMENSIONS, DIMENSIONS)))[0]
        self._axes = (spectrum[:, None] * turned).astype(np.float32)
        self.centres = _unit(self._drawn(TOPICS))

    def around(self, topics: np.ndarray) -> FloatArray:
        """One vector a topic, (n, d), unit norm."""
        return _unit(self.centres[topics] + _unit(self._drawn(len(topics))))

    def _drawn(self, count: int) -> FloatArray:
        return np.asarray(self._rng.standard_normal((count, DIMENSIONS), np.float32) @ self._axes, np.float32)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
