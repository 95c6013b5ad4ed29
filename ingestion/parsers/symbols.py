"""Classes and functions in the syntax trees of tree-sitter, which go on behind an error in the source."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from ingestion.parsers.blocks import label
from ingestion.parsers.grammars import Grammar
from ingestion.parsers.symbol_names import name_of
from ingestion.types import Span

MAX_NESTING = 16  # of symbols in symbols; deeper ones are part of those around them
MAX_INDENT = 400  # characters; what stands further to the right does not begin a line
READ_BYTES = 4096
PARSING_S = 15.0  # of CPU; code of the length that is allowed takes 1 to 4, a log under its name 40

_SOLE = frozenset({"type_declaration", "lexical_declaration", "variable_declaration"})  # they may hold several

_REST_OF_LINE = re.compile(rb"[ \t;,]*(?:(?://|#)[^\n]*)?(?:\n|\Z)")


class TooLongError(Exception):
    """The parser takes longer than any real code of this length does."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """A symbol in bytes of the source; `bare_end` is where its node ends."""

    start: int
    end: int
    bare_end: int
    label: str
    kind: str


def symbols(text: str, grammar: Grammar, *, now: Callable[[], float] = time.thread_time) -> list[Span]:
    """Spans with their decorators and the comments directly above them, named like `Class.method`, sorted.

    Raises TooLongError. Some texts that are no code make the parser take all the memory there is.
    """
    source = text.encode()
    found = list(_nested(_Walk(source, grammar).run(_parsed(source, grammar, now))))
    places = _characters(source, {place for scope in found for place in (scope.start, scope.end)})
    return [Span("symbol", places[scope.start], places[scope.end], scope.label) for scope in found]


def _parsed(source: bytes, grammar: Grammar, now: Callable[[], float]) -> Any:
    """The tree. The parser asks for the source piece by piece, which is where it can be stopped."""
    from tree_sitter import Language, Parser

    until, late = now() + PARSING_S, False

    def piece(offset: int, _point: Any) -> bytes:
        nonlocal late
        late = late or now() > until
        return b"" if late else source[offset : offset + READ_BYTES]

    parser = Parser(Language(getattr(import_module(grammar.package), grammar.entry)()))
    tree = parser.parse(piece)
    if late:
        raise TooLongError
    return tree


@dataclass(slots=True)
class _Walk:
    """One pass over the tree in the order of the text; the way back up is kept, so nothing recurses."""

    source: bytes
    grammar: Grammar
    open: list[_Scope] = field(default_factory=list)
    above: tuple[int, int, int] | None = None  # of comments in lines of their own: start, end and last row

    def run(self, tree: Any) -> list[_Scope]:
        found: list[_Scope] = []
        path: list[Any] = []
        above, known = self.grammar.above, self.grammar.symbols
        cursor = tree.walk()
        while True:
            node = cursor.node
            kind = node.type
            if kind in above:
                self._note(node, path)
            elif kind in known and (scope := self._scope(node, path)):
                found.append(scope)
            if cursor.goto_first_child():
                path.append(node)
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return found
                path.pop()

    def _note(self, node: Any, path: list[Any]) -> None:
        if node.type == "decorator" and path[-1].type != "class_body":  # its symbol begins with it
            return
        row, column = node.start_point
        last_row, last_column = node.end_point
        last_row -= last_row > row and last_column == 0  # Rust's end behind the line
        start = self._start_above(node.start_byte, row)
        if start < node.start_byte or self._begins_line(start, column):
            self.above = (start, node.end_byte, last_row)

    def _start_above(self, start: int, row: int) -> int:
        """Where the comments begin that stand directly above the byte `start`; itself where there are none."""
        first, end, last_row = self.above or (start, start, row)
        directly = end <= start and row <= last_row + 1 and not self.source[end:start].strip()
        return first if directly else start

    def _begins_line(self, start: int, column: int) -> bool:
        return column <= MAX_INDENT and not self.source[start - column : start].strip()

    def _scope(self, node: Any, path: list[Any]) -> _Scope | None:
        while self.open and self.open[-1].bare_end <= node.start_byte:
            self.open.pop()
        in_function = bool(self.open) and self.open[-1].kind == "function_definition"
        name = name_of(self.source, node, in_function=in_function)
        if not name or len(self.open) >= MAX_NESTING:
            return None
        outer = self._outermost(node, path)
        row, column = outer.start_point
        start = self._start_above(outer.start_byte, row)
        if start < outer.start_byte:
            column = start - self.source.rfind(b"\n", max(start - MAX_INDENT, 0), start) - 1
        begins_line = self._begins_line(start, column)
        rest = _REST_OF_LINE.match(self.source, outer.end_byte)
        holder = f"{self.open[-1].label}." if self.open else ""
        end = rest.end() if rest else outer.end_byte
        scope = _Scope(start - column, end, outer.end_byte, label(holder + name), node.type)
        self.above = None
        self.open.append(scope)
        return scope if begins_line else None

    def _outermost(self, node: Any, path: list[Any]) -> Any:
        for holder in reversed(path):
            kind = holder.type
            if kind not in self.grammar.wrappers or (kind in _SOLE and holder.named_child_count > 1):
                break
            node = holder
        return node


def _nested(found: list[_Scope]) -> Iterator[_Scope]:
    """Sorted; what sticks out of the symbol around it is cut off."""
    open_ends: list[int] = []
    for scope in sorted(found, key=lambda scope: (scope.start, -scope.end)):
        while open_ends and open_ends[-1] <= scope.start:
            open_ends.pop()
        end = min([scope.end, *open_ends[-1:]])
        open_ends.append(end)
        yield replace(scope, end=end)


def _characters(source: bytes, places: set[int]) -> dict[int, int]:
    """The character at each byte."""
    if source.isascii():
        return {place: place for place in places}
    found: dict[int, int] = {}
    before, chars = 0, 0
    for place in sorted(places):
        chars += len(source[before:place].decode(errors="replace"))
        found[place] = chars
        before = place
    return found
