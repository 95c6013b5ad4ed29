"""How people and programs see a usage report: a table with bars, CSV, or JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal

from rich.bar import Bar
from rich.console import RenderableType
from rich.text import Text

from vecstore.terminal import out, plain, print_table
from vecstore.terminal import table as table_of
from vecstore.usage import END_OF_TIME, GB, UsageReport, UsageRow, price_text

_LEAST_BAR, _MOST_BAR = 4, 24  # columns of the terminal


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
    names = ["name~", "id"] if _has_ids(report) else ["name"]
    shown = table_of(*names, "bytes held>", "GB-days>", "billable\nGB-days>", "amount>")
    shown.add_column(min_width=_LEAST_BAR, max_width=_MOST_BAR)
    most = max((row.byte_seconds for row in report.rows), default=0)
    for row in report.rows:
        shown.add_row(*_cells(report, row), _bar(row.byte_seconds, most))
    shown.add_section()
    shown.add_row(*_cells(report, report.total))
    print_table(shown)
    out.print(Text(_terms(report), style="dim"), soft_wrap=True)


def _cells(report: UsageReport, row: UsageRow) -> list[RenderableType]:
    ids = [row.key if row is not report.total else ""] if _has_ids(report) else []
    return [
        *(Text(plain(text)) for text in (row.name, *ids)),
        f"{row.usage_bytes:,}",
        f"{Decimal(row.gb_days):,f}",
        "" if row.billable_gb_days is None else f"{Decimal(row.billable_gb_days):,f}",
        "" if row.amount is None else f"${Decimal(row.amount):,f}",
    ]


def _has_ids(report: UsageReport) -> bool:
    return report.by in {"store", "project"}


def _bar(byte_seconds: int, most: int) -> RenderableType:
    """As long as its part of the most."""
    if not byte_seconds:
        return ""
    return Bar(size=1000, begin=0, end=byte_seconds * 1000 // most, color="cyan")


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
