"""Word (docx): a walk over the package's XML in document order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ingestion.parsers.blocks import Block, assemble, note
from ingestion.parsers.drawingml import MIN_IMAGE_BYTES, Drawings
from ingestion.parsers.flows import Flows, Kind, described, not_read
from ingestion.parsers.members import LimitError, budget_for
from ingestion.parsers.package import DamagedPartError, Package
from ingestion.parsers.word_styles import Style, is_on, read_styles
from ingestion.parsers.xmlevents import END, START, TEXT, Attributes, Events, value
from ingestion.types import Document, IngestionError, InvalidFileError, RawFile

_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes", "commentReference": "comments"}
_ENTRIES = frozenset({"footnote", "endnote", "comment"})
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_BOXES: dict[str, Kind] = {"tbl": "table", "tr": "row", "tc": "cell", "txbxContent": "box"}
_ENDED = frozenset({"p", "r", *_BOXES, *_ENTRIES})
# What was there before a tracked change; how it looks; how Chinese characters are read aloud
_SKIPPED = frozenset({"del", "moveFrom", "pPrChange", "rPrChange", "sectPr", "tblPr", "trPr", "tcPr", "rt"})
_POINTERS = {"chart": "id", "relIds": "dm", "blip": "embed", "imagedata": "id", "altChunk": "id"}

Notes = dict[str, dict[str, Block]]  # kind -> id -> what is said there


def read(file: RawFile) -> Document:
    with budget_for(file):
        reader = _Reader(file)
        document = assemble(reader.blocks(), file.media_type)
    warnings = reader.warnings()
    if warnings and not document.text.strip():
        raise InvalidFileError(f"'{file.filename}' has no text: {'; '.join(warnings)}")
    return replace(document, warnings=tuple(warnings))


class _Reader:
    """The main part, and the parts that it points to."""

    def __init__(self, file: RawFile) -> None:
        self._file = file
        self._package = Package(file)
        self._main = self._main_part()
        self._relations = self._package.relations(self._main)
        self._drawings = Drawings(self._package)
        self._styles: dict[str, Style] = {}
        self._charts: list[Block] = []
        self._seen: set[str] = set()
        self._images = 0
        self._hidden_chars = 0
        self._failures: list[str] = []

    def blocks(self) -> Iterator[Block]:
        for part in self._parts("styles"):
            try:
                self._styles |= read_styles(self._package.events(part))
            except DamagedPartError as error:
                self._failures.append(f"headings may be missing: {error}")
        notes: Notes = {kind: self._entries(kind) for kind in ("footnotes", "endnotes", "comments")}
        yield from self._margins("header")
        walk = _Walk(self._package.events(self._main), self._styles, notes, self._pointed)
        yield from walk.blocks()
        self._hidden_chars += walk.hidden_chars
        yield from self._charts
        yield from self._margins("footer")

    def warnings(self) -> list[str]:
        embedded = {part for kind, part in self._relations.values() if kind in {"package", "oleObject"}}
        hidden = [f"hidden text was left out: {self._hidden_chars:,} characters"] if self._hidden_chars else []
        return [
            *hidden,
            *not_read(self._images, "image"),
            *not_read(len(embedded), "embedded file"),
            *self._failures,
            *self._drawings.warnings,
        ]

    def _main_part(self) -> str:
        for kind, part in self._package.relations("").values():
            if kind == "officeDocument" and part in self._package.names:
                return part
        if "word/document.xml" in self._package.names:
            return "word/document.xml"
        raise InvalidFileError(f"'{self._file.filename}' is damaged: it has no word/document.xml")

    def _parts(self, wanted: str) -> list[str]:
        found = (part for kind, part in self._relations.values() if kind == wanted and part in self._package.names)
        return list(dict.fromkeys(found))

    def _side_walk(self, part: str) -> tuple[list[Block], dict[str, Block]]:
        """What is in a part that the document can be read without."""
        walk = _Walk(self._package.events(part), self._styles, {}, _nothing)
        try:
            blocks = list(walk.blocks())
        except DamagedPartError as error:
            self._failures.append(f"left out: {error}")
            return [], {}
        self._hidden_chars += walk.hidden_chars
        return blocks, walk.entries

    def _entries(self, kind: str) -> dict[str, Block]:
        return {name: entry for part in self._parts(kind) for name, entry in self._side_walk(part)[1].items()}

    def _margins(self, kind: str) -> Iterator[Block]:
        """Headers or footers; first, left and right pages often have the same."""
        said: set[tuple[Block, ...]] = set()
        for part in self._parts(kind):
            blocks, _ = self._side_walk(part)
            if tuple(blocks) not in said:
                said.add(tuple(blocks))
                yield from blocks

    def _pointed(self, relation: str) -> list[Block]:
        """What stands in a chart, a diagram or a whole document that the text points to."""
        kind, part = self._relations.get(relation, ("", ""))
        if kind == "diagramData":
            return self._drawings.blocks(part)
        if kind == "chart":  # at the end: between a paragraph and its caption a table would part them
            self._charts += self._drawings.blocks(part)
        if part in self._seen or part not in self._package.names:
            return []
        self._seen.add(part)
        if kind == "image":
            self._images += self._package.size(part) >= MIN_IMAGE_BYTES
        return self._inserted(part) if kind == "aFChunk" else []

    def _inserted(self, part: str) -> list[Block]:
        from ingestion.parse import parse_part

        data = self._package.read(part)
        try:
            with budget_for(self._file) as budget:
                budget.count_member()
                budget.spend(len(data))
                document = parse_part(data, part.rpartition("/")[2], self._file)
                budget.count_text(len(document.text))
        except LimitError:
            raise
        except IngestionError as error:
            self._failures.append(f"left out: {error}")
            return []
        self._failures += document.warnings
        return [Block(text) for text in document.text.split("\n\n")]


def _nothing(_: str) -> list[Block]:
    return []


@dataclass(slots=True)
class _Paragraph:
    parts: list[str] = field(default_factory=list)
    style: Style = field(default_factory=Style)
    after: list[Block] = field(default_factory=list)  # text boxes, notes and drawings it holds: they follow it

    def blocks(self) -> list[Block]:
        text, heading, item = "".join(self.parts), self.style.heading or 0, self.style.item
        if heading:
            block = Block(text, "heading", heading)
        elif item is not None and item >= 0 and text.strip():
            block = Block(f"{'  ' * item}- {text.strip()}", "list", item)
        else:
            block = Block(text)
        return [block, *self.after] if text.strip() else self.after


class _Walk:
    """Reads one part. `entries` are its notes or comments by their id, `hidden_chars` what Word would not show."""

    def __init__(
        self, events: Events, styles: dict[str, Style], notes: Notes, pointed: Callable[[str], list[Block]]
    ) -> None:
        self._events = events
        self._styles = styles
        self._notes = notes
        self._pointed = pointed
        self._flows = Flows()
        self._paragraphs: list[_Paragraph] = []
        self._hidden: list[bool] = []  # for each open run
        self._entry = ""
        self.entries: dict[str, Block] = {}
        self.hidden_chars = 0

    def blocks(self) -> Iterator[Block]:
        for event, name, attributes in self._events:
            if event == START:
                self._start(name, attributes)
            elif event == END and name in _ENDED:
                self._end(name)
                if not self._flows.inside:
                    yield from self._flows.take()
            elif event == TEXT and self._paragraphs and self._events.path[-1] == "t":
                self._text(name)
        yield from self._flows.take()

    def _text(self, text: str) -> None:
        if self._hidden and self._hidden[-1]:
            self.hidden_chars += len(text)
        else:
            self._paragraphs[-1].parts.append(text)

    def _start(self, name: str, attributes: Attributes) -> None:
        if name in _SKIPPED:
            self._events.skip()
        elif name == "p":
            self._paragraphs.append(_Paragraph())
        elif name == "r":
            self._hidden.append(bool(self._paragraphs and self._paragraphs[-1].style.hidden))
        elif name in _BOXES:
            self._flows.open(_BOXES[name])
        elif name in _POINTERS:
            self._place(self._pointed(value(attributes, _POINTERS[name])))
        elif name in _ENTRIES:
            self._start_entry(name, attributes)
        elif self._paragraphs:
            self._start_in_paragraph(name, attributes, self._paragraphs[-1])

    def _start_in_paragraph(self, name: str, attributes: Attributes, paragraph: _Paragraph) -> None:
        holder = self._events.parent()
        if name in _BREAKS and holder == "r":
            self._text(_BREAKS[name])
        elif name == "pStyle" and holder == "pPr":
            paragraph.style = replace(self._styles.get(value(attributes), paragraph.style))
        elif holder == "rPr" and self._events.parent(2) == "r":
            self._set_run(name, attributes)
        elif name in _NOTES:
            identity = value(attributes, "id")
            found = self._notes.get(_NOTES[name], {}).get(identity)
            if found and name == "commentReference":
                paragraph.after.append(found)
            elif found:
                mark, blocks = note(identity, found.text)
                paragraph.parts.append(mark)
                paragraph.after.extend(blocks)
        elif name == "docPr":
            paragraph.after.extend(described(value(attributes, "descr")))
        else:
            paragraph.style.set_paragraph(name, holder, attributes)

    def _set_run(self, name: str, attributes: Attributes) -> None:
        if name == "vanish":
            self._hidden[-1] = is_on(attributes)
        elif name == "rStyle":
            style = self._styles.get(value(attributes))
            if style and style.hidden is not None:
                self._hidden[-1] = style.hidden

    def _start_entry(self, name: str, attributes: Attributes) -> None:
        author = value(attributes, "author").strip()
        self._entry = value(attributes, "id")
        self.entries[self._entry] = Block(
            f"Comment by {author}:" if author else "Comment:" if name == "comment" else ""
        )
        self._flows.open("box")

    def _end(self, name: str) -> None:
        if name == "p" and self._paragraphs:
            self._flows.add(self._paragraphs.pop().blocks())
        elif name == "r":
            self._hidden.pop()
        elif name == "txbxContent":
            self._place(self._flows.close())
        elif name in _BOXES:
            self._flows.close()
        elif name in _ENTRIES:
            said = " ".join(block.text.strip() for block in self._flows.close())
            prefix = self.entries.pop(self._entry, Block("")).text
            if said:
                self.entries[self._entry] = Block(f"{prefix} {said}".strip(), "aside" if prefix else "")

    def _place(self, blocks: list[Block]) -> None:
        """After the paragraph that holds them, where there is one."""
        if self._paragraphs:
            self._paragraphs[-1].after.extend(blocks)
        else:
            self._flows.add(blocks)
