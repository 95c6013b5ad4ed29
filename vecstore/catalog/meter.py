"""The meter: what vector stores and projects held, how often they were searched, and what it costs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

import sqlalchemy as sa

from vecstore.catalog import marks
from vecstore.catalog.database import Database
from vecstore.catalog.marks import PROJECTS, STORES, Kind
from vecstore.catalog.schema import ledger, projects, search_calls, vector_stores
from vecstore.catalog.schema import marks as marks_table
from vecstore.errors import InvalidRequestError, NotFoundError, StorageError
from vecstore.usage import (
    FREE_BYTES,
    GB,
    HOUR_S,
    PRICE_PER_GB_DAY,
    By,
    Metered,
    Reading,
    UsageReport,
    UsageRow,
    billed_row,
    decimal_text,
    edges,
    price_of,
    store_row,
)
from vecstore.usage_pages import (
    COST_LIMITS,
    LINE_ITEM,
    WIDTHS_S,
    BucketQuery,
    Cost,
    SearchCalls,
    StoredBytes,
    UsagePage,
    check_period,
    frame,
)

MAX_ROWS = 100_000  # of a report: 273 years of days, 11 of hours
DELETED = "(deleted)"

_SCOPES_AT_ONCE = 100  # whose marks are made in one transaction
_KEYS = {"day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H:00Z"}

log = logging.getLogger(__name__)


def record(tx: sa.Connection, store_id: str, project_id: str, at: int, delta_bytes: int) -> None:
    """Writes that the store holds so many bytes more, or fewer, from second `at` on; nothing if it is 0.

    A time before the store's last row is taken as that row's: a clock that steps back, or an end in the past,
    takes nothing away that was not there. A store is of one project for ever.
    """
    if not delta_bytes:
        return
    last = tx.execute(sa.select(sa.func.max(ledger.c.at)).where(ledger.c.vector_store_id == store_id)).scalar()
    at = max(at, last or 0)
    row = {"vector_store_id": store_id, "project_id": project_id, "at": at, "delta_bytes": delta_bytes}
    tx.execute(sa.insert(ledger).values(row))
    marks.forget_after(tx, [store_id, project_id], at)


def add_calls(tx: sa.Connection, counts: Mapping[str, int], minute: int) -> None:
    """Adds searches by vector store to those of the minute that begins at `minute`.

    Searches of a store that was deleted meanwhile count for the project that its ledger names; without
    any they are forgotten.
    """
    for store_id, calls in counts.items():
        this = (search_calls.c.vector_store_id == store_id) & (search_calls.c.minute == minute)
        if tx.execute(sa.update(search_calls).where(this).values(calls=search_calls.c.calls + calls)).rowcount:
            continue
        project_id = _project_of(tx, store_id)
        if project_id is not None:
            row = {"vector_store_id": store_id, "minute": minute, "project_id": project_id, "calls": calls}
            tx.execute(sa.insert(search_calls).values(row))


class Meter:
    """Reports over the ledger, exact to the byte-second. Thread-safe; each is of one moment of the catalogue.

    free_bytes: taken off what a project holds, at every instant. widths_s: the seconds of a minute, an hour
    and a day. The marks in a database hold for one of each: who changes them drops the marks.
    """

    def __init__(
        self, database: Database, *, free_bytes: int = FREE_BYTES, widths_s: Mapping[str, int] = WIDTHS_S
    ) -> None:
        self._database = database
        self._free_bytes = free_bytes
        self._widths_s = widths_s

    def report(self, start: int, end: int, *, by: By | None = None, project_id: str | None = None) -> UsageReport:
        """What was used in `start` <= t < `end`, by all projects or one; what is held at `end` goes on being held.

        By project: all there are. By store: those that exist, and deleted ones that held something in the
        period or at its end. By day and hour: all of them in order, cut at the period's ends. A period that
        is cut in pieces adds up to the whole. Raises InvalidRequestError, and NotFoundError for the project.
        """
        instants = self._instants(start, end, by)
        wanted = [] if project_id is None else [project_id]
        self._catch_up(PROJECTS, end, wanted)
        if by == "store":
            self._catch_up(STORES, end, wanted)
        with self._database.read() as tx:
            known = _projects(tx)
            if project_id is not None and project_id not in known:
                raise NotFoundError(f"No project found with id '{project_id}'.")
            price = PRICE_PER_GB_DAY if project_id is None else known[project_id].price
            metered = self._metered(tx, known, instants, wanted)
            total = billed_row("total", "total", _whole(metered), start, end, price=price)
            if by == "store":
                rows = _store_rows(tx, self._readings(tx, STORES, instants, wanted), start, end, wanted)
            elif by == "project":
                rows = _project_rows(known, metered, start, end, wanted)
            else:
                rows = [] if by is None else _time_rows(by, instants, metered, price)
        return UsageReport(start, end, by, tuple(rows), total, self._free_bytes)

    def vector_store_buckets(self, query: BucketQuery, now: int) -> UsagePage[StoredBytes]:
        """What was held on average; grouped by project_id or not at all. Raises InvalidRequestError."""
        page = frame(query, now, fields=("project_id",), widths_s=self._widths_s)
        if not page.spans:
            return UsagePage(())
        metered = self._bucketed(page.instants, query.project_ids)
        seconds = [end - start for start, end in pairwise(page.instants)]

        def results(i: int) -> tuple[StoredBytes, ...]:
            used = {project: spans[i].byte_seconds for project, spans in metered.items()}
            if "project_id" in query.group_by:
                return tuple(StoredBytes(n // seconds[i], n, project) for project, n in used.items() if n)
            return (StoredBytes(sum(used.values()) // seconds[i], sum(used.values())),)

        return page.filled(results)

    def cost_buckets(self, query: BucketQuery, now: int) -> UsagePage[Cost]:
        """What it costs by day; grouped by project_id and line_item, or one of them. Raises InvalidRequestError."""
        fields = "project_id", "line_item"
        page = frame(query, now, fields=fields, limits=COST_LIMITS, widths_s=self._widths_s)
        if not page.spans:
            return UsagePage(())
        metered = self._bucketed(page.instants, query.project_ids)

        def results(i: int) -> tuple[Cost, ...]:
            parts = {project: spans[i] for project, spans in metered.items()}
            if "project_id" in query.group_by:
                billed = [(project, part) for project, part in parts.items() if part.billable_byte_seconds]
                return tuple(_cost([part], query, project) for project, part in billed)
            found = _cost(list(parts.values()), query, None)
            return () if query.group_by and not any(part.billable_byte_seconds for part in parts.values()) else (found,)

        return page.filled(results)

    def search_call_buckets(self, query: BucketQuery, now: int) -> UsagePage[SearchCalls]:
        """How many searches there were, by the minute in which they began. Raises InvalidRequestError.

        Grouped by project_id and vector_store_id, or one of them; by user_id and api_key_id all are one.
        """
        fields = "project_id", "vector_store_id", "user_id", "api_key_id"
        page = frame(query, now, fields=fields, widths_s=self._widths_s)
        if not page.spans:
            return UsagePage(())
        width_s = self._widths_s[query.bucket_width]
        with self._database.read() as tx:
            found = tx.execute(_calls(query, page.spans[0][0], page.spans[-1][1], width_s)).all()
        grouped: dict[int, list[SearchCalls]] = {}
        for row in found:
            calls = SearchCalls(int(row.calls), row.project_id, row.vector_store_id)
            grouped.setdefault(row.bucket, []).append(calls)

        def results(i: int) -> tuple[SearchCalls, ...]:
            nothing = [] if query.group_by else [SearchCalls(0)]
            return tuple(grouped.get(page.spans[i][0] // width_s, nothing))

        return page.filled(results)

    def forget_marks(self) -> None:
        """Drops the cache of sums; the next report makes it anew and says the same."""
        with self._database.write() as tx:
            tx.execute(sa.delete(marks_table))

    def wrong_marks(self) -> list[str]:
        """The vector stores and projects whose sums in the cache are not those of the ledger."""
        with self._database.read() as tx:
            return marks.wrong(tx, day_s=self._widths_s["1d"], free_bytes=self._free_bytes)

    # Inside ------------------------------------------------------------------------------------

    def _instants(self, start: int, end: int, by: str | None) -> list[int]:
        if by not in (None, "project", "store", "day", "hour"):
            raise InvalidRequestError("by", f"must be project, store, day or hour, not {by!r:.50}")
        check_period("start", start, "end", end)
        if by not in {"day", "hour"}:
            return [start, end]
        width_s = self._widths_s["1d" if by == "day" else "1h"]
        if (end - start) // width_s > MAX_ROWS:
            raise InvalidRequestError("by", f"{by} must be of {MAX_ROWS} at most, not {(end - start) // width_s}")
        return list(edges(start, end, width_s))

    def _catch_up(self, kind: Kind, end: int, only: Collection[str]) -> None:
        """Makes the marks that are lacking up to the day of `end`. A full disk leaves reports slow, not wrong."""
        day_s = self._widths_s["1d"]
        until = end // day_s * day_s
        with self._database.read() as tx:
            lacking = marks.stale(tx, kind, until, projects=only)
        try:
            for i in range(0, len(lacking), _SCOPES_AT_ONCE):
                some = lacking[i : i + _SCOPES_AT_ONCE]
                with self._database.write("meter.marks") as tx:
                    marks.extend(tx, kind, some, until, day_s=day_s, free_bytes=self._free_bytes)
        except StorageError as error:
            log.warning("sums of usage could not be kept for the next report: %s", error)

    def _readings(
        self, tx: sa.Connection, kind: Kind, instants: Sequence[int], only: Collection[str]
    ) -> dict[str, list[Reading]]:
        day_s = self._widths_s["1d"]
        return marks.readings(tx, kind, instants, projects=only, day_s=day_s, free_bytes=self._free_bytes)

    def _metered(
        self, tx: sa.Connection, known: Mapping[str, _Project], instants: Sequence[int], only: Collection[str]
    ) -> dict[str, list[Metered]]:
        """Of each project in the ledger what lies between these instants, in order of their ids."""
        found = self._readings(tx, PROJECTS, instants, only)
        prices = {project: known[project].price if project in known else PRICE_PER_GB_DAY for project in found}
        return {
            project: [Metered(*pair, prices[project]) for pair in pairwise(found[project])] for project in sorted(found)
        }

    def _bucketed(self, instants: Sequence[int], only: Collection[str]) -> dict[str, list[Metered]]:
        self._catch_up(PROJECTS, instants[-1], only)
        with self._database.read() as tx:
            return self._metered(tx, _projects(tx), instants, only)


@dataclass(frozen=True, slots=True)
class _Project:
    name: str
    price: Fraction


def _projects(tx: sa.Connection) -> dict[str, _Project]:
    rows = tx.execute(sa.select(projects.c.id, projects.c.name, projects.c.price_per_gb_day))
    return {project_id: _Project(name, price_of(price)) for project_id, name, price in rows}


def _time_rows(
    by: Literal["day", "hour"], instants: Sequence[int], metered: Mapping[str, Sequence[Metered]], price: Fraction
) -> list[UsageRow]:
    rows = []
    for i, (start, end) in enumerate(pairwise(instants)):
        key = datetime.fromtimestamp(start, UTC).strftime(_KEYS[by])
        rows.append(billed_row(key, key, [spans[i] for spans in metered.values()], start, end, price=price))
    return rows


def _whole(metered: Mapping[str, Sequence[Metered]]) -> list[Metered]:
    return [Metered(spans[0].before, spans[-1].after, spans[0].price) for spans in metered.values()]


def _project_rows(
    known: Mapping[str, _Project],
    metered: Mapping[str, Sequence[Metered]],
    start: int,
    end: int,
    only: Collection[str],
) -> list[UsageRow]:
    every = {project: _Project(DELETED, PRICE_PER_GB_DAY) for project in metered} | dict(known)
    return [
        billed_row(project_id, project.name, metered.get(project_id, ()), start, end, price=project.price)
        for project_id, project in sorted(every.items(), key=lambda item: (item[1].name, item[0]))
        if not only or project_id in only
    ]


def _store_rows(
    tx: sa.Connection, found: Mapping[str, Sequence[Reading]], start: int, end: int, only: Collection[str]
) -> list[UsageRow]:
    query = sa.select(vector_stores.c.id, vector_stores.c.name).where(vector_stores.c.created_at <= end)
    if only:
        query = query.where(vector_stores.c.project_id.in_(only))
    names = {row.id: row.name for row in tx.execute(query)}
    nothing = Reading(start, 0, 0, 0), Reading(end, 0, 0, 0)
    rows = [store_row(store, names.get(store, DELETED), *found.get(store, nothing)) for store in {*names, *found}]
    shown = [row for row in rows if row.key in names or row.byte_seconds or row.usage_bytes]
    return sorted(shown, key=lambda row: (row.name, row.key))


def _project_of(tx: sa.Connection, store_id: str) -> str | None:
    for table, this in ((vector_stores, vector_stores.c.id), (ledger, ledger.c.vector_store_id)):
        found = tx.execute(sa.select(table.c.project_id).where(this == store_id).limit(1)).scalar()
        if found is not None:
            return str(found)
    return None


def _calls(query: BucketQuery, start: int, end: int, width_s: int) -> sa.Select[Any]:
    """Sums of calls by the number of the bucket, and by what is asked for; in order."""
    keys = {name: search_calls.c[name] for name in ("project_id", "vector_store_id")}
    bucket = search_calls.c.minute.op("/")(sa.literal_column(str(width_s)))
    by = [bucket, *(column for name, column in keys.items() if name in query.group_by)]
    shown = [column if name in query.group_by else sa.null().label(name) for name, column in keys.items()]
    total = sa.func.sum(search_calls.c.calls).label("calls")
    found = sa.select(bucket.label("bucket"), *shown, total).group_by(*by).order_by(*by)
    found = found.where((search_calls.c.minute >= start) & (search_calls.c.minute < end))
    for column, wanted in ((keys["project_id"], query.project_ids), (keys["vector_store_id"], query.vector_store_ids)):
        if wanted:
            found = found.where(column.in_(wanted))
    return found


def _cost(parts: Sequence[Metered], query: BucketQuery, project_id: str | None) -> Cost:
    value = decimal_text(sum((part.cost for part in parts), Fraction(0)))
    if "line_item" not in query.group_by:
        return Cost(value, project_id=project_id)
    hours = Fraction(sum(part.billable_byte_seconds for part in parts), GB * HOUR_S)
    return Cost(
        value,
        line_item=LINE_ITEM,
        project_id=project_id,
        quantity=decimal_text(hours),
        quantity_unit="gibibyte_hours",
    )
