"""Texts and vectors that cost nothing, in any number: what is measured is the engine; and processes to measure in."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from vecstore.types import FloatArray, HalfArray

DIMENSIONS = 384
WORDS_A_FILE = 20_000
_MOST_FREQUENT = "the of and to in that is for it as was with be by on not this are or from at which have".split()
_CLUSTERS, _A_CLUSTER, _SPREAD = 3_000, 100, 0.8
_BLOCK = 20_000
processes = multiprocessing.get_context("forkserver")


class MadeUpVectors:
    """An embedder to whom no text means anything: each is somewhere around one of the centres.

    `cpu_s` is what it has taken itself.
    """

    identity, dimensions = "made up", DIMENSIONS

    def __init__(self) -> None:
        self._rng, self._centres, self.cpu_s = np.random.default_rng(), _centres(), 0.0

    def embed(self, texts: Sequence[str]) -> FloatArray:
        began = time.thread_time()
        vectors = _around(self._centres, self._rng, len(texts))
        self.cpu_s += time.thread_time() - began
        return vectors

    def embed_query(self, text: str) -> FloatArray:
        return np.asarray(self.embed([text])[0], np.float32)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [True] * len(texts)


def clustered(count: int, seed: int) -> Iterator[HalfArray]:
    """Unit vectors around centres, in blocks; the centres do not depend on the seed."""
    rng = np.random.default_rng(seed)
    centres = _centres()[: max(50, min(_CLUSTERS, count // _A_CLUSTER))]
    for begin in range(0, count, _BLOCK):
        yield _around(centres, rng, min(_BLOCK, count - begin)).astype(np.float16)


def _centres() -> FloatArray:
    drawn = np.random.default_rng(0).standard_normal((_CLUSTERS, DIMENSIONS), np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def _around(centres: FloatArray, rng: np.random.Generator, count: int) -> FloatArray:
    noise = rng.standard_normal((count, DIMENSIONS), np.float32) * np.float32(_SPREAD / DIMENSIONS**0.5)
    vectors = centres[rng.integers(0, len(centres), count)] + noise
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def texts(seed: int, words_a_file: int = WORDS_A_FILE) -> Iterator[str]:
    """Files of words that are as frequent as in English (Zipf), in sentences and paragraphs."""
    rng = np.random.default_rng(seed)
    syllables = [a + b for a in "bdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er")]
    made = ["".join(rng.choice(syllables, rng.integers(1, 5))) for _ in range(60_000)]
    known = np.array([*_MOST_FREQUENT, *made])
    while True:
        drawn = known[np.minimum(rng.zipf(1.2, words_a_file), len(known)) - 1]
        sentences = [" ".join(drawn[i : i + 15]) + "." for i in range(0, words_a_file, 15)]
        yield "\n\n".join(" ".join(sentences[i : i + 6]) for i in range(0, len(sentences), 6))


def in_a_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """What it gives. Raises EOFError where it raised, which it has printed then."""
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_send, args=(sender, partial(work, *arguments)))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def _send(sender: Any, work: Callable[[], Any]) -> None:
    sender.send(work())
