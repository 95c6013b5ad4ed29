"""Where the blocks of a walk go: the document, and the cells and boxes inside it, as deep as they may be nested."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ingestion.parsers.blocks import CELL_SEPARATOR, Block, row

_EMPTY = CELL_SEPARATOR + " "  # what a row of empty cells is made of
MAX_OPEN = 48  # tables, rows, cells and boxes in one another; what is deeper belongs to the innermost of these

Kind = Literal["table", "row", "cell", "box"]


@dataclass(slots=True)
class _Open:
    kind: Kind
    blocks: list[Block] = field(default_factory=list)  # of a cell or a box
    lines: list[str] = field(default_factory=list)  # a row's cells, a table's rows


class Flows:
    """Every `open` has its `close`. No text is copied more often than MAX_OPEN times."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._open: list[_Open] = []
        self._too_deep = 0

    @property
    def inside(self) -> bool:
        return bool(self._open)

    @property
    def is_empty(self) -> bool:
        return not self._blocks and not self._open

    def take(self) -> list[Block]:
        """What has come to the document since the last time."""
        taken, self._blocks = self._blocks, []
        return taken

    def add(self, blocks: list[Block]) -> None:
        flow = next((flow.blocks for flow in reversed(self._open) if flow.kind in {"cell", "box"}), self._blocks)
        flow.extend(blocks)

    def open(self, kind: Kind) -> None:
        if len(self._open) < MAX_OPEN:
            self._open.append(_Open(kind))
        else:
            self._too_deep += 1

    def close(self, *, width: int = 1) -> list[Block]:
        """What is in the innermost box; a cell, `width` columns wide, a row or a table goes where it belongs."""
        if self._too_deep:
            self._too_deep -= 1
            return []
        closed = self._open.pop()
        holder = self._open[-1] if self._open else None
        if closed.kind == "cell":
            if holder and holder.kind == "row":
                holder.lines += [_cell(closed.blocks), *[""] * (width - 1)]
            else:
                self.add(closed.blocks)
        elif closed.kind == "row":
            line = row(closed.lines)
            if holder and holder.kind == "table":
                holder.lines.append(line if line.strip() else CELL_SEPARATOR.strip())
            else:
                self.add([Block(line)])
        elif closed.kind == "table":
            said = any(line.strip(_EMPTY) for line in closed.lines)
            self.add([Block("\n".join(closed.lines), "table")] if said else [])
        return closed.blocks if closed.kind == "box" else []


def _cell(blocks: list[Block]) -> str:
    """A list of one item says nothing as a list."""
    if len(blocks) == 1 and blocks[0].kind == "list":
        return blocks[0].text.strip().removeprefix("- ")
    return " ".join(block.text for block in blocks)


def not_read(count: int, what: str) -> list[str]:
    """A sentence on what is left out, where there is any."""
    return [f"{count:,} {what}{'s were' if count > 1 else ' was'} not read"] if count else []


def described(alternative: str) -> list[Block]:
    """An image's alternative text; one word is mostly the name of its file."""
    words = alternative.split()
    return [Block(f"Image: {' '.join(words)}")] if len(words) > 1 else []
