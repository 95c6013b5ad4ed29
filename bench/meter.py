"""Usage reports over years of history: with the roll-ups, and with all of them dropped, as if there were none."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from vecstore.catalog import DEFAULT_PROJECT, Catalog
from vecstore.catalog.schema import ledger
from vecstore.usage import DAY_S

START = 1_700_000_000 // DAY_S * DAY_S
_ROUNDS = 7
_AT_ONCE = 10_000


def run(*, stores: int, rows: int, years: int) -> dict[str, Any]:
    """Medians in ms of each report, and what the first one after dropping the roll-ups takes."""
    end = START + years * 365 * DAY_S
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "catalog.db")
        _fill(catalog, stores, rows, end)
        month = end - 30 * DAY_S
        reports: dict[str, Callable[[], object]] = {
            f"{years} years in all": lambda: catalog.meter.report(START, end),
            f"{years} years by day": lambda: catalog.meter.report(START, end, by="day"),
            f"{years} years by store": lambda: catalog.meter.report(START, end, by="store"),
            "a month by day": lambda: catalog.meter.report(month, end, by="day"),
            "a week by hour": lambda: catalog.meter.report(end - 7 * DAY_S, end, by="hour"),
        }
        figures = {}
        for name, report in reports.items():
            catalog.meter.forget_marks()
            first, answer = _timed(report)
            again = [_timed(report) for _ in range(_ROUNDS)]
            assert all(each == answer for _, each in again)
            figures[name] = {"without roll-ups ms": first, "with ms": statistics.median(ms for ms, _ in again)}
        catalog.close()
    return {"stores": stores, "rows": rows, "years": years, "reports": figures}


def table(report: dict[str, Any]) -> str:
    lines = [f"{report['rows']:,} changes of {report['stores']:,} vector stores in {report['years']} years", ""]
    lines.append(f"{'':20}{'without roll-ups ms':>22}{'with ms':>12}{'ratio':>8}")
    for name, each in report["reports"].items():
        first, again = each["without roll-ups ms"], each["with ms"]
        lines.append(f"{name:20}{first:>22,.1f}{again:>12,.1f}{first / again:>8,.0f}")
    return "\n".join(lines)


def _fill(catalog: Catalog, stores: int, rows: int, end: int) -> None:
    """Each store grows and shrinks at random moments, never below nothing."""
    chance, held = random.Random(7), [0] * stores
    moments = iter(sorted(chance.randrange(START, end) for _ in range(rows)))
    with catalog.database.write() as tx:
        while some := list(islice(moments, _AT_ONCE)):
            tx.execute(sa.insert(ledger), [_change(chance, held, at) for at in some])


def _change(chance: random.Random, held: list[int], at: int) -> dict[str, object]:
    store = chance.randrange(len(held))
    delta = chance.randrange(1_000, 10_000_000) if chance.random() < 0.6 or not held[store] else -held[store] // 2 - 1
    held[store] += delta
    return {"vector_store_id": f"vs_{store}", "at": at, "delta_bytes": delta, "project_id": DEFAULT_PROJECT}


def _timed(report: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    answer = report()
    return (time.perf_counter() - began) * 1000, answer
