"""XML of a package as events in document order: no tree, so that memory stays small and nesting costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal
from xml.parsers import expat  # runs no DTD: a DOCTYPE is refused where it begins

START: Literal["start"] = "start"
END: Literal["end"] = "end"
TEXT: Literal["text"] = "text"

Attributes = Mapping[str, str]
Event = tuple[Literal["start", "end"], str, Attributes] | tuple[Literal["text"], str, Attributes]
_NONE: Attributes = {}
TEXT_BUFFER_BYTES = 1 << 16


class DoctypeError(ValueError):
    """The XML has a DOCTYPE."""


def safe_parser(**options: Any) -> Any:
    """Lxml's parser for trees: no entities, no network, no DTD; without comments and processing instructions."""
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
        **options,
    )


class MalformedError(ValueError):
    """The XML is not well-formed; the text says where."""


class Events:
    """(START, name, attributes), (TEXT, text, {}) and (END, name, {}) for a part's bytes; once.

    Names are without their prefix: strict and transitional files differ in nothing else that matters
    here. Of `mc:AlternateContent`, which says the same thing for newer and for older readers, only the
    first choice is told. Raises DoctypeError or MalformedError where the reader comes to it.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._found: list[Event] = []
        self._skipped_from = 0  # the depth of the element that is left out, 0 where none is
        self._chosen: list[bool] = []
        self.path: list[str] = []  # the open elements; the last one is where the text stands

    def skip(self) -> None:
        """Leaves out all that is in the element whose start was told last, and its end."""
        self._skipped_from = len(self.path)

    def parent(self, up: int = 1) -> str:
        return self.path[-1 - up] if len(self.path) > up else ""

    def __iter__(self) -> Iterator[Event]:
        parser = self._parser()
        try:
            for chunk in self._chunks:
                parser.Parse(chunk, False)
                yield from self._told()
            parser.Parse(b"", True)
        except (expat.ExpatError, LookupError) as error:  # the latter of an encoding that nobody knows
            raise MalformedError(str(error)) from error
        yield from self._told()

    def _parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = TEXT_BUFFER_BYTES
        parser.StartDoctypeDeclHandler = _refuse
        tell = self._found.append
        parser.StartElementHandler = lambda name, attributes: tell((START, local(name), attributes))
        parser.EndElementHandler = lambda name: tell((END, local(name), _NONE))
        parser.CharacterDataHandler = lambda text: tell((TEXT, text, _NONE))
        return parser

    def _told(self) -> Iterator[Event]:
        """What was found in the last chunk, less what is left out."""
        for event in self._found:
            kind, name, _ = event
            if kind == START:
                self.path.append(name)
                if not self._skipped_from and not self._is_said_twice(name):
                    yield event
            elif kind == TEXT:
                if not self._skipped_from:
                    yield event
            else:
                if not self._skipped_from:
                    if name == "AlternateContent":
                        self._chosen.pop()
                    yield event
                elif self._skipped_from == len(self.path):
                    self._skipped_from = 0
                self.path.pop()
        self._found.clear()

    def _is_said_twice(self, name: str) -> bool:
        if name == "AlternateContent":
            self._chosen.append(False)
        elif name in {"Choice", "Fallback"} and self._chosen and self.parent() == "AlternateContent":
            if self._chosen[-1]:
                self.skip()
                return True
            self._chosen[-1] = True
        return False


@lru_cache(maxsize=4096)
def local(name: str) -> str:
    return name.rpartition(":")[2]


def value(attributes: Attributes, key: str = "val") -> str:
    """The attribute of that name, whatever its prefix; "" where there is none."""
    found = attributes.get(key)
    if found is None:
        found = next((value for name, value in attributes.items() if local(name) == key), "")
    return found


def number(text: str, *, limit: int) -> int:
    """A whole number of 0 to `limit`; 0 for what is none."""
    digits = text if text.isascii() and text.isdigit() else "0"
    return min(int(digits), limit) if len(digits) < 10 else limit


def _refuse(*_: object) -> None:
    raise DoctypeError
