"""Word 97 to 2003 and its forerunners (doc): the text by its piece table, paragraphs by their properties."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingestion.parsers.blocks import Block, assemble, row
from ingestion.parsers.ole import Container, codec, decrypted
from ingestion.parsers.word97_properties import PLAIN, Paragraphs, Properties
from ingestion.types import Document, InvalidFileError, RawFile

MAX_STREAM_BYTES = 256 << 20
MAX_RATIO = 4  # pieces may repeat others, as quick saving does, up to this many times the stream
MAX_TEXT_CHARS = 200_000_000

WORD_97 = 106  # nFib: Word 6 and 95 have 101 to 105; from here on the text is in pieces of Unicode or windows-1252
_ENCRYPTED, _TABLE_1, _COMPLEX = 0x0100, 0x0200, 0x0004
_COMPRESSED = 0x40000000  # one byte a character, and its place is counted twice

# Where each part's length stands in the FIB, in the order that the parts have in the text.
_COUNTS_97 = (0x4C, 0x50, 0x54, 0x58, 0x5C, 0x60, 0x64, 0x68)
_COUNTS_6 = (0x34, 0x38, 0x3C, 0x40, 0x44, 0x48, 0x4C, 0x50)
_MAIN, _HEADERS, _MACROS = 0, 2, 3

# Windows languages that Word 6 and 95 wrote in another code page than 1252
_CODE_PAGES = {
    **dict.fromkeys((0x05, 0x0E, 0x15, 0x18, 0x1A, 0x1B, 0x1C, 0x24), 1250),
    **dict.fromkeys((0x02, 0x19, 0x22, 0x23, 0x2F), 1251),
    0x08: 1253,
    0x1F: 1254,
    0x0D: 1255,
    **dict.fromkeys((0x01, 0x20, 0x29), 1256),
    **dict.fromkeys((0x25, 0x26, 0x27), 1257),
    0x1E: 874,
    0x11: 932,
    0x12: 949,
}
_TRADITIONAL_CHINESE = (0x0404, 0x0C04)
_SERBIAN_CYRILLIC = (0x0C1A,)

_FIELD_MARKS = re.compile("[\x13\x14\x15]")
_PARAGRAPH_ENDS = re.compile("[\r\x07\x0c]")
_MEANT = str.maketrans(
    {"\x0b": "\n", "\x0e": "\n", "\x1e": "-", "\x1f": ""} | dict.fromkeys(map(chr, (*range(9), 0x13, 0x14, 0x15)), "")
)


def read(file: RawFile) -> Document:
    if file.data[:8] != b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":  # Word 2 had no container
        return _document(file.whole(MAX_STREAM_BYTES), None, file)
    with Container(file) as container:
        stream = container.read("WordDocument")
        flags = _u16(stream, 0x0A)
        if not flags & _ENCRYPTED:
            return _document(stream, container, file)
    plain = replace(file, data=decrypted(file))
    with Container(plain) as container:
        return _document(container.read("WordDocument"), container, plain)


def _document(stream: bytes, container: Container | None, file: RawFile) -> Document:
    if len(stream) < 0x60:
        raise InvalidFileError(f"'{file.filename}' is damaged: its Word document has {len(stream)} bytes")
    if _u16(stream, 0x0A) & _ENCRYPTED:
        raise InvalidFileError(f"'{file.filename}' is encrypted in a way of old Word files that cannot be read")
    if _u16(stream, 2) < WORD_97:
        text, counts = _old_text(stream), _counts(stream, _COUNTS_6)
        return assemble(_blocks(text, counts, Paragraphs()), file.media_type)
    table = _table(stream, container)
    pieces = _pieces(stream, table)
    if not pieces:
        text = stream[_u32(stream, 0x18) : _u32(stream, 0x1C)].decode("cp1252", "replace")
        if not text.strip():
            raise InvalidFileError(f"'{file.filename}' is damaged: its piece table cannot be read")
        warning = f"'{file.filename}' is damaged: its text is read without its piece table"
        return assemble(_blocks(text, [len(text)], Paragraphs()), file.media_type, (warning,))
    text = _joined(stream, pieces, file.filename)
    paragraphs = Paragraphs.of(stream, table, [(p.cp, p.end, p.at, p.width) for p in pieces])
    return assemble(_blocks(text, _counts(stream, _COUNTS_97), paragraphs), file.media_type)


def _table(stream: bytes, container: Container | None) -> bytes:
    """The stream that the properties are in; the other one where the flag is wrong."""
    named = "1Table" if _u16(stream, 0x0A) & _TABLE_1 else "0Table"
    for name in (named, "1Table", "0Table"):
        if container is not None and container.has(name):
            return container.read(name)
    return b""


def _u16(data: bytes, at: int) -> int:
    """0 beyond the end."""
    return int.from_bytes(data[at : at + 2], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _counts(stream: bytes, places: tuple[int, ...]) -> list[int]:
    return [0 if count >= 1 << 31 else count for count in (_u32(stream, at) for at in places)]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters `cp` to `end` are at byte `at` of the stream, `width` bytes each."""

    cp: int
    end: int
    at: int
    width: int


