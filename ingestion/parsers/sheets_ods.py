"""OpenDocument spreadsheets: cells as they are stored, repeated ones counted before they are written out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ingestion.parsers.package import Package
from ingestion.parsers.sheet_rows import MAX_GAP, Budget, Sheet, Values, column_letters, told_comment
from ingestion.types import InvalidFileError, RawFile

MAX_REPEAT = 1 << 20

_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_DURATION = re.compile(r"(-?)PT(\d{1,9})H(\d{1,2})M(\d{1,2})(?:[.,]\d+)?S")
_TABLE_NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_CELLS = (_TABLE_NAMESPACE + "table-cell", _TABLE_NAMESPACE + "covered-table-cell")
_WHITE = {_TEXT + "tab": "\t", _TEXT + "line-break": "\n"}
_NUMBERS = ("float", "percentage", "currency")


def sheets(file: RawFile, budget: Budget) -> Iterator[Sheet]:
    package = Package(file)
    if "META-INF/manifest.xml" in package.names and b"encryption-data" in package.read("META-INF/manifest.xml"):
        raise InvalidFileError(f"'{file.filename}' is encrypted: OpenDocument files with a password cannot be read")
    if "content.xml" not in package.names:
        raise InvalidFileError(f"'{file.filename}' is damaged: it has no content.xml")
    content = package.read("content.xml")
    if _DOCTYPE.search(content):
        raise InvalidFileError(f"'{file.filename}' has a DOCTYPE in content.xml, which no OpenDocument file needs")
    yield from _Reader(file.filename, budget).sheets(content)


class _Reader:
    def __init__(self, filename: str, budget: Budget) -> None:
        self._filename, self._budget = filename, budget
        self._hidden: set[str] = set()

    def sheets(self, content: bytes) -> Iterator[Sheet]:
        from lxml import etree

        events = etree.iterparse(
            io.BytesIO(content),
            events=("start", "end"),
            tag=[_TABLE_NAMESPACE + name for name in ("table", "table-row", "shapes")] + [_STYLE + "style"],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
        )
        depth, name, is_hidden = 0, "", False
        rows: list[Values] = []
        notes: list[str] = []
        number = 1  # of the next row
        try:
            for event, element in events:
                kind = element.tag.rpartition("}")[2]
                if kind == "table":
                    depth += 1 if event == "start" else -1
                    if depth == 1 and event == "start":
                        name = element.get(_TABLE_NAMESPACE + "name", "")
                        is_hidden = element.get(_TABLE_NAMESPACE + "style-name", "") in self._hidden
                        rows, notes, number = [], [], 1
                    elif depth == 0:
                        yield Sheet(name, _without_margin(rows), is_hidden, notes)
                        _forget(element)
                elif event == "end" and kind == "style":
                    self._style(element)
                elif event == "end" and depth == 1:
                    if kind == "table-row":
                        rows += self._rows(element, number, notes)
                        number += _count(element, "number-rows-repeated")
                    else:
                        notes += _shape_texts(element)
                    _forget(element)
        except etree.XMLSyntaxError as error:
            raise InvalidFileError(
                f"'{self._filename}' is damaged: content.xml is not well-formed ({error})"
            ) from error

    def _style(self, style: Any) -> None:
        for properties in style.iterchildren(_STYLE + "table-properties"):
            if properties.get(_TABLE_NAMESPACE + "display") == "false":
                self._hidden.add(style.get(_STYLE + "name", ""))

    def _rows(self, row: Any, number: int, notes: list[str]) -> list[Values]:
        """The row as often as it is repeated; none where it is empty."""
        values: list[Any] = []
        gap, column = 0, 1
        for cell in row.iterchildren(*_CELLS):
            count = _count(cell, "number-columns-repeated")
            value = _value(cell)
            notes += _cell_notes(cell, f"{column_letters(column)}{number}")
            column += count
            if value in ("", None):
                gap += count
                continue
            self._check(len(values) + count, 1)
            values += [""] * (gap if gap <= MAX_GAP else 1) + [value] * count
            gap = 0
        if not values:
            return []
        times = _count(row, "number-rows-repeated")
        self._check(sum(len(value) if isinstance(value, str) else 1 for value in values), times)
        return [values] * times

    def _check(self, size: int, times: int) -> None:
        """Before it is written out: `size` cells or characters, so many times."""
        Budget(self._budget.filename, self._budget.cells, self._budget.chars).take(0, size * times)


def _without_margin(rows: list[Values]) -> list[Values]:
    """Without the columns on the left that are empty in all rows."""
    margin = min((next(i for i, value in enumerate(values) if value != "") for values in rows), default=0)
    return [values[margin:] for values in rows] if margin else rows


def _forget(element: Any) -> None:
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _count(element: Any, name: str) -> int:
    text = element.get(_TABLE_NAMESPACE + name, "1")
    if not text.isdecimal() or len(text) > 9:
        return 1 if not text.isdecimal() else MAX_REPEAT
    return min(max(int(text), 1), MAX_REPEAT)


def _value(cell: Any) -> Any:
    kind = cell.get(_OFFICE + "value-type", "")
    if kind in _NUMBERS:
        try:
            return float(cell.get(_OFFICE + "value", ""))
        except ValueError:
            return _own_text(cell)
    if kind == "boolean":
        return cell.get(_OFFICE + "boolean-value") == "true"
    if kind == "date":
        return _date(cell.get(_OFFICE + "date-value", "")) or _own_text(cell)
    if kind == "time":
        found = _DURATION.fullmatch(cell.get(_OFFICE + "time-value", ""))
        return f"{found[1]}{int(found[2])}:{found[3]:0>2}:{found[4]:0>2}" if found else _own_text(cell)
    return _own_text(cell) or cell.get(_OFFICE + "string-value", "")


def _date(value: str) -> Any:
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        return value.replace("T", " ")


def _own_text(cell: Any) -> str:
    return "\n".join(_paragraph(child) for child in cell.iterchildren(_TEXT + "p"))


def _paragraph(paragraph: Any) -> str:
    """A walk without recursion, as deep as it may be nested."""
    from lxml import etree

    parts: list[str] = []
    for event, element in etree.iterwalk(paragraph, events=("start", "end")):
        if event == "start":
            if element.tag == _TEXT + "s":
                count = element.get(_TEXT + "c", "1")
                parts.append(" " * (min(int(count), MAX_GAP) if count.isdecimal() and len(count) < 9 else 1))
            parts.append(_WHITE.get(element.tag, "") if element is not paragraph else "")
            parts.append(element.text or "")
        elif element is not paragraph:
            parts.append(element.tail or "")
    return "".join(parts)


def _cell_notes(cell: Any, place: str) -> Iterator[str]:
    """Its comment, and the texts of what is drawn in it."""
    for child in cell:
        name = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
        if name == "annotation":
            author = (child.findtext("{*}creator") or "").strip()
            text = "\n".join(_paragraph(each) for each in child.iter(_TEXT + "p")).strip()
            if text:
                yield told_comment(place, author, text)
        elif name not in {"p", ""}:
            yield from _shape_texts(child)


def _shape_texts(holder: Any) -> Iterator[str]:
    text = "\n".join(_paragraph(each) for each in holder.iter(_TEXT + "p")).strip()
    if text:
        yield text
