"""What a Word style means for the text: a heading, a list item, hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.parsers.xmlevents import END, START, Attributes, Events, value

MAX_HEADING_LEVEL = 6
MAX_LIST_LEVEL = 8
_OFF = frozenset({"0", "false", "off", "none"})


@dataclass(slots=True)
class Style:
    """None where the style leaves it to the one that it is based on. `heading` 0 and `item` -1 are neither."""

    heading: int | None = None
    item: int | None = None
    hidden: bool | None = None
    based_on: str = ""

    def fill(self, base: Style) -> None:
        self.heading = base.heading if self.heading is None else self.heading
        self.item = base.item if self.item is None else self.item
        self.hidden = base.hidden if self.hidden is None else self.hidden

    def set_paragraph(self, name: str, holder: str, attributes: Attributes) -> None:
        """Takes in an element of a paragraph's properties, a style's or its own."""
        if name == "outlineLvl" and holder == "pPr":
            self.heading = heading_level(value(attributes))
        elif name == "numPr" and holder == "pPr":
            self.item = max(self.item or 0, 0)
        elif name == "ilvl" and holder == "numPr":
            level = value(attributes)
            self.item = int(level) if level in set("012345678") else 0
        elif name == "numId" and holder == "numPr" and value(attributes) == "0":
            self.item = -1


def heading_level(outline: str) -> int:
    """An `outlineLvl` (0 is the highest, 9 is body text) as a heading level, 0 where it is none."""
    return min(int(outline) + 1, MAX_HEADING_LEVEL) if outline in set("012345678") else 0


def is_on(attributes: Attributes) -> bool:
    return value(attributes).lower() not in _OFF


def read_styles(events: Events) -> dict[str, Style]:
    """Style id -> what it says, or the style that it is based on."""
    styles: dict[str, Style] = {}
    style = Style()
    for event, name, attributes in events:
        holder = events.parent()
        if event == START and name == "style":
            style = styles.setdefault(value(attributes, "styleId"), Style())
        elif event == START and name == "name" and holder == "style" and style.heading is None:
            style.heading = _named_level(value(attributes).lower())
        elif event == START and name == "basedOn":
            style.based_on = value(attributes)
        elif event == START and name == "vanish" and holder == "rPr" and events.parent(2) == "style":
            style.hidden = is_on(attributes)
        elif event == START:
            style.set_paragraph(name, holder, attributes)
        elif event == END and name == "style":
            style = Style()
    _inherit(styles)
    return styles


def _named_level(name: str) -> int | None:
    """None where the name does not say."""
    if name == "title":
        return 1
    level = name.removeprefix("heading ")
    return min(int(level), MAX_HEADING_LEVEL) if level != name and level in set("123456789") else None


def _inherit(styles: Mapping[str, Style]) -> None:
    done: set[str] = set()
    for name in styles:
        chain: list[str] = []
        step = name
        while step in styles and step not in done:
            done.add(step)
            chain.append(step)
            step = styles[step].based_on
        for heir in reversed(chain):
            base = styles.get(styles[heir].based_on)
            if base is not None:
                styles[heir].fill(base)
