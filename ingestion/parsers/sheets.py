"""Workbooks (xlsx, xlsb, xls, ods): every sheet a table, a row a line, then its comments and text boxes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from ingestion import media_types as known
from ingestion.parsers import sheets_binary, sheets_ods, sheets_xml
from ingestion.parsers.blocks import Block, Part, assemble, label, stack
from ingestion.parsers.clean import clean
from ingestion.parsers.ole import decrypted
from ingestion.parsers.package import DamagedPartError, Package
from ingestion.parsers.sheet_rows import Budget, Sheet, Values, lines
from ingestion.types import Document, IngestionError, InvalidFileError, RawFile

MAX_DENSE_CELLS = 10_000_000  # rows x columns: the reader takes 32 bytes for each and aborts the process at its limit
MAX_SHEETS = 10_000

_WITHOUT_VALUE = re.compile(rb"(?:</f>|<f[^<>]*/>)\s*(?:<v\s*/>|<v></v>)?\s*</c>")
MAX_COMMENTS = 1_000_000


def read(file: RawFile) -> Document:
    readers: dict[str, Callable[[RawFile, Budget], Iterator[Sheet]]] = {
        known.ODS: sheets_ods.sheets,
        known.XLS: _xls,
        known.XLSB: _xlsb,
    }
    warnings: list[str] = []
    budget = Budget(file.filename)
    parts: list[Part] = []
    for sheet in readers.get(file.media_type, _xlsx)(file, budget):
        if len(parts) == MAX_SHEETS:
            raise InvalidFileError(f"'{file.filename}' has more than {MAX_SHEETS:,} sheets, the limit for a workbook")
        parts.append(_part(sheet, len(parts) + 1, file, budget, warnings))
    return stack(parts, file.media_type, warnings)


def _part(sheet: Sheet, number: int, file: RawFile, budget: Budget, warnings: list[str]) -> Part:
    if sheet.is_hidden:
        warnings.append(f"sheet '{sheet.name}' is hidden")
    warnings += sheet.warnings
    table = lines(sheet.rows, budget)
    blocks = [Block("\n".join(table.lines), "table"), *(Block(note) for note in sheet.notes[:MAX_COMMENTS])]
    named = any(block.text.strip() for block in blocks)  # the name belongs to what is said, where anything is
    document = assemble([Block(sheet.name), *blocks] if named else [], file.media_type)
    header = label(clean(table.header))
    document = replace(document, spans=tuple(replace(span, label=header) for span in document.spans))
    return Part("sheet", sheet.name, number, document)


def _xlsx(file: RawFile, budget: Budget) -> Iterator[Sheet]:
    book = sheets_xml.Book(Package(file), file.filename)
    sparse: dict[str, list[Values]] = {}
    damaged: dict[str, str] = {}
    unknown: dict[str, int] = {}
    for sheet in book.sheets:
        try:
            content = book.content(sheet)
            unknown[sheet.part] = len(_WITHOUT_VALUE.findall(content))
            if not book.is_dense(content, MAX_DENSE_CELLS):
                sparse[sheet.part] = list(book.rows(content, budget))
        except DamagedPartError as error:
            damaged[sheet.part] = str(error)
    if book.sheets and len(damaged) == len(book.sheets):
        raise InvalidFileError(next(iter(damaged.values())))
    sturdy = _Sturdy(file, budget)
    for sheet in book.sheets:
        rows: Iterable[Values] = sparse.pop(sheet.part, [])
        warnings = [f"sheet '{sheet.name}' cannot be read: {damaged[sheet.part]}"] if sheet.part in damaged else []
        if number := unknown.get(sheet.part):
            formulas = "1 formula has" if number == 1 else f"{number:,} formulas have"
            said = f"{formulas} no stored value: the program that wrote the file did not calculate them"
            warnings.append(f"sheet '{sheet.name}': {said}")
        if not rows and sheet.part not in damaged:
            rows = sturdy.rows(sheet, warnings)
        try:
            notes = book.notes(sheet)
        except DamagedPartError as error:
            notes = []
            warnings.append(f"the comments of sheet '{sheet.name}' cannot be read: {error}")
        yield Sheet(sheet.name, rows, sheet.is_hidden, notes, warnings)


class _Sturdy:
    """The rows of a sheet by the fast reader, and where it fails by our own."""

    def __init__(self, file: RawFile, budget: Budget) -> None:
        self._file, self._budget = file, budget

    def rows(self, sheet: sheets_xml.SheetPart, warnings: list[str]) -> Iterable[Values]:
        try:
            return _rows(self._by_name, sheet.name)
        except _ReaderError as error:
            warnings.append(f"sheet '{sheet.name}' is read by the slower reader, since the first one failed ({error})")
            return list(self._own.rows(self._own.content(sheet), self._budget))

    @cached_property
    def _by_name(self) -> dict[str, tuple[Any, bool]]:
        return _opened(self._file)

    @cached_property
    def _own(self) -> sheets_xml.Book:
        return sheets_xml.Book(Package(self._file), self._file.filename)


def _xlsb(file: RawFile, _budget: Budget) -> Iterator[Sheet]:
    package = Package(file)
    for name in sorted(package.names):
        if name.startswith("xl/worksheets/") and name.endswith(".bin"):
            _check_dense(sheets_binary.xlsb_cells(package.read(name)), file.filename)
    yield from _all_sheets(file)


def _xls(file: RawFile, _budget: Budget) -> Iterator[Sheet]:
    found = sheets_binary.xls_facts(file)
    if found.is_encrypted:
        file = replace(file, data=decrypted(file))
        found = sheets_binary.xls_facts(file)
    _check_dense(found.dense_cells, file.filename)
    yield from _all_sheets(file)


def _check_dense(cells: int, filename: str) -> None:
    if cells > MAX_DENSE_CELLS:
        raise InvalidFileError(
            f"'{filename}' has sheets that span {cells:,} cells, empty ones counted; the limit is {MAX_DENSE_CELLS:,}"
        )


def _all_sheets(file: RawFile) -> Iterator[Sheet]:
    try:
        by_name = _opened(file)
    except _ReaderError as error:
        raise InvalidFileError(f"'{file.filename}' is damaged: its workbook cannot be read ({error})") from error
    for name, (_, is_hidden) in by_name.items():
        try:
            yield Sheet(name, _rows(by_name, name), is_hidden)
        except _ReaderError as error:
            yield Sheet(name, [], is_hidden, (), (f"sheet '{name}' cannot be read ({error})",))


class _ReaderError(Exception):
    """The reader of workbooks failed; the text is what it said."""


@contextmanager
def _told() -> Iterator[None]:
    """A panic of the reader is no Exception for Python."""
    try:
        yield
    except (IngestionError, MemoryError):
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise _ReaderError(f"{type(error).__name__}: {error}"[:200]) from error
        raise


def _opened(file: RawFile) -> dict[str, tuple[Any, bool]]:
    """Sheet name -> the workbook, and whether the sheet is hidden; in their order."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    if file.options.careful:  # it may be what died of the file
        raise _ReaderError("its reader ends on it")
    with _told():
        book = CalamineWorkbook.from_filelike(file.open())
        kept = (SheetTypeEnum.WorkSheet, SheetTypeEnum.MacroSheet, SheetTypeEnum.DialogSheet)
        return {
            sheet.name: (book, sheet.visible != SheetVisibleEnum.Visible)
            for sheet in book.sheets_metadata
            if sheet.typ in kept
        }


def _rows(by_name: dict[str, tuple[Any, bool]], name: str) -> Iterator[Values]:
    with _told():
        if name not in by_name:
            raise _ReaderError("it is not found")
        sheet = by_name[name][0].get_sheet_by_name(name)
        return iter(sheet.iter_rows())
