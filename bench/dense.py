"""The dense index by its number of rows: seconds, bytes, and recall against an exact search, beside a plain scan."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.embed import machine
from bench.made_up import DIMENSIONS, clustered
from vecstore.files import sha256_of
from vecstore.index.dense import DenseIndex
from vecstore.index.measure import share_found
from vecstore.index.vectors import Vectors
from vecstore.types import BoolArray, FloatArray, IntArray

RESULTS = Path(__file__).parent / "results" / "dense.jsonl"
SIZES = (10_000, 30_000, 100_000, 300_000)
SHARES = (1.0, 0.5, 0.1, 0.01)  # of the members that may answer
WINDOWS = 200  # that a search asks for
QUERIES = 50
_A_MEMBER = 50


def run(*, sizes: Sequence[int], seed: int, on_step: Callable[[str], None]) -> list[dict[str, Any]]:
    """A report for each number of rows."""
    reports = []
    for rows in sizes:
        on_step(f"{rows:,} rows")
        folder = Path(tempfile.mkdtemp(prefix="vecstore-dense-"))
        try:
            reports.append(_measured(rows, seed, folder))
        finally:
            shutil.rmtree(folder)
    return reports


def table(reports: Sequence[dict[str, Any]]) -> str:
    """For people: CPU milliseconds of a search, and in brackets those of the plain scan; recall@10."""
    shares = [f"{share:.0%}" for share in SHARES]
    lines = [" | ".join(["rows", "build s", "MB in memory", "MB on disk", *shares, "recall@10 of each"])]
    for each in reports:
        cells = [f"{each['rows']:,}", f"{each['build_s']}", *(f"{each[key] / 1e6:.1f}" for key in _SIZES)]
        cells += [f"{found['cpu_ms']} ({found['scan_ms']})" for found in each["searches"]]
        lines.append(" | ".join([*cells, " ".join(f"{found['recall_at_10']:.3f}" for found in each["searches"])]))
    return "\n".join([*lines, machine("cpu")])


_SIZES = ("memory_bytes", "disk_bytes")


def record(reports: Sequence[dict[str, Any]]) -> None:
    with RESULTS.open("a", encoding="utf-8") as results:
        for each in reports:
            results.write(json.dumps(each) + "\n")


def _measured(rows: int, seed: int, folder: Path) -> dict[str, Any]:
    plain, build_s = Vectors(DIMENSIONS), 0.0
    index, begin = DenseIndex(DIMENSIONS), 0
    for block in clustered(rows, seed):
        numbers = np.arange(begin, begin + len(block))
        began = time.process_time()
        index.add(np.stack([numbers // _A_MEMBER, numbers, numbers, numbers], axis=1), block)
        build_s += time.process_time() - began
        plain.add(block)
        begin += len(block)
    began = time.process_time()
    index.save(folder)
    index = DenseIndex.load(folder, DIMENSIONS, {path.name: sha256_of(path) for path in folder.iterdir()})
    build_s += time.process_time() - began
    queries = next(clustered(max(QUERIES, rows), seed + 1))[:QUERIES].astype(np.float32)
    return {
        "rows": rows,
        "build_s": round(build_s, 2),
        "memory_bytes": index.memory_bytes,
        "disk_bytes": index.disk_bytes,
        "plain_memory_bytes": plain.size_bytes,
        "searches": [_searched(index, plain, queries, share, seed) for share in SHARES],
        "machine": machine("cpu"),
    }


def _searched(index: DenseIndex, plain: Vectors, queries: FloatArray, share: float, seed: int) -> dict[str, Any]:
    members, allowed = _filter(index, share, seed)
    return {
        "share": share,
        "cpu_ms": _cpu_ms(lambda query: index.search(query, WINDOWS // 4, members), queries),
        "scan_ms": _cpu_ms(lambda query: plain.search(query, WINDOWS, allowed), queries),
        "recall_at_10": round(float(np.mean([share_found(index, query, members) for query in queries])), 4),
    }


def _filter(index: DenseIndex, share: float, seed: int) -> tuple[IntArray | None, BoolArray | None]:
    if share == 1:
        return None, None
    of_row = index.rows[:, 0]
    members = np.random.default_rng(seed).permutation(int(of_row[-1]) + 1)
    members = members[: max(WINDOWS // _A_MEMBER, int(share * len(members)))]
    return members, np.isin(of_row, members)


def _cpu_ms(search: Callable[[FloatArray], object], queries: FloatArray) -> float:
    """The median of the thread's own time."""
    times = []
    for query in queries:
        began = time.thread_time()
        search(query)
        times.append(time.thread_time() - began)
    return round(1000 * float(np.median(times)), 2)
