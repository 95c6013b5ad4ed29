"""How people and programs see a usage report: a table with bars, CSV, or JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal

from rich import box
from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vecstore.render import out, plain
from vecstore.usage import END_OF_TIME, GB, UsageReport, UsageRow, price_text

_WIDE = 120  # columns; below it ids are left out
_BAR_WIDTH = 24


def json_lines(report: UsageReport) -> None:
    """One object a row and one for the total: whole numbers exact, GB-days and dollars as decimal strings."""
    for row in (*report.rows, report.total):
        sys.stdout.write(json.dumps(_values(row), ensure_ascii=False) + "\n")


def csv_lines(report: UsageReport) -> None:
    """A header, the rows, the total. Times in ISO 8601; what a vector store does not have is empty."""
    rows = [_values(row) for row in (*report.rows, report.total)]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row, values in zip((*report.rows, report.total), rows, strict=True):
        writer.writerow({**values, "start": _iso(row.start), "end": _iso(row.end)})


def table(report: UsageReport) -> None:
    """A line a row with a bar for its GB-days, the total, and how it is reckoned."""
    out.print(Text(f"{_moment(report.start)} to {_moment(report.end)}", style="dim"))
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _columns(report):
        numeric = name not in {"name", "id", ""}
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    most = max((row.byte_seconds for row in report.rows), default=0)
    for row in report.rows:
        shown.add_row(*_cells(report, row), _bar(row.byte_seconds, most))
    shown.add_section()
    shown.add_row(*_cells(report, report.total))
    out.print(shown)
    out.print(Text(_terms(report), style="dim"), soft_wrap=True)


def _columns(report: UsageReport) -> list[str]:
    ids = ["id"] if _has_ids(report) else []
    return ["name", *ids, "bytes held", "GB-days", "billable GB-days", "amount", ""]


def _cells(report: UsageReport, row: UsageRow) -> list[RenderableType]:
    ids = [row.key if row is not report.total else ""] if _has_ids(report) else []
    return [
        *(Text(plain(text)) for text in (row.name, *ids)),
        f"{row.usage_bytes:,}",
        f"{Decimal(row.gb_days):,}",
        "" if row.billable_gb_days is None else f"{Decimal(row.billable_gb_days):,}",
        "" if row.amount is None else f"${Decimal(row.amount):,}",
    ]


def _has_ids(report: UsageReport) -> bool:
    return report.by in {"store", "project"} and out.width >= _WIDE


def _bar(byte_seconds: int, most: int) -> RenderableType:
    """As long as its part of the most."""
    if not byte_seconds:
        return ""
    return Bar(size=1000, begin=0, end=byte_seconds * 1000 // most, width=_BAR_WIDTH, color="cyan")


def _terms(report: UsageReport) -> str:
    price = report.total.price
    said = "at each project's price" if price is None else f"at ${price_text(price)} per GB and day"
    free = f"{Decimal(report.free_bytes) / GB:f} GB"
    return f"Billed {said}, above the {free} that each project has free. GB = 2^30 bytes; days are UTC."


def _values(row: UsageRow) -> dict[str, str | int | None]:
    return {
        "key": row.key,
        "name": row.name,
        "start": row.start,
        "end": row.end,
        "usage_bytes": row.usage_bytes,
        "byte_seconds": row.byte_seconds,
        "gb_days": row.gb_days,
        "billable_byte_seconds": row.billable_byte_seconds,
        "billable_gb_days": row.billable_gb_days,
        "price_per_gb_day": None if row.price is None else price_text(row.price),
        "amount": row.amount,
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, END_OF_TIME - 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(seconds: int) -> str:
    return _iso(seconds).replace("T", " ")
