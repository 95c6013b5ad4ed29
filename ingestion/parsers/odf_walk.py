"""The text of an OpenDocument part: its content, its styles with headers and footers, or an object in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ingestion.parsers.blocks import Block, label, note
from ingestion.parsers.flows import Flows, Kind, described
from ingestion.parsers.xmlevents import END, START, TEXT, Attributes, Events, number, value

MAX_HEADING_LEVEL = 6
MAX_LIST_LEVEL = 8
MAX_SPACES = 100
MAX_COLUMNS = 64  # that one cell may stand for

_MARGINS = {f"{kind}{pages}": kind for kind in ("header", "footer") for pages in ("", "-left", "-first")}
_BOXES: dict[str, Kind] = {
    "table": "table",
    "table-row": "row",
    "table-cell": "cell",
    "covered-table-cell": "cell",
    **dict.fromkeys(("text-box", "note-body", "annotation", "notes", *_MARGINS), "box"),
}
_PARAGRAPHS = frozenset({"p", "h", "math"})
_STYLED = frozenset({"p", "h", "span", "section"})
_SHAPES = frozenset({"frame", "custom-shape"})
# What a tracked change took away; how an index is made; how characters are read aloud; a picture's bytes
_SKIPPED = frozenset({"tracked-changes", "ruby-text", "binary-data", "forms", "scripts"})
_ASIDES = {
    "annotation": frozenset({"creator", "date", "date-string", "creator-initials", "sender-initials"}),
    "note": frozenset({"note-citation"}),
}
_BREAKS = {"tab": "\t", "line-break": "\n"}
_NOT_OF_SLIDE = frozenset({"page-number"})
_NOT_OF_NOTES = frozenset({"page-number", "date-time", "header", "footer"})
_BLANKS = re.compile("[ \t\r\n]+")


@dataclass(slots=True)
class Slide:
    hidden: bool = False
    titles: list[Block] = field(default_factory=list)
    body: list[Block] = field(default_factory=list)
    notes: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Styles:
    """The names of the styles that hide: text, and slides."""

    text: set[str] = field(default_factory=set)
    slides: set[str] = field(default_factory=set)
    _name: str = ""

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "style":
            self._name = value(attributes, "name")
        elif name == "text-properties" and value(attributes, "display") == "none":
            self.text.add(self._name)
        elif name == "drawing-page-properties" and value(attributes, "visibility") == "hidden":
            self.slides.add(self._name)


@dataclass(slots=True)
class _Paragraph:
    heading: int = 0
    item: int = -1  # the level of the list item that it stands in
    begins_item: bool = False
    parts: list[str] = field(default_factory=list)
    after: list[Block] = field(default_factory=list)  # boxes, notes, comments and objects that it holds

    def blocks(self) -> list[Block]:
        text = "".join(self.parts).strip(" ")
        if not text.strip():
            return self.after
        if self.heading:
            block = Block(text, "heading", self.heading)
        elif self.item >= 0:
            block = Block(f"{'  ' * self.item}{'- ' if self.begins_item else '  '}{text.strip()}", "list", self.item)
        else:
            block = Block(text)
        return [block, *self.after]


@dataclass(slots=True)
class _Lists:
    """The lists that are open in the document, or in one of its cells and boxes."""

    depth: int = 0
    begins_item: bool = False


class OdfWalk:
    """Reads one part, once. `slides` and `margins` (headers and footers) are no part of the running text.

    pointed: the blocks of the object or image that a link names.
    """

    def __init__(self, events: Events, styles: Styles, pointed: Callable[[str, str], list[Block]]) -> None:
        self._events = events
        self._styles = styles
        self._pointed = pointed
        self._flows = Flows()
        self._paragraphs: list[_Paragraph] = []
        self._lists = [_Lists()]
        self._hidden = [False]
        self._uses: list[str] = []  # of the open shapes: what a presentation uses them for
        self._filled: list[bool] = []  # whether there is more than an image in them, which only stands in for it
        self._widths: list[int] = []
        self._aside: list[str] | None = None  # the text of a comment's author and the like
        self._author = self._citation = ""
        self._slide: Slide | None = None
        self.slides: list[Slide] = []
        self.margins: dict[str, list[Block]] = {"header": [], "footer": []}
        self.hidden_chars = 0

    def blocks(self) -> Iterator[Block]:
        for event, name, attributes in self._events:
            if event == START:
                self._start(name, attributes)
            elif event == TEXT:
                self._text(name)
            elif event == END:
                self._end(name)
                if not self._slide and not self._flows.inside:
                    yield from self._flows.take()
        yield from self._flows.take()

    def _text(self, text: str) -> None:
        if self._aside is not None:
            self._aside.append(text)
        elif self._hidden[-1]:
            self.hidden_chars += len(text.strip())
        elif self._paragraphs:
            self._paragraphs[-1].parts.append(_BLANKS.sub(" ", text))

    def _start(self, name: str, attributes: Attributes) -> None:
        holder = self._events.parent()
        if name in _SKIPPED or name.endswith("-source") or (holder == "semantics" and name == "annotation"):
            self._events.skip()
        elif _is_aside(name, holder):
            self._aside = []
        elif name in _BOXES:
            self._start_box(name, attributes)
        elif name in _PARAGRAPHS:
            self._start_paragraph(name, attributes)
        elif name in {"span", "section"}:
            self._start_styled(attributes)
        elif name in _SHAPES:
            self._uses.append(value(attributes, "class"))
            self._filled.append(False)
        elif name in {"object", "image"} and holder == "frame":
            if name == "object" or not self._filled[-1]:
                self._place(self._pointed(name, value(attributes, "href")))
            self._filled[-1] = True
        elif name == "page" and holder == "presentation":
            self._slide = Slide(hidden=value(attributes, "style-name") in self._styles.slides)
        elif not self._start_in_list(name):
            self._styles.start(name, attributes)
            self._start_in_paragraph(name, attributes)

    def _start_box(self, name: str, attributes: Attributes) -> None:
        self._flows.open(_BOXES[name])
        self._lists.append(_Lists())
        if self._events.parent() == "frame":
            self._filled[-1] = True
        if _BOXES[name] == "cell":
            self._widths.append(max(number(value(attributes, "number-columns-repeated"), limit=MAX_COLUMNS), 1))
        elif name == "annotation":
            self._author = ""

    def _start_paragraph(self, name: str, attributes: Attributes) -> None:
        self._start_styled(attributes)
        lists = self._lists[-1]
        if name == "h":
            level = number(value(attributes, "outline-level"), limit=MAX_HEADING_LEVEL)
            self._paragraphs.append(_Paragraph(heading=max(level, 1)))
        elif lists.depth:
            self._paragraphs.append(
                _Paragraph(item=min(lists.depth - 1, MAX_LIST_LEVEL), begins_item=lists.begins_item)
            )
        else:
            self._paragraphs.append(_Paragraph())
        lists.begins_item = False

    def _start_styled(self, attributes: Attributes) -> None:
        hidden = value(attributes, "style-name") in self._styles.text or value(attributes, "display") == "none"
        self._hidden.append(hidden or self._hidden[-1])

    def _start_in_list(self, name: str) -> bool:
        if name == "list":
            self._lists[-1].depth += 1
        elif name == "list-item":
            self._lists[-1].begins_item = True
        else:
            return False
        return True

    def _start_in_paragraph(self, name: str, attributes: Attributes) -> None:
        if self._paragraphs and not self._hidden[-1]:
            if name == "s":
                self._paragraphs[-1].parts.append(" " * max(number(value(attributes, "c"), limit=MAX_SPACES), 1))
            elif name in _BREAKS:
                self._paragraphs[-1].parts.append(_BREAKS[name])

    def _end(self, name: str) -> None:
        holder = self._events.parent()
        if _is_aside(name, holder):
            self._end_aside(name, holder)
        elif name in _BOXES:
            self._end_box(name)
        elif name in _PARAGRAPHS:
            self._hidden.pop()
            self._place(self._paragraphs.pop().blocks(), inside=False)
        elif name in {"span", "section"}:
            self._hidden.pop()
        elif name in _SHAPES:
            self._uses.pop()
            self._filled.pop()
        elif name == "list":
            self._lists[-1].depth -= 1
        elif name == "page" and holder == "presentation" and self._slide:
            self._slide.body = self._flows.take()
            self.slides.append(self._slide)
            self._slide = None

    def _end_aside(self, name: str, holder: str) -> None:
        text, self._aside = " ".join("".join(self._aside or ()).split()), None
        if name == "creator":
            self._author = text
        elif name == "note-citation":
            self._citation = text
        elif name == "desc" and holder == "frame":
            self._place(described(text))

    def _end_box(self, name: str) -> None:
        self._lists.pop()
        if _BOXES[name] == "cell":
            self._flows.close(width=self._widths.pop())
            return
        blocks = self._flows.close()
        if name == "text-box":
            self._place_shape(self._uses[-1] if self._uses else "", blocks)
        elif name == "note-body":
            mark, following = note(self._citation, " ".join(block.text.strip() for block in blocks))
            self._text(mark)
            self._place(following)
        elif name == "annotation":
            said = " ".join(block.text.strip() for block in blocks)
            mark = f"Comment by {self._author}: " if self._author else "Comment: "
            self._place([Block(mark + said, "aside")] if said.strip() else [])
        elif name == "notes" and self._slide:
            self._slide.notes += _with_mark("Notes: ", blocks)
        elif name in _MARGINS:
            margin = self.margins[_MARGINS[name]]
            margin += [block for block in blocks if block not in margin]

    def _place_shape(self, use: str, blocks: list[Block]) -> None:
        """A box of a presentation is its title, its notes or its page number; any other stands where it is."""
        in_notes = "notes" in self._events.path[:6]
        if use == "title" and self._slide and not in_notes:
            self._slide.titles.append(Block(label(" ".join(block.text for block in blocks)), "heading", 1))
        elif use not in (_NOT_OF_NOTES if in_notes else _NOT_OF_SLIDE):
            self._place(blocks)

    def _place(self, blocks: list[Block], *, inside: bool = True) -> None:
        """After the paragraph that holds them, where there is one."""
        if inside and self._paragraphs:
            self._paragraphs[-1].after.extend(blocks)
        else:
            self._flows.add(blocks)


def _with_mark(mark: str, blocks: list[Block]) -> list[Block]:
    said = [block for block in blocks if block.text.strip()]
    return [Block(mark + said[0].text.strip()), *said[1:]] if said else []


def _is_aside(name: str, holder: str) -> bool:
    """Whether what stands there is said about the text; `title` is a shape's, but in a paragraph the document's."""
    said_about_shape = name == "desc" or (name == "title" and holder not in {*_STYLED, "a"})
    return said_about_shape or name in _ASIDES.get(holder, ())
