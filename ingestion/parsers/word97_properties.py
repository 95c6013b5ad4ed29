"""What the paragraphs of a Word 97 file are: headings, list items, cells (MS-DOC 2.4.6.1, PapxFkp, STSH)."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

PAGE_BYTES = 512
MAX_HEADING_LEVEL = 6
BODY_LEVEL = 9  # an outline level that is none
MAX_STYLES = 4096
MAX_STYLE_DEPTH = 16

_STYLES, _PAGES = 0xA2, 0x102  # where the FIB says where they are
_TITLE = 62  # its sti; the headings have 1 to 9
_HAS_NO_LIST = (0, 0xF801)

# Property modifiers (sprm) that matter here
_OUTLINE, _LIST, _LIST_LEVEL = 0x2640, 0x460B, 0x260A
_IN_TABLE, _ROW_END, _INNER_CELL, _INNER_ROW = 0x2416, 0x2417, 0x244B, 0x244C
_DEPTH = 0x6649
_TABLE_DEFINITION = (0xD606, 0xD608)
_TABS = 0xC615
_SIZES = (1, 1, 2, 4, 2, 2, 0, 3)  # of the operand, by the three highest bits; the seventh says its own


@dataclass(frozen=True, slots=True)
class Properties:
    """`heading` is a level from 1, `list_depth` counts from 1; 0 where the paragraph is neither."""

    heading: int = 0
    list_depth: int = 0
    in_table: bool = False
    ends_row: bool = False
    ends_inner_cell: bool = False


PLAIN = Properties()


class Paragraphs:
    """Looked up by the place of a paragraph's mark in the text. `known` is whether the file says anything."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._properties: list[Properties] = []
        self._pieces: list[tuple[int, int, int, int]] = []
        self._piece_starts: list[int] = []

    @classmethod
    def of(cls, stream: bytes, table: bytes, pieces: list[tuple[int, int, int, int]]) -> Self:
        """`pieces` are (first character, end, place in the stream, bytes a character), in the text's order."""
        found = cls()
        found._pieces, found._piece_starts = pieces, [piece[0] for piece in pieces]
        levels = _style_levels(_at(stream, _STYLES, table))
        for start, end, properties in sorted(_runs(stream, _at(stream, _PAGES, table), levels), key=lambda run: run[0]):
            found._starts.append(start)
            found._ends.append(end)
            found._properties.append(properties)
        return found

    @property
    def known(self) -> bool:
        return bool(self._starts)

    def at(self, place: int) -> Properties:
        piece_at = bisect_right(self._piece_starts, place) - 1
        if piece_at < 0 or place >= self._pieces[piece_at][1]:
            return PLAIN
        first, _, stream_place, width = self._pieces[piece_at]
        byte = stream_place + (place - first) * width
        run = bisect_right(self._starts, byte) - 1
        return self._properties[run] if run >= 0 and byte < self._ends[run] else PLAIN


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _at(stream: bytes, pair: int, table: bytes) -> bytes:
    start = _u32(stream, pair)
    return table[start : start + _u32(stream, pair + 4)]


def _style_levels(sheet: bytes) -> list[int]:
    """Style index -> heading level, 0 for none: its own, or that of the style it is based on."""
    count, base_bytes = min(_u16(sheet, 2), MAX_STYLES), _u16(sheet, 4)
    own, based_on = [0] * count, [0xFFF] * count
    at = 2 + _u16(sheet, 0)
    for index in range(count):
        length = _u16(sheet, at)
        if length >= min(base_bytes, 4) and length >= 4:
            sti = _u16(sheet, at + 2) & 0xFFF
            own[index] = 1 if sti == _TITLE else min(sti, MAX_HEADING_LEVEL) if 1 <= sti <= 9 else 0
            based_on[index] = _u16(sheet, at + 4) >> 4
        at += 2 + length + length % 2
    return [_inherited(index, own, based_on) for index in range(count)]


def _inherited(index: int, own: list[int], based_on: list[int]) -> int:
    for _ in range(MAX_STYLE_DEPTH):
        if own[index]:
            return own[index]
        index = based_on[index]
        if index >= len(own):
            return 0
    return 0


def _runs(stream: bytes, pages: bytes, levels: list[int]) -> Iterator[tuple[int, int, Properties]]:
    """(first byte, end, properties) of each paragraph."""
    count = (len(pages) - 4) // 8
    numbers = {_u32(pages, 4 * (count + 1) + 4 * i) & 0x3FFFFF for i in range(max(count, 0))}
    for number in numbers:
        page = stream[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]
        if len(page) < PAGE_BYTES:
            continue
        runs = page[-1]
        if 4 * (runs + 1) + 13 * runs >= PAGE_BYTES:
            continue
        places = struct.unpack_from(f"<{runs + 1}I", page)
        for i in range(runs):
            if places[i] < places[i + 1]:
                yield places[i], places[i + 1], _properties(page, 2 * page[4 * (runs + 1) + 13 * i], levels)


def _properties(page: bytes, at: int, levels: list[int]) -> Properties:
    if not at:
        return PLAIN
    if page[at]:
        described = page[at + 1 : at + 2 * page[at]]
    else:
        described = page[at + 2 : at + 2 + 2 * page[at + 1]] if at + 1 < len(page) else b""
    style = _u16(described, 0)
    said = dict(_modifiers(described[2:]))
    outline = said.get(_OUTLINE, BODY_LEVEL)
    inherited = levels[style] if style < len(levels) else 0
    heading = min(outline + 1, MAX_HEADING_LEVEL) if outline < BODY_LEVEL else 0 if _OUTLINE in said else inherited
    in_table = bool(said.get(_IN_TABLE) or said.get(_DEPTH))
    return Properties(
        heading=0 if in_table else heading,
        list_depth=0 if said.get(_LIST, 0) in _HAS_NO_LIST else min(said.get(_LIST_LEVEL, 0), 8) + 1,
        in_table=in_table,
        ends_row=bool(said.get(_ROW_END) or said.get(_INNER_ROW)),
        ends_inner_cell=bool(said.get(_INNER_CELL)),
    )


def _modifiers(group: bytes) -> Iterator[tuple[int, int]]:
    """(operation, operand) of those with an operand of a fixed size."""
    at = 0
    while at + 2 < len(group):
        operation = _u16(group, at)
        at += 2
        size = _SIZES[operation >> 13]
        if size:
            yield operation, int.from_bytes(group[at : at + size], "little")
            at += size
        elif operation in _TABLE_DEFINITION:
            at += 1 + max(_u16(group, at), 1)
        elif operation == _TABS and group[at] == 0xFF:
            return
        else:
            at += 1 + group[at]
