"""How fast documents are read, beside the libraries that one would otherwise call: pages/s, MB/s, memory."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers import LIBRARIES, OURS
from bench.reader import Reader, versions
from ingestion.types import IngestionError
from ingestion.worker import Workers

WORKERS = "vecstore, all cores"
TIMEOUT_S = 120.0
_MB = 1e6


@dataclass(slots=True)
class _Tally:
    """One library and one type in one run: what it read, and in what time."""

    read: int = 0
    failed: int = 0
    size_bytes: int = 0
    pages: int = 0
    seconds: float = 0.0
    reasons: list[str] = field(default_factory=list)


def run(folder: Path, *, runs: int = 3, python: str = sys.executable) -> dict[str, Any]:
    """Medians over interleaved runs: file by file, each library in turn, in a process of its own that is warm."""
    types = _by_type(folder)
    if not types:
        raise ValueError(f"{folder} has no documents")
    there = versions(python)
    peak: dict[str, int] = defaultdict(int)
    tallies: dict[tuple[str, str], list[_Tally]] = defaultdict(list)
    with ExitStack() as stack:
        workers = stack.enter_context(Workers())
        readers = {
            name: stack.enter_context(_reader(name, python)) for name in LIBRARIES if _wanted(name, there, types)
        }
        for kind, paths in types.items():
            for reader in _takers(readers, kind):
                reader.read(paths[0])  # loads what this type needs
            _in_parallel(workers, paths[:1] * (os.cpu_count() or 1))
            for _ in range(runs):
                for name, tally in _one_run(readers, kind, paths, peak).items():
                    tallies[kind, name].append(tally)
                tallies[kind, WORKERS].append(_in_parallel(workers, paths))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.python_version()}",
        "folder": folder.name,
        "runs": runs,
        "files": {kind: len(paths) for kind, paths in types.items()},
        "not_installed": sorted(name for name, number in there.items() if not number and name != OURS),
        "versions": {name: number for name, number in there.items() if name in readers and name != OURS},
        "peak_rss_mb": {name: peak[name] / _MB for name in readers},
        "figures": [_figures(kind, name, each) for (kind, name), each in tallies.items()],
    }


def table(report: dict[str, Any]) -> str:
    """A line for each type and library, with what it could not read."""
    lines = [
        f"{report['folder']}: {sum(report['files'].values())} files; medians of {report['runs']}; {report['machine']}",
        f"{'type':7}{'library':22}{'read':>6}{'failed':>8}{'MB/s':>10}{'pages/s':>10}",
    ]
    for row in report["figures"]:
        pages = f"{row['pages_s']:10,.1f}" if row["pages_s"] else f"{'-':>10}"
        lines.append(f"{row['type']:7}{row['library']:22}{row['read']:6}{row['failed']:8}{row['mb_s']:10,.2f}{pages}")
    peaks = (f"{name} {mb:,.0f}" for name, mb in report["peak_rss_mb"].items())
    lines.append(f"peak RSS of the process, MB: {', '.join(peaks)}")
    lines.append("rates are over the files that the library has read, OCR off; markup is counted as it lies on disk")
    if report["not_installed"]:
        lines.append(f"not installed: {', '.join(report['not_installed'])}")
    return "\n".join(lines)


def _by_type(folder: Path) -> dict[str, list[Path]]:
    """Files by suffix, in the order of their names."""
    types: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size and path.name != "MANIFEST.tsv":
            types[path.suffix.lower()].append(path)
    return dict(sorted(types.items()))


def _wanted(name: str, there: dict[str, str], types: Iterable[str]) -> bool:
    return bool(there[name]) and any(LIBRARIES[name].takes(kind) for kind in types)


def _reader(name: str, python: str) -> Reader:
    return Reader(name, sys.executable if name == OURS else python, timeout_s=TIMEOUT_S)


def _takers(readers: dict[str, Reader], kind: str) -> list[Reader]:
    return [reader for name, reader in readers.items() if LIBRARIES[name].takes(kind)]


def _one_run(readers: dict[str, Reader], kind: str, paths: list[Path], peak: dict[str, int]) -> dict[str, _Tally]:
    takers = _takers(readers, kind)
    tallies = {reader.library: _Tally() for reader in takers}
    for path in paths:
        for reader in takers:
            answer, tally = reader.read(path), tallies[reader.library]
            peak[reader.library] = max(peak[reader.library], answer.get("rss_bytes", 0))
            if "error" in answer:
                tally.failed += 1
                tally.reasons.append(f"{path.name}: {answer['error']}")
                continue
            tally.read += 1
            tally.size_bytes += path.stat().st_size
            tally.pages += answer["pages"]
            tally.seconds += answer["seconds"]
    return tallies


def _in_parallel(workers: Workers, paths: list[Path]) -> _Tally:
    """All of them through the product's processes; the seconds are those on the clock."""

    def read(path: Path) -> int | str:
        try:
            with path.open("rb") as file:
                document = workers.parse(file, path.name, ocr=False)
        except IngestionError as error:
            return f"{path.name}: {error}"
        return sum(span.kind in {"page", "slide"} for span in document.spans)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        began = time.perf_counter()
        answers = list(pool.map(read, paths))
        seconds = time.perf_counter() - began
    done = [(path, pages) for path, pages in zip(paths, answers, strict=True) if isinstance(pages, int)]
    return _Tally(
        read=len(done),
        failed=len(paths) - len(done),
        size_bytes=sum(path.stat().st_size for path, _ in done),
        pages=sum(pages for _, pages in done),
        seconds=seconds,
        reasons=[said for said in answers if isinstance(said, str)],
    )


def _figures(kind: str, name: str, tallies: list[_Tally]) -> dict[str, Any]:
    last = tallies[-1]
    return {
        "type": kind[1:] or "-",
        "library": name,
        "read": last.read,
        "failed": last.failed,
        "mb_s": _rate([(each.size_bytes / _MB, each.seconds) for each in tallies]),
        "pages_s": _rate([(each.pages, each.seconds) for each in tallies]),
        "reasons": last.reasons,
    }


def _rate(runs: list[tuple[float, float]]) -> float:
    return statistics.median(amount / seconds if seconds else 0.0 for amount, seconds in runs)
