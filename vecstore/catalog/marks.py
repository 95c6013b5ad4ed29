"""Readings of the meter from the ledger, and the marks that make them quick.

A scope is a vector store or a project. It has a mark at the end of each day in which its ledger has a row, for
every such day up to its last mark; a row at midnight belongs to the day before. So between a mark and a later
midnight nothing happened, unless another mark lies between or none follows, and the rows of a few days at most are
read for any instant. Marks are a cache: without them readings are the same, and take longer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from vecstore import usage
from vecstore.catalog.schema import ledger, marks
from vecstore.usage import BEFORE_ALL, Change, Reading

STORES = ledger.c.vector_store_id
PROJECTS = ledger.c.project_id

Kind: TypeAlias = "sa.Column[str]"  # the column of the ledger that names the scope
Scopes = Literal["all", "of projects", "these"]

_BEFORE_ALL_S = BEFORE_ALL.at
_INSERTED = 5_000  # marks at a time


def forget_after(tx: sa.Connection, scopes: Collection[str], at: int) -> None:
    """Drops the marks of these scopes that a ledger row at `at` makes wrong."""
    tx.execute(sa.delete(marks).where(marks.c.scope.in_(scopes) & (marks.c.at >= at)))


def readings(
    tx: sa.Connection, kind: Kind, instants: Sequence[int], *, projects: Collection[str], day_s: int, free_bytes: int
) -> dict[str, list[Reading]]:
    """The readings at these rising instants, of every scope in the ledger, or every one of these projects if any."""
    which: Scopes = "of projects" if projects else "all"
    given = {"start": instants[0], "end": instants[-1], "ids": list(projects)}
    if any(instant % day_s for instant in instants[1:-1]):  # inside days: all rows are needed
        known = _known(tx, _marks(kind, which, "first"), given)
        changes = _changed(tx, _changes(kind, which, "from start"), given)
    else:
        known = _known(tx, _marks(kind, which, "ends" if len(instants) == 2 else "between"), given)
        changes = _changed(tx, _changes(kind, which, "at start"), given)
        for scope, found in _changed(tx, _changes(kind, which, "at end"), given).items():
            changes.setdefault(scope, []).extend(found)
    return {
        scope: usage.readings(instants, found, changes.get(scope, ()), free_bytes=free_bytes)
        for scope, found in known.items()
    }


def stale(tx: sa.Connection, kind: Kind, until: int, *, projects: Collection[str]) -> list[str]:
    """The scopes that lack a mark up to the midnight `until`."""
    query = _stale(kind, "of projects" if projects else "all")
    return list(tx.execute(query, {"end": until, "ids": list(projects)}).scalars())


def extend(tx: sa.Connection, kind: Kind, scopes: Collection[str], until: int, *, day_s: int, free_bytes: int) -> None:
    """Makes the marks of these scopes that are lacking up to the midnight `until`."""
    given = {"start": until, "end": until, "ids": list(scopes)}
    bases = _known(tx, _marks(kind, "these", "ends"), given)
    rows = tx.execute(_changes(kind, "these", "at end"), given)
    made: list[dict[str, Any]] = []
    for scope, found in groupby(rows, key=itemgetter(0)):
        base = next(iter(bases[scope]), BEFORE_ALL)
        new = usage.marks(base, _pairs(found), day_s=day_s, free_bytes=free_bytes)
        made += [_row(scope, mark) for mark in new]
        if len(made) >= _INSERTED:
            tx.execute(sa.insert(marks), made)
            made = []
    if made:
        tx.execute(sa.insert(marks), made)


def wrong(tx: sa.Connection, *, day_s: int, free_bytes: int) -> list[str]:
    """The scopes whose marks are not what the ledger's rows add up to."""
    kept: dict[str, list[Reading]] = {}
    for row in tx.execute(sa.select(marks).order_by(marks.c.scope, marks.c.at)):
        mark = Reading(row.at, row.level, int(row.byte_seconds), int(row.billable_byte_seconds))
        kept.setdefault(row.scope, []).append(mark)
    right = set()
    for kind in (STORES, PROJECTS):
        query = sa.select(kind, ledger.c.at, ledger.c.delta_bytes).where(kind.in_(sa.select(marks.c.scope)))
        for scope, rows in groupby(tx.execute(query.order_by(kind, ledger.c.at)), key=itemgetter(0)):
            last = kept[scope][-1].at
            known = ((at, delta) for _, at, delta in rows if at <= last)
            if list(usage.marks(BEFORE_ALL, known, day_s=day_s, free_bytes=free_bytes)) == kept[scope]:
                right.add(scope)
    return sorted(set(kept) - right)


def _known(tx: sa.Connection, query: sa.Select[Any], given: dict[str, Any]) -> dict[str, list[Reading]]:
    """Of each scope its marks in order; there may be none."""
    found: dict[str, list[Reading]] = {}
    for scope, at, level, used, billable in tx.execute(query, given):
        known = found.setdefault(scope, [])
        if at is not None:
            known.append(Reading(at, level, int(used), int(billable)))
    return found


