"""Bytes, byte-seconds and dollars: the meter's facts, its reports, OpenAI's buckets, and the verb `usage`."""

import csv
import io
import json
from datetime import UTC, datetime
from fractions import Fraction

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from vecstore.catalog import schema
from vecstore.catalog.database import Database
from vecstore.catalog.meter import Meter, add_calls, record
from vecstore.cli import main
from vecstore.errors import InvalidRequestError, NotFoundError, StorageError
from vecstore.usage import (
    BEFORE_ALL,
    DAY_S,
    END_OF_TIME,
    GB,
    HOUR_S,
    Reading,
    amount,
    decimal_text,
    estimate,
    gb_days,
    integrate,
    marks,
    price_of,
    price_text,
    usage_bytes,
)
from vecstore.usage_pages import BucketQuery, SearchCalls

T0 = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
DEFAULT = schema.DEFAULT_PROJECT


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "catalog.db")
    yield opened
    opened.close()


@pytest.fixture
def meter(database):
    return Meter(database)


@pytest.fixture
def hold(database):
    """`hold("vs_a", at, gb)`: from then on the store has so many GB more."""

    def change(store, at, gb, project=DEFAULT):
        with database.write() as tx:
            record(tx, store, project, at, int(gb * GB))

    return change


@pytest.fixture
def add_project(database):
    def add(project, price=None):
        with database.write() as tx:
            row = {"id": project, "name": project.upper(), "created_at": T0, "price_per_gb_day": price}
            tx.execute(sa.insert(schema.projects).values(row))

    return add


@pytest.fixture
def rows_of(database):
    """All rows of a table of the catalogue."""

    def read(table):
        with database.read() as tx:
            return tx.execute(sa.select(table)).all()

    return read


# Arithmetic ------------------------------------------------------------------------------------


def test_usage_bytes_are_utf8_and_four_a_dimension():
    assert usage_bytes(["wörds", ""], 3) == 6 + 2 * 12


def test_the_level_holds_from_the_second_of_a_change_on():
    begin = Reading(0, 5, 0, 0)
    assert integrate(begin, [(10, 5), (10, -2), (20, -8)], 30, free_bytes=6) == Reading(30, 0, 50 + 80, 20)
    assert integrate(begin, [(30, 7)], 30, free_bytes=6) == Reading(30, 12, 150, 0)


def test_a_mark_ends_every_day_in_which_something_changed():
    found = marks(BEFORE_ALL, [(5, 1), (10, 1), (11, 1), (35, -3)], day_s=10, free_bytes=0)
    assert [(mark.at, mark.level, mark.byte_seconds) for mark in found] == [
        (10, 2, 5),
        (20, 3, 2 + 5 + 27),
        (40, 0, 79),
    ]


def test_decimals_are_rounded_once_half_to_even():
    assert decimal_text(Fraction(1, 3)) == "0.333333"
    assert decimal_text(Fraction(25, 10**7)) == "0.000002"
    assert decimal_text(Fraction(5, 10**7)) == "0.0000005"  # not 0, so it does not read as 0
    assert decimal_text(Fraction(0)) == "0.000000"
    assert decimal_text(Fraction(15, 10**7)) == "0.000002"
    assert decimal_text(Fraction(-15, 10**7)) == "-0.000002"
    assert decimal_text(Fraction(10**30) + Fraction(1, 4), 1) == "1" + "0" * 30 + ".2"


