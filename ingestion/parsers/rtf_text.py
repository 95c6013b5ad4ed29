"""The paragraphs, tables and notes of an RTF document, as its control words build them up."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingestion.parsers.blocks import Block, row

MAX_LIST_LEVEL = 8
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


@dataclass(slots=True)
class Paragraph:
    """What a paragraph is, until the words `pard` or a new style say otherwise."""

    style: int = -1
    outline: int = 0  # a heading's level, from 1
    in_table: bool = False
    marker: str = ""  # of a list item: its number, or a dash
    level: int = 0


@dataclass(slots=True)
class Flow:
    """The document, or a note, a comment, a text box, a header while it is open."""

    kind: str
    headings: dict[int, int]  # style -> level
    mark: str = ""  # what a note or a comment begins with
    paragraph: Paragraph = field(default_factory=Paragraph)
    blocks: list[Block] = field(default_factory=list)
    after: list[Block] = field(default_factory=list)  # notes, comments and boxes that the paragraph or table holds
    _parts: list[str] = field(default_factory=list)
    _cells: list[str] = field(default_factory=list)
    _rows: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self._parts.append(text)

    def end_paragraph(self) -> None:
        if self.paragraph.in_table or self._cells:
            self._parts.append("\n")
            self.paragraph.marker = ""
            return
        text = self._text()
        if text.strip():
            self.end_table()
            self.blocks.append(self._block(text))
        self.paragraph.marker = ""
        if self.after and not self._rows:
            self.blocks += self.after
            self.after = []

    def end_cell(self) -> None:
        self._cells.append(self._text())

    def end_row(self) -> None:
        """Text behind the last cell's end is none of the row's, but must not be lost."""
        rest = self._text()
        cells, self._cells = [*self._cells, *([rest] if rest.strip() else [])], []
        if any(cell.strip() for cell in cells):
            self._rows.append(row(cells))

    def end_table(self) -> None:
        if self._rows:
            self.blocks.append(Block("\n".join(self._rows), "table"))
            self._rows = []
            self.blocks += self.after
            self.after = []

    def end(self) -> list[Block]:
        """All that was said; rows and paragraphs may end with the file."""
        if self._cells:
            self.end_row()
        self.paragraph.in_table = False
        self.end_paragraph()
        self.end_table()
        return self.blocks + self.after

    def _block(self, text: str) -> Block:
        paragraph = self.paragraph
        heading = paragraph.outline or self.headings.get(paragraph.style, 0)
        marker = paragraph.marker
        if heading:
            return Block(text if marker in {"", "-"} else f"{marker} {text}", "heading", heading)
        if marker:
            return Block(f"{'  ' * paragraph.level}{marker} {text.strip()}", "list", paragraph.level)
        return Block(text)

    def _text(self) -> str:
        text = "".join(self._parts)
        self._parts.clear()
        return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
