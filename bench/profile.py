"""Where the CPU of a search goes, from the question's text to cited results."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import vecstore
from bench import scale
from bench.embed import machine
from bench.made_up import MadeUpVectors, in_a_process, texts
from vecstore import search
from vecstore.catalog import Catalog
from vecstore.embed import default_embedder
from vecstore.index.dense import DenseIndex
from vecstore.index.keyword import KeywordIndex
from vecstore.types import FloatArray

RESULTS = Path(__file__).parent / "results" / "profile.jsonl"
QUERIES = 200
_WORDS = 6  # of a question
_REST = "all else"


class _Asked(MadeUpVectors):
    """Embeds a question with the default model, and then makes up a vector as of the others."""

    def __init__(self) -> None:
        super().__init__()
        self._model = default_embedder()

    def embed_query(self, text: str) -> FloatArray:
        self._model.embed_query(text)
        return super().embed_query(text)


_STAGES: dict[str, tuple[tuple[Any, str], ...]] = {
    "embedding the question": ((_Asked, "embed_query"),),
    "dense leg": ((DenseIndex, "search"),),
    "keyword leg": ((KeywordIndex, "search"), (KeywordIndex, "closeness")),
    "each leg's scores of what the other found": (
        (DenseIndex, "score"),
        (DenseIndex, "members"),
        (KeywordIndex, "score"),
        (KeywordIndex, "highest"),
    ),
    "fusion": ((search, "_ranked"),),
    "fetching": ((Catalog, "chunks"), (Catalog, "passages")),
    "citing": ((search, "_cited"),),
}


class _Clock:
    """CPU seconds of the process by stage, the model's threads with it; a stage inside another counts for itself."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(_STAGES, 0.0)
        self._inside = [0.0]

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            self._inside.append(0.0)
            try:
                return work(*arguments, **options)
            finally:
                took = time.process_time() - began
                self.spent[stage] += took - self._inside.pop()
                self._inside[-1] += took

        return run


def run(*, chunks: int, on_step: Callable[[str], None]) -> dict[str, Any]:
    """Medians of a store of so many chunks, both legs, ten results."""
    folder = Path(tempfile.mkdtemp(prefix="vecstore-profile-"))
    try:
        on_step(f"growing to {chunks:,} chunks")
        held, *_ = in_a_process(scale.grow, folder / "one", chunks)
        on_step(f"asking {QUERIES} questions")
        stages = in_a_process(_measured, folder / "one")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"chunks": held, "cpu_ms": stages, "machine": machine("cpu"), "version": vecstore.__version__}


def table(report: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{stage:45} {ms:7.2f}" for stage, ms in report["cpu_ms"].items()]
    return "\n".join([f"{report['chunks']:,} chunks: a search's CPU, ms (median)", *lines, report["machine"]])


def record(report: dict[str, Any]) -> None:
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(json.dumps(report) + "\n")


def _measured(folder: Path) -> dict[str, float]:
    """CPU milliseconds by stage, those of the whole search last."""
    words, rng, clock = next(texts(0)).split(), random.Random(0), _Clock()
    found: dict[str, list[float]] = {}
    with scale.opened(folder, _Asked()) as engine, _watched(clock):
        store = engine.get(scale.NAME)
        store.search("banana", hybrid_search=scale.BOTH)
        for _ in range(QUERIES):
            question = " ".join(rng.sample(words, _WORDS))
            clock.spent = dict.fromkeys(_STAGES, 0.0)
            began = time.process_time()
            store.search(question)
            whole = time.process_time() - began
            for stage, seconds in {**clock.spent, _REST: whole - sum(clock.spent.values()), "search": whole}.items():
                found.setdefault(stage, []).append(1000 * seconds)
    return {stage: round(float(np.median(ms)), 2) for stage, ms in found.items()}


@contextmanager
def _watched(clock: _Clock) -> Iterator[None]:
    with ExitStack() as stack:
        for stage, places in _STAGES.items():
            for owner, name in places:
                stack.enter_context(patch.object(owner, name, clock.timed(stage, getattr(owner, name))))
        yield
