"""Where people read: the two streams, sentences, and tables that lose nothing in a narrow terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

FOLDED = 16  # columns of the terminal that a name has at least
GAP = 3  # between two columns
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PIPE_WIDTH = 160  # where there is no terminal to fit

out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True, highlight=False)


def say(console: Console, mark: str, style: str, sentence: str) -> None:
    """A sentence on a line of its own, however long."""
    console.print(Text.assemble((f"{mark} ", style), plain(sentence)), soft_wrap=True)


@contextmanager
def steps() -> Iterator[Callable[[str, float, float], None]]:
    """A progress bar a step on standard error, with the time left."""
    columns = TextColumn("[bold]{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    known: dict[str, TaskID] = {}

    def show(what: str, done: float, whole: float) -> None:
        if what not in known:
            known[what] = progress.add_task(what)
        progress.update(known[what], completed=done, total=whole)

    with progress:
        yield show


def plain(text: str) -> str:
    """Without what a terminal would obey."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def table(*columns: str) -> Table:
    """Those that end in `>` are of numbers, those in `~` of names that may be folded; all but these stay whole."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        folds = name.endswith("~")
        made.add_column(
            name.rstrip(">~"), justify="right" if name.endswith(">") else "left", overflow="fold", no_wrap=not folds
        )
    return made


def row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(plain(cell)) for cell in cells))


def print_table(table: Table, if_empty: str = "") -> None:
    """As a table where there is room for it, else item by item with all that the table would say."""
    if not table.row_count:
        err.print(if_empty)
    elif sum(_least_width(column) + GAP for column in table.columns) <= out.width:
        out.print(table)
    else:
        _print_items(table)


def _least_width(column: Column) -> int:
    """What it needs for ids and numbers to stay whole, or what it says itself."""
    if column.min_width is not None:
        return column.min_width
    wide = out.options.update(width=10_000)
    whole = max(Measurement.get(out, wide, cell).maximum for cell in (column.header, *column.cells))
    return whole if column.no_wrap else min(whole, FOLDED)


def _print_items(table: Table) -> None:
    labels = [str(column.header).replace("\n", " ") for column in table.columns]
    for name, *cells in zip(*(column.cells for column in table.columns), strict=True):
        out.print(Text(str(name), style="bold"), soft_wrap=True)
        said = [(label, str(cell)) for label, cell in zip(labels[1:], cells, strict=True) if label and str(cell)]
        facts = [Text.assemble((f"{label} ", "dim"), cell) for label, cell in said]
        out.print(Padding(Text("  ").join(facts), (0, 0, 0, 2)))
