"""Indexing and searching a folder, beside what one would do without vecstore, in one run.

The baseline embeds the same windows with plain sentence-transformers on torch, and for a query
embeds it and takes the dot product with all vectors in numpy: no parsing, no chunking, no keyword
leg, nothing durable.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import vecstore
from vecstore import gather
from vecstore.embed import embed_checked
from vecstore.embed.sentence_transformer import default_embedder
from vecstore.embed.torch_model import TorchModel

QUERIES = (
    "How often must the analogue inputs be verified?",
    "E-2041",
    "Who pays if the fish die because the gateway failed?",
    "notice period of the master services agreement",
    "parental leave",
    "retry with exponential backoff",
    "price of the turbidity probe",
    "日本でのゲートウェイの保証期間は何か月ですか",
)
_ROUNDS = 10
_ROWS = (
    "documents/s",
    "chunks/s",
    "embedded tokens/s",
    "query p50 ms",
    "query p95 ms",
    "--help CPU s",
    "cold search CPU s",
)


def run(folder: Path, *, runs: int) -> dict[str, Any]:
    """Medians over `runs` interleaved runs of both sides; warm models, a fresh data folder each time."""
    embedder = default_embedder()
    embed_checked(embedder, ["warm"])
    plain = TorchModel(embedder._folder(), "cpu")  # noqa: SLF001 - the same weights, run by torch
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    for _ in range(runs):
        windows, figures = _vecstore(folder, embedder)
        ours.append(figures)
        theirs.append(_plain(windows, plain))
    return {
        "machine": f"{platform.machine()}, {platform.python_version()}",
        "folder": folder.name,
        "runs": runs,
        "vecstore": _medians(ours),
        "sentence-transformers + numpy": _medians(theirs),
    }


def table(report: dict[str, Any]) -> str:
    """The report as lines of text, with the ratio of the two sides."""
    ours, theirs = report["vecstore"], report["sentence-transformers + numpy"]
    lines = [
        (
            f"{report['folder']}: {ours['documents']:.0f} documents, {ours['chunks']:.0f} chunks, "
            f"{ours['tokens']:,.0f} tokens in chunks; median of {report['runs']} runs, {report['machine']}"
        ),
        f"{'':28}{'vecstore':>12}{'plain':>12}{'ratio':>8}",
    ]
    for name in _ROWS:
        other = theirs.get(name)
        ratio = "" if other is None else f"{ours[name] / other:8.2f}"
        lines.append(f"{name:28}{ours[name]:12,.2f}{'' if other is None else f'{other:12,.2f}'}{ratio}")
    lines.append("plain: sentence-transformers on torch and numpy, of the same windows; no parsing, no keyword leg")
    return "\n".join(lines)


def _vecstore(folder: Path, embedder: vecstore.Embedder) -> tuple[list[str], dict[str, float]]:
    with tempfile.TemporaryDirectory() as root:
        with vecstore.open(root, embedder=embedder) as engine:
            store = engine.create("smoke")
            sources = gather.sources([str(folder)], besides=Path(root)).sources
            with _seconds() as indexing:
                added = [each for each in store.add_many(sources) if each.outcome == "added"]
            windows = windows_of(store, [each.file_id for each in added if each.file_id])
            queries = _query_times(store.search)
        start_up = {
            "--help CPU s": _process_cpu("--help"),
            "cold search CPU s": _process_cpu("--root", root, "search", "smoke", QUERIES[0]),
        }
    taken = indexing()
    tokens = sum(each.tokens for each in added)
    return windows, {
        "documents": len(added),
        "chunks": sum(each.chunks for each in added),
        "tokens": tokens,
        "documents/s": len(added) / taken,
        "chunks/s": sum(each.chunks for each in added) / taken,
        "embedded tokens/s": _tokens(windows) / taken,
        **queries,
        **start_up,
    }


def _plain(windows: list[str], model: TorchModel) -> dict[str, float]:
    with _seconds() as embedding:
        vectors = model.run(windows, query=False)

    def search(query: str) -> Any:
        return np.argsort(-(vectors @ model.run([query], query=True)[0]))[:10]

    return {"embedded tokens/s": _tokens(windows) / embedding(), **_query_times(search)}


def windows_of(store: vecstore.VectorStore, file_ids: list[str]) -> list[str]:
    """The texts that were embedded, each once."""
    found: dict[tuple[str, int], str] = {}
    for file_id in file_ids:
        for chunk in store.content(file_id):
            for start, end in chunk.windows:
                found[file_id, start] = chunk.text[start - chunk.start : end - chunk.start]
    return list(found.values())


def _tokens(texts: list[str]) -> int:
    from ingestion import tokens

    return sum(tokens.count(text) for text in texts)


def _query_times(search: Callable[[str], Any]) -> dict[str, float]:
    times = []
    for query in QUERIES * _ROUNDS:
        with _seconds() as taken:
            search(query)
        times.append(taken() * 1000)
    return {"query p50 ms": statistics.median(times), "query p95 ms": statistics.quantiles(times, n=20)[-1]}


def _process_cpu(*arguments: str) -> float:
    """User and system seconds of a whole `vecstore` process."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "vecstore", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in runs) for name in runs[0]}


@contextmanager
def _seconds() -> Iterator[Callable[[], float]]:
    began = time.perf_counter()
    ended: list[float] = []
    yield lambda: ended[0] - began
    ended.append(time.perf_counter())
