"""The meter against counting every byte of every second, over any history and any cut of it.

`python -m pytest tests/property/test_meter.py --examples 10000` tries that many histories.
"""

from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vecstore.catalog import schema
from vecstore.catalog.database import Database
from vecstore.catalog.meter import Meter, record
from vecstore.usage import Metered, Reading, cost, decimal_text, integrate, price_of
from vecstore.usage_pages import BucketQuery

FREE = 10  # bytes
WIDTHS_S = {"1m": 2, "1h": 5, "1d": 20}
END = 100  # seconds: five days
STORES = {"vs_a": "proj_1", "vs_b": "proj_1", "vs_c": "proj_2", "vs_d": schema.DEFAULT_PROJECT}
PRICES = {"proj_1": None, "proj_2": "0.333333", schema.DEFAULT_PROJECT: None}
PROJECTS = sorted(PRICES)

# Around the ends of days, where most can go wrong, and anywhere.
INSTANTS = st.one_of(
    st.integers(0, END), st.builds(lambda day, s: min(max(0, 20 * day + s), END), st.integers(0, 5), st.integers(-1, 1))
)
SIZES = st.one_of(st.integers(0, 30), st.sampled_from([FREE, FREE + 1, 1 << 60]))
CHANGES = st.tuples(st.just("change"), st.sampled_from(sorted(STORES)), INSTANTS, SIZES, st.booleans())
REPORTS = st.tuples(st.just("report"), INSTANTS, INSTANTS, st.sampled_from(["store", "day", None]))
FORGETTING = st.just(("forget",))
HISTORIES = st.lists(st.one_of(CHANGES, CHANGES, CHANGES, REPORTS, FORGETTING), max_size=25)
PERIODS = st.lists(INSTANTS, min_size=2, max_size=5, unique=True).map(sorted)


@pytest.fixture(scope="module")
def database():
    opened = Database(Path(":memory:"))
    with opened.write() as tx:
        for project, price in PRICES.items():
            if project != schema.DEFAULT_PROJECT:
                row = {"id": project, "name": project, "created_at": 0, "price_per_gb_day": price}
                tx.execute(sa.insert(schema.projects).values(row))
    yield opened
    opened.close()


class Second:
    """What each store holds in each second, written down byte by byte."""

    def __init__(self):
        self.levels = {store: [0] * (END + 1) for store in STORES}
        self.last = dict.fromkeys(STORES, 0)

    def change(self, store, at, delta):
        if not delta:
            return
        at = self.last[store] = max(at, self.last[store])
        levels = self.levels[store]
        for second in range(at, END + 1):
            levels[second] += delta

    def level(self, project, second):
        return sum(levels[second] for store, levels in self.levels.items() if STORES[store] == project)

    def used(self, project, start, end):
        return sum(self.level(project, second) for second in range(start, end))

    def billable(self, project, start, end):
        return sum(max(0, self.level(project, second) - FREE) for second in range(start, end))

    def amount(self, projects, start, end):
        return decimal_text(
            sum(cost(self.billable(project, start, end), price_of(PRICES[project])) for project in projects)
        )


def played(database, meter, history):
    """The history in both; reports and the forgetting of marks fall in between and must change nothing."""
    truth = Second()
    with database.write() as tx:
        for table in (schema.ledger, schema.marks):
            tx.execute(sa.delete(table))
    for what, *arguments in history:
        if what == "forget":
            meter.forget_marks()
        elif what == "report":
            start, end, by = arguments
            if start < end:
                meter.report(start, end, by=by)
        else:
            store, at, size, adds = arguments
            held = truth.levels[store][END]
            delta = size if adds else -min(size, held)
            with database.write() as tx:
                record(tx, store, STORES[store], at, delta)
            truth.change(store, at, delta)
    return truth


def assert_row(row, truth, projects, start, end):
    assert (row.start, row.end) == (start, end)
    assert row.byte_seconds == sum(truth.used(project, start, end) for project in projects)
    assert row.billable_byte_seconds == sum(truth.billable(project, start, end) for project in projects)
    assert row.usage_bytes == sum(truth.level(project, end) for project in projects)
    assert row.amount == truth.amount(projects, start, end)