def _changed(tx: sa.Connection, query: sa.Select[Any], given: dict[str, Any]) -> dict[str, list[Change]]:
    grouped = groupby(tx.execute(query, given), key=itemgetter(0))
    return {scope: list(_pairs(found)) for scope, found in grouped}


def _pairs(found: Iterator[Any]) -> Iterator[Change]:
    return ((at, delta) for _, at, delta in found if at is not None)


def _row(scope: str, mark: Reading) -> dict[str, Any]:
    return {
        "scope": scope,
        "at": mark.at,
        "level": mark.level,
        "byte_seconds": str(mark.byte_seconds),
        "billable_byte_seconds": str(mark.billable_byte_seconds),
    }


# Statements, with the parameters `start`, `end` and `ids`; each is made once ------------------------


def _scopes(kind: Kind, which: Scopes) -> sa.CTE:
    """Their ids: all, each found by one step in the index instead of a walk along it; of these projects; or these."""
    ids: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
    if which == "these":
        return sa.select(kind.label("id")).where(kind.in_(ids)).distinct().cte("scopes")
    found = sa.select(sa.func.min(kind).label("id")).cte("found", recursive=True)
    following = sa.select(sa.func.min(kind)).where(kind > found.c.id).correlate(found).scalar_subquery()
    found = found.union_all(sa.select(following).where(found.c.id.is_not(None)))
    query = sa.select(found.c.id).where(found.c.id.is_not(None))
    if which == "of projects":
        of = sa.select(ledger.c.project_id).where(kind == found.c.id).limit(1).correlate(found).scalar_subquery()
        query = query.where(of.in_(ids))
    return query.cte("scopes")


@cache
def _ends(kind: Kind, which: Scopes) -> sa.CTE:
    """Each scope with its last mark up to `start` and up to `end`, or a time before all."""
    scopes = _scopes(kind, which)

    def last_mark(instant: str) -> sa.Label[int]:
        before = marks.c.at <= sa.bindparam(instant)
        query = sa.select(sa.func.max(marks.c.at)).where((marks.c.scope == scopes.c.id) & before)
        return sa.func.coalesce(query.correlate(scopes).scalar_subquery(), _BEFORE_ALL_S).label(f"mark_at_{instant}")

    return sa.select(scopes.c.id, last_mark("start"), last_mark("end")).cte("ends")


@cache
def _marks(kind: Kind, which: Scopes, part: Literal["first", "ends", "between"]) -> sa.Select[Any]:
    """Every scope, with its mark at `start`, with that and the one at `end`, or with all between; in order."""
    ends = _ends(kind, which)
    first, last = ends.c.mark_at_start, ends.c.mark_at_end
    wanted = {
        "first": marks.c.at == first,
        "ends": marks.c.at.in_([first, last]),
        "between": (marks.c.at >= first) & (marks.c.at <= last),
    }[part]
    join = ends.outerjoin(marks, (marks.c.scope == ends.c.id) & wanted)
    columns = marks.c.at, marks.c.level, marks.c.byte_seconds, marks.c.billable_byte_seconds
    return sa.select(ends.c.id, *columns).select_from(join).order_by(ends.c.id, marks.c.at)


@cache
def _changes(kind: Kind, which: Scopes, part: Literal["at start", "at end", "from start"]) -> sa.Select[Any]:
    """The ledger's rows of each scope from a mark up to `start` or `end`, in order; NULLs where there is none.

    The join is an outer one so that the few scopes lead and the rows are looked up in the index.
    """
    ends = _ends(kind, which)
    first, last = ends.c.mark_at_start, ends.c.mark_at_end
    start: sa.BindParameter[int] = sa.bindparam("start")
    end: sa.BindParameter[int] = sa.bindparam("end")
    wanted = {
        "at start": (ledger.c.at > first) & (ledger.c.at <= start) & (ledger.c.at <= last),
        "at end": (ledger.c.at > last) & (ledger.c.at <= end),
        "from start": (ledger.c.at > first) & (ledger.c.at <= end),
    }[part]
    join = ends.outerjoin(ledger, (kind == ends.c.id) & wanted)
    query = sa.select(ends.c.id, ledger.c.at, ledger.c.delta_bytes).select_from(join)
    return query.order_by(ends.c.id, ledger.c.at)


@cache
def _stale(kind: Kind, which: Scopes) -> sa.Select[Any]:
    """The scopes with a row after their last mark and up to `end`."""
    scopes = _scopes(kind, which)
    row = sa.select(sa.func.max(ledger.c.at)).where((kind == scopes.c.id) & (ledger.c.at <= sa.bindparam("end")))
    mark = sa.select(sa.func.max(marks.c.at)).where(marks.c.scope == scopes.c.id)
    lacking = row.scalar_subquery() > sa.func.coalesce(mark.scalar_subquery(), _BEFORE_ALL_S)
    return sa.select(scopes.c.id).where(lacking)
