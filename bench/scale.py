"""How the costs grow: of one vector store from a thousand chunks to a million, and of thousands of small ones."""

from __future__ import annotations

import json
import random
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

import vecstore
from bench.embed import machine
from bench.made_up import MadeUpVectors, in_a_process, texts
from ingestion import StaticStrategy
from vecstore import Engine, HybridSearch, Source, VectorStore, Workers
from vecstore.shards import MAX_OPEN

RESULTS = Path(__file__).parent / "results" / "scale.jsonl"
BEGIN, END = "<!-- scale:begin, by python -m bench readme -->\n", "<!-- scale:end -->\n"
PLOT = Path(__file__).parent / "results" / "scale.png"
SIZES = (1_000, 10_000, 100_000)
NAME = "big"
QUERIES = 100
COLD = 51  # of many stores, that are opened at most; the first one loads what all share, and does not count
BOTH = HybridSearch(embedding_weight=0.5, text_weight=0.5)
_CUT = StaticStrategy(180, 0)  # chunks of one window
_FILE_WORDS, _SMALL_WORDS = 10_000, 500
_COSTS = {
    "add": ("adding, CPU ms a chunk", "add_cpu_ms_a_chunk"),
    "adding": ("and its memory, peak MB", "add_peak_mb"),
    "search": ("search, CPU ms p50", "search_cpu_ms"),
    "open": ("open and first search, s", "open_s"),
    "memory": ("memory, MB", "memory_mb"),
    "mapped": ("and mapped from files, MB", "mapped_mb"),
    "disk": ("disk, bytes a chunk", "disk_bytes_a_chunk"),
    "visible": ("one more file found after, s", "visible_s"),
    "gone": ("and gone after, s", "gone_s"),
    "meanwhile": ("slowest search beside both, s", "slowest_s"),
}


def run(*, sizes: Sequence[int], stores: int, on_step: Callable[[str], None]) -> dict[str, Any]:
    """A store is measured each time that it has grown to one of these sizes; then so many small stores are."""
    work = Path(tempfile.mkdtemp(prefix="vecstore-scale-"))
    try:
        grown, before = [], 0
        for size in sorted(sizes):
            on_step(f"growing to {size:,} chunks")
            held, cpu_s, peak_mb = in_a_process(grow, work / "one", size)
            on_step(f"measuring {held:,} chunks")
            found = in_a_process(_measured, work / "one")
            adding = {"add_cpu_ms_a_chunk": _round(1000 * cpu_s / (held - before)), "add_peak_mb": round(peak_mb)}
            grown.append({"chunks": held, **adding, **found})
            grown[-1]["disk_bytes_a_chunk"] = round(_bytes(work / "one") / held)
            before = held
        many = {}
        if stores:
            on_step(f"making {stores:,} vector stores")
            in_a_process(_make_many, work / "many", stores)
            on_step("opening some")
            many = {"stores": stores, **in_a_process(_measured_many, work / "many")}
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {"one": grown, "many": many, "machine": machine("cpu"), "version": vecstore.__version__}


def table(report: dict[str, Any]) -> str:
    """For people."""
    lines = [" | ".join([f"{title:30}", *(f"{cell:>11}" for cell in cells)]) for title, *cells in _rows(report)]
    return "\n".join([*lines, *_told_of_many(report), report["machine"]])


def markdown(path: Path = RESULTS) -> str:
    """The last report that was recorded, as README.md tells it. Without one it says so."""
    if not path.exists():
        return "No run is recorded yet.\n"
    report = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    head, *rows = [f"| {' | '.join(row)} |" for row in _rows(report)]
    told = [*_told_of_many(report), f"On {report['machine']}."]
    return "\n".join([head, "|---" * (len(report["one"]) + 1) + "|", *rows, "", *told]) + "\n"


def _rows(report: dict[str, Any]) -> Iterator[list[str]]:
    for title, key in (("chunks", "chunks"), *_COSTS.values()):
        yield [title, *(f"{each[key]:,}" for each in report["one"])]


def _told_of_many(report: dict[str, Any]) -> Iterator[str]:
    if many := report["many"]:
        yield f"{many['stores']:,} vector stores of {many['chunks_each']} chunks:"
        yield f"the folder opens in {many['open_cpu_ms']} ms of CPU, into {many['idle_mb']} MB more than before;"
        yield f"one of them answers first after {many['cold_cpu_ms']} ms of CPU (p95 {many['cold_cpu_p95_ms']});"
        yield f"{many['opened']} that were asked take {many['opened_mb']} MB, and no more than {MAX_OPEN} stay open."


def record(report: dict[str, Any]) -> None:
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(json.dumps(report) + "\n")


