"""`python -m bench COMMAND`."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

_SAMPLES = Path(__file__).parent.parent / "data" / "samples"


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="python -m bench", description="Measure vecstore on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, add in (
        ("smoke", _add_smoke),
        ("crash", _add_crash),
        ("recovery", _add_recovery),
        ("dense", _add_dense),
        ("scale", _add_scale),
        ("profile", _add_profile),
        ("speed", _add_speed),
        ("embed", _add_embed),
        ("batch", _add_batch),
        ("meter", _add_meter),
        ("contract", _add_contract),
        ("server", _add_server),
        ("quality", _add_quality),
        ("calibration", _add_calibration),
        ("learned", _add_learned),
        ("windows", _add_windows),
        ("readme", _add_readme),
        ("documents", _add_documents),
        ("parse", _add_parse),
        ("hostile", _add_hostile),
        ("fuzz", _add_fuzz),
    ):
        add(commands, name)
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except (ValueError, FileNotFoundError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def _command(commands: Any, name: str, help_: str, epilog: str = "") -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(
        name, help=help_, description=help_, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return command


def _about(module: str) -> str:
    """What a module says of itself, without importing what it needs."""
    return ast.get_docstring(ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))) or ""


def _add_peers(command: ArgumentParser) -> None:
    command.add_argument(
        "--peer-python",
        default=sys.executable,
        metavar="PATH",
        help="the Python that has the other libraries, e.g. of a virtual environment with markitdown and kreuzberg "
        "in it (default: this one); those that it has not are named as not installed",
    )


def _add_smoke(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "index a folder and search it: documents/s, chunks/s, tokens/s, query p50/p95, "
        "beside plain sentence-transformers on the same texts",
    )
    command.add_argument("folder", nargs="?", type=Path, default=_SAMPLES, help="documents (default: data/samples)")
    command.add_argument("--runs", type=int, default=3, help="interleaved runs; medians are told (default: 3)")
    command.set_defaults(run=_smoke)


def _smoke(given: Namespace) -> int:
    from bench import smoke

    report = smoke.run(given.folder, runs=given.runs)
    print(json.dumps(report) if given.json else smoke.table(report))
    return 0


def _add_embed(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "texts to vectors: tokens/s, cosine, cold start, one query, beside plain sentence-transformers in single "
        "precision on the same device",
    )
    command.add_argument("folder", nargs="?", type=Path, default=_SAMPLES, help="documents (default: data/samples)")
    command.add_argument("--model", type=Path, metavar="DIR", help="another model's folder")
    command.add_argument("--device", default="cpu", help="cpu, or one of torch's such as cuda (default: cpu)")
    command.add_argument("--texts", type=int, default=256, help="windows of the documents (default: 256)")
    command.add_argument(
        "--words", type=int, default=0, metavar="N", help="join windows until each has so many; 200 fill the model"
    )
    command.add_argument("--runs", type=int, default=5, help="interleaved runs; medians are told (default: 5)")
    command.add_argument("--record", action="store_true", help="adds the report to bench/results/embed.jsonl")
    command.set_defaults(run=_embed)


def _embed(given: Namespace) -> int:
    from bench import embed

    texts = embed.varied(embed.joined(embed.windows_of(given.folder), given.words), given.texts)
    report = embed.run(given.model or embed.default_model(), texts, device=given.device, runs=given.runs)
    if given.record:
        embed.record(report)
    print(json.dumps(report) if given.json else embed.table(report))
    return 0


def _add_batch(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "a manifest of many files and a durable batch beside the same files added one by one: files/s, MB/s, peak "
        "memory; and how soon a batch goes on after kill -9",
    )
    command.add_argument("--files", type=int, default=1000, help="how many (default: 1000)")
    command.add_argument("--runs", type=int, default=3, help="interleaved runs; medians are told (default: 3)")
    command.set_defaults(run=_batch)


def _batch(given: Namespace) -> int:
    from bench import batch

    report = batch.run(_SAMPLES, count=given.files, runs=given.runs)
    print(json.dumps(report) if given.json else batch.table(report))
    return int(bool(report["killed"]["done twice"] or report["killed"]["lost"]))


def _add_meter(commands: Any, name: str) -> None:
    command = _command(commands, name, "usage reports over years of history, with roll-ups and without, in ms")
    command.add_argument("--stores", type=int, default=1_000, help="vector stores (default: 1000)")
    command.add_argument("--rows", type=int, default=500_000, help="changes of what they hold (default: 500000)")
    command.add_argument("--years", type=int, default=3, help="in which they happen (default: 3)")
    command.set_defaults(run=_meter)


def _meter(given: Namespace) -> int:
    from bench import meter

    report = meter.run(stores=given.stores, rows=given.rows, years=given.years)
    print(json.dumps(report) if given.json else meter.table(report))
    return 0


def _add_contract(commands: Any, name: str) -> None:
    command = _command(commands, name, "hold a server's answers against OpenAI's published specification")
    command.add_argument("openapi", type=Path, metavar="OPENAPI.json", help="the specification, or the part of it")
    command.set_defaults(run=_contract)


def _contract(given: Namespace) -> int:
    from bench import contract

    report = contract.run(given.openapi)
    print(json.dumps(report) if given.json else contract.table(report))
    return 1 if report["differ"] else 0


def _add_server(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "searches over HTTP beside the same ones in the library: p50/p95/p99, searches/s, and while files are indexed",
    )
    command.add_argument("--rounds", type=int, default=40, help="times all queries are asked (default: 40)")
    command.add_argument("--seconds", type=float, default=5, help="of each measured rate (default: 5)")
    command.add_argument(
        "--at-most-ms", type=float, default=3.0, help="fails where the server adds more at p50 (default: 3)"
    )
    command.set_defaults(run=_server)


def _server(given: Namespace) -> int:
    from bench import server

    report = server.run(_SAMPLES, rounds=given.rounds, seconds=given.seconds)
    print(json.dumps(report) if given.json else server.table(report))
    return int(report["overhead p50 ms"] > given.at_most_ms)


def _add_quality(commands: Any, name: str) -> None:
    from bench import collections

    command = _command(
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
    from bench import failures, quality, results
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
        print("\n".join([quality.table(report), quality.against_legs(report), *quality.below_a_leg(report)]))
    of_run = given.baseline in (*quality.LEGS, quality.PLAIN)
    baseline_leg = given.baseline if of_run else quality.DEFAULT_LEG
    baseline = report if of_run else json.loads(Path(given.baseline).read_bytes()) if given.baseline else {}
    if given.out:
        given.out.write_text(json.dumps(report), encoding="utf-8")
    if given.csv:
        failures.write(report, given.csv, leg=quality.DEFAULT_LEG, baseline=baseline, baseline_leg=baseline_leg)
    if given.baseline:
        print(quality.compared(report, baseline, baseline_leg=baseline_leg), file=sys.stderr if given.json else None)
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


def _add_readme(commands: Any, name: str) -> None:
    command = _command(commands, name, "renew the tables of README.md from bench/results")
    command.set_defaults(run=_readme)


def _readme(given: Namespace) -> int:
    from bench import results

    changed = results.rewrite_readme()
    print(json.dumps({"changed": changed}) if given.json else f"README.md {'changed' if changed else 'is as it was'}")
    return 0


def _add_calibration(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "how likely a result with a score answers, by words, by meaning and both, and what one threshold loses",
        _about("calibration"),
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
        print("fitted: slope {:.2f}, lack {:.2f}, offset {:.2f}".format(*calibration.fitted(asked)))
    if given.plot:
        calibration.plot(report, given.plot)
    if given.record:
        calibration.record(report, given.record)
    return 0


def _add_learned(commands: Any, name: str) -> None:
    command = _command(
        commands, name, "would a ranker that learns from judged questions rank better", _about("learned")
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


def _add_windows(commands: Any, name: str) -> None:
    command = _command(
        commands, name, "how long embedded pieces should be, and how a chunk is scored by them", _about("windows")
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


def _add_documents(commands: Any, name: str) -> None:
    from bench.manifest import COLUMNS

    command = _command(commands, name, "read documents of known content; fails below --at-least", COLUMNS)
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("--ocr", action=argparse.BooleanOptionalAction, default=False, help="read scanned pages")
    command.add_argument("--failures", action="store_true", help="name what is not as expected, and why")
    command.add_argument("--at-least", type=float, default=0.98, help="the share that has to be right (default: 0.98)")
    command.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="other libraries too")
    _add_peers(command)
    command.set_defaults(run=_documents)


def _documents(given: Namespace) -> int:
    from bench import documents

    report = documents.run(given.folder, ocr=given.ocr, python=given.peer_python, peers=given.peers)
    print(json.dumps(report) if given.json else documents.table(report, failures=given.failures))
    return int(report["share"] < given.at_least)


def _add_crash(commands: Any, name: str) -> None:
    from bench.crash import command as crash

    help_ = "kill, cut power, fail and fill the disk, and hold what is left to what was promised"
    command = _command(commands, name, help_)
    crash.add_arguments(command)
    command.set_defaults(run=crash.run)


def _add_profile(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "where the CPU of a search goes, from the question's text to ten cited results by both legs",
        "The chunks are made up, and so are their vectors; the question is embedded by the default model.",
    )
    command.add_argument("--chunks", type=int, default=100_000, help="in the vector store (default: 100000)")
    command.add_argument("--record", action="store_true", help="adds the report to bench/results/profile.jsonl")
    command.set_defaults(run=_profile)


def _profile(given: Namespace) -> int:
    from bench import profile

    report = profile.run(chunks=given.chunks, on_step=lambda step: print(step, file=sys.stderr))
    if given.record:
        profile.record(report)
    print(json.dumps(report) if given.json else profile.table(report))
    return 0


def _add_speed(commands: Any, name: str) -> None:
    from bench.speed import command as speed

    help_ = "searches, ingestion, disk and memory beside other embedded engines, on the same chunks and vectors"
    command = _command(commands, name, help_)
    speed.add_arguments(command)
    command.set_defaults(run=speed.run)


def _add_recovery(commands: Any, name: str) -> None:
    command = _command(commands, name, "seconds until a big vector store answers after a kill -9, and to rebuild it")
    command.add_argument("--chunks", type=int, default=100_000, help="of 800 tokens (default: 100000)")
    command.add_argument("--kills", type=int, default=20, help="of a process that adds to it (default: 20)")
    command.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    command.add_argument("--record", action="store_true", help="adds the report to bench/results/recovery.jsonl")
    command.set_defaults(run=_recovery)


def _recovery(given: Namespace) -> int:
    from bench import recovery

    def on_step(step: str) -> None:
        print(step, file=sys.stderr, flush=True)

    report = recovery.run(chunks=given.chunks, kills=given.kills, seed=given.seed, on_step=on_step)
    if given.record:
        recovery.record(report)
    print(json.dumps(report) if given.json else recovery.table(report))
    return 0


def _add_scale(commands: Any, name: str) -> None:
    command = _command(
        commands,
        name,
        "how the costs grow, of one vector store and with the number of small ones: adding, search, open, memory, disk",
        "Vectors are made up: embedding costs nothing. Chunks are of 180 tokens. A million take some 20 minutes.",
    )
    command.add_argument("--chunks", type=int, nargs="+", help="of one store (default: 1000 10000 100000)")
    command.add_argument("--stores", type=int, default=1_000, help="of some 100 chunks, 0 for none (default: 1000)")
    command.add_argument(
        "--record", action="store_true", help="adds the report to bench/results/scale.jsonl, and draws scale.png"
    )
    command.set_defaults(run=_scale)


def _scale(given: Namespace) -> int:
    from bench import scale

    def on_step(step: str) -> None:
        print(step, file=sys.stderr, flush=True)

    report = scale.run(sizes=given.chunks or scale.SIZES, stores=given.stores, on_step=on_step)
    if given.record:
        scale.record(report)
        scale.plot(report)
    print(json.dumps(report) if given.json else scale.table(report))
    return 0


def _add_dense(commands: Any, name: str) -> None:
    command = _command(commands, name, "the dense index by its rows: seconds, bytes and recall, beside a plain scan")
    command.add_argument("--rows", type=int, nargs="+", help="windows (default: 10000 30000 100000 300000)")
    command.add_argument("--seed", type=int, default=0, help="of the vectors (default: 0)")
    command.add_argument("--record", action="store_true", help="adds the reports to bench/results/dense.jsonl")
    command.set_defaults(run=_dense)


def _dense(given: Namespace) -> int:
    from bench import dense

    def on_step(step: str) -> None:
        print(step, file=sys.stderr, flush=True)

    reports = dense.run(sizes=given.rows or dense.SIZES, seed=given.seed, on_step=on_step)
    if given.record:
        dense.record(reports)
    print(json.dumps(reports) if given.json else dense.table(reports))
    return 0


def _add_parse(commands: Any, name: str) -> None:
    command = _command(commands, name, "pages/s, MB/s and memory of reading a folder, beside other libraries")
    command.add_argument("folder", nargs="?", type=Path, default=_SAMPLES, metavar="DIR", help="any documents")
    command.add_argument("--runs", type=int, default=3, help="interleaved runs; medians are told (default: 3)")
    _add_peers(command)
    command.set_defaults(run=_parse)


def _parse(given: Namespace) -> int:
    from bench import parse

    report = parse.run(given.folder, runs=given.runs, python=given.peer_python)
    print(json.dumps(report) if given.json else parse.table(report))
    return 0


def _add_hostile(commands: Any, name: str) -> None:
    from bench.hostile import COLUMNS, PORT

    command = _command(commands, name, "read files that were made to break readers; fails where one does harm", COLUMNS)
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("--canary", type=Path, help="a file whose content must come out nowhere")
    command.add_argument("--port", type=int, default=PORT, help=f"where the files point on 127.0.0.1 (default: {PORT})")
    command.add_argument("--ocr", action=argparse.BooleanOptionalAction, default=False, help="read scanned pages")
    command.add_argument(
        "--accept", nargs="*", default=(), metavar="FILE", help="files whose contradiction of the manifest is known"
    )
    command.set_defaults(run=_hostile)


def _hostile(given: Namespace) -> int:
    from bench import hostile

    canary = given.canary.read_text(encoding="utf-8").strip() if given.canary else ""
    report = hostile.run(given.folder, canary=canary, port=given.port, ocr=given.ocr, accepted=given.accept)
    print(json.dumps(report) if given.json else hostile.table(report))
    return int(report["wrong"] > 0)


def _add_fuzz(commands: Any, name: str) -> None:
    from bench.fuzz import SEED_FOLDERS, TARGETS

    command = _command(commands, name, "damaged copies of the samples, thrown at one parser; fails on a finding")
    command.add_argument("target", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    command.add_argument("--seconds", type=float, default=300, help="for how long (default: 300)")
    command.add_argument("--seed", type=int, default=0, help="the same seed, the same cases (default: 0)")
    command.add_argument("--out", type=Path, default=Path("/tmp"), help="where findings are saved (default: /tmp)")
    command.add_argument("--samples", type=Path, nargs="*", default=SEED_FOLDERS, help="folders instead of ours")
    command.add_argument("--repeat", type=Path, metavar="FILE", help="only this saved finding")
    command.set_defaults(run=_fuzz)


def _fuzz(given: Namespace) -> int:
    from bench import fuzz

    if given.repeat:
        said = fuzz.repeat(given.target, given.repeat)
        print(said or "nothing is wrong with it")
        return int(bool(said))
    result = fuzz.run(given.target, seconds=given.seconds, seed=given.seed, out=given.out, folders=given.samples)
    print(json.dumps(asdict(result)) if given.json else fuzz.table(result))
    return int(bool(result.findings))


if __name__ == "__main__":
    sys.exit(main())
