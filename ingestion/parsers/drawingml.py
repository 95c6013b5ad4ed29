"""What Word and PowerPoint keep in parts of their own: the numbers of a chart, the words of a SmartArt diagram."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from ingestion.parsers.blocks import Block, row
from ingestion.parsers.package import DamagedPartError, Package
from ingestion.parsers.xmlevents import END, START, TEXT, Attributes, Events, number, value

MIN_IMAGE_BYTES = 4096  # what is smaller is a bullet or a rule
MAX_CELLS = 100_000  # of a chart's table: each of its series may name points that no other has
MAX_POINT = 1_000_000
_POINTS = {"cat": "names", "xVal": "names", "val": "numbers", "yVal": "numbers"}
_FRACTION = re.compile(r"-?\d{1,300}\.\d{1,40}(?:E-?\d{1,3})?")
_CACHES = frozenset({"strCache", "numCache", "strLit", "numLit", "lvl"})


class Drawings:
    """The charts and diagrams that a part's relations name, each read once: they may be named many times."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._read: set[str] = set()
        self.warnings: list[str] = []

    def blocks(self, part: str) -> list[Block]:
        if part in self._read or part not in self._package.names:
            return []
        self._read.add(part)
        try:
            return _Drawing(self._package.events(part)).blocks()
        except DamagedPartError as error:
            self.warnings.append(f"left out: {error}")
            return []


@dataclass(slots=True)
class _Series:
    name: list[str] = field(default_factory=list)
    names: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    numbers: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))


class _Drawing:
    """Reads a chart or a diagram: their elements have different names."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._titles: list[list[str]] = []
        self._series: list[_Series] = []
        self._items: list[list[str]] = []  # a diagram's texts
        self._to: list[str] | None = None  # where a value's text goes
        self._points: defaultdict[int, list[str]] | None = None

    def blocks(self) -> list[Block]:
        for event, name, attributes in self._events:
            if event == START:
                self._start(name, attributes)
            elif event == TEXT and self._events.path[-1] in {"t", "v"} and self._to is not None:
                self._to.append(name)
            elif event == END:
                self._end(name)
        items = [" ".join("".join(item).split()) for item in self._items]
        return [*self._chart(), *(Block(f"- {item}", "list") for item in items if item)]

    def _start(self, name: str, attributes: Attributes) -> None:
        holder = self._events.parent()
        if name == "title":
            self._to = _added(self._titles)
        elif name == "ser":
            self._series.append(_Series())
        elif name == "tx" and holder == "ser" and self._series:
            self._to = self._series[-1].name
        elif name in _POINTS and holder == "ser" and self._series:
            self._points = self._series[-1].names if _POINTS[name] == "names" else self._series[-1].numbers
        elif name == "pt" and holder in _CACHES and self._points is not None:
            self._to = self._points[number(value(attributes, "idx"), limit=MAX_POINT)]
            self._to.append(" ")  # between the levels of a category
        elif name == "pt" and holder == "ptLst":
            self._to = _added(self._items)
        elif name in {"p", "br"} and self._to is not None:
            self._to.append(" ")

    def _end(self, name: str) -> None:
        if name in {"title", "tx"} or (name == "pt" and self._to is not None):
            self._to = None
        elif name in _POINTS:
            self._points = None

    def _chart(self) -> list[Block]:
        titles = [" ".join("".join(title).split()) for title in self._titles]
        blocks = [Block(f"Chart: {'; '.join(filter(None, titles))}")] if any(titles) else []
        none: dict[int, list[str]] = {}
        names = next((series.names for series in self._series if series.names), none)
        columns = [names, *(series.numbers for series in self._series)]
        rows = sorted({at for column in columns for at in column})
        heads = ["".join(series.name) for series in self._series]
        if not rows or len(rows) * len(heads) > MAX_CELLS:
            return [*blocks, Block(", ".join(head for head in heads if head.strip()))]
        lines = [row(["", *heads])] if any(heads) else []
        lines += [row(_shown("".join(column.get(at, ()))) for column in columns) for at in rows]
        return [*blocks, Block("\n".join(lines), "table")]


def _shown(cell: str) -> str:
    """Binary fractions with the 15 digits that Excel shows."""
    if len(cell) < 17 or not _FRACTION.fullmatch(cell.strip()):
        return cell
    return f"{float(cell):.15g}"


def _added(lists: list[list[str]]) -> list[str]:
    lists.append([])
    return lists[-1]