def assert_cut(rows, truth, start, end, width_s):
    bounds = [start, *(second for second in range(start + 1, end) if second % width_s == 0), end]
    assert len(rows) == len(bounds) - 1
    for row, (first, last) in zip(rows, pairwise(bounds), strict=True):
        assert_row(row, truth, PROJECTS, first, last)


def assert_buckets(meter, truth, *, start, end, now, width):
    """Grouped buckets, all pages of them; what is not over yet is measured up to now."""
    query = BucketQuery(start, end, width, ("project_id",))
    seen = start
    while True:
        page = meter.vector_store_buckets(query, now)
        for bucket in page.buckets:
            assert bucket.start_time == seen < min(now, end)
            seen, until = bucket.end_time, min(bucket.end_time, now)
            used = {project: truth.used(project, bucket.start_time, until) for project in PROJECTS}
            assert {result.project_id: result.byte_seconds for result in bucket.results} == {
                project: n for project, n in used.items() if n
            }
            for result in bucket.results:
                assert result.usage_bytes == result.byte_seconds // (until - bucket.start_time)
        if not page.has_more:
            break
        query = BucketQuery(start, end, width, ("project_id",), page=page.next_page)
    assert seen >= min(now, end) or now <= start


def test_every_report_is_what_counting_says(database, examples):
    meter = Meter(database, free_bytes=FREE, widths_s=WIDTHS_S)

    @settings(max_examples=examples(500), deadline=None, suppress_health_check=list(HealthCheck))
    @given(HISTORIES, PERIODS, INSTANTS, st.sampled_from(["1m", "1h", "1d"]))
    def check(history, period, now, width):
        truth = played(database, meter, history)
        start, end = period[0], period[-1]
        report = meter.report(start, end, by="project")
        assert_row(report.total, truth, PROJECTS, start, end)
        for row in report.rows:
            assert_row(row, truth, [row.key], start, end)
        assert [row.name for row in report.rows] == ["default", "proj_1", "proj_2"]
        stores = {row.key: row for row in meter.report(start, end, by="store").rows}
        for store, levels in truth.levels.items():
            used, held = sum(levels[start:end]), levels[end]
            assert (store in stores) == bool(used or held)
            if store in stores:
                assert (stores[store].byte_seconds, stores[store].usage_bytes) == (used, held)
        assert_cut(meter.report(start, end, by="day").rows, truth, start, end, WIDTHS_S["1d"])
        assert_cut(meter.report(start, end, by="hour").rows, truth, start, end, WIDTHS_S["1h"])
        pieces = [meter.report(*cut, project_id="proj_1").total for cut in pairwise(period)]
        whole = meter.report(start, end, project_id="proj_1").total
        assert_row(whole, truth, ["proj_1"], start, end)
        assert whole.byte_seconds == sum(piece.byte_seconds for piece in pieces)
        assert whole.billable_byte_seconds == sum(piece.billable_byte_seconds for piece in pieces)
        assert_buckets(meter, truth, start=start, end=end, now=now, width=width)
        by_day = meter.report(start, end, by="day")
        meter.forget_marks()
        assert meter.report(start, end, by="day") == by_day

    check()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(-(1 << 70), 1 << 70)), max_size=20).map(sorted),
    st.integers(300, 400),
    st.integers(0, 1 << 70),
)
def test_integrals_of_any_size_are_exact(changes, end, free_bytes):
    found = integrate(Reading(0, 0, 0, 0), changes, end, free_bytes=free_bytes)
    levels = [sum(delta for at, delta in changes if at <= second) for second in range(end + 1)]
    assert found.level == levels[end]
    assert found.byte_seconds == sum(levels[:end])
    assert found.billable_byte_seconds == sum(max(0, level - free_bytes) for level in levels[:end])


@given(st.integers(0, 1 << 80), st.decimals(0, 100, places=4).map(str))
def test_what_is_paid_is_the_exact_amount_rounded_once(billable, price):
    exact = billable * price_of(price) / ((1 << 30) * 86_400)
    paid = Metered(Reading(0, 0, 0, 0), Reading(1, 0, 0, billable), price_of(price)).cost
    assert paid == exact
    assert abs(price_of(decimal_text(paid)) - exact) * 2 <= price_of("0.000001")