def test_a_gb_for_a_day_costs_its_price():
    assert amount(GB * DAY_S) == "0.100000"
    assert amount(GB * DAY_S, price_of("0.25")) == "0.250000"
    assert gb_days(3 * GB * DAY_S // 2) == "1.500000"
    assert [price_text(price_of(text)) for text in (None, "0.1", "2", "0.0125")] == ["0.10", "0.10", "2.00", "0.0125"]


@pytest.mark.parametrize("text", ["", "-1", "1/3", "1e3", "0.", ".5", "nan", "٣"])
def test_a_price_is_a_plain_decimal(text):
    with pytest.raises(InvalidRequestError, match="price_per_gb_day must be US dollars such as"):
        price_of(text)


def test_an_estimate_is_a_month_on_top_of_what_is_held():
    first = estimate(0, 3 * GB // 2)
    assert (first.gb_days, first.billable_gb_days, first.amount) == ("45.000000", "15.000000", "1.500000")
    assert estimate(GB, 2 * GB).amount == "6.000000"
    assert estimate(0, GB).amount == "0.000000"
    assert estimate(5 * GB, GB, Fraction("0.2"), days=1).amount == "0.200000"


# Recording -------------------------------------------------------------------------------------


def test_a_change_of_nothing_leaves_no_row(hold, rows_of):
    hold("vs_a", T0, 0)
    assert rows_of(schema.ledger) == []


def test_time_never_falls_within_a_store(hold, rows_of):
    hold("vs_a", T0 + 10, 1)
    hold("vs_a", T0, -1)
    hold("vs_b", T0, 1)
    assert [row.at for row in rows_of(schema.ledger)] == [T0 + 10, T0 + 10, T0]


def test_a_late_row_takes_back_the_marks_after_it_and_no_others(meter, hold, rows_of):
    for day in range(3):
        hold("vs_a", T0 + day * DAY_S + 1, 2)
    hold("vs_b", T0 + 1, 2)
    meter.report(T0, T0 + 4 * DAY_S, by="store")
    days = {row.at for row in rows_of(schema.marks) if row.scope == DEFAULT}
    assert days == {T0 + DAY_S, T0 + 2 * DAY_S, T0 + 3 * DAY_S}
    hold("vs_b", T0 + DAY_S + 5, -2)
    left = {(row.scope, row.at) for row in rows_of(schema.marks)}
    assert {at for scope, at in left if scope == DEFAULT} == {T0 + DAY_S}
    assert {at for scope, at in left if scope == "vs_b"} == {T0 + DAY_S}
    assert len([at for scope, at in left if scope == "vs_a"]) == 3
    held_s = (2 * DAY_S - 1) + (DAY_S - 1) + (DAY_S + 4)
    assert meter.report(T0, T0 + 2 * DAY_S).total.byte_seconds == 2 * GB * held_s


def test_reports_are_the_same_when_no_mark_can_be_written(meter, hold, database, monkeypatch, caplog):
    hold("vs_a", T0 + 1, 2)
    expected = meter.report(T0, T0 + 2 * DAY_S, by="day")
    meter.forget_marks()

    def full(_name=""):
        raise StorageError("the disk is full")

    monkeypatch.setattr(database, "write", full)
    assert meter.report(T0, T0 + 2 * DAY_S, by="day") == expected
    assert "the disk is full" in caplog.text


# Reports ---------------------------------------------------------------------------------------


def test_the_free_gb_is_a_projects_at_every_instant(meter, hold):
    hold("vs_a", T0, 0.75)
    hold("vs_b", T0, 0.75)
    hold("vs_b", T0 + DAY_S, -0.75)
    total = meter.report(T0, T0 + 2 * DAY_S).total
    assert (total.usage_bytes, total.gb_days, total.billable_gb_days) == (GB * 3 // 4, "2.250000", "0.500000")
    assert (total.amount, total.price) == ("0.050000", Fraction("0.10"))


def test_each_project_has_its_free_gb_and_its_price(meter, hold, add_project):
    add_project("proj_b", "0.2")
    hold("vs_a", T0, 2)
    hold("vs_b", T0, 3, "proj_b")
    report = meter.report(T0, T0 + DAY_S, by="project")
    assert [(row.name, row.amount, row.price) for row in report.rows] == [
        ("PROJ_B", "0.400000", Fraction("0.2")),
        ("default", "0.100000", Fraction("0.1")),
    ]
    assert (report.total.amount, report.total.price) == ("0.500000", None)
    assert meter.report(T0, T0 + DAY_S, project_id="proj_b").total.amount == "0.400000"


def test_nothing_used_is_zero_at_the_projects_price(meter, add_project):
    add_project("proj_b", "0.2")
    total = meter.report(T0, T0 + 1, project_id="proj_b").total
    assert (total.byte_seconds, total.billable_byte_seconds, total.amount) == (0, 0, "0.000000")
    assert total.price == Fraction("0.2")


def test_a_store_has_no_bill_of_its_own_and_a_deleted_one_is_listed_while_it_held_something(meter, hold):
    hold("vs_a", T0, 2)
    hold("vs_a", T0 + 10, -2)
    [row] = meter.report(T0 + 5, T0 + 15, by="store").rows
    assert (row.key, row.name, row.usage_bytes, row.byte_seconds) == ("vs_a", "(deleted)", 0, 10 * GB)
    assert (row.billable_byte_seconds, row.billable_gb_days, row.price, row.amount) == (None, None, None, None)
    assert meter.report(T0 + 10, T0 + 15, by="store").rows == ()


def test_stores_of_one_project_only(meter, hold, add_project):
    add_project("proj_b")
    hold("vs_a", T0, 1)
    hold("vs_b", T0, 1, "proj_b")
    assert [row.key for row in meter.report(T0, T0 + 1, by="store", project_id="proj_b").rows] == ["vs_b"]


def test_days_and_hours_are_cut_at_the_ends_of_the_period(meter, hold):
    hold("vs_a", T0 - 5, 2)
    days = meter.report(T0 - 10, T0 + DAY_S + 10, by="day").rows
    assert [(row.key, row.byte_seconds // GB) for row in days] == [
        ("2026-10-31", 10),
        ("2026-11-01", 2 * DAY_S),
        ("2026-11-02", 20),
    ]
    hours = meter.report(T0 + HOUR_S - 1, T0 + 2 * HOUR_S, by="hour").rows
    assert [(row.key, row.byte_seconds // GB) for row in hours] == [
        ("2026-11-01T00:00Z", 2),
        ("2026-11-01T01:00Z", 2 * HOUR_S),
    ]


def test_sums_beyond_64_bits_are_exact(meter, hold):
    hold("vs_a", T0, 1 << 30)
    total = meter.report(T0 - 10 * DAY_S, T0 + 1000 * DAY_S).total
    assert total.byte_seconds == (1 << 60) * 1000 * DAY_S > 1 << 64
    assert meter.report(T0, T0 + 1000 * DAY_S, by="day").total.byte_seconds == total.byte_seconds


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((T0, T0), f"start must be before end {T0}, not {T0}"),
        ((-1, T0), f"start must be 0 to {END_OF_TIME} whole Unix seconds, not -1"),
        ((T0, 1 << 70), f"end must be 0 to {END_OF_TIME} whole Unix seconds, not {1 << 70}"),
    ],
)
def test_a_period_is_two_instants_in_order(meter, arguments, sentence):
    with pytest.raises(InvalidRequestError) as raised:
        meter.report(*arguments)
    assert str(raised.value) == sentence


def test_what_a_report_cannot_be(meter):
    with pytest.raises(InvalidRequestError, match="by must be project, store, day or hour, not 'week'"):
        meter.report(T0, T0 + 1, by="week")
    with pytest.raises(InvalidRequestError, match="by hour must be of 100000 at most, not"):
        meter.report(0, T0, by="hour")
    with pytest.raises(NotFoundError, match=r"^No project found with id 'proj_x'\.$"):
        meter.report(T0, T0 + 1, project_id="proj_x")


# OpenAI's buckets ------------------------------------------------------------------------------


def test_a_bucket_has_the_average_rounded_down_and_the_exact_sum_beside_it(meter, database):
    with database.write() as tx:
        record(tx, "vs_a", DEFAULT, T0 + 59, 119)
    [bucket] = meter.vector_store_buckets(BucketQuery(T0, T0 + 60, "1m"), T0 + 999).buckets
    assert (bucket.start_time, bucket.end_time) == (T0, T0 + 60)
    assert [(each.usage_bytes, each.byte_seconds, each.project_id) for each in bucket.results] == [(1, 119, None)]


def test_a_bucket_that_is_not_over_is_averaged_up_to_now(meter, hold):
    hold("vs_a", T0 + 10, 4)
    page = meter.vector_store_buckets(BucketQuery(T0), T0 + 20)
    [bucket] = page.buckets
    assert (bucket.end_time, bucket.results[0].usage_bytes) == (T0 + DAY_S, 2 * GB)
    assert (page.has_more, page.next_page) == (False, None)


def test_buckets_lie_on_the_grid_and_are_cut_at_the_ends(meter):
    page = meter.vector_store_buckets(BucketQuery(T0 + 90, T0 + 3 * HOUR_S + 5, "1h"), T0 + DAY_S)
    assert [(bucket.start_time - T0, bucket.end_time - T0) for bucket in page.buckets] == [
        (90, HOUR_S),
        (HOUR_S, 2 * HOUR_S),
        (2 * HOUR_S, 3 * HOUR_S),
        (3 * HOUR_S, 3 * HOUR_S + 5),
    ]


def test_grouped_results_name_the_project_and_leave_zeros_out(meter, hold, add_project):
    add_project("proj_b")
    add_project("proj_c")
    hold("vs_b", T0, 1, "proj_b")
    hold("vs_a", T0 + DAY_S, 1)
    buckets = meter.vector_store_buckets(BucketQuery(T0, group_by=["project_id"]), T0 + 2 * DAY_S).buckets
    assert [[each.project_id for each in bucket.results] for bucket in buckets] == [["proj_b"], ["proj_b", DEFAULT]]
    only = BucketQuery(T0, group_by=["project_id"], project_ids=[DEFAULT])
    assert [len(bucket.results) for bucket in meter.vector_store_buckets(only, T0 + 2 * DAY_S).buckets] == [0, 1]


@pytest.mark.parametrize(("width", "usual", "most"), [("1m", 60, 1440), ("1h", 24, 168), ("1d", 7, 31)])
def test_a_page_has_so_many_buckets_and_says_where_the_next_begins(meter, width, usual, most):
    now = T0 + 40 * DAY_S
    page = meter.vector_store_buckets(BucketQuery(T0, bucket_width=width), now)
    assert (len(page.buckets), page.has_more) == (usual, True)
    following = meter.vector_store_buckets(BucketQuery(T0, bucket_width=width, limit=most, page=page.next_page), now)
    assert following.buckets[0].start_time == page.buckets[-1].end_time
    assert len(following.buckets) == min(most, 40 - usual if width == "1d" else most)
    with pytest.raises(InvalidRequestError, match=f"limit must be 1 to {most} for buckets of {width}, not {most + 1}"):
        meter.vector_store_buckets(BucketQuery(T0, bucket_width=width, limit=most + 1), now)


def test_what_has_not_begun_has_no_bucket(meter):
    for query in (BucketQuery(T0 + 1), BucketQuery(T0), BucketQuery(T0, T0 + DAY_S)):
        for ask in (meter.vector_store_buckets, meter.cost_buckets, meter.search_call_buckets):
            page = ask(query, T0)
            assert (page.buckets, page.has_more, page.next_page) == ((), False, None)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (BucketQuery(-1), f"start_time must be 0 to {END_OF_TIME} whole Unix seconds, not -1"),
        (BucketQuery(T0, T0), f"start_time must be before end_time {T0}, not {T0}"),
        (BucketQuery(T0, bucket_width="1w"), "bucket_width must be 1m or 1h or 1d, not '1w'"),
        (BucketQuery(T0, limit=0), "limit must be 1 to 31 for buckets of 1d, not 0"),
        (BucketQuery(T0, group_by=["model"]), "group_by must be of project_id, not 'model'"),
        (BucketQuery(T0, page="page_eA"), "page must be the next_page of the page before, not 'page_eA'"),
        (BucketQuery(T0, page="é"), "page must be the next_page of the page before, not 'é'"),
        (BucketQuery(T0, page="page_MA"), "page must be the next_page of the page before, not 'page_MA'"),
        (BucketQuery(T0, page=""), "page must be the next_page of the page before, not ''"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(meter, query, sentence):
    with pytest.raises(InvalidRequestError) as raised:
        meter.vector_store_buckets(query, T0 + 1)
    assert str(raised.value) == sentence


def test_searches_are_counted_by_minute_and_grouped_by_what_is_known(meter, database, hold, add_project):
    add_project("proj_b")
    hold("vs_a", T0, 1)
    hold("vs_b", T0, 1, "proj_b")
    with database.write() as tx:
        add_calls(tx, {"vs_a": 2, "vs_b": 1, "vs_gone": 5}, T0)
        add_calls(tx, {"vs_a": 3}, T0)
        add_calls(tx, {"vs_a": 4}, T0 + HOUR_S)
    now = T0 + DAY_S

    def found(**query):
        return [bucket.results for bucket in meter.search_call_buckets(BucketQuery(T0, **query), now).buckets]

    assert found() == [(SearchCalls(10),)]
    assert found(bucket_width="1h", limit=3) == [(SearchCalls(6),), (SearchCalls(4),), (SearchCalls(0),)]
    assert found(group_by=["project_id"]) == [(SearchCalls(1, "proj_b"), SearchCalls(9, DEFAULT))]
    assert found(group_by=["vector_store_id", "project_id"]) == [
        (SearchCalls(1, "proj_b", "vs_b"), SearchCalls(9, DEFAULT, "vs_a"))
    ]
    assert found(group_by=["user_id", "api_key_id"]) == [(SearchCalls(10),)]
    assert found(vector_store_ids=["vs_b"], project_ids=["proj_b"]) == [(SearchCalls(1),)]
    assert found(group_by=["project_id"], vector_store_ids=["vs_x"]) == [()]


def test_costs_are_by_day_in_dollars(meter, hold, add_project):
    add_project("proj_b", "0.2")
    hold("vs_a", T0, 2)
    hold("vs_b", T0, 1.5, "proj_b")
    now = T0 + DAY_S

    def found(*group_by):
        [bucket] = meter.cost_buckets(BucketQuery(T0, group_by=group_by), now).buckets
        return [(each.value, each.currency, each.project_id, each.line_item, each.quantity) for each in bucket.results]

    assert found() == [("0.200000", "usd", None, None, None)]
    assert found("project_id") == [("0.100000", "usd", "proj_b", None, None), ("0.100000", "usd", DEFAULT, None, None)]
    assert found("line_item") == [("0.200000", "usd", None, "file search storage", "36.000000")]
    assert [each[2:] for each in found("line_item", "project_id")] == [
        ("proj_b", "file search storage", "12.000000"),
        (DEFAULT, "file search storage", "24.000000"),
    ]
    with pytest.raises(InvalidRequestError, match="bucket_width must be 1d, not '1h'"):
        meter.cost_buckets(BucketQuery(T0, bucket_width="1h"), now)


# The verb --------------------------------------------------------------------------------------


@pytest.fixture
def metered(data_folder, open_engine, clock):
    """A data folder with a store that holds something, one that is deleted, and an empty one."""
    clock.seconds = T0
    with open_engine() as engine:
        held, gone = engine.create("held"), engine.create("gone")
        engine.create("empty")
        for store in (held, gone):
            store.add((f"{store.id}.txt", b"some text"))
        with engine._parts.catalog.database.write() as tx:
            record(tx, held.id, DEFAULT, T0, 3 * GB)
        clock.move(5 * DAY_S)
        gone.delete()
    return held.id, gone.id


@pytest.fixture
def run(data_folder):
    def call(*arguments, status=0):
        result = CliRunner().invoke(main, ["--root", str(data_folder), "usage", *arguments])
        assert result.exit_code == status, result.output
        return result

    return call


NOVEMBER = "--from", "2026-11-01", "--to", "2026-11-11"


def test_usage_is_a_table_with_bars_and_the_terms(run, metered):
    shown = run(*NOVEMBER).stdout
    held, gone = metered
    assert "2026-11-01 00:00:00Z to 2026-11-11 00:00:00Z" in shown
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert held in lines["held"]
    assert "█" in lines["held"]
    assert "30.000002" in lines["held"]
    assert gone in lines["(deleted)"]
    assert lines["empty"].split()[2:] == ["0", "0.000000"]
    assert "$2.000000" in lines["total"]
    assert "at $0.10 per GB and day, above the 1 GB that each project has free" in shown


def test_usage_by_day_as_csv_adds_up(run, metered):
    rows = list(csv.DictReader(io.StringIO(run(*NOVEMBER, "--by", "day", "--csv").stdout)))
    *days, total = rows
    assert [days[0]["key"], days[-1]["key"], total["key"]] == ["2026-11-01", "2026-11-10", "total"]
    assert (days[0]["start"], days[0]["end"]) == ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
    for name in ("byte_seconds", "billable_byte_seconds"):
        assert sum(int(day[name]) for day in days) == int(total[name])


def test_usage_as_json_lines_is_exact(run, metered):
    *stores, total = [json.loads(line) for line in run(*NOVEMBER, "--json").stdout.splitlines()]
    assert [row["name"] for row in stores] == ["(deleted)", "empty", "held"]
    assert sum(row["byte_seconds"] for row in stores) == total["byte_seconds"]
    assert stores[0]["byte_seconds"] == 5 * DAY_S * (len("some text") + 4 * 64)
    assert (total["price_per_gb_day"], total["amount"], stores[0]["amount"]) == ("0.10", "2.000000", None)
    assert total["start"] == T0


def test_usage_of_one_project_and_by_project(run, metered):
    assert "default" in run(*NOVEMBER, "--by", "project", "--project", "default").stdout
    assert "proj_x" in run(*NOVEMBER, "--project", "proj_x", status=1).stderr


def test_usage_takes_dates_and_times_in_utc(run, metered):
    [*_, total] = run("--from", "2026-11-01T01:00+01:00", "--to", "2026-11-01T00:00:07", "--json").stdout.splitlines()
    assert (json.loads(total)["start"], json.loads(total)["end"]) == (T0, T0 + 7)


def test_usage_refuses_what_is_no_period(run, metered):
    assert "'yesterday' is no date or time such as 2026-11-01" in run("--from", "yesterday", status=2).stderr
    assert "give one of them" in run("--csv", "--json", status=2).stderr
    assert "must be before end" in run("--from", "2026-11-02", "--to", "2026-11-02", status=2).stderr


def test_usage_of_this_month_is_the_default(engine, clock):
    clock.seconds = T0 + 3 * DAY_S
    report = engine.usage(by="store")
    assert (report.start, report.end, report.rows, report.total.amount) == (T0, T0 + 3 * DAY_S, (), "0.000000")
