"""`python -m bench speed`."""

from __future__ import annotations

import json
import os
import platform
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from bench.embed import commit, machine
from bench.speed import environments, measure

RESULTS = Path(__file__).parent.parent / "results" / "speed.jsonl"
NOTES = """\
Each engine is given the same chunks, those that vecstore cuts, and the same vectors, in a process of its own with one
thread where that can be set. vecstore takes files, which it parses and cuts itself, and answers with texts, passages,
highlights and citations; the others take chunks and answer with numbers. "vecstore-indexes" is what lies below: both
legs and their fusion, down to numbers. Hybrid is 50 + 50 candidates by reciprocal ranks, of vecstore its own fusion
of 100 + 100. Questions are asked turn by turn in random order. CPU is that of all threads. "far topic" is a filter
that only chunks which are far from the question pass. Recall is that of the dense leg's ten against exact search.
"""


def add_arguments(command: ArgumentParser) -> None:
    command.epilog = NOTES
    peers = [*environments.PEERS, environments.EXACT]
    command.add_argument(
        "--against",
        type=lambda given: [name for name in given.split(",") if name],
        default=list(environments.PEERS),
        metavar="PEERS",
        help=f"some of {','.join(peers)} (default: all but the last, which is numpy)",
    )
    command.add_argument(
        "--chunks", type=_sizes, default=[10_000, 100_000], metavar="N,N", help="(default: 10000,100000)"
    )
    command.add_argument(
        "--chunk-tokens",
        type=int,
        default=180,
        metavar="TOKENS",
        help="of a chunk, 100 to 200 (default: 180, some 800 characters)",
    )
    command.add_argument("--queries", type=int, default=200, help="of each kind (default: 200)")
    command.add_argument("--seed", type=int, default=0, help="the same seed, the same chunks (default: 0)")
    command.add_argument(
        "--environments",
        type=Path,
        default=environments.default_folder(),
        metavar="DIR",
        help="where the peers' virtual environments are made and kept (default: in your cache folder)",
    )
    command.add_argument("--record", action="store_true", help=f"append the report to bench/results/{RESULTS.name}")


def run(given: Namespace) -> int:
    """The exit status: 1 where a peer was left out. Raises ValueError for a peer that there is not."""
    _check(given)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True)) as progress:
        task = progress.add_task("environments")
        pythons, left_out = environments.made(given.against, given.environments)
        sizes = [
            measure.run(
                pythons,
                chunks=chunks,
                tokens=given.chunk_tokens,
                questions=given.queries,
                seed=given.seed,
                on_step=lambda step: progress.update(task, description=step),
                left_out=left_out,
            )
            for chunks in given.chunks
        ]
    report = {
        "machine": machine("cpu"),
        "load": round(os.getloadavg()[0], 1),
        "versions": _versions(given.against),
        "queries": given.queries,
        "seed": given.seed,
        "sizes": sizes,
        "left out": left_out,
    }
    if given.record:
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(json.dumps(report) + "\n")
    print(json.dumps(report) if given.json else table(report))
    return int(bool(left_out))


def table(report: Mapping[str, Any]) -> str:
    """For people: a column an engine."""
    lines = [
        f"{report['machine']}, load {report['load']}, {report['queries']} questions of each kind; CPU of all threads"
    ]
    for size in report["sizes"]:
        engines = size["engines"]
        lines += ["", f"{size['chunks']:,} chunks of {size['characters a chunk']} characters"]
        lines.append(" " * 42 + "".join(f"{name:>18}" for name in engines))
        lines += [
            f"{row:42}" + "".join(f"{cell:>18}" for cell in cells) for row, cells in _rows(list(engines.values()))
        ]
    lines += [f"left out: {name}, which {why}" for name, why in report["left out"].items()]
    return "\n".join(lines)


def _rows(engines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    yield "ingestion, CPU s / wall s", [_pair(each.get("ingestion"), "cpu_s", "wall_s", ".1f") for each in engines]
    yield "bytes on disk a chunk", [_cell(each.get("bytes a chunk"), ",") for each in engines]
    yield "resident, MB", [_cell(each.get("resident MB"), ",.0f") for each in engines]
    for name, what in (
        ("open and first answer", "first answer"),
        ("add and found", "add"),
        ("delete and gone", "delete"),
    ):
        yield f"{name}, CPU ms / wall ms", [_pair(each.get(what), "cpu ms", "wall ms", ",.0f") for each in engines]
    for kind in measure.KINDS:
        asked = [each.get("searches", {}).get(kind.name) for each in engines]
        yield f"{kind.name}, CPU ms p50 / p99", [_pair(each, "cpu p50 ms", "cpu p99 ms", ",.2f") for each in asked]
    for kind in measure.KINDS:
        if kind.leg == "dense":
            asked = [each.get("searches", {}).get(kind.name) for each in engines]
            yield f"{kind.name}, recall@10", [_cell(each and each["recall"], ".3f") for each in asked]


def _pair(figures: Mapping[str, float] | None, first: str, second: str, form: str) -> str:
    return "-" if figures is None else f"{figures[first]:{form}} / {figures[second]:{form}}"


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _sizes(given: str) -> list[int]:
    sizes = [int(each) if each.isdecimal() else 0 for each in given.split(",")]
    if min(sizes) < 1:
        raise ArgumentTypeError(f"must be whole numbers from 1, as 10000,100000, not {given!r}")
    return sizes


def _check(given: Namespace) -> None:
    known = [*environments.PEERS, environments.EXACT]
    for name in given.against:
        if name not in known:
            raise ValueError(f"--against must be some of {', '.join(known)}, not {name!r}")
    if given.queries < 1:
        raise ValueError(f"--queries must be 1 or more, not {given.queries}")


def _versions(peers: Sequence[str]) -> dict[str, str | None]:
    ours = {name: version(name) for name in ("vecstore", "faiss-cpu", "tantivy", "numpy")}
    pinned = [package.split("==") for peer in peers for package in environments.PEERS.get(peer, ())]
    return {**ours, "commit": commit(), **dict(pinned), "python": platform.python_version()}
