"""Markdown: the source as it stands, so offsets are exact; one pass over its lines finds the structure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingestion.parsers.blocks import label
from ingestion.parsers.text import read_text
from ingestion.types import Document, RawFile, Span, SpanKind

MAX_LINE_CHARS = 2000  # a longer line is a paragraph: no heading or table row that is meant to be read is so long

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_CLOSING_HASHES = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
_QUOTE = re.compile(r" {0,3}>")
_DELIMITER_ROW = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\](?:\([^()\s]{0,500}(?:[ \t]+\"[^\"]{0,200}\")?\)|\[[^\[\]]{0,100}\])")
_EMPHASIS = re.compile(r"(?<!\w)(?:\*{1,3}|_{1,3})(?=\S)|(?<=\S)(?:\*{1,3}|_{1,3})(?!\w)|`+")


def read(file: RawFile) -> Document:
    text, warnings = read_text(file)
    spans = sorted(_Scanner(text).run(), key=lambda span: (span.start, -span.end))
    return Document(text, file.media_type, tuple(spans), warnings, verbatim=True)


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int  # without the line end
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()


@dataclass(slots=True)
class _Scanner:
    """What is open while lines go by: a fence, a table, a list; and the paragraph line that may become a heading."""

    text: str
    fence: str = ""
    fence_start: int = 0
    open: dict[SpanKind, tuple[int, int, str]] = field(default_factory=dict)  # kind -> start, end, label
    previous: _Line | None = None  # the last line of an open paragraph
    paragraph_start: int = 0

    def run(self) -> Iterator[Span]:
        for line in _lines(self.text):
            if self.fence:
                yield from self._in_fence(line)
            elif opening := _FENCE.match(line.text):
                yield from self._open_fence(line, opening)
            else:
                yield from self._in_text(line)
        if self.fence:
            yield Span("code", self.fence_start, len(self.text))
        yield from self._close("table", "list")

    def _in_fence(self, line: _Line) -> Iterator[Span]:
        closing = line.text.strip()
        if closing.startswith(self.fence) and not closing.strip(self.fence[0]):
            yield Span("code", self.fence_start, line.end)
            self.fence = ""

    def _open_fence(self, line: _Line, opening: re.Match[str]) -> Iterator[Span]:
        if "`" in opening[2] and opening[1][0] == "`":  # a code span that begins the line
            yield from self._in_text(line)
            return
        yield from self._close("table")
        self.fence, self.fence_start, self.previous = opening[1], line.start, None

    def _in_text(self, line: _Line) -> Iterator[Span]:
        if line.blank:
            yield from self._close("table")
            self.previous = None
        elif "table" in self.open and len(line.text) <= MAX_LINE_CHARS:
            self._extend("table", line)
        elif heading := self._heading(line):
            yield from self._close("table", "list")
            yield heading
            self.previous = None
        elif self._is_table_head(line) and self.previous:
            yield from self._close("list")
            self.open["table"] = (self.previous.start, line.end, label(_cells(self.previous.text)))
            self.previous = None
        else:
            yield from self._in_paragraph(line)

    def _in_paragraph(self, line: _Line) -> Iterator[Span]:
        if _ITEM.match(line.text):
            start = self.open["list"][0] if "list" in self.open else line.start
            self.open["list"] = (start, line.end, "")
            self.previous = None
        elif "list" in self.open and (line.text[0].isspace() or self.open["list"][1] == line.start - 1):
            self._extend("list", line)
        else:
            yield from self._close("list")
            if self.previous is None:
                self.paragraph_start = line.start
            self.previous = None if _QUOTE.match(line.text) else line

    def _heading(self, line: _Line) -> Span | None:
        if len(line.text) > MAX_LINE_CHARS:
            return None
        if atx := _ATX.match(line.text):
            words = _CLOSING_HASHES.sub("", atx[2] or "")
            return Span("heading", line.start, line.end, plain(words), len(atx[1]))
        underline = _SETEXT.match(line.text)
        if underline and self.previous and self.paragraph_start == self.previous.start:
            level = 1 if underline[1][0] == "=" else 2
            return Span("heading", self.previous.start, line.end, plain(self.previous.text), level)
        return None

    def _is_table_head(self, line: _Line) -> bool:
        """Whether a delimiter row stands under a row of cells."""
        if self.previous is None or "|" not in line.text or "|" not in self.previous.text:
            return False
        return len(line.text) <= MAX_LINE_CHARS and _DELIMITER_ROW.match(line.text) is not None

    def _extend(self, kind: SpanKind, line: _Line) -> None:
        start, _, name = self.open[kind]
        self.open[kind] = (start, line.end, name)

    def _close(self, *kinds: SpanKind) -> Iterator[Span]:
        for kind in kinds:
            if kind in self.open:
                start, end, name = self.open.pop(kind)
                yield Span(kind, start, end, name)


def plain(words: str) -> str:
    """A heading's source as a label: without links, emphasis and code marks."""
    return label(_EMPHASIS.sub("", _LINK.sub(r"\1", words[:MAX_LINE_CHARS])))


def _cells(line: str) -> str:
    return " | ".join(cell.strip() for cell in line.strip().strip("|").split("|"))


def _lines(text: str) -> Iterator[_Line]:
    """The lines after the front matter."""
    start = _front_matter_end(text)
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield _Line(start, end, text[start:end])
        start = end + 1


def _front_matter_end(text: str) -> int:
    for mark, ends in (("---\n", ("\n---\n", "\n...\n")), ("+++\n", ("\n+++\n",))):
        if text.startswith(mark):
            found = [(text.find(end, len(mark) - 1), len(end)) for end in ends]
            return min((at + length for at, length in found if at >= 0), default=0)
    return 0
