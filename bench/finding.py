"""`python -m bench quality`, `calibration`, `learned` and `windows`: the commands that measure retrieval."""

from __future__ import annotations

import argparse
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.options import about, command_of


def add_quality(commands: Any, name: str) -> None:
    from bench import collections

    command = command_of(
        commands,
        name,
        "retrieval quality on test collections, by words, by meaning, fused, re-ranked: nDCG, recall, MRR, intervals",
        collections.__doc__ or "",
    )
    command.add_argument("sets", nargs="+", metavar="SET", help="a collection's folder, or its name below --data")
    command.add_argument("--data", type=Path, default=Path(), metavar="DIR", help="where the collections lie")
    command.add_argument(
        "--strategy", choices=["auto", "static", "structure"], default="auto", help="how files are cut"
    )
    command.add_argument("--chunk-size", type=int, metavar="TOKENS", help="of static and structure")
    command.add_argument(
        "--questions", choices=["all", "odd", "even"], default="all", help="every second one, to tune on one half"
    )
    command.add_argument(
        "--model",
        default="default",
        metavar="MODEL",
        help="what embeds: default, multilingual, or a sentence-transformers model's folder (default: default)",
    )
    command.add_argument("--reranker", metavar="DIR", help="a cross-encoder's folder, in place of what is built in")
    command.add_argument("--work", type=Path, metavar="DIR", help="keeps the indexes there for the next time")
    command.add_argument("--out", type=Path, metavar="FILE", help="keeps the scores of each question, as JSON")
    command.add_argument(
        "--baseline",
        metavar="FILE",
        help="such a file, or text, embedding or fused of this run; tells the difference to it, and a paired test's p",
    )
    command.add_argument("--expected", action="store_true", help="fails below the scores of bench/expected.toml")
    command.add_argument("--record", action="store_true", help="keeps the means in bench/results, for README.md")
    command.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="each question's scores, wins and losses, what came first and what was missed, and why",
    )
    command.set_defaults(run=_quality)


def _quality(given: Namespace) -> int:
    from bench import comparing, failures, quality, results
    from vecstore import CrossEncoderReranker

    report = quality.run(
        [given.data / name for name in given.sets],
        strategy=given.strategy,
        chunk_size=given.chunk_size,
        questions=given.questions,
        work=given.work,
        embedder=quality.embedder_of(given.model),
        reranker=None if given.reranker is None else CrossEncoderReranker(given.reranker),
        on_progress=_tell,
    )
    _tell("")
    if given.json:
        print(json.dumps(report))
    else:
        print("\n".join([quality.table(report), comparing.against_legs(report), *comparing.below_a_leg(report)]))
    of_run = given.baseline in (*quality.LEGS, quality.PLAIN)
    baseline_leg = given.baseline if of_run else quality.DEFAULT_LEG
    baseline = report if of_run else json.loads(Path(given.baseline).read_bytes()) if given.baseline else {}
    if given.out:
        given.out.write_text(json.dumps(report), encoding="utf-8")
    if given.csv:
        failures.write(report, given.csv, leg=quality.DEFAULT_LEG, baseline=baseline, baseline_leg=baseline_leg)
    if given.baseline:
        print(comparing.compared(report, baseline, baseline_leg=baseline_leg), file=sys.stderr if given.json else None)
    cut = " ".join([given.strategy, *([str(given.chunk_size)] if given.chunk_size else [])])
    cut += "" if given.questions == "all" else f", {given.questions} questions"
    cut += "" if given.model == "default" else f", {Path(given.model).name}"
    cut += "" if given.reranker is None else f", re-ranked by {Path(given.reranker).name}"
    if given.record:
        results.record(report, cut=cut)
    missed = results.below(report, cut=cut) if given.expected else []
    print("\n".join(missed), end="\n" if missed else "", file=sys.stderr)
    if given.expected and not missed and not given.json:
        print("no score is below what bench/expected.toml expects")
    return int(bool(missed))


