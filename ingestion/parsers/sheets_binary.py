"""What must be known of xls and xlsb before their reader takes memory for them: encryption, and how far cells reach."""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.parsers.ole import Container
from ingestion.types import InvalidFileError, RawFile

MAX_ROWS = 1 << 20
MAX_COLUMNS = 1 << 14

# Records of xls (MS-XLS 2.3)
_BOF = (0x0809, 0x0409, 0x0209, 0x0009)
_FILE_PASS, _DIMENSIONS = 0x2F, 0x0200
_CELLS = frozenset((0x0006, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x00D6, 0x0406, 0x0206))
_CELL_RUNS = frozenset((0x00BD, 0x00BE))  # MulRk, MulBlank: their last column stands at the end

# Records of xlsb (MS-XLSB 2.3)
_ROW_HEADER = 0
_LAST_CELL = 11
_SHEET_SIZE = 148


@dataclass(frozen=True, slots=True)
class XlsFacts:
    """`dense_cells` is the sum over the sheets of rows times columns."""

    is_encrypted: bool
    dense_cells: int


@dataclass(slots=True)
class _Extent:
    rows: int = 0
    columns: int = 0

    def reach(self, row: int, column: int) -> None:
        self.rows = max(self.rows, row)
        self.columns = max(self.columns, column)


def xls_facts(file: RawFile) -> XlsFacts:
    with Container(file) as container:
        name = next((name for name in ("Workbook", "Book") if container.has(name)), "")
        if not name:
            raise InvalidFileError(f"'{file.filename}' is damaged: it has no Workbook stream")
        data = container.read(name)
    extents = [_Extent()]
    at = 0
    while at + 4 <= len(data):
        kind = data[at] | data[at + 1] << 8
        size = data[at + 2] | data[at + 3] << 8
        start, end = at + 4, at + 4 + size
        at = end
        if kind in _CELLS and size >= 4:
            extents[-1].reach(_number(data, start) + 1, _number(data, start + 2) + 1)
        elif kind in _CELL_RUNS and size >= 6:
            extents[-1].reach(_number(data, start) + 1, _number(data, end - 2) + 1)
        elif kind == _DIMENSIONS:
            wide = 4 if size >= 14 else 2
            extents[-1].reach(_number(data, start + wide, wide), _number(data, start + 2 * wide + 2))
        elif kind == _FILE_PASS:
            return XlsFacts(is_encrypted=True, dense_cells=0)
        elif kind in _BOF:
            extents.append(_Extent())
    return XlsFacts(is_encrypted=False, dense_cells=sum(extent.rows * extent.columns for extent in extents))


def xlsb_cells(data: bytes) -> int:
    """Rows times columns of a sheet."""
    extent = _Extent()
    at = 0
    while at < len(data):
        kind, at = _varied(data, at, 2)
        size, at = _varied(data, at, 4)
        if kind == _ROW_HEADER and size >= 4:
            extent.reach(_number(data, at, 4) + 1, 0)
        elif kind <= _LAST_CELL and size >= 4:
            extent.reach(0, _number(data, at, 4) + 1)
        elif kind == _SHEET_SIZE and size >= 16:
            extent.reach(_number(data, at + 4, 4) + 1, _number(data, at + 12, 4) + 1)
        at += size
    return extent.rows * extent.columns


def _number(data: bytes, at: int, size: int = 2) -> int:
    """0 beyond the end."""
    return int.from_bytes(data[at : at + size], "little")


def _varied(data: bytes, at: int, most: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place after it."""
    value = 0
    for i in range(most):
        byte = data[at] if at < len(data) else 0
        at += 1
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            break
    return value, at
