"""`python -m bench COMMAND`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench import smoke

_SAMPLES = Path(__file__).parent.parent / "data" / "samples"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure vecstore on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "smoke",
        help="index a folder and search it: documents/s, chunks/s, tokens/s, query p50/p95, "
        "beside plain sentence-transformers on the same texts",
    )
    command.add_argument("folder", nargs="?", type=Path, default=_SAMPLES, help="documents (default: data/samples)")
    command.add_argument("--runs", type=int, default=3, help="interleaved runs; medians are told (default: 3)")
    command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    report = smoke.run(arguments.folder, runs=arguments.runs)
    print(json.dumps(report) if arguments.json else smoke.table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
