"""XML of any kind: its text in document order; records of the same shape are a table, titles are headings."""

from __future__ import annotations

import html.entities
import re
from dataclasses import dataclass, field
from typing import Any

from ingestion.parsers.blocks import Block, assemble, row
from ingestion.parsers.clean import clean
from ingestion.parsers.text import decode, encoding_named
from ingestion.parsers.xmlevents import safe_parser
from ingestion.types import Document, RawFile

MAX_BYTES = 64 << 20  # the tree takes some ten times as much
MAX_TAGS = 2_000_000  # a walk over so many takes some 20 seconds
MAX_ATTRIBUTES = 1000  # of one element, else they are not read: lxml takes quadratic time
MAX_CELL_CHARS = 200  # longer text is prose, no field of a record
MAX_COLUMNS = 40
MAX_LEVEL = 6
BINARY_CHARS = 1000  # so much without a space is an embedded file

_TITLES = frozenset("title heading article-title book-title".split())
_RUNS = frozenset("r t span tspan".split())  # pieces of a paragraph in WordprocessingML, ODF and SVG
_PROSE = frozenset("p para paragraph li item text line string".split())  # names that say nothing of what is in them
_CELLS = frozenset("td th entry cell".split())
_TELLING = frozenset("name title label alt caption description summary value key term".split())  # attributes to read

_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.-]{1,40})")
_PROLOG = re.compile(r"\s*+(?:<\?(?s:.*?)\?>\s*+|<!--(?s:.*?)-->\s*+)*+")
# What has no end runs to the end of the text, so that the patterns take linear time
_DOCTYPE = re.compile(
    r"""<!DOCTYPE(?:[^\[\]<>"']|"[^"]*"|'[^']*')*+"""
    r"""(?:\[(?:[^\]"'<]|"[^"]*"|'[^']*'|<!--(?s:.*?)(?:-->|\Z)|<\?(?s:.*?)(?:\?>|\Z)|<)*+\]\s*+)?>"""
)
_ENTITY = re.compile(r"<!\[CDATA\[(?s:.*?)(?:\]\]>|\Z)|&([A-Za-z_][\w.-]*);")
_OWN_ENTITIES = frozenset("amp lt gt quot apos".split())  # XML's


def read(file: RawFile) -> Document:
    text, said = read_markup(file)
    try:
        root, warnings = parse_markup(text)
    except ValueError as error:
        warning = f"'{file.filename}' is not read as XML ({error}), but as text"
        return Document(text, file.media_type, (), (*said, warning))
    walk = _Walk(attributes=_name(root) != "svg")
    document = assemble(walk.run(root), file.media_type, (*said, *warnings, *walk.warnings()))
    return document if document.text else Document(text, file.media_type, (), document.warnings)


def read_markup(file: RawFile) -> tuple[str, tuple[str, ...]]:
    """The clean source, by the encoding it declares; a sentence where that had to be guessed."""
    found = _DECLARED.match(file.data[:1024])
    text, warning = decode(file.data, file.filename, encoding_named(found[1].decode("ascii")) if found else "")
    return clean(text), (warning,) if warning else ()


def parse_markup(text: str) -> tuple[Any, tuple[str, ...]]:
    """The root element, without a DTD: entities that HTML knows are letters, others stay as they are written.

    Raises ValueError where it is not well-formed, nested more than 2,048 deep, or too large for a tree.
    """
    from lxml import etree

    if len(text) > MAX_BYTES or text.count("<") > MAX_TAGS:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB or {MAX_TAGS:,} tags")
    text, warnings = _without_doctype(text)
    parser = safe_parser(encoding="utf-8")
    try:
        return etree.fromstring(_ENTITY.sub(_letter, text).encode(), parser), warnings
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error).splitlines()[0][:200]) from error


def _without_doctype(text: str) -> tuple[str, tuple[str, ...]]:
    """The source from the root element on. Nothing that a DTD declares is used, so none is parsed."""
    start = _PROLOG.match(text)
    begin = start.end() if start else 0
    if not text.startswith("<!DOCTYPE", begin):
        return text[begin:], ()
    doctype = _DOCTYPE.match(text, begin)
    if not doctype:
        raise ValueError("its DOCTYPE has no end")
    declares = re.search(r"<!ENTITY\s+(?!%)[^\s>]+\s+[\"']", doctype[0])
    warnings = ("the entities that its DOCTYPE declares are not expanded",) if declares else ()
    rest = doctype.end()
    after = _PROLOG.match(text, rest)
    return text[after.end() if after else rest :], warnings


def _letter(entity: re.Match[str]) -> str:
    name = entity[1]
    if name is None or name in _OWN_ENTITIES:
        return entity[0]
    letters = html.entities.html5.get(f"{name};", "")
    return "".join(f"&#{ord(letter)};" for letter in letters) or f"&amp;{name};"


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


@dataclass(slots=True)
class _Open:
    """An element that is open. Inline elements are part of a paragraph: an element with text beside its children."""

    inline: bool = False
    mixed: bool = False
    single: bool = False  # has one child
    title: bool = False
    level: int = 0  # how many of the open elements have a title


