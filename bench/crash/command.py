"""`python -m bench crash`."""

from __future__ import annotations

import json
import platform
import subprocess
from argparse import ArgumentParser, Namespace
from pathlib import Path

import faiss
import tantivy
from rich.console import Console
from rich.progress import Progress

from bench.crash import campaign, points, tally
from bench.embed import machine
from vecstore import __version__

RESULTS = Path(__file__).parent.parent / "results" / "crash.jsonl"


def add_arguments(command: ArgumentParser) -> None:
    tier = sum(points.TIER.values())
    command.add_argument(
        "--points", type=int, default=tier, metavar="N", help=f"ways to die (default: {tier}, as CI has)"
    )
    command.add_argument("--seed", type=int, default=0, help="the same seed, the same points (default: 0)")
    command.add_argument("--at-once", type=int, default=2, metavar="N", help="processes at a time (default: 2)")
    command.add_argument("--keep", type=Path, metavar="DIR", help="where copies of the data folders of failures go")
    command.add_argument("--record", action="store_true", help=f"append the tally to bench/results/{RESULTS.name}")


def run(given: Namespace) -> int:
    """The exit status: 1 where a promise was broken."""
    drawn = points.plan(given.points, seed=given.seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("dying", total=len(drawn))

        def done(outcome: tally.Outcome) -> None:
            progress.advance(task)
            for broken in outcome.broken:
                progress.console.print(f"{outcome.point.kind} {outcome.point.where}: {broken}", markup=False)

        found = campaign.run(drawn, at_once=given.at_once, keep=given.keep, on_done=done)
    report = {**found.report(), "seed": given.seed, "machine": machine("cpu"), "versions": versions()}
    if given.record:
        with RESULTS.open("a", encoding="utf-8") as results:
            results.write(json.dumps(report) + "\n")
    print(json.dumps(report) if given.json else tally.table(report))
    return int(bool(report["failures"]))


def versions() -> dict[str, str]:
    """Of vecstore, with its commit, and of what it stands on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=RESULTS.parent
    )
    return {
        "vecstore": f"{__version__} {commit.stdout.strip()}".strip(),
        "faiss": faiss.__version__,
        "tantivy": tantivy.__version__,
        "python": platform.python_version(),
    }