def plot(report: dict[str, Any], path: Path = PLOT) -> None:
    """Each cost by the number of chunks, both by powers of ten."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 5, figsize=(17, 6), layout="constrained")
    chunks = [each["chunks"] for each in report["one"]]
    for one, (title, key) in zip(axes.flat, _COSTS.values(), strict=True):
        one.loglog(chunks, [max(each[key], 1e-3) for each in report["one"]], marker="o")
        one.set(title=title, xlabel="chunks")
        one.grid(which="both", linewidth=0.3)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=80)


def opened(folder: Path, embedder: MadeUpVectors | None = None) -> Engine:
    """An engine that embeds for nothing."""
    return vecstore.open(folder, embedder=embedder or MadeUpVectors(), workers=Workers(sandbox="off"))


class _Sources(Iterator[Source]):
    """Files without an end. `cpu_s` is what making them up has taken."""

    def __init__(self, seed: int) -> None:
        self._seed, self._texts, self._numbers, self.cpu_s = seed, texts(seed, _FILE_WORDS), count(), 0.0

    def __next__(self) -> Source:
        began = time.thread_time()
        content = next(self._texts).encode()
        self.cpu_s += time.thread_time() - began
        return Source(f"{self._seed}-{next(self._numbers)}.txt", content)


def grow(folder: Path, size: int) -> tuple[int, float, float]:
    """How many chunks there are then; the CPU seconds that it took, with what a close writes down; peak MB.

    Without the seconds of making up texts and vectors.
    """
    began, held = time.process_time(), 0
    embedder, sources = MadeUpVectors(), _Sources(size)
    with opened(folder, embedder) as engine:
        store = engine.get(NAME) if engine.list() else engine.create(NAME)
        held = sum(file.chunks for file in store.list())
        for added in store.add_many(sources, chunking_strategy=_CUT):
            held += added.chunks
            if held >= size:
                break
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return held, time.process_time() - began - embedder.cpu_s - sources.cpu_s, peak_mb


def _measured(folder: Path) -> dict[str, Any]:
    words = next(texts(0, _FILE_WORDS)).split()
    empty, began = _memory(), time.perf_counter()
    with opened(folder) as engine:
        store, rng = engine.get(NAME), random.Random(0)
        assert store.search("banana", hybrid_search=BOTH)
        open_s = time.perf_counter() - began
        searches = []
        for _ in range(QUERIES):
            question, before = " ".join(rng.sample(words, 6)), time.process_time()
            store.search(question)
            searches.append(time.process_time() - before)
        used = _memory()
        began = time.perf_counter()
        added = store.add(("more.txt", b"zyzzyva"))
        assert store.search("zyzzyva")[0].filename == "more.txt"
        visible_s, began = time.perf_counter() - began, time.perf_counter()
        engine.delete_file(added.id)
        assert all(each.filename != "more.txt" for each in store.search("zyzzyva"))
        gone_s = time.perf_counter() - began
        with _searching(store, question) as took:
            engine.delete_file(store.add(("more.txt", b"zyzzyva")).id)
    return {
        "search_cpu_ms": _round(1000 * float(np.median(searches))),
        "open_s": _round(open_s),
        "memory_mb": _round(used["RssAnon"] - empty["RssAnon"]),
        "mapped_mb": _round(used["RssFile"] - empty["RssFile"]),
        "visible_s": _round(visible_s),
        "gone_s": _round(gone_s),
        "slowest_s": _round(max(took)),
    }


@contextmanager
def _searching(store: VectorStore, question: str) -> Iterator[Sequence[float]]:
    """The seconds of searches beside what is done meanwhile, one after the other."""
    took, done = [], threading.Event()

    def search() -> None:
        while not done.is_set():
            began = time.perf_counter()
            store.search(question)
            took.append(time.perf_counter() - began)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield took
    finally:
        done.set()
        thread.join()


def _make_many(folder: Path, stores: int) -> None:
    """Each of one file, and no two files are equal."""
    [*content] = islice(texts(0, _SMALL_WORDS), 20)
    with opened(folder) as engine:
        for i in range(stores):
            text = "\n\n".join([*random.Random(i).sample(content, len(content)), f"word{i}"])
            engine.create(f"s{i}").add((f"{i}.txt", text.encode()), chunking_strategy=_CUT)


def _measured_many(folder: Path) -> dict[str, Any]:
    empty, began = _memory(), time.process_time()
    with opened(folder) as engine:
        stores = engine.list()
        open_s, idle = time.process_time() - began, _memory()
        chosen = random.Random(0).sample(range(len(stores)), min(COLD, len(stores)))
        chunks = sum(file.chunks for file in engine.get(stores[0].id).list())
        cold = []
        for which in chosen:
            store, before = engine.get(stores[which].id), time.process_time()
            assert store.search(f"word{store.info().name[1:]}", hybrid_search=BOTH)
            cold.append(time.process_time() - before)
        after = _memory()
    return {
        "chunks_each": chunks,
        "open_cpu_ms": _round(1000 * open_s),
        "idle_mb": _round(_all(idle) - _all(empty)),
        "cold_cpu_ms": _round(1000 * float(np.median(cold[1:]))),
        "cold_cpu_p95_ms": _round(1000 * float(np.percentile(cold[1:], 95))),
        "opened": len(cold),
        "opened_mb": _round(_all(after) - _all(idle)),
    }


def _memory() -> dict[str, float]:
    """MB that this process has in memory: its own, and mapped from files. Linux tells them apart."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) / 1000 for name in ("RssAnon", "RssFile")}


def _all(memory: dict[str, float]) -> float:
    return sum(memory.values())


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _round(value: float) -> float:
    """To three digits."""
    return float(f"{value:.3g}")
