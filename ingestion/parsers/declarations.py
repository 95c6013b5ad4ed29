"""Symbols by the look of their first lines, for languages without a grammar here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingestion.parsers.blocks import label
from ingestion.types import Span

MAX_LINE_CHARS = 300
MAX_NESTING = 16

_MODIFIER = (
    r"(?:public|private|protected|internal|fileprivate|static|abstract|final|sealed|open|override|inline|implicit|lazy|"
    r"data|enum|annotation|companion|inner|value|suspend|operator|infix|tailrec|external|mutating|indirect|case|"
    r"convenience|required|actor|@\w+)"
)
_KOTLIN_SWIFT_SCALA = re.compile(
    rf"[ \t]*(?:{_MODIFIER}[ \t]+)*(?:"
    r"(?:class|interface|object|struct|enum|protocol|extension|trait|actor|fun|func|def)[ \t]+(?:<[^<>\n]*>[ \t]*)?"
    r"(?:\w+<[^<>\n]*>\.)?(?P<name>(?!(?:func|var|let)\b)[A-Za-z_`][\w.`]*)|(?P<other>init)[?!]?[ \t]*[(<])"
)
_LUA = re.compile(
    r"[ \t]*(?:local[ \t]+)?"
    r"(?:function[ \t]+(?P<name>[\w.:]+)[ \t]*\(|(?P<other>[\w.]+)[ \t]*=[ \t]*function\b)"
)
_SQL = re.compile(
    r"create[ \t]+(?:or[ \t]+(?:replace|alter)[ \t]+)?(?:(?:temp(?:orary)?|unique|materialized)[ \t]+)*"
    r"(?:table|view|function|procedure|index|trigger|schema|type|sequence)[ \t]+"
    r"(?:if[ \t]+not[ \t]+exists[ \t]+)?(?P<name>[\w.\"`\[\]]+)(?P<other>)",
    re.IGNORECASE,
)
_PATTERNS = {
    "application/sql": _SQL,
    "text/x-kotlin": _KOTLIN_SWIFT_SCALA,
    "text/x-lua": _LUA,
    "text/x-scala": _KOTLIN_SWIFT_SCALA,
    "text/x-swift": _KOTLIN_SWIFT_SCALA,
}
_QUOTES = {ord(char): None for char in '"`[]'}
_ABOVE = ("//", "/*", "*", "--", "@")  # comments, annotations
_CLOSING = re.compile(r"[ \t]*(?:[{})\]]|end\b)")


def declarations(text: str, media_type: str) -> list[Span]:
    """Spans named like `Class.method`, sorted; none for a language without patterns.

    A symbol begins with the comments directly above it and ends before the next line that is indented
    no deeper, in SQL before the next symbol.
    """
    pattern = _PATTERNS.get(media_type)
    if not pattern:
        return []
    found = _Lines(pattern, by_indent=media_type != "application/sql").run(text)
    return sorted(found, key=lambda span: (span.start, -span.end))


@dataclass(slots=True)
class _Lines:
    """What is open while lines go by: symbols by indent, start and label; comments that may belong to the next one."""

    pattern: re.Pattern[str]
    by_indent: bool
    open: list[tuple[int, int, str]] = field(default_factory=list)
    above: tuple[int, int] | None = None  # where the comments begin, and where the line before them ends
    end: int = 0  # of the last line that is not blank

    def run(self, text: str) -> Iterator[Span]:
        start = 0
        for line in text.split("\n"):
            if line.strip():
                yield from self._take(line, start)
                self.end = min(start + len(line) + 1, len(text))
            else:
                self.above = None
            start += len(line) + 1
        yield from self._close(-1)

    def _take(self, line: str, start: int) -> Iterator[Span]:
        words = line.lstrip()
        indent = len(line[: len(line) - len(words)].expandtabs(4))
        comment = words.startswith(_ABOVE)
        head = None if comment or len(line) > MAX_LINE_CHARS else self.pattern.match(line)
        if comment:
            self.above = self.above or (start, self.end)
        start, self.end = self.above if head and self.above else (start, self.end)
        if self.by_indent or head:
            yield from self._close(indent + 1 if _CLOSING.match(line) and not head else indent)
        if head and len(self.open) < MAX_NESTING:
            holder = f"{self.open[-1][2]}." if self.open else ""
            name = (head["name"] or head["other"]).translate(_QUOTES)
            self.open.append((indent, start, label(holder + name)))
        self.above = self.above if comment else None

    def _close(self, indent: int) -> Iterator[Span]:
        """Ends what is indented as far or further."""
        while self.open and self.open[-1][0] >= indent:
            _, start, name = self.open.pop()
            yield Span("symbol", start, self.end, name)
