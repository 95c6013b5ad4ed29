"""Rows of cells -> lines of text, within the limits of a workbook."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeAlias

from ingestion.parsers.blocks import CELL_SEPARATOR
from ingestion.tokens import check_tokens
from ingestion.types import InvalidFileError

MAX_CELLS = 20_000_000  # with something in them
MAX_TEXT_CHARS = 200_000_000
CHECKED_CHARS = 32_000_000  # when this much is read its tokens are counted: mostly it is over the limit by then
MAX_EXACT = 1e15  # whole numbers beyond are written with an exponent: Excel keeps 15 digits
MAX_GAP = 16  # longer runs of empty cells are told as one
HEADER_ROWS = 5  # titles may stand above the header

Values: TypeAlias = Sequence[Any]  # a row: texts, numbers, booleans, dates; "" or None where a cell is empty


@dataclass(frozen=True, slots=True)
class Sheet:
    """`notes` are the comments and text boxes, in the order they are told after the rows."""

    name: str
    rows: Iterable[Values]
    is_hidden: bool = False
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(slots=True)
class Budget:
    """What a whole workbook may hold. Raises InvalidFileError when it is spent."""

    filename: str
    cells: int = 0
    chars: int = 0

    def take(self, cells: int, chars: int) -> None:
        self.cells += cells
        self.chars += chars
        if self.cells > MAX_CELLS:
            raise InvalidFileError(f"'{self.filename}' has more than {MAX_CELLS:,} cells, the limit for a workbook")
        if self.chars > MAX_TEXT_CHARS:
            raise InvalidFileError(f"'{self.filename}' has more than {MAX_TEXT_CHARS:,} characters of text, the limit")


@dataclass(slots=True)
class Table:
    """`header` is the header row, "" where none is seen."""

    lines: list[str] = field(default_factory=list)
    header: str = ""


def lines(rows: Iterable[Values], budget: Budget) -> Table:
    """A line for each row that is not empty, its empty cells at the end left out."""
    table = Table()
    first: list[tuple[str, int, bool]] = []  # line, cells, whether all of them are texts
    widest, before = 0, budget.chars
    for values in rows:
        cells = [_text(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if len(cells) > MAX_GAP and cells.count("") > MAX_GAP:
            cells = list(_without_gaps(cells))
        line = CELL_SEPARATOR.join(cells)
        checked = budget.chars
        budget.take(len(cells), len(line) + 1)
        table.lines.append(line)
        widest = max(widest, len(cells))
        if len(first) < HEADER_ROWS:
            first.append((line, len(list(filter(None, cells))), _is_words(values)))
        if checked - before <= CHECKED_CHARS < budget.chars - before:
            check_tokens("\n".join(table.lines), budget.filename)
    table.header = _header(first, widest) if len(table.lines) > 1 else ""
    return table


def _without_gaps(cells: list[str]) -> Iterator[str]:
    for is_filled, run in groupby(cells, key=bool):
        found = list(run)
        yield from found if is_filled or len(found) <= MAX_GAP else [""]


def _header(first: list[tuple[str, int, bool]], widest: int) -> str:
    """The first row if it is all words; below titles of one cell, the first that is and fills half of the width."""
    for line, filled, is_words in first:
        if is_words and filled >= 2 and filled * 2 >= widest:
            return line
        if is_words and widest == 1:
            return line
        if filled > 1:
            return ""
    return ""


def _is_words(values: Values) -> bool:
    filled = [value for value in values if value not in ("", None)]
    return all(isinstance(value, str) and not _is_number(value) for value in filled)


def _is_number(text: str) -> bool:
    return text.strip().replace(",", "").replace(".", "").lstrip("+-").rstrip("%").isdigit()


def _text(value: Any) -> str:
    """A value as a person writes it."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < MAX_EXACT else repr(value)
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return _moment(value)
    return "" if value is None else str(value)


def _moment(value: dt.date | dt.time | dt.timedelta) -> str:
    if isinstance(value, dt.timedelta):
        return _duration(value)
    if isinstance(value, dt.datetime):
        value = value.replace(microsecond=0) if value.microsecond < 1000 else value  # days as fractions are not exact
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    return value.isoformat()


def _duration(value: dt.timedelta) -> str:
    seconds = round(abs(value.total_seconds()))
    sign = "-" if value.total_seconds() < 0 else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def told_comment(place: str, author: str, text: str) -> str:
    by = f" ({author.strip()})" if author.strip() else ""
    return f"Comment on {place}{by}: {text.strip()}"


def column_number(letters: str) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters
