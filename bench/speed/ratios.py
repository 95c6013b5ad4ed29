"""The last report that was recorded, as README.md tells it: how many times what vecstore takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from bench.speed.command import RESULTS
from bench.speed.measure import INDEXES, OURS

BEGIN, END = "<!-- speed:begin, by python -m bench readme -->\n", "<!-- speed:end -->\n"

Figures: TypeAlias = Mapping[str, Any]
_ROWS: dict[str, Callable[[Figures], float]] = {
    "hybrid search": lambda each: _asked(each, "hybrid"),
    "by meaning alone": lambda each: _asked(each, "dense"),
    "by words alone": lambda each: _asked(each, "keyword"),
    "hybrid, 1 % of files allowed": lambda each: _asked(each, "hybrid, 1 % allowed"),
    "hybrid, 10 % allowed": lambda each: _asked(each, "hybrid, 10 % allowed"),
    "hybrid, 50 % allowed": lambda each: _asked(each, "hybrid, 50 % allowed"),
    "by meaning, 10 % allowed": lambda each: _asked(each, "dense, 10 % allowed"),
    "ingestion": lambda each: float(each["ingestion"]["cpu_s"]),
    "opening and first answer": lambda each: float(each["first answer"]["cpu ms"]),
    "a chunk added and found": lambda each: float(each["add"]["cpu ms"]),
    "bytes on disk": lambda each: float(each["bytes a chunk"]),
    "resident memory": lambda each: float(each["resident MB"]),
}
_RECALLS = {"recall@10": "dense", "recall@10, 1 % allowed": "dense, 1 % allowed"}


def markdown(path: Path = RESULTS) -> str:
    """A cell has a ratio for each number of chunks; "-" is what an engine has not. Without a report it says so."""
    if not path.exists():
        return "No run on a quiet machine is recorded yet.\n"
    report = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Figures) -> Iterator[str]:
    sizes = [size["engines"] for size in report["sizes"]]
    peers = [name for name in sizes[0] if name not in (OURS, INDEXES)]
    chunks = " / ".join(f"{round(size['chunks'], -3):,}" for size in report["sizes"])
    yield f"| {chunks} chunks | vecstore | its indexes | {' | '.join(peers)} |"
    yield "|---" * (len(peers) + 3) + "|"
    for row, figure in _ROWS.items():
        cells = [" / ".join(_ratio(size, name, figure) for size in sizes) for name in (INDEXES, *peers)]
        yield f"| {row} | 1 | {' | '.join(cells)} |"
    for row, kind in _RECALLS.items():
        cells = [" / ".join(_recall(size, name, kind) for size in sizes) for name in (OURS, INDEXES, *peers)]
        yield f"| {row} | {' | '.join(cells)} |"


def _ratio(engines: Figures, name: str, figure: Callable[[Figures], float]) -> str:
    try:
        ratio = figure(engines[name]) / figure(engines[OURS])
    except KeyError:
        return "-"
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def _recall(engines: Figures, name: str, kind: str) -> str:
    try:
        return f"{engines[name]['searches'][kind]['recall']:.3f}"
    except KeyError:
        return "-"


def _asked(figures: Figures, kind: str) -> float:
    return float(figures["searches"][kind]["cpu p50 ms"])
