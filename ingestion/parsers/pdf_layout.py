"""What the places of a page's lines say about their order: tables become rows, columns of prose are read one by one."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingestion.parsers.blocks import row
from ingestion.parsers.pdf_lines import WIDE_GAP, Line, Piece

MIN_ROWS = 3  # rows of two cells or more make a table ...
MIN_PROSE_ROWS = 8  # ... lines side by side columns of prose
PROSE_CHARS = 18  # a column's usual line
MAX_PROSE_COLUMNS = 3
MIN_PROSE_SHARE = 0.5  # of the longest column's lines
STRAY_SHARE = 0.15  # of the longest column's lines: fewer are a page number or a note at the side
TRIED_ROWS = 40  # of which the first is taken for itself where they are no table, so that the others may be one
MIN_FILLED = 0.6  # of a column's width, by its usual line
MAX_DIGITS = 0.1  # of the characters
NARROW = 0.6  # of the text's width: a line in a column, not across
SAME_LINE = 0.3  # of the letter size, between baselines
MAX_PITCH = 3.5  # of the letter size, from row to row of a table
MAX_SINGLE_ROWS = 2  # lines in a table without a second cell, one after the other
ALIGNED = 0.5  # of the letter size
ALIGNED_SHARE = 0.6  # of a column's cells
MAX_COLUMNS = 60
SIGN_WIDTH = 0.56  # of the letter size: a currency sign in the usual fonts

_MARKER = re.compile(r"[^\w\s$€£¥()]|\(?\w{1,4}[.)]")  # of a list item or a footnote
_CURRENCY = re.compile(r"\(?[$€£¥]")
_TRAILING_CURRENCY = re.compile(r"(.*\S)\s+(\(?[$€£¥])")
_BELONGS_BEFORE = re.compile(r"[)%]+")
_NUMBER = re.compile(r"[\s\d.,:%$€£¥()+\-\u2013\u2014/*]*")
_YEAR = re.compile(r"(?:FY\s?)?(?:19|20)\d\d")
_SPLIT_WORD = re.compile(r"\w-$")


@dataclass(slots=True)
class _Row:
    """What stands on one baseline: one line, or several that the page's content keeps apart."""

    lines: list[Line]
    pieces: list[Piece]

    @property
    def bottom(self) -> float:
        return self.lines[0].bottom

    @property
    def size(self) -> float:
        return self.lines[0].size


Column = tuple[float, float]


def arrange(lines: list[Line]) -> list[Line]:
    """The lines in reading order; those of a table have its number and their cells between " | "."""
    rows = list(_rows(lines))
    if sum(len(found.pieces) > 1 for found in rows) < MIN_ROWS:
        return lines
    arranged: list[Line] = []
    at = tables = 0
    while at < len(rows):
        end = _group_end(rows, at) if len(rows[at].pieces) > 1 else at
        columns = _columns(rows[at:end]) if end - at >= MIN_ROWS else []
        prose = _prose_columns(_several(rows[at:end]), columns)
        if prose:
            end = _prose_end(rows, end, prose)
            arranged.extend(_by_columns(rows[at:end], prose))
        elif table := _table(rows, at, end, columns):
            tables += 1
            end, columns = table
            arranged.extend(_table_lines(rows[at:end], columns, tables))
        else:
            end = at + 1 if end - at <= TRIED_ROWS else end
            arranged.extend(line for found in rows[at:end] for line in found.lines)
        at = end
    return arranged


