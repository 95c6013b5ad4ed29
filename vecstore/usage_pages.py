"""Pages of time buckets, as OpenAI's usage and cost reports have them. JSON is made elsewhere."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Generic, Literal, TypeVar

from vecstore.errors import InvalidRequestError
from vecstore.usage import DAY_S, END_OF_TIME, HOUR_S, begin_of, edges

MINUTE_S = 60
WIDTHS_S = {"1m": MINUTE_S, "1h": HOUR_S, "1d": DAY_S}
LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}  # buckets of a page: if none is given, at most; OpenAI's
COST_LIMITS = {"1d": (7, 180)}
LINE_ITEM = "file search storage"

_CURSOR_PREFIX = "page_"


@dataclass(frozen=True, slots=True)
class BucketQuery:
    """What a usage report is asked for: `start_time` <= t < `end_time` in Unix seconds, None being now.

    `page` is the `next_page` of the page before. An empty list of ids is no filter. What is asked for
    is checked when it is answered.
    """

    start_time: int
    end_time: int | None = None
    bucket_width: str = "1d"
    group_by: Sequence[str] = ()
    limit: int | None = None
    page: str | None = None
    project_ids: Collection[str] = ()
    vector_store_ids: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """`usage_bytes` is the average over the bucket, rounded down; over its past, if it is not over yet."""

    usage_bytes: int
    byte_seconds: int
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class SearchCalls:
    """Who asked is not metered, so `user_id` and `api_key_id` are None also when grouped by them."""

    num_requests: int
    project_id: str | None = None
    vector_store_id: str | None = None
    user_id: None = None
    api_key_id: None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """`value` is a decimal in `currency`, rounded once; `quantity` a decimal of `quantity_unit`, by line item only."""

    value: str
    currency: str = "usd"
    line_item: str | None = None
    project_id: str | None = None
    quantity: str | None = None
    quantity_unit: str | None = None


ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class UsageBucket(Generic[ResultT]):
    """`start_time` <= t < `end_time`, cut at what was asked for. Grouped results are in order of ids, none is 0."""

    start_time: int
    end_time: int
    results: tuple[ResultT, ...]


@dataclass(frozen=True, slots=True)
class UsagePage(Generic[ResultT]):
    """Buckets in order of time; `next_page` continues where there are more."""

    buckets: tuple[UsageBucket[ResultT], ...]
    has_more: bool = False
    next_page: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """The empty buckets of a page. `end` is how far the last one has come: its end, or now."""

    spans: tuple[tuple[int, int], ...]
    end: int
    next_page: str | None

    @property
    def instants(self) -> list[int]:
        """Where the meter has to be read: at each beginning, and at `end`."""
        return [*(start for start, _ in self.spans), self.end]

    def filled(self, results: Callable[[int], tuple[ResultT, ...]]) -> UsagePage[ResultT]:
        """The page with `results(i)` in its i-th bucket."""
        buckets = (UsageBucket(start, end, results(i)) for i, (start, end) in enumerate(self.spans))
        return UsagePage(tuple(buckets), self.next_page is not None, self.next_page)


def frame(
    query: BucketQuery,
    now: int,
    *,
    fields: Collection[str],
    limits: Mapping[str, tuple[int, int]] = LIMITS,
    widths_s: Mapping[str, int] = WIDTHS_S,
) -> Frame:
    """The buckets that have begun by `now` and are on the page. Raises InvalidRequestError.

    fields: what may be grouped by. Buckets lie between multiples of their width in UTC.
    """
    _check(query, fields, limits)
    limit = _limit(query, limits)
    until = END_OF_TIME if query.end_time is None else query.end_time
    first = query.start_time if query.page is None else _position(query, until)
    if first >= now:
        return Frame((), first, None)
    bounds = list(islice(edges(first, until, widths_s[query.bucket_width]), limit + 1))
    spans = tuple((start, end) for start, end in pairwise(bounds) if start < now)
    last = spans[-1][1]
    return Frame(spans, min(last, now), _cursor(last) if last < min(until, now) else None)


def _check(query: BucketQuery, fields: Collection[str], limits: Mapping[str, tuple[int, int]]) -> None:
    if not isinstance(query, BucketQuery):
        raise InvalidRequestError("query", f"must be a BucketQuery, not {query!r:.80}")
    check_period("start_time", query.start_time, "end_time", query.end_time)
    if query.bucket_width not in list(limits):
        raise InvalidRequestError("bucket_width", f"must be {' or '.join(limits)}, not {query.bucket_width!r:.50}")
    _check_strings("project_ids", query.project_ids)
    _check_strings("vector_store_ids", query.vector_store_ids)
    _check_strings("group_by", query.group_by)
    for field in query.group_by:
        if field not in fields:
            raise InvalidRequestError("group_by", f"must be of {', '.join(fields)}, not {field!r:.50}")


def _check_strings(param: str, values: Collection[str]) -> None:
    is_list = isinstance(values, Collection) and not isinstance(values, str | bytes)
    if not is_list or not all(isinstance(value, str) for value in values):
        raise InvalidRequestError(param, f"must be a list of strings, not {values!r:.80}")


def check_period(start_name: str, start: int, end_name: str, end: int | None) -> None:
    """Raises InvalidRequestError unless these are instants, one before the other."""
    check_instant(start_name, start)
    if end is not None:
        check_instant(end_name, end)
    if end is not None and start >= end:
        raise InvalidRequestError(start_name, f"must be before {end_name} {end}, not {start}")


def period(start: int | None, end: int | None, now: int, *, within: Literal["day", "month"]) -> tuple[int, int]:
    """From `start`, or else the beginning of that day or month, to `end`, or else now. Raises InvalidRequestError."""
    for name, instant in (("start", start), ("end", end)):
        if instant is not None:
            check_instant(name, instant)
    until = now if end is None else min(end, now)
    return begin_of(max(until - 1, 0), within) if start is None else start, until


def check_instant(param: str, instant: int) -> None:
    """Raises InvalidRequestError unless these are whole Unix seconds before the year 10000."""
    is_whole = isinstance(instant, int) and not isinstance(instant, bool)
    if not is_whole or not 0 <= instant <= END_OF_TIME:
        raise InvalidRequestError(param, f"must be 0 to {END_OF_TIME} whole Unix seconds, not {instant!r:.40}")


def _limit(query: BucketQuery, limits: Mapping[str, tuple[int, int]]) -> int:
    usual, most = limits[query.bucket_width]
    if query.limit is None:
        return usual
    is_whole = isinstance(query.limit, int) and not isinstance(query.limit, bool)
    if not is_whole or not 1 <= query.limit <= most:
        wanted = f"must be 1 to {most} for buckets of {query.bucket_width}"
        raise InvalidRequestError("limit", f"{wanted}, not {query.limit!r:.40}")
    return query.limit


def _cursor(start: int) -> str:
    return _CURSOR_PREFIX + base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _position(query: BucketQuery, until: int) -> int:
    """Where the page begins."""
    text = query.page
    if not isinstance(text, str):
        raise InvalidRequestError("page", f"must be a string, not {text!r:.50}")
    coded = text.removeprefix(_CURSOR_PREFIX)
    try:
        start = int(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    except (ValueError, binascii.Error):
        start = -1
    if not query.start_time <= start < until or _cursor(start) != text:
        raise InvalidRequestError("page", f"must be the next_page of the page before, not {text!r:.50}")
    return start