def _pieces(stream: bytes, table: bytes) -> list[_Piece]:
    """The piece table (MS-DOC 2.9.38, Clx); empty where there is none that can be read."""
    start = _u32(stream, 0x1A2)
    return _parsed_pieces(table[start : start + _u32(stream, 0x1A6)], wide=True)


def _parsed_pieces(clx: bytes, *, wide: bool) -> list[_Piece]:
    at = 0
    while clx[at : at + 1] == b"\x01":  # property modifiers
        at += 3 + _u16(clx, at + 1)
    if clx[at : at + 1] != b"\x02":
        return []
    plc = clx[at + 5 : at + 5 + _u32(clx, at + 1)]
    count = (len(plc) - 4) // 12
    if count < 1:
        return []
    places = struct.unpack_from(f"<{count + 1}I", plc)
    found = []
    for i in range(count):
        if places[i + 1] <= places[i]:
            continue
        place = _u32(plc, 4 * (count + 1) + 8 * i + 2)
        if not wide:
            found.append(_Piece(places[i], places[i + 1], place, 1))
        elif place & _COMPRESSED:
            found.append(_Piece(places[i], places[i + 1], (place & ~_COMPRESSED) // 2, 1))
        else:
            found.append(_Piece(places[i], places[i + 1], place, 2))
    return found


def _joined(stream: bytes, pieces: list[_Piece], filename: str) -> str:
    limit = min(MAX_TEXT_CHARS, MAX_RATIO * len(stream))
    texts, chars = [], 0
    for piece in pieces:
        content = stream[piece.at : piece.at + (piece.end - piece.cp) * piece.width]
        chars += len(content) // piece.width
        if chars > limit:
            raise InvalidFileError(f"'{filename}' has pieces of more than {limit:,} characters, the limit for its size")
        texts.append(_wide(content) if piece.width == 2 else content.decode("cp1252", "replace"))
        if len(texts[-1]) < piece.end - piece.cp and piece is not pieces[-1]:  # cut off: keep what follows in place
            missing = piece.end - piece.cp - len(texts[-1])
            chars += missing
            if chars > limit:
                break
            texts.append("\0" * missing)
    return "".join(texts)


def _wide(content: bytes) -> str:
    """UTF-16 in which one character is one unit, so that places stay; pairs are joined when a paragraph is read."""
    units = len(content) // 2
    if not any(0xD8 <= high <= 0xDF for high in set(content[1 : 2 * units : 2])):
        return content[: 2 * units].decode("utf-16-le")
    return "".join(map(chr, struct.unpack_from(f"<{units}H", content)))


def _old_text(stream: bytes) -> str:
    """Word 2, 6 and 95: one byte a character in the code page of the language."""
    name = codec(_code_page(_u16(stream, 0x06)))
    if _u16(stream, 0x0A) & _COMPLEX:
        start = _u32(stream, 0x160)
        pieces = _parsed_pieces(stream[start : start + _u32(stream, 0x164)], wide=False)
        content = b"".join(stream[piece.at : piece.at + piece.end - piece.cp] for piece in pieces)
        if content and len(content) <= MAX_RATIO * len(stream):
            return content.decode(name, "replace")
    return stream[_u32(stream, 0x18) : _u32(stream, 0x1C)].decode(name, "replace")


def _code_page(language: int) -> int:
    if language in _SERBIAN_CYRILLIC:
        return 1251
    if language & 0xFF == 0x04:
        return 950 if language in _TRADITIONAL_CHINESE else 936
    return _CODE_PAGES.get(language & 0xFF, 1252)


def _blocks(text: str, counts: list[int], paragraphs: Paragraphs) -> Iterator[Block]:
    """The parts in their order: the main text, footnotes, headers, comments, endnotes, text boxes."""
    if sum(counts) > len(text) + len(counts) or not counts[_MAIN]:
        counts = [len(text)]
    start = 0
    for number, count in enumerate(counts):
        part = _without_codes(text[start : start + count])
        if number == _HEADERS:  # each section repeats them
            yield from dict.fromkeys(_part_blocks(part, start, paragraphs))
        elif number != _MACROS:
            yield from _part_blocks(part, start, paragraphs)
        start += count


def _without_codes(text: str) -> str:
    """Of fields (begin, code, separator, result, end) only the results; NUL stands for what is left out."""
    hidden: list[tuple[int, int]] = []
    opened: list[list[int]] = []
    for mark in _FIELD_MARKS.finditer(text):
        if mark[0] == "\x13":
            opened.append([mark.start(), -1])
        elif opened and mark[0] == "\x14":
            if opened[-1][1] < 0:
                opened[-1][1] = mark.end()
        elif opened:
            begin, separator = opened.pop()
            hidden.append((begin, separator if separator >= 0 else mark.end()))
    pieces, at = [], 0
    for begin, end in sorted(hidden):
        if end > at:
            shown_to = max(begin, at)
            pieces += [text[at:shown_to], "\0" * (end - shown_to)]
            at = end
    return "".join([*pieces, text[at:]])


def _part_blocks(text: str, start: int, paragraphs: Paragraphs) -> Iterator[Block]:
    """`start` is the place of this part in the whole text, which the properties are found by."""
    table = _Table()
    at = 0
    for mark in [*_PARAGRAPH_ENDS.finditer(text), None]:
        end = len(text) if mark is None else mark.start()
        content = _readable(text[at:end])
        own = paragraphs.at(start + end)
        at = end + 1
        is_cell = mark is not None and mark[0] == "\x07"
        if is_cell or own.in_table:
            table.take(content, own, is_cell=is_cell, is_known=paragraphs.known)
            continue
        yield from table.taken()
        yield _block(content, own)
    yield from table.taken()


def _readable(text: str) -> str:
    text = text.translate(_MEANT)
    if any("\ud800" <= character <= "\udfff" for character in (text if not text.isascii() else "")):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _block(text: str, own: Properties) -> Block:
    if own.heading:
        return Block(" ".join(text.split()), "heading", own.heading)
    if own.list_depth and text.strip():
        return Block(f"{'  ' * (own.list_depth - 1)}- {text.strip()}", "list", own.list_depth - 1)
    return Block(text.strip())


class _Table:
    """Collects cells into rows. A row's own mark at its end looks like an empty cell where properties are not known."""

    def __init__(self) -> None:
        self._rows: list[str] = []
        self._cells: list[str] = []
        self._cell: list[str] = []
        self._after_cell = False

    def take(self, text: str, own: Properties, *, is_cell: bool, is_known: bool) -> None:
        ends_row = own.ends_row if is_known and own != PLAIN else is_cell and self._after_cell and not text
        if ends_row:
            self._end_row()
        elif is_cell or own.ends_inner_cell:
            self._cells.append(" ".join([*self._cell, text]))
            self._cell = []
        else:
            self._cell.append(text)
        self._after_cell = is_cell and not ends_row

    def _end_row(self) -> None:
        cells = [*self._cells, " ".join(self._cell)] if self._cell else self._cells
        if any(cell.strip() for cell in cells):
            self._rows.append(row(cells))
        self._cells, self._cell = [], []

    def taken(self) -> Iterator[Block]:
        self._end_row()
        if self._rows:
            yield Block("\n".join(self._rows), "table")
        self._rows, self._after_cell = [], False
