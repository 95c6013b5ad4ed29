"""Logical bytes, what they add up to over time, and what that costs. Whole numbers and fractions, no floats.

A meter reading says what a scope (a vector store, or a project) holds at an instant, and how many
byte-seconds it has held since its beginning; what was used in a period is the difference of two readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Literal

from vecstore.errors import InvalidRequestError

GB = 1 << 30
BYTES_PER_DIMENSION = 4  # as if every component were a float32
DAY_S = 86_400
HOUR_S = 3_600
FREE_BYTES = GB  # of a project, across its vector stores, at every instant
PRICE_PER_GB_DAY = Fraction("0.10")  # US dollars; OpenAI's pricing page
GB_DAY = GB * DAY_S  # byte-seconds
PLACES = 6  # decimals of an amount of money, and of GB-days
END_OF_TIME = 253_402_300_800  # the beginning of the year 10000, UTC

By = Literal["project", "store", "day", "hour"]
Change = tuple[int, int]  # at, delta_bytes


def usage_bytes(texts: Iterable[str], dimensions: int) -> int:
    """For each chunk its UTF-8 bytes and 4 a dimension; independent of windows and index kinds."""
    return sum(len(text.encode()) + BYTES_PER_DIMENSION * dimensions for text in texts)


# The meter -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter shows at second `at`: bytes held, changes of that second included, and byte-seconds so far.

    `billable_byte_seconds` is the integral of what was held above the free bytes.
    """

    at: int
    level: int
    byte_seconds: int
    billable_byte_seconds: int


BEFORE_ALL = Reading(at=-1, level=0, byte_seconds=0, billable_byte_seconds=0)


def integrate(reading: Reading, changes: Iterable[Change], at: int, *, free_bytes: int = FREE_BYTES) -> Reading:
    """The reading at `at`, given all changes after the one before it, in order of time and none after `at`."""
    since, level = reading.at, reading.level
    byte_seconds, billable = reading.byte_seconds, reading.billable_byte_seconds
    for then, delta in changes:
        byte_seconds += level * (then - since)
        billable += max(0, level - free_bytes) * (then - since)
        since, level = then, level + delta
    byte_seconds += level * (at - since)
    billable += max(0, level - free_bytes) * (at - since)
    return Reading(at, level, byte_seconds, billable)


def readings(
    instants: Iterable[int], marks: Sequence[Reading], changes: Sequence[Change], *, free_bytes: int = FREE_BYTES
) -> list[Reading]:
    """The reading at each of these rising instants, from marks (readings known before) and changes, both in order.

    There has to be a mark, or all changes, between one instant and the next wherever anything changed.
    """
    reading, i, j = BEFORE_ALL, 0, 0
    found = []
    for instant in instants:
        while i < len(marks) and marks[i].at <= instant:
            reading, i = marks[i], i + 1
        while j < len(changes) and changes[j][0] <= reading.at:
            j += 1  # the mark has it
        first = j
        while j < len(changes) and changes[j][0] <= instant:
            j += 1
        reading = integrate(reading, changes[first:j], instant, free_bytes=free_bytes)
        found.append(reading)
    return found


