"""Blocks -> Document, for formats whose text is put together: a block is a paragraph, a heading, a row, a list item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ingestion.parsers.clean import clean
from ingestion.types import Document, Span, SpanKind

CELL_SEPARATOR = " | "
LABEL_CHARS = 300
SHORT_NOTE_CHARS = 200  # about two lines: it does not lose the reader of the sentence it stands in


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` "" is a paragraph, "aside" one that may come a little later: a heading is not parted from its text by it.

    A table is one block with a line a row; neighbouring list blocks make one list.
    """

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


@dataclass(frozen=True, slots=True)
class Part:
    """A slide, a sheet, an attachment: a document inside another one, `number` from 1, `label` its name."""

    kind: SpanKind
    label: str
    number: int
    document: Document


def stack(parts: Iterable[Part], media_type: str, warnings: Iterable[str] = ()) -> Document:
    """The parts' texts one after the other with a blank line between them, each under its span.

    A part without text keeps its span over a line end, so that slides can be counted. The parts'
    warnings are told with their label in front.
    """
    texts: list[str] = []
    spans: list[Span] = []
    said = list(warnings)
    length = 0
    for part in parts:
        text = part.document.text.strip("\n") + "\n\n" if part.document.text.strip() else "\n"
        cut = len(part.document.text) - len(part.document.text.lstrip("\n")) if len(text) > 1 else 0
        spans.append(Span(part.kind, length, length + len(text), label(clean(part.label)), part.number))
        for span in part.document.spans:
            start, end = max(span.start - cut, 0), min(span.end - cut, len(text))
            if start < end:
                spans.append(replace(span, start=length + start, end=length + end))
        said += [f"{part.label}: {warning}" if part.label else warning for warning in part.document.warnings]
        texts.append(text)
        length += len(text)
    order = {id(span): i for i, span in enumerate(spans)}  # of equals the outer one comes first
    spans.sort(key=lambda span: (span.start, -span.end, order[id(span)]))
    return Document("".join(texts), media_type, tuple(spans), tuple(said))


def note(mark: str, text: str) -> tuple[str, list[Block]]:
    """What stands in the sentence for a note: a short one whole, of a longer one the mark; and what follows then."""
    if len(text) <= SHORT_NOTE_CHARS:
        return f" [{mark}: {text}]", []
    return f"[{mark}]", [Block(f"[{mark}] {text}")]


def row(cells: Iterable[str]) -> str:
    """One line for a table's row."""
    return CELL_SEPARATOR.join(" ".join(cell.split()) for cell in cells)


def label(text: str) -> str:
    """A heading as a label: one line, not too long."""
    return " ".join(text[: 2 * LABEL_CHARS].split())[:LABEL_CHARS]


def _cleaned(blocks: Iterable[Block]) -> Iterator[Block]:
    """Those with text; asides of a heading after what follows the heading."""
    waiting: list[Block] = []
    after_heading = False
    for block in blocks:
        text = clean(block.text).strip("\n").rstrip()
        if not text.strip():
            continue
        if block.kind == "aside":
            waiting.append(Block(text))
        else:
            yield Block(text, block.kind, block.level)
            after_heading = block.kind == "heading"
        if not after_heading:
            yield from waiting
            waiting.clear()
    yield from waiting


def _span(block: Block, start: int) -> Span:
    end = start + len(block.text)
    if block.kind == "heading":
        return Span("heading", start, end, label(block.text), block.level)
    if block.kind == "table":
        return Span("table", start, end, label(block.text.split("\n", 1)[0]))
    if block.kind == "code":
        return Span("code", start, end)
    return Span("list", start, end)
