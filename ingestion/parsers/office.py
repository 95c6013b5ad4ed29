"""Word (docx): a walk over the package's XML in document order; python-docx where the walk fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from ingestion.parsers.blocks import Block, assemble, row
from ingestion.parsers.package import Package
from ingestion.types import Document, InvalidFileError

MAX_HEADING_LEVEL = 6
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}


def read(data: bytes, filename: str, media_type: str) -> Document:
    package = Package(data, filename)
    try:
        return assemble(_blocks(package, filename), media_type)
    except LookupError:
        return assemble(_blocks_of_python_docx(data), media_type)


def _blocks(package: Package, filename: str) -> Iterator[Block]:
    main = _main_part(package, filename)
    relations = package.relations(main)
    parts: dict[str, list[str]] = {}
    for kind, part in relations.values():
        if part in package.names and part not in parts.setdefault(kind, []):
            parts[kind].append(part)
    styles = _heading_levels(package, parts.get("styles", []))
    notes = {kind: _notes(package, parts.get(kind, []), styles) for kind in ("footnotes", "endnotes")}
    for part in parts.get("header", []):
        yield from _Walk(styles, {}).blocks(package.xml(part))
    yield from _Walk(styles, notes).blocks(package.xml(main))
    for part in parts.get("footer", []):
        yield from _Walk(styles, {}).blocks(package.xml(part))


def _main_part(package: Package, filename: str) -> str:
    for kind, part in package.relations("").values():
        if kind == "officeDocument" and part in package.names:
            return part
    if "word/document.xml" in package.names:
        return "word/document.xml"
    raise InvalidFileError(f"'{filename}' is damaged: it has no word/document.xml")


def _name(element: Any) -> str:
    """The name without its namespace: strict and transitional files differ in nothing else that matters here."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _value(element: Any, key: str = "val") -> str:
    for name, value in element.attrib.items():
        if name.rpartition("}")[2] == key:
            return str(value)
    return ""


def _child(element: Any, *names: str) -> Any:
    """The descendant at that path of names, or None."""
    for name in names:
        element = next((child for child in element if _name(child) == name), None)
        if element is None:
            return None
    return element


def _level(element: Any) -> int:
    """An `outlineLvl` (0 is the highest, 9 is body text) as a heading level, 0 where it is none."""
    value = _value(element) if element is not None else ""
    return min(int(value) + 1, MAX_HEADING_LEVEL) if value in set("012345678") else 0


def _heading_levels(package: Package, parts: list[str]) -> dict[str, int]:
    """Style id -> heading level, by the style's outline level, its name, or the style it is based on."""
    own: dict[str, int | None] = {}
    based_on: dict[str, str] = {}
    for part in parts:
        for style in package.xml(part):
            if _name(style) == "style":
                identity = _value(style, "styleId")
                own[identity] = _style_level(style)
                parent = _child(style, "basedOn")
                based_on[identity] = "" if parent is None else _value(parent)
    return {style: _inherited(style, own, based_on) for style in own}


def _style_level(style: Any) -> int | None:
    """None where the style does not say."""
    outline = _child(style, "pPr", "outlineLvl")
    if outline is not None:
        return _level(outline)
    name = _child(style, "name")
    words = "" if name is None else _value(name).lower()
    if words == "title":
        return 1
    number = words.removeprefix("heading ")
    return min(int(number), MAX_HEADING_LEVEL) if number != words and number in set("123456789") else None


def _inherited(style: str, own: dict[str, int | None], based_on: dict[str, str]) -> int:
    seen = set()
    while style in own and style not in seen:
        seen.add(style)
        level = own[style]
        if level is not None:
            return level
        style = based_on[style]
    return 0


def _notes(package: Package, parts: list[str], styles: dict[str, int]) -> dict[str, str]:
    """Note id -> its text; separators have none."""
    found = {}
    for part in parts:
        for note in package.xml(part):
            text = " ".join(block.text for block in _Walk(styles, {}).blocks(note))
            if text.strip():
                found[_value(note, "id")] = text
    return found