def marks(
    reading: Reading, changes: Iterable[Change], *, day_s: int = DAY_S, free_bytes: int = FREE_BYTES
) -> Iterator[Reading]:
    """The readings at the end of each day in which something changed; a change at midnight belongs to the day before.

    reading: the last mark there is; changes: all after it, up to a midnight.
    """
    waiting: list[Change] = []
    midnight = reading.at
    for change in changes:
        if waiting and change[0] > midnight:
            reading = integrate(reading, waiting, midnight, free_bytes=free_bytes)
            yield reading
            waiting = []
        midnight = -(-change[0] // day_s) * day_s
        waiting.append(change)
    if waiting:
        yield integrate(reading, waiting, midnight, free_bytes=free_bytes)


def edges(start: int, end: int, width_s: int) -> Iterator[int]:
    """`start`, every multiple of the width after it, and `end`."""
    yield start
    yield from range((start // width_s + 1) * width_s, end, width_s)
    yield end


# Money -----------------------------------------------------------------------------------------


def begin_of(moment: int, period: Literal["day", "month"]) -> int:
    """The first second of its day or month, UTC."""
    first = datetime.fromtimestamp(moment, UTC).replace(hour=0, minute=0, second=0)
    return int((first.replace(day=1) if period == "month" else first).timestamp())


def decimal_text(value: Fraction, places: int = PLACES) -> str:
    """The number with that many decimals, rounded half to even; with more where it would read as 0 and is not."""
    while value and not round(value * 10**places):
        places += 1
    scaled = round(value * 10**places)
    whole, decimals = divmod(abs(scaled), 10**places)
    return f"{'-' if scaled < 0 else ''}{whole}.{decimals:0{places}d}"


def gb_days(byte_seconds: int) -> str:
    """In GB of 2^30 bytes times days of 86,400 seconds, rounded as `decimal_text` does."""
    return decimal_text(Fraction(byte_seconds, GB_DAY))


def cost(billable_byte_seconds: int, price: Fraction = PRICE_PER_GB_DAY) -> Fraction:
    """US dollars, exactly."""
    return billable_byte_seconds * price / GB_DAY


def amount(billable_byte_seconds: int, price: Fraction = PRICE_PER_GB_DAY) -> str:
    """US dollars, rounded as `decimal_text` does."""
    return decimal_text(cost(billable_byte_seconds, price))


def price_of(text: str | None) -> Fraction:
    """The price that this decimal number says, the usual one where it is None. Raises InvalidRequestError."""
    if text is None:
        return PRICE_PER_GB_DAY
    whole, _, decimals = text.partition(".") if isinstance(text, str) else ("", "", "")
    if not (whole + decimals).isascii() or not (whole.isdigit() and (decimals.isdigit() or "." not in text)):
        raise InvalidRequestError("price_per_gb_day", f"must be US dollars such as 0.10, not {text!r:.50}")
    return Fraction(text)


def price_text(price: Fraction) -> str:
    """The price with all its decimals, at least two: 0.10."""
    whole, _, decimals = decimal_text(price, 18).partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


# Reports ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Metered:
    """Two readings of one project, and its price per GB and day."""

    before: Reading
    after: Reading
    price: Fraction = PRICE_PER_GB_DAY

    @property
    def byte_seconds(self) -> int:
        return self.after.byte_seconds - self.before.byte_seconds

    @property
    def billable_byte_seconds(self) -> int:
        return self.after.billable_byte_seconds - self.before.billable_byte_seconds

    @property
    def cost(self) -> Fraction:
        return cost(self.billable_byte_seconds, self.price)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What was used in `start` <= t < `end`, in Unix seconds. `usage_bytes` is what is held at `end`.

    `key` is the id of a project or vector store, the UTC time at which a day or hour begins, or `total`.
    `amount` is in US dollars, rounded once; so the amounts of rows need not add up to that of the total,
    while byte-seconds do. A vector store has no bill of its own, since the free GB is its project's: the
    billable byte-seconds, price and amount are None. `price` is None also where projects have different ones.
    """

    key: str
    name: str
    start: int
    end: int
    usage_bytes: int
    byte_seconds: int
    billable_byte_seconds: int | None = None
    price: Fraction | None = None
    amount: str | None = None

    @property
    def gb_days(self) -> str:
        return gb_days(self.byte_seconds)

    @property
    def billable_gb_days(self) -> str | None:
        return None if self.billable_byte_seconds is None else gb_days(self.billable_byte_seconds)


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`rows` by what was asked for, days and hours in order, the others by name and id; none if by nothing.

    `free_bytes` are taken off what each project holds, at every instant.
    """

    start: int
    end: int
    by: By | None
    rows: tuple[UsageRow, ...]
    total: UsageRow
    free_bytes: int = FREE_BYTES


def billed_row(
    key: str, name: str, parts: Sequence[Metered], start: int, end: int, *, price: Fraction = PRICE_PER_GB_DAY
) -> UsageRow:
    """These projects together, each above its own free bytes and at its own price; at `price` if there are none."""
    prices = {part.price for part in parts} or {price}
    return UsageRow(
        key,
        name,
        start,
        end,
        usage_bytes=sum(part.after.level for part in parts),
        byte_seconds=sum(part.byte_seconds for part in parts),
        billable_byte_seconds=sum(part.billable_byte_seconds for part in parts),
        price=prices.pop() if len(prices) == 1 else None,
        amount=decimal_text(sum((part.cost for part in parts), Fraction(0))),
    )


def store_row(key: str, name: str, before: Reading, after: Reading) -> UsageRow:
    """One vector store, which has no bill of its own."""
    used = after.byte_seconds - before.byte_seconds
    return UsageRow(key, name, before.at, after.at, usage_bytes=after.level, byte_seconds=used)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What added bytes use and cost over `days`, on top of what the project holds. Decimals, rounded once."""

    added_bytes: int
    days: int
    gb_days: str
    billable_gb_days: str
    amount: str


def estimate(
    level_bytes: int,
    added_bytes: int,
    price: Fraction = PRICE_PER_GB_DAY,
    *,
    days: int = 30,
    free_bytes: int = FREE_BYTES,
) -> Estimate:
    """What `added_bytes` would cost in a month, on top of the project's present level."""
    seconds = days * DAY_S
    billable = max(0, level_bytes + added_bytes - free_bytes) - max(0, level_bytes - free_bytes)
    return Estimate(
        added_bytes,
        days,
        gb_days(added_bytes * seconds),
        gb_days(billable * seconds),
        amount(billable * seconds, price),
    )