def add_calibration(commands: Any, name: str) -> None:
    command = command_of(
        commands,
        name,
        "how likely a result with a score answers, by words, by meaning and both, and what one threshold loses",
        about("calibration"),
    )
    command.add_argument("sets", nargs="+", metavar="SET", help="two or more collections in BEIR's layout")
    command.add_argument("--data", type=Path, default=Path(), metavar="DIR", help="where the collections lie")
    command.add_argument("--work", type=Path, metavar="DIR", help="keeps the indexes there for the next time")
    command.add_argument("--threshold", type=float, help="the one for all (default: what loses least)")
    command.add_argument(
        "--model", default="default", metavar="MODEL", help="what embeds: default, multilingual, or a model's folder"
    )
    command.add_argument(
        "--reranker",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also with a reranker, which takes a third of a second a passage",
    )
    command.add_argument("--plot", type=Path, metavar="FILE.png", help="draws the reliability diagram")
    command.add_argument("--record", metavar="NAME", help="keeps the report in bench/results by a name such as dev")
    command.add_argument("--fit", action="store_true", help="tells the constants that fit these collections best")
    command.set_defaults(run=_calibration)


def _calibration(given: Namespace) -> int:
    from bench import calibration, quality

    folders = [given.data / name for name in given.sets]
    embedder = quality.embedder_of(given.model)
    asked = calibration.run(folders, work=given.work, embedder=embedder, reranker=given.reranker, on_progress=_tell)
    report = calibration.report(asked, given.threshold)
    _tell("")
    print(json.dumps(report) if given.json else calibration.table(report))
    if given.fit:
        print("fitted: slope {:.2f}, lack {:.2f}, offset {:.2f}, unread {:.2f}".format(*calibration.fitted(asked)))
    if given.plot:
        calibration.plot(report, given.plot)
    if given.record:
        calibration.record(report, given.record)
    return 0


def add_learned(commands: Any, name: str) -> None:
    command = command_of(
        commands, name, "would a ranker that learns from judged questions rank better", about("learned")
    )
    command.add_argument("sets", nargs="+", metavar="SET", help="two or more collections in BEIR's layout")
    command.add_argument("--data", type=Path, default=Path(), metavar="DIR", help="where the collections lie")
    command.add_argument("--work", type=Path, required=True, metavar="DIR", help="keeps the indexes there")
    command.add_argument("--record", action="store_true", help="keeps the report in bench/results")
    command.set_defaults(run=_learned)


def _learned(given: Namespace) -> int:
    from bench import learned
    from bench.collections import load

    collections = [load(given.data / name) for name in given.sets]
    if len(collections) < 2 or any(each.layout != "documents" for each in collections):
        raise ValueError("learned takes two or more collections in BEIR's layout: one is held out each time")
    report = learned.report(collections, [learned.describe(each, given.work, _tell) for each in collections])
    _tell("")
    if given.record:
        learned.record(report)
    print(json.dumps(report) if given.json else learned.table(report))
    return 0


def add_windows(commands: Any, name: str) -> None:
    command = command_of(
        commands, name, "how long embedded pieces should be, and how a chunk is scored by them", about("windows")
    )
    command.add_argument("sets", nargs="+", metavar="SET", help="collections in BEIR's layout")
    command.add_argument("--data", type=Path, default=Path(), metavar="DIR", help="where the collections lie")
    command.add_argument("--tokens", type=int, nargs="+", help="of a window (default: 50 100 150 200 400)")
    command.add_argument("--record", action="store_true", help="keeps the report in bench/results")
    command.set_defaults(run=_windows)


def _windows(given: Namespace) -> int:
    from bench import windows

    folders = [given.data / name for name in given.sets]
    report = windows.run(folders, sizes=given.tokens or windows.SIZES, on_progress=_tell)
    _tell("")
    if given.record:
        windows.record(report)
    print(json.dumps(report) if given.json else windows.table(report))
    return 0


def _tell(line: str) -> None:
    """One line that the next one takes the place of, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)