@dataclass(slots=True)
class _Paragraph:
    parts: list[str] = field(default_factory=list)
    kind: str = ""
    level: int = 0
    after: list[Block] = field(default_factory=list)  # text boxes and notes it holds: they follow it

    def blocks(self) -> list[Block]:
        text = "".join(self.parts)
        if self.kind == "list" and text.strip():
            text = f"{'  ' * self.level}- {text.strip()}"
        return [Block(text, self.kind, self.level), *self.after]


class _Walk:
    """Reads one part's tree without recursion, as deep as it may be nested.

    `flows` are the lists that blocks go to: the part's, and one for each open cell or text box.
    """

    def __init__(self, styles: dict[str, int], notes: dict[str, dict[str, str]]) -> None:
        self._styles = styles
        self._notes = notes
        self._flows: list[list[Block]] = [[]]
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[list[list[str]]] = []

    def blocks(self, root: Any) -> list[Block]:
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        for event, element in walk:
            name = _name(element)
            if event == "end":
                self._end(name)
            elif name in {"pPrChange", "rPrChange", "sectPr"} or (name == "Fallback" and self._has_choice(element)):
                walk.skip_subtree()
            else:
                self._start(name, element)
        return self._flows[0]

    def _has_choice(self, fallback: Any) -> bool:
        """mc:AlternateContent says the same thing twice, for newer and for older readers."""
        before = fallback.getprevious()
        return before is not None and _name(before) == "Choice"

    def _start(self, name: str, element: Any) -> None:
        if name == "p":
            self._paragraphs.append(_Paragraph())
        elif name in {"txbxContent", "tc"}:
            self._flows.append([])
        elif name == "tbl":
            self._tables.append([])
        elif name == "tr" and self._tables:
            self._tables[-1].append([])
        elif self._paragraphs:
            self._start_in_paragraph(name, element, self._paragraphs[-1])

    def _start_in_paragraph(self, name: str, element: Any, paragraph: _Paragraph) -> None:
        if name == "t":
            paragraph.parts.append(element.text or "")
        elif name == "pPr":
            self._properties(element, paragraph)
        elif name in _BREAKS and _name(element.getparent()) == "r":
            paragraph.parts.append(_BREAKS[name])
        elif name in _NOTES:
            identity = _value(element, "id")
            text = self._notes.get(_NOTES[name], {}).get(identity, "")
            if text:
                paragraph.parts.append(f"[{identity}]")
                paragraph.after.append(Block(f"[{identity}] {text.strip()}"))

    def _properties(self, properties: Any, paragraph: _Paragraph) -> None:
        style, outline = _child(properties, "pStyle"), _child(properties, "outlineLvl")
        level = _level(outline) or (self._styles.get(_value(style), 0) if style is not None else 0)
        if level:
            paragraph.kind, paragraph.level = "heading", level
        elif _child(properties, "numPr") is not None:
            depth = _child(properties, "numPr", "ilvl")
            value = _value(depth) if depth is not None else ""
            paragraph.kind, paragraph.level = "list", int(value) if value in set("012345678") else 0

    def _end(self, name: str) -> None:
        if name == "p" and self._paragraphs:
            self._flows[-1].extend(self._paragraphs.pop().blocks())
        elif name == "txbxContent" and len(self._flows) > 1:
            boxed = self._flows.pop()
            (self._paragraphs[-1].after if self._paragraphs else self._flows[-1]).extend(boxed)
        elif name == "tc" and len(self._flows) > 1:
            cell = " ".join(block.text for block in self._flows.pop())
            if self._tables and self._tables[-1]:
                self._tables[-1][-1].append(cell)
            else:
                self._flows[-1].append(Block(cell))
        elif name == "tbl" and self._tables:
            rows = [row(cells) for cells in self._tables.pop() if any(cell.strip() for cell in cells)]
            if rows:
                self._flows[-1].append(Block("\n".join(rows), "table"))


def _blocks_of_python_docx(data: bytes) -> Iterator[Block]:
    import docx
    from docx.table import Table

    for item in docx.Document(BytesIO(data)).iter_inner_content():
        if isinstance(item, Table):
            yield Block("\n".join(row(cell.text for cell in line.cells) for line in item.rows), "table")
        else:
            yield Block(item.text)
