"""`python -m bench COMMAND`."""

from __future__ import annotations

import argparse
import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import finding
from bench.options import command_of

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
        ("quality", finding.add_quality),
        ("calibration", finding.add_calibration),
        ("learned", finding.add_learned),
        ("windows", finding.add_windows),
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


def _add_peers(command: ArgumentParser) -> None:
    command.add_argument(
        "--peer-python",
        default=sys.executable,
        metavar="PATH",
        help="the Python that has the other libraries, e.g. of a virtual environment with markitdown and kreuzberg "
        "in it (default: this one); those that it has not are named as not installed",
    )


def _add_smoke(commands: Any, name: str) -> None:
    command = command_of(
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
    command = command_of(
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
    command = command_of(
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
    command = command_of(commands, name, "usage reports over years of history, with roll-ups and without, in ms")
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
    command = command_of(commands, name, "hold a server's answers against OpenAI's published specification")
    command.add_argument("openapi", type=Path, metavar="OPENAPI.json", help="the specification, or the part of it")
    command.set_defaults(run=_contract)


def _contract(given: Namespace) -> int:
    from bench import contract

    report = contract.run(given.openapi)
    print(json.dumps(report) if given.json else contract.table(report))
    return 1 if report["differ"] else 0


def _add_server(commands: Any, name: str) -> None:
    command = command_of(
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


def _add_readme(commands: Any, name: str) -> None:
    command = command_of(commands, name, "renew the tables of README.md from bench/results")
    command.set_defaults(run=_readme)


def _readme(given: Namespace) -> int:
    from bench import results

    changed = results.rewrite_readme()
    print(json.dumps({"changed": changed}) if given.json else f"README.md {'changed' if changed else 'is as it was'}")
    return 0


def _add_documents(commands: Any, name: str) -> None:
    from bench.manifest import COLUMNS

    command = command_of(commands, name, "read documents of known content; fails below --at-least", COLUMNS)
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
    command = command_of(commands, name, help_)
    crash.add_arguments(command)
    command.set_defaults(run=crash.run)


def _add_profile(commands: Any, name: str) -> None:
    command = command_of(
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
    command = command_of(commands, name, help_)
    speed.add_arguments(command)
    command.set_defaults(run=speed.run)


def _add_recovery(commands: Any, name: str) -> None:
    command = command_of(commands, name, "seconds until a big vector store answers after a kill -9, and to rebuild it")
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
    command = command_of(
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
    command = command_of(commands, name, "the dense index by its rows: seconds, bytes and recall, beside a plain scan")
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
    command = command_of(commands, name, "pages/s, MB/s and memory of reading a folder, beside other libraries")
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

    command = command_of(
        commands, name, "read files that were made to break readers; fails where one does harm", COLUMNS
    )
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

    command = command_of(commands, name, "damaged copies of the samples, thrown at one parser; fails on a finding")
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
