"""Blocks -> Document, for formats whose text is put together: a block is a paragraph, a heading, a row, a list item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingestion.parsers.clean import clean
from ingestion.types import Document, Span, SpanKind

CELL_SEPARATOR = " | "
LABEL_CHARS = 300


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` "" is a paragraph. A table is one block with a line a row; neighbouring list blocks make one list."""

    text: str
    kind: SpanKind | str = ""
    level: int = 0


def assemble(blocks: Iterable[Block], media_type: str, warnings: tuple[str, ...] = ()) -> Document:
    """The blocks' clean texts with a blank line between them (list items: a line end), and their spans."""
    parts: list[str] = []
    spans: list[Span] = []
    length, previous = 0, ""
    for block in _cleaned(blocks):
        joined = block.kind == previous == "list"
        if parts:
            gap = "\n" if joined else "\n\n"
            parts.append(gap)
            length += len(gap)
        if joined:
            spans[-1] = Span("list", spans[-1].start, length + len(block.text))
        elif block.kind:
            spans.append(_span(block, length))
        parts.append(block.text)
        length += len(block.text)
        previous = block.kind
    if parts:
        parts.append("\n")
    return Document("".join(parts), media_type, tuple(spans), warnings)


def row(cells: Iterable[str]) -> str:
    """One line for a table's row."""
    return CELL_SEPARATOR.join(" ".join(cell.split()) for cell in cells)


def label(text: str) -> str:
    """A heading as a label: one line, not too long."""
    return " ".join(text[: 2 * LABEL_CHARS].split())[:LABEL_CHARS]


def _cleaned(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        text = clean(block.text).strip("\n").rstrip()
        if text.strip():
            yield Block(text, block.kind, block.level)


def _span(block: Block, start: int) -> Span:
    end = start + len(block.text)
    if block.kind == "heading":
        return Span("heading", start, end, label(block.text), block.level)
    if block.kind == "table":
        return Span("table", start, end, label(block.text.split("\n", 1)[0]))
    if block.kind == "code":
        return Span("code", start, end)
    return Span("list", start, end)
