"""The shapes of a PowerPoint slide, or of its notes, as blocks; and what was said in its comments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ingestion.parsers.blocks import Block, label
from ingestion.parsers.flows import Flows, Kind, described
from ingestion.parsers.xmlevents import END, START, TEXT, Attributes, Events, number, value

MAX_LIST_LEVEL = 8
_TITLES = frozenset({"title", "ctrTitle"})
_BULLETED = frozenset({"body", "obj", "-"})
_BULLETS = {"buNone": False, "buChar": True, "buAutoNum": True, "buBlip": True}
_BOXES: dict[str, Kind] = {"tbl": "table", "tr": "row", "tc": "cell"}
_POINTERS = {"chart": "id", "relIds": "dm", "blip": "embed"}
_FURNITURE = frozenset({"dt", "ftr"})
_DESCRIBED = frozenset({"nvPicPr", "nvGraphicFramePr"})
_SKIPPED = frozenset({"extLst", "tblPr"})


@dataclass(slots=True)
class _Paragraph:
    parts: list[str] = field(default_factory=list)
    level: int = 0
    bullet: bool = False

    def block(self) -> Block:
        text = "".join(self.parts)
        if self.bullet and text.strip():
            return Block(f"{'  ' * self.level}- {text.strip()}", "list", self.level)
        return Block(text)


class SlideWalk:
    """Reads one part, once. `hidden` says that the slide is not shown.

    pointed: the blocks of the chart, diagram or image that a relation's id names. left_out: the types of
    placeholders whose text is not the slide's own. bullets: whether the lines of a placeholder are items.
    """

    def __init__(
        self,
        events: Events,
        pointed: Callable[[str], list[Block]],
        *,
        left_out: frozenset[str] = frozenset(),
        bullets: bool = True,
    ) -> None:
        self._events = events
        self._pointed = pointed
        self._left_out = left_out
        self._bullets = bullets
        self._flows = Flows()
        self._placeholders: list[str] = []  # of the open shapes: the type, "-" for one without, "" for no placeholder
        self._paragraphs: list[_Paragraph] = []
        self._lead: list[Block] = []
        self._titles: list[Block] = []
        self.hidden = False

    def blocks(self) -> list[Block]:
        """The titles first, wherever they are drawn; only dates and footers may stand before them."""
        for event, name, attributes in self._events:
            if event == START:
                self._start(name, attributes)
            elif event == END:
                self._end(name)
            elif event == TEXT and self._paragraphs and self._events.path[-1] == "t":
                self._paragraphs[-1].parts.append(name)
        return self._lead + self._titles + self._flows.take()

    def _start(self, name: str, attributes: Attributes) -> None:
        if name in _SKIPPED:
            self._events.skip()
        elif name == "sp":
            self._placeholders.append("")
            self._flows.open("box")
        elif name == "ph" and self._placeholders:
            self._placeholders[-1] = value(attributes, "type") or "-"
        elif name == "p":
            placeholder = self._placeholders[-1] if self._placeholders else ""
            self._paragraphs.append(_Paragraph(bullet=self._bullets and placeholder in _BULLETED))
        elif name in _BOXES:
            self._flows.open(_BOXES[name])
        elif name in _POINTERS:
            self._flows.add(self._pointed(value(attributes, _POINTERS[name])))
        elif name == "cNvPr" and self._events.parent() in _DESCRIBED:
            self._flows.add(described(value(attributes, "descr")))
        elif name == "sld":
            self.hidden = value(attributes, "show") in {"0", "false"}
        elif self._paragraphs:
            self._start_in_paragraph(name, attributes, self._paragraphs[-1])

    def _start_in_paragraph(self, name: str, attributes: Attributes, paragraph: _Paragraph) -> None:
        if name == "pPr":
            paragraph.level = number(value(attributes, "lvl"), limit=MAX_LIST_LEVEL)
        elif name in _BULLETS and self._bullets:
            paragraph.bullet = _BULLETS[name]
        elif name == "br":
            paragraph.parts.append("\n")

    def _end(self, name: str) -> None:
        if name == "p" and self._paragraphs:
            self._flows.add([self._paragraphs.pop().block()])
        elif name == "sp":
            self._end_shape(self._placeholders.pop(), self._flows.close())
        elif name in _BOXES:
            self._flows.close()

    def _end_shape(self, placeholder: str, blocks: list[Block]) -> None:
        if placeholder in _TITLES:
            self._titles.append(Block(label(" ".join(block.text for block in blocks)), "heading", 1))
        elif placeholder in _FURNITURE and self._flows.is_empty:
            self._lead += [] if placeholder in self._left_out else blocks
        elif placeholder not in self._left_out:
            self._flows.add(blocks)


def comments(events: Events, authors: Mapping[str, str]) -> list[Block]:
    """Each comment and each reply to it with the name of who wrote it."""
    said: list[tuple[str, list[str]]] = []
    opened: list[list[str]] = []
    for event, name, attributes in events:
        if event == START and name in {"cm", "reply"}:
            opened.append([])
            said.append((authors.get(value(attributes, "authorId"), "").strip(), opened[-1]))
        elif event == END and name in {"cm", "reply"}:
            opened.pop()
        elif event == START and name in {"p", "br"} and opened:
            opened[-1].append(" ")
        elif event == TEXT and opened and events.path[-1] in {"text", "t"}:
            opened[-1].append(name)
    texts = ((author, " ".join("".join(parts).split())) for author, parts in said)
    return [Block(f"Comment by {author}: {text}" if author else f"Comment: {text}") for author, text in texts if text]


def authors(events: Events) -> dict[str, str]:
    """The id of each author of comments -> the name."""
    return {
        value(attributes, "id"): value(attributes, "name")
        for event, name, attributes in events
        if event == START and name in {"cmAuthor", "author"}
    }