@dataclass(slots=True)
class _Walk:
    """Goes through the tree without recursion, as deep as it may be nested."""

    attributes: bool
    blocks: list[Block] = field(default_factory=list)
    open: list[_Open] = field(default_factory=lambda: [_Open()])
    inline: list[str] = field(default_factory=list)
    embedded: int = 0

    def run(self, root: Any) -> list[Block]:
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        for event, element in walk:
            if event == "end":
                self._end(element, self.open.pop())
            elif self._start(element):
                walk.skip_subtree()
        self._flush()
        return self.blocks

    def warnings(self) -> tuple[str, ...]:
        files = "file" if self.embedded == 1 else "files"
        return (f"left out: {self.embedded:,} embedded {files}",) if self.embedded else ()

    def _start(self, element: Any) -> bool:
        """Whether all of it is read already."""
        around, name = self.open[-1], _name(element)
        children = list(element)
        inline = around.title or name in _RUNS or around.mixed or (around.inline and around.single)
        titled = any(_name(child) in _TITLES for child in children)
        here = _Open(
            inline=inline,
            mixed=bool(children) and _has_text(element, children),
            single=len(children) == 1,
            title=around.title or (not inline and name in _TITLES),
            level=around.level + titled,
        )
        self.open.append(here)
        if not inline:
            self._flush()
            done = not here.mixed and not here.title and (self._table(children) or self._record(element, here.level))
            if done:
                return True
            self._say_attributes(element)
            if not children and not here.title and self._is_field(name, element.text):
                self.inline.append(f"{name}: ")
        self._say(element.text)
        return False

    def _end(self, element: Any, here: _Open) -> None:
        if not here.inline:
            heading = here.title and not self.open[-1].title
            self._flush("heading" if heading else "", min(max(here.level, 1), MAX_LEVEL) if heading else 0)
        self._say(element.tail)

    def _is_field(self, name: str, text: str | None) -> bool:
        return not self.inline and name not in _PROSE | _CELLS and 0 < len((text or "").strip()) <= MAX_CELL_CHARS

    def _say(self, text: str | None) -> None:
        if text and len(text) > BINARY_CHARS and " " not in text.strip() and text.isascii():
            self.embedded += 1
        elif text:
            self.inline.append(text)

    def _say_attributes(self, element: Any) -> None:
        if self.attributes:
            words = [value for key, value in _attributes(element) if key in _TELLING and any(map(str.isalpha, value))]
            if words:
                self.inline.append(": ".join(words) + (": " if (element.text or "").strip() else ""))
                if len(element):
                    self._flush()

    def _flush(self, kind: str = "", level: int = 0) -> None:
        text = " ".join("".join(self.inline).split())
        self.inline.clear()
        if text:
            self.blocks.append(Block(text, kind, level))

    def _table(self, children: list[Any]) -> bool:
        """Take in the children as rows, if they are short records of the same kind."""
        if len(children) < 2 or any(child.tag != children[0].tag for child in children):
            return False
        if all(rows := [_cells(child) for child in children]):
            self.blocks.append(Block("\n".join(map(row, rows)), "table"))
            return True
        records = []
        for child in children:
            record = _fields(child, attributes=self.attributes)
            if record is None or any(len(value) > MAX_CELL_CHARS for value in record.values()):
                return False
            records.append(record)
        columns = list(dict.fromkeys(key for record in records for key in record))
        if not 2 <= len(columns) <= MAX_COLUMNS or sum(map(len, records)) * 2 < len(columns) * len(records):
            return False
        lines = [row(columns), *(row(record.get(column, "") for column in columns) for record in records)]
        self.blocks.append(Block("\n".join(lines), "table"))
        return True

    def _record(self, element: Any, level: int) -> bool:
        """Take in its fields as lines, if it is one record."""
        fields = _fields(element, attributes=self.attributes)
        if fields is None or len(fields) < 2 or not len(element):
            return False
        lines = []
        for key, value in fields.items():
            if key in _TITLES and len(value) <= MAX_CELL_CHARS:
                self.blocks.append(Block(value, "heading", min(max(level, 1), MAX_LEVEL)))
            else:
                said = key not in _PROSE and len(value) <= MAX_CELL_CHARS
                lines.append(f"{key}: {value}" if said else value)
        self.blocks.append(Block("\n".join(lines)))
        return True


def _has_text(element: Any, children: list[Any]) -> bool:
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in children)


def _attributes(element: Any) -> list[tuple[str, str]]:
    return element.attrib.items() if len(element.attrib) <= MAX_ATTRIBUTES else []


def _cells(element: Any) -> list[str]:
    """The texts of a row's cells; none where it has other children."""
    children = list(element)
    if not all(_name(child) in _CELLS for child in children):
        return []
    return ["".join(child.itertext()) for child in children]


def _fields(element: Any, *, attributes: bool) -> dict[str, str] | None:
    """The element as a record: its attributes and its children, none of which has children; None if it is no record."""
    children, own = list(element), (element.text or "").strip()
    if _name(element) in _RUNS or (children and _has_text(element, children)):
        return None
    fields: dict[str, str] = {}
    for key, value in _attributes(element) if attributes else ():
        if not key.startswith("{") and value.strip() and (not own or key in _TELLING):
            fields[key] = " ".join(value.split())
    if own:
        fields[_name(element)] = " ".join(own.split())
    for child in children:
        text = " ".join((child.text or "").split())
        if len(child) or _name(child) in _RUNS or len(text) > BINARY_CHARS:
            return None
        if not text and attributes:
            text = ", ".join(value for key, value in _attributes(child) if not key.startswith("{"))
        if text:
            name = _name(child)
            fields[name] = f"{fields[name]}, {text}" if name in fields else text
    return fields
