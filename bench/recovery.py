"""How long a big vector store takes to answer after a kill -9, and to make its indexes anew."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import vecstore
from bench.embed import machine
from bench.made_up import MadeUpVectors, in_a_process, processes, texts
from vecstore import HybridSearch, Source, Workers

RESULTS = Path(__file__).parent / "results" / "recovery.jsonl"
NAME = "big"
BOTH = HybridSearch(embedding_weight=0.5, text_weight=0.5)


def run(*, chunks: int, kills: int, seed: int, on_step: Callable[[str], None]) -> dict[str, Any]:
    """Builds a store of so many chunks of the usual size, kills who adds to a copy, and opens what is left."""
    work = Path(tempfile.mkdtemp(prefix="vecstore-recovery-"))
    try:
        on_step(f"adding {chunks:,} chunks")
        began = time.perf_counter()
        in_a_process(_build, work / "kb", chunks)
        built_s = time.perf_counter() - began
        rng, ready = random.Random(seed), []
        for i in range(kills):
            on_step(f"kill {i + 1} of {kills}")
            shutil.copytree(work / "kb", work / "killed")
            adding = processes.Process(target=_add, args=(work / "killed", i))
            adding.start()
            time.sleep(rng.uniform(3, 12))
            adding.kill()
            adding.join()
            ready.append(in_a_process(_first_search, work / "killed"))
            shutil.rmtree(work / "killed")
        on_step("making the indexes anew")
        for folder in (work / "kb" / "stores").iterdir():
            shutil.rmtree(folder)
        rebuilt_s, held = in_a_process(_first_search, work / "kb")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    seconds = sorted(each for each, _ in ready)
    return {
        "chunks": held,
        "built_s": round(built_s, 1),
        "kills": kills,
        "ready_median_s": round(float(np.median(seconds)), 2),
        "ready_p99_s": round(float(np.percentile(seconds, 99, method="higher")), 2),
        "rebuilt_s": round(rebuilt_s, 1),
        "machine": machine("cpu"),
    }


def table(report: dict[str, Any]) -> str:
    """For people."""
    return (
        f"{report['chunks']:,} chunks, {report['machine']}\n"
        f"ready after a kill -9: median {report['ready_median_s']} s, p99 {report['ready_p99_s']} s "
        f"of {report['kills']} kills\n"
        f"indexes made anew from the catalogue: {report['rebuilt_s']} s"
    )


def record(report: dict[str, Any]) -> None:
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(json.dumps(report) + "\n")


def _build(folder: Path, chunks: int) -> int:
    with vecstore.open(folder, embedder=MadeUpVectors(), workers=Workers(sandbox="off")) as engine:
        store = engine.create(NAME)
        held = 0
        for i, added in enumerate(store.add_many(_sources(0))):
            held += added.chunks
            if held >= chunks:
                return i
    return 0


def _sources(seed: int) -> Iterator[Source]:
    return (Source(f"{seed}-{i}.txt", text.encode()) for i, text in enumerate(texts(seed)))


def _add(folder: Path, seed: int) -> None:
    with vecstore.open(folder, embedder=MadeUpVectors(), workers=Workers(sandbox="off")) as engine:
        for _ in engine.get(NAME).add_many(_sources(1_000 + seed)):
            pass


def _first_search(folder: Path) -> tuple[float, int]:
    """Seconds from opening to the first answer, and how many chunks there are."""
    began = time.perf_counter()
    with vecstore.open(folder, embedder=MadeUpVectors(), workers=Workers(sandbox="off")) as engine:
        store = engine.get(NAME)
        assert store.search("banana", hybrid_search=BOTH)
        seconds = time.perf_counter() - began
        return seconds, sum(file.chunks for file in store.list())
