"""What the commands of `python -m bench` have in common."""

from __future__ import annotations

import argparse
import ast
from argparse import ArgumentParser
from pathlib import Path
from typing import Any


def command_of(commands: Any, name: str, help_: str, epilog: str = "") -> ArgumentParser:
    command: ArgumentParser = commands.add_parser(
        name, help=help_, description=help_, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return command


def about(module: str) -> str:
    """What a module says of itself, without importing what it needs."""
    return ast.get_docstring(ast.parse((Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8"))) or ""