def in_columns(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page that has two or three columns of prose, one column after the other; [] where it has not.

    Unlike `arrange` it does not ask that lines side by side stand on one baseline, or come one after the other.
    """
    width = max((line.right for line in lines), default=0.0) - min((line.left for line in lines), default=0.0)
    narrow = [line for line in lines if line.right - line.left < NARROW * width]
    columns = _prose_columns([_Row([line], [line]) for line in narrow], _stretches(narrow, len(narrow) // 20))
    if not columns:
        return []
    return list(_by_columns([_Row([line], [line]) for line in sorted(lines, key=lambda line: -line.top)], columns))


def table_label(first_row: str) -> str:
    """The row as the table's header; "" if a cell of it is a number other than a year."""
    cells = [cell.strip() for cell in first_row.split(" | ")]
    numbers = any(cell and _NUMBER.fullmatch(cell) and not _YEAR.fullmatch(cell) for cell in cells)
    return "" if numbers or len(cells) < 2 else first_row


def _rows(lines: list[Line]) -> Iterator[_Row]:
    held: list[_Row] = []  # the last ones
    for line in lines:
        begun = next((each for each in _unfinished(held) if _continues(each.lines[-1], line)), None)
        if begun:
            begun.lines.append(line)
            begun.pieces.extend(line.pieces or [line])
            continue
        if len(held) > MAX_SINGLE_ROWS:
            yield _tidied(held.pop(0))
        held.append(_Row([line], list(line.pieces) or [line]))
    yield from map(_tidied, held)


def _unfinished(held: Sequence[_Row]) -> Iterator[_Row]:
    """The last row, and one of several cells above it whose last cell is all that went on since."""
    below: list[_Row] = []
    for above in reversed(held):
        if not below or (len(above.pieces) > 1 and all(_goes_on(above, each) for each in below)):
            yield above
        if len(above.pieces) > 1:
            return
        below.append(above)


def _goes_on(above: _Row, below: _Row) -> bool:
    """Whether the one row is a further line of the last cell of the other."""
    aligned = abs(below.pieces[0].left - above.pieces[-1].left) <= ALIGNED * above.size
    return aligned and below.bottom < above.bottom and abs(below.size - above.size) <= SAME_LINE * above.size


def _continues(line: Line, following: Line) -> bool:
    """Whether both stand on one baseline, with a wide gap between them."""
    if not line.size or not following.size:
        return False
    level = abs(line.bottom - following.bottom) <= SAME_LINE * line.size
    return level and following.left - line.right > WIDE_GAP * line.size


def _tidied(found: _Row) -> _Row:
    """Bullets, currency signs and closing brackets are put to the cell that they belong to."""
    if len(found.pieces) < 2:
        return found
    pieces: list[Piece] = []
    for piece in found.pieces:
        last = pieces[-1] if pieces else None
        if last and (
            _CURRENCY.fullmatch(last.text)
            or _BELONGS_BEFORE.fullmatch(piece.text)
            or (len(pieces) == 1 and _MARKER.fullmatch(last.text))
        ):
            pieces[-1] = replace(last, text=f"{last.text} {piece.text}", right=piece.right, joins=piece.joins)
            continue
        trailing = last and _TRAILING_CURRENCY.fullmatch(last.text)
        if last and trailing:
            sign = found.size * SIGN_WIDTH
            pieces[-1] = replace(last, text=trailing[1], right=last.right - sign)
            pieces.append(replace(piece, text=f"{trailing[2]} {piece.text}", left=last.right - sign))
        else:
            pieces.append(piece)
    found.pieces = pieces
    return found


def _group_end(rows: list[_Row], start: int) -> int:
    """Where the rows end that go on downwards from `start`; the last of them has two cells or more."""
    end, at = start + 1, start + 1
    while at < len(rows) and at - end <= MAX_SINGLE_ROWS:
        above, here = rows[at - 1], rows[at]
        pitch = above.bottom - here.bottom
        if not here.size or not 0 < pitch <= MAX_PITCH * max(above.size, here.size):
            break
        at += 1
        if len(here.pieces) > 1:
            end = at
    return end


def _columns(rows: list[_Row]) -> list[Column]:
    """The stretches from left to right that cells stand in, with nothing between them but in one row of ten."""
    several = _several(rows)
    if len(several) < MIN_ROWS:
        return []
    columns = _stretches([piece for found in several for piece in found.pieces], len(several) // 10)
    return columns if len(columns) <= MAX_COLUMNS else []


def _several(rows: list[_Row]) -> list[_Row]:
    return [found for found in rows if len(found.pieces) > 1]


def _stretches(pieces: Sequence[Piece], stray: int) -> list[Column]:
    """Where from left to right more than `stray` pieces stand."""
    columns: list[Column] = []
    covering, begun = 0, 0.0
    for place, change in sorted(edge for piece in pieces for edge in ((piece.left, 1), (piece.right, -1))):
        before, covering = covering, covering + change
        if before == stray and covering > stray:
            begun = place
        elif before > stray and covering == stray:
            columns.append((begun, place))
    return columns


def _cells(found: _Row, columns: list[Column]) -> list[int]:
    """For each piece the number of its column: the one that its middle is in or nearest to."""
    between = [(here[1] + after[0]) / 2 for here, after in pairwise(columns)]
    return [bisect_right(between, (piece.left + piece.right) / 2) for piece in found.pieces]


def _overlap(piece: Piece, column: Column) -> float:
    """Points that they have in common; below zero the distance between them."""
    return min(piece.right, column[1]) - max(piece.left, column[0])


def _by_column(rows: Iterable[_Row], columns: list[Column]) -> list[list[Piece]]:
    found: list[list[Piece]] = [[] for _ in columns]
    for here in rows:
        for piece, at in zip(here.pieces, _cells(here, columns), strict=True):
            found[at].append(piece)
    return found


def _prose_columns(rows: list[_Row], columns: list[Column]) -> list[Column]:
    """Those that hold running text: long lines that fill them, few numbers. [] unless it is all that there is."""
    if len(columns) < 2:
        return []
    by_column = _by_column(rows, columns)
    most = max((len(pieces) for pieces in by_column), default=0)
    if most < MIN_PROSE_ROWS:
        return []
    found = [(pieces, at) for pieces, at in zip(by_column, columns, strict=True) if len(pieces) >= STRAY_SHARE * most]
    if not 2 <= len(found) <= MAX_PROSE_COLUMNS:
        return []
    return [at for _, at in found] if all(_is_prose(pieces, at, most) for pieces, at in found) else []


def _is_prose(pieces: Sequence[Piece], column: Column, most: int) -> bool:
    chars = sum(len(piece.text) for piece in pieces)
    filled = sum(piece.right - piece.left for piece in pieces)
    digits = sum(char.isdigit() for piece in pieces for char in piece.text)
    return (
        len(pieces) >= MIN_PROSE_SHARE * most
        and chars >= PROSE_CHARS * len(pieces)
        and filled >= MIN_FILLED * (column[1] - column[0]) * len(pieces)
        and digits <= MAX_DIGITS * chars
    )


def _table(rows: list[_Row], start: int, end: int, columns: list[Column]) -> tuple[int, list[Column]] | None:
    """Where the table of these rows ends, and its columns: before the last row if only that one runs across them."""
    if _is_table(rows[start:end], columns):
        return end, columns
    shorter = next((at for at in range(end - 1, start, -1) if len(rows[at - 1].pieces) > 1), start)
    columns = _columns(rows[start:shorter])
    across = any(sum(_overlap(piece, column) > 0 for column in columns) > 1 for piece in rows[end - 1].pieces)
    return (shorter, columns) if across and _is_table(rows[start:shorter], columns) else None


def _is_table(rows: list[_Row], columns: list[Column]) -> bool:
    """Whether two columns or more are in half of the rows, with their cells aligned at the left, right or middle."""
    if len(columns) < 2:
        return False
    several = _several(rows)
    aligned = 0
    for pieces in _by_column(several, columns):
        if len(pieces) >= max(2, len(several) / 2):
            tolerance = ALIGNED * rows[0].size
            aligned += any(
                _most_alike(places, tolerance) >= ALIGNED_SHARE * len(pieces)
                for places in (
                    [piece.left for piece in pieces],
                    [piece.right for piece in pieces],
                    [(piece.left + piece.right) / 2 for piece in pieces],
                )
            )
    return aligned >= 2


def _most_alike(places: list[float], tolerance: float) -> int:
    """How many of the places lie within twice the tolerance, at most."""
    places = sorted(places)
    best = first = 0
    for last, place in enumerate(places):
        while place - places[first] > 2 * tolerance:
            first += 1
        best = max(best, last - first + 1)
    return best


def _table_lines(rows: list[_Row], columns: list[Column], number: int) -> Iterator[Line]:
    for found in rows:
        at = _cells(found, columns)
        cells = [piece.text for piece in found.pieces]
        if len(cells) > 1 and all(here < after for here, after in pairwise(at)):
            placed = [""] * len(columns)
            for column, cell in zip(at, cells, strict=True):
                placed[column] = cell
            cells = placed
        first = found.lines[0]
        right = max(line.right for line in found.lines)
        yield replace(first, text=row(cells).rstrip(), right=right, joins=False, table=number, pieces=[])


def _prose_end(rows: list[_Row], end: int, columns: list[Column]) -> int:
    """After the rows of one column that stands on alone below the others."""
    while end < len(rows) and len(rows[end].pieces) == 1 and rows[end].size:
        piece, pitch = rows[end].pieces[0], rows[end - 1].bottom - rows[end].bottom
        if not 0 < pitch <= 2 * rows[end].size or _spans(piece, columns):
            break
        end += 1
    return end


def _spans(piece: Piece, columns: list[Column]) -> bool:
    return sum(_overlap(piece, column) > 0 for column in columns) != 1


def _by_columns(rows: list[_Row], columns: list[Column]) -> Iterator[Line]:
    """Each column from top to bottom; a line across several columns comes after what is above it."""
    held: list[list[Line]] = [[] for _ in columns]
    for found in rows:
        if any(_spans(piece, columns) for piece in found.pieces):
            yield from _released(held)
            yield from found.lines
            continue
        for piece, at in zip(found.pieces, _cells(found, columns), strict=True):
            line = Line(piece.text, piece.left, piece.right, piece.bottom, piece.top, piece.joins, found.size)
            held[at].append(line)
    yield from _released(held)


def _released(held: list[list[Line]]) -> Iterator[Line]:
    for lines in held:
        for line, following in pairwise(lines):
            if _SPLIT_WORD.search(line.text) and following.text[:1].islower():
                line.text, line.joins = line.text[:-1], True
        yield from lines
        lines.clear()
