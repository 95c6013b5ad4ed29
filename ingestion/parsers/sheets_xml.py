"""The package of an xlsx: how far its sheets reach, its comments and text boxes, and a reader for sparse sheets."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ingestion.parsers.package import DamagedPartError, Package
from ingestion.parsers.sheet_rows import MAX_GAP, Budget, Values, column_number, told_comment
from ingestion.types import InvalidFileError

MAX_COPIED_BYTES = 256 << 20  # of shared strings, a copy for each cell that has one
MAX_ROW, MAX_COLUMN = 1 << 20, 1 << 14  # Excel

_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_NAMED = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{0,7})(\d{1,15})")
_ROW = re.compile(rb"\br\s*=\s*[\"'][A-Za-z]{1,7}(\d{1,15})")
_ROW = re.compile(rb"<(?:\w+:)?row\b")
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_SHARED = re.compile(rb"\bt\s*=\s*[\"']s[\"']")
_CELL_NAME = re.compile(r"([A-Za-z]{1,3})(\d{1,7})")
_PLACEHOLDER = "[Threaded comment]"  # what older readers are told in place of a threaded one

# Number formats that show dates (ECMA-376 18.8.30), and what makes one of a format's code
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
_NOT_CODE = re.compile(r"\"[^\"]*\"|\\.|\[[^\]]*\]|_.|\*.")
_DATE_CODE = re.compile(r"[dmyhs]", re.IGNORECASE)
_FIRST_DAY, _FIRST_DAY_1904 = dt.datetime(1899, 12, 30), dt.datetime(1904, 1, 1)  # noqa: DTZ001 - no zone
_MAX_DAYS = 2_958_465  # 9999-12-31


@dataclass(frozen=True, slots=True)
class SheetPart:
    name: str
    part: str
    is_hidden: bool


class Book:
    """Raises InvalidFileError where the package is damaged or over a limit."""

    def __init__(self, package: Package, filename: str) -> None:
        self._package, self._filename = package, filename
        main = next((part for kind, part in package.relations("").values() if kind == "officeDocument"), "")
        self._main = main if main in package.names else "xl/workbook.xml"
        if self._main not in package.names:
            raise InvalidFileError(f"'{filename}' is damaged: it has no xl/workbook.xml")
        self._root = package.xml(self._main)
        self._relations = package.relations(self._main)
        self.sheets = list(self._sheets())

    def _sheets(self) -> Iterator[SheetPart]:
        for sheet in self._root.iter("{*}sheet"):
            identity = next((value for key, value in sheet.attrib.items() if key.endswith("}id")), "")
            kind, part = self._relations.get(identity, ("", ""))
            if part in self._package.names and kind != "chartsheet":
                yield SheetPart(sheet.get("name", ""), part, sheet.get("state", "visible") != "visible")

    def content(self, sheet: SheetPart) -> bytes:
        return self._checked(sheet.part)

    def _checked(self, part: str) -> bytes:
        content = self._package.read(part)
        if _DOCTYPE.search(content):
            raise InvalidFileError(f"'{self._filename}' has a DOCTYPE in {part}, which no Office file needs")
        return content

    def is_dense(self, content: bytes, max_cells: int) -> bool:
        """Whether the used range, rows times columns, and the texts in it are small enough to be held at once."""
        rows, columns, cells = _extent(content)
        if rows * columns > max_cells:
            return False
        limit = MAX_COPIED_BYTES // max(self._longest_string, 1)
        return cells <= limit or len(_SHARED.findall(content)) <= limit

    @cached_property
    def _string_table(self) -> bytes:
        part = next((part for kind, part in self._relations.values() if kind == "sharedStrings"), "")
        return self._checked(part) if part in self._package.names else b""

    @cached_property
    def _longest_string(self) -> int:
        table, longest, at = self._string_table, 0, 0
        while (end := table.find(b"si>", at)) >= 0:
            longest = max(longest, end - at)
            at = end + 3
        return max(longest, len(table) - at)

    @cached_property
    def _strings(self) -> list[str]:
        if not self._string_table:
            return []
        return [_rich_text(item) for item in _elements(self._string_table, "si", self._filename)]

    @cached_property
    def _date_styles(self) -> frozenset[int]:
        """The styles of cells whose numbers are dates."""
        part = next((part for kind, part in self._relations.values() if kind == "styles"), "")
        if part not in self._package.names:
            return frozenset()
        root = self._package.xml(part)
        codes = {each.get("numFmtId"): each.get("formatCode", "") for each in root.iter("{*}numFmt")}
        formats = [each.get("numFmtId", "0") for group in root.iter("{*}cellXfs") for each in group.iter("{*}xf")]
        return frozenset(style for style, number in enumerate(formats) if _shows_date(number, codes.get(number)))

    @cached_property
    def _first_day(self) -> dt.datetime:
        properties = next(self._root.iter("{*}workbookPr"), None)
        is_1904 = properties is not None and properties.get("date1904") in {"1", "true"}
        return _FIRST_DAY_1904 if is_1904 else _FIRST_DAY

    def rows(self, content: bytes, budget: Budget) -> Iterator[Values]:
        """Only the cells that are there; long gaps between them are one empty cell."""
        chars = 0
        for row in _elements(content, "row", self._filename):
            values: list[Any] = []
            column, last = 0, 0
            for cell in row.iterchildren("{*}c"):
                name = _CELL_NAME.match(cell.get("r", ""))
                column = column_number(name[1]) if name else column + 1
                value = self._value(cell)
                if value in ("", None):
                    continue
                gap = column - last - 1
                values += [""] * (gap if 0 <= gap <= MAX_GAP else 1 if gap > 0 else 0)
                values.append(value)
                last = column
                chars += len(value) if isinstance(value, str) else 8
            if values:
                Budget(budget.filename, budget.cells, budget.chars).take(len(values), chars)
                yield values

    def _value(self, cell: Any) -> Any:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find("{*}is")
            return "" if inline is None else _rich_text(inline)
        text = cell.findtext("{*}v") or ""
        if kind == "s":
            return self._strings[int(text)] if text.isdecimal() and int(text) < len(self._strings) else ""
        if kind == "b" and text:
            return text.strip() in {"1", "true"}
        return self._number(text, cell.get("s", "")) if kind == "n" else text

    def _number(self, text: str, style: str) -> Any:
        """A number, or the date that it shows as; the text where it is neither."""
        try:
            number = float(text)
        except ValueError:
            return text
        if style.isdecimal() and int(style) in self._date_styles and 0 <= number <= _MAX_DAYS:
            day = self._first_day + dt.timedelta(seconds=round(number * 86400))
            return day if number >= 1 else day.time()
        return number

    def notes(self, sheet: SheetPart) -> list[str]:
        """Comments, newest manner first, then the texts of drawings."""
        found: list[str] = []
        relations = self._package.relations(sheet.part)
        parts = [(kind, part) for kind, part in relations.values() if part in self._package.names]
        threaded: set[str] = set()
        for kind, part in parts:
            if kind == "threadedComment":
                root = self._package.xml(part)
                threaded |= {each.get("ref", "") for each in root}
                found += self._threaded(root)
        for kind, part in parts:
            if kind == "comments":
                found += _comments(self._package.xml(part), threaded)
        for kind, part in parts:
            if kind == "drawing":
                found += self._drawn(part)
        return found

    def _threaded(self, root: Any) -> Iterator[str]:
        for comment in root:
            author = self._persons.get(comment.get("personId", ""), "")
            text = comment.findtext("{*}text") or ""
            if text.strip():
                yield told_comment(comment.get("ref", ""), author, text)

    @cached_property
    def _persons(self) -> dict[str, str]:
        return {
            person.get("id", ""): person.get("displayName", "")
            for kind, part in self._relations.values()
            if kind == "person" and part in self._package.names
            for person in self._package.xml(part)
        }

    def _drawn(self, part: str) -> Iterator[str]:
        yield from _shape_texts(self._package.xml(part))
        for kind, chart in self._package.relations(part).values():
            if kind == "chart" and chart in self._package.names:
                yield from _shape_texts(self._package.xml(chart))


def _comments(root: Any, threaded: set[str]) -> Iterator[str]:
    authors = [author.text or "" for author in root.iter("{*}author")]
    for comment in root.iter("{*}comment"):
        place, index = comment.get("ref", ""), comment.get("authorId", "")
        author = authors[int(index)] if index.isdecimal() and int(index) < len(authors) else ""
        author = "" if author.startswith("tc=") else author
        text = " ".join(_rich_text(body) for body in comment.iterchildren("{*}text")).strip()
        if text and not (place in threaded and text.startswith(_PLACEHOLDER)):
            yield told_comment(place, author, text.removeprefix(f"{author}:"))


def _shape_texts(root: Any) -> Iterator[str]:
    for body in root.iter("{*}txBody", "{*}rich"):
        paragraphs = ["".join(run.text or "" for run in paragraph.iter("{*}t")) for paragraph in body.iter("{*}p")]
        text = "\n".join(filter(str.strip, paragraphs))
        if text:
            yield text


def _rich_text(item: Any) -> str:
    """The runs of a string, without what is written above them to pronounce it."""
    return "".join(text.text or "" for text in item.iter("{*}t") if not text.getparent().tag.endswith("}rPh"))


def _shows_date(number: str, code: str | None) -> bool:
    if code is not None:
        return bool(_DATE_CODE.search(_NOT_CODE.sub("", code)))
    return number.isdecimal() and int(number) in _DATE_FORMATS


def _extent(content: bytes) -> tuple[int, int, int]:
    """Rows and columns up to the last ones named, rather too many than too few, and how many cells there are."""
    rows_named = cells_named = last_row = 0
    columns = set()
    for letters, number in _NAMED.findall(content):
        if letters:
            cells_named += 1
            columns.add(letters)
        else:
            rows_named += 1
        last_row = max(last_row, int(number))
    last_column = max((column_number(letters.decode()) for letters in columns), default=0)
    rows, cells = len(_ROW.findall(content)), len(_CELL.findall(content))
    if rows > rows_named:  # some are not named: they follow the one before
        last_row += rows
    if cells > cells_named:
        last_column += max(len(_CELL.findall(row)) for row in _ROW.split(content))
    return last_row, last_column, cells


def _elements(content: bytes, name: str, filename: str) -> Iterator[Any]:
    """The elements of that name one by one, each forgotten when the next is read."""
    from lxml import etree

    events = etree.iterparse(
        io.BytesIO(content), tag=f"{{*}}{name}", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True
    )
    try:
        for _, element in events:
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise DamagedPartError(f"'{filename}' is damaged: a part of it is not well-formed ({error})") from error
