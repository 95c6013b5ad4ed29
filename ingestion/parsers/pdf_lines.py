"""The lines of a PDF page with their places, out of pdfium's text page: a few calls a line, none a character."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import pairwise
from math import hypot
from statistics import median
from typing import Any

from ingestion.parsers.clean import clean

MAX_PLACED_LINES = 3000  # a page with more is taken as it comes, without a layout
WIDE_GAP = 1.0  # of the letter size: wider than any space between words, narrower than between columns
LONG_LINE = 0.6  # of the letter size a character: a line as wide as this has wide gaps in it, or capitals
TRIED_LINES = 3
WIDER = 1.2  # than the page's usual line, by the character
BOLD_WEIGHT = 600
FIXED_BOLD = 1 << 18  # the font flag ForceBold of ISO 32000
HEADING_CHARS = 120
SAME_HEIGHT_POINTS = 0.01

# pdfium's mark of a hyphen at a line's end, and what Symbol fonts put into the private use area
_LINE_END = re.compile("\r\n|[\ufffe\x02](?:\r?\n)?")
_SPACE = re.compile(r"(?<=\S)\s+(?=\S)")
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_NUMBERED = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2}){0,4}\.?|[A-Z]\.|[IVX]{1,5}\."
    r"|(?i:annex|appendix|article|chapter|exhibit|item|note|part|schedule|section|anhang|abschnitt|kapitel|§)"
    r" \w{1,4}[.:]?)\s+\S"
)


@dataclass(slots=True)
class Piece:
    """A stretch of a line without a wide gap in it; points, with the page turned as it is looked at."""

    text: str
    left: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    top: float = 0.0
    joins: bool = False  # its last word goes on in the next line


@dataclass(slots=True)
class Line(Piece):
    """`size` of the letters is 0 where the place is not known, or the line does not run from left to right.

    `table` numbers the page's tables, 0 is none. `pieces` is empty where there is but one.
    """

    size: float = 0.0
    bold: bool = False
    table: int = 0
    pieces: list[Piece] = field(default_factory=list)


def read_lines(textpage: Any, raw: str, count: int, rotation: int) -> list[Line]:
    """The lines of `raw`, the text page's first characters of `count`, in the order of the page's content."""
    places = _Places(textpage, raw, count, rotation)
    lines = []
    for start, end, joins in _cut(raw):
        line = Line(raw[start:end], joins=joins)
        if places.known:
            places.put(line, start)
        lines.append(line)
    if places.known:
        places.split(lines)
    text = "\n".join([line.text for line in lines])
    if clean(text) != text or _PRIVATE_USE.search(text):
        unclean = [line for line in lines if not (line.text.isascii() and line.text.isprintable())]
        for piece in [piece for line in unclean for piece in (line, *line.pieces)]:
            piece.text = " ".join(clean(_PRIVATE_USE.sub("", piece.text)).split("\n"))
    return lines


def _cut(raw: str) -> Iterator[tuple[int, int, bool]]:
    at = 0
    for end in _LINE_END.finditer(raw):
        yield at, end.start(), end[0][0] != "\r"
        at = end.end()
    yield at, len(raw), False


def _crosses(line: Line, pieces: Sequence[Piece]) -> bool:
    """Whether it runs across a gap between two of the pieces."""
    return any(line.left < before.right and line.right > after.left for before, after in pairwise(pieces))


class _Places:
    """Where the characters of a text page are. Holds the structures that pdfium fills."""

    def __init__(self, textpage: Any, raw: str, count: int, rotation: int) -> None:
        import pypdfium2.raw as pdfium

        self.known = raw.count("\n") <= MAX_PLACED_LINES
        self._pdfium, self._page, self._turns = pdfium, textpage.raw, rotation // 90 % 4
        self._exact = len(raw) == count  # else pdfium counts characters that it does not give
        self._box, self._matrix, self._flags = pdfium.FS_RECTF(), pdfium.FS_MATRIX(), ctypes.c_int()
        self._box_of = pdfium.FPDFText_GetLooseCharBox
        self._starts: list[int] = []
        self._height = self._letters = 0.0  # of the last line: its box, and the size of its letters

    def put(self, line: Line, start: int) -> None:
        """Writes the line's place into it, and where it starts into `_starts`."""
        text = line.text
        self._starts.append(start)
        body = text.strip()
        if not body:
            return
        first = start + text.index(body[0])
        last = first + len(body) - 1
        left, bottom, right, top = self._place(first)
        size = self._size(first, top - bottom)
        if not size:
            return
        if last > first:
            left2, bottom2, right2, top2 = self._place(last)
            left, right = min(left, left2), max(right, right2)
            if abs(top2 - bottom2 - top + bottom) > SAME_HEIGHT_POINTS:
                size = min(size, self._size(last, 0.0) or size)  # a large first letter alone makes no heading
        line.left, line.bottom, line.right, line.top, line.size = left, bottom, right, top, size
        if len(text) <= HEADING_CHARS and _NUMBERED.match(body):
            line.bold = self._is_bold(first) and self._is_bold(last)

    def split(self, lines: list[Line]) -> None:
        """Cuts the lines that are wider than their text into pieces at their wide gaps.

        Where one of the longest lines has such a gap, so may each line that runs across the place of it.
        """
        known = [(line, start) for line, start in zip(lines, self._starts, strict=True) if line.size]
        tried = nlargest(TRIED_LINES, known, key=lambda found: len(found[0].text))
        for line, start in tried:
            self._split(line, start)
        widths = [(line.right - line.left) / (line.size * len(line.text)) for line, _ in known]
        limit = min(LONG_LINE, WIDER * median(widths or [0.0]))
        gaps = {(round(a.right), round(b.left)) for line, _ in tried for a, b in pairwise(line.pieces)}
        for (line, start), width in zip(known, widths, strict=True):
            across = width > limit or any(line.left < left and line.right > right for left, right in gaps)
            if across and not line.pieces:
                self._split(line, start)
        # a row whose cells fill their columns is no wider than prose; what stands beside it tells
        for two in (known, known[::-1]):
            for (beside, _), (line, start) in pairwise(two):
                if len(beside.pieces) > 1 and not line.pieces and _crosses(line, beside.pieces):
                    self._split(line, start)

    def _split(self, line: Line, start: int) -> None:
        text, pieces = line.text, list[Piece]()
        begun, left, wide = 0, line.left, WIDE_GAP * line.size
        for space in _SPACE.finditer(text):
            before, after = self._gap(start + space.start() - 1, start + space.end())
            if after - before > wide:
                pieces.append(Piece(text[begun : space.start()].strip(), left, before, line.bottom, line.top))
                begun, left = space.end(), after
        if pieces:
            last = Piece(text[begun:].strip(), left, line.right, line.bottom, line.top, line.joins)
            line.pieces = [*pieces, last]

    def _gap(self, at: int, following: int) -> tuple[float, float]:
        """The right edge of the one character, the left edge of the other."""
        if self._exact and not self._turns:  # nearly always, and this is called for each word of a table
            box = self._box
            self._box_of(self._page, at, box)
            right = box.right
            self._box_of(self._page, following, box)
            return right, box.left
        return self._place(at)[2], self._place(following)[0]

    def _index(self, at: int) -> int:
        return at if self._exact else int(self._pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, at))

    def _place(self, at: int) -> tuple[float, float, float, float]:
        """Left, bottom, right, top of a character on the page as it is looked at."""
        box = self._box
        self._box_of(self._page, at if self._exact else self._index(at), box)
        if self._turns == 0:
            return box.left, box.bottom, box.right, box.top
        if self._turns == 1:
            return box.bottom, -box.right, box.top, -box.left
        if self._turns == 2:
            return -box.right, -box.top, -box.left, -box.bottom
        return -box.top, box.left, -box.bottom, box.right

    def _size(self, at: int, height: float) -> float:
        """The letter's size in points; 0 where it does not stand upright. Letters as high as the last are as large."""
        if self._letters and abs(height - self._height) < SAME_HEIGHT_POINTS:
            return self._letters
        index, matrix = self._index(at), self._matrix
        if not self._pdfium.FPDFText_GetMatrix(self._page, index, matrix):
            return 0.0
        along, across = (matrix.a, matrix.b) if self._turns % 2 == 0 else (matrix.b, -matrix.a)
        if self._turns >= 2:
            along = -along
        if along <= 0 or abs(across) > along / 4:
            return 0.0
        size = float(self._pdfium.FPDFText_GetFontSize(self._page, index)) * hypot(matrix.c, matrix.d)
        if height:
            self._height, self._letters = height, size
        return size

    def _is_bold(self, at: int) -> bool:
        index, name = self._index(at), ctypes.create_string_buffer(128)
        self._pdfium.FPDFText_GetFontInfo(self._page, index, name, 128, self._flags)
        if self._flags.value & FIXED_BOLD or b"bold" in name.value.lower() or b"black" in name.value.lower():
            return True
        return int(self._pdfium.FPDFText_GetFontWeight(self._page, index)) >= BOLD_WEIGHT
