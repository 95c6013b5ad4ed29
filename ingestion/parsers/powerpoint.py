"""PowerPoint (pptx): the slides in the order they are shown, each with its notes and comments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from ingestion.parsers.blocks import Block, Part, assemble, stack
from ingestion.parsers.drawingml import MIN_IMAGE_BYTES, Drawings
from ingestion.parsers.flows import not_read
from ingestion.parsers.package import DamagedPartError, Package
from ingestion.parsers.slides import SlideWalk, authors, comments
from ingestion.parsers.xmlevents import START, value
from ingestion.types import Document, InvalidFileError, RawFile

MAX_SLIDES = 10_000
MAX_TOLD = 20  # sentences on damaged parts; of the rest only the number is told
_NOT_OF_SLIDE = frozenset({"sldNum"})
_NOT_OF_NOTES = frozenset({"sldImg", "sldNum", "hdr", "ftr", "dt"})
_SLIDE_NAME = re.compile(r"ppt/slides/slide(\d{1,6})\.xml")

Found = TypeVar("Found")
Taken = ParamSpec("Taken")


def read(file: RawFile) -> Document:
    document = _Show(file).document()
    if document.warnings and not document.text.strip():
        raise InvalidFileError(f"'{file.filename}' has no text: {'; '.join(document.warnings)}")
    return document


class _Show:
    """The presentation's parts. A damaged one costs only what is in it, and is told."""

    def __init__(self, file: RawFile) -> None:
        self._file = file
        self._package = Package(file)
        self._drawings = Drawings(self._package)
        self._images: set[str] = set()
        self._failures: list[str] = []
        self._authors: dict[str, str] = {}

    def document(self) -> Document:
        slides = self._slides()
        if not slides:
            raise InvalidFileError(f"'{self._file.filename}' is damaged: it has no slides")
        if len(slides) > MAX_SLIDES:
            raise InvalidFileError(f"'{self._file.filename}' has {len(slides):,} slides, the limit is {MAX_SLIDES:,}")
        parts = [Part("slide", "", number, self._slide(part, number)) for number, part in enumerate(slides, 1)]
        found = stack(parts, self._file.media_type)
        failures = self._failures + self._drawings.warnings
        more = len(failures) - MAX_TOLD
        told = [*failures[:MAX_TOLD], *([f"left out: {more:,} more damaged parts"] if more > 0 else [])]
        return replace(found, warnings=(*found.warnings, *not_read(len(self._images), "image"), *told))

    def _slides(self) -> list[str]:
        """The parts of the slides in their order, each once."""
        listed = list(dict.fromkeys(self._attempt(self._listed) or []))
        if listed:
            return listed
        found = [(int(match[1]), name) for name in self._package.names if (match := _SLIDE_NAME.fullmatch(name))]
        if found:
            self._failures.append("the order of the slides is not told: they stand in the order of their names")
        return [name for _, name in sorted(found)]

    def _listed(self) -> list[str]:
        names = self._package.names
        main = next((part for kind, part in self._package.relations("").values() if kind == "officeDocument"), "")
        main = main if main in names else "ppt/presentation.xml"
        relations = self._package.relations(main)
        for kind, part in relations.values():
            if kind in {"commentAuthors", "authors"} and part in names:
                self._authors |= self._attempt(authors, self._package.events(part)) or {}
        found = []
        for event, name, attributes in self._package.events(main):
            if event == START and name == "sldId":
                part = relations.get(attributes.get("r:id") or value(attributes, "relid"), ("", ""))[1]
                found.append(part)
        missing = sum(part not in names for part in found)
        if missing:
            self._failures.append(f"left out: {missing:,} slides that are listed but not in the file")
        return [part for part in found if part in names]

    def _slide(self, part: str, number: int) -> Document:
        relations = self._attempt(self._package.relations, part) or {}
        walk = SlideWalk(
            self._package.events(part), lambda name: self._pointed(relations.get(name)), left_out=_NOT_OF_SLIDE
        )
        blocks = self._attempt(walk.blocks) or []
        for kind, name in dict.fromkeys(relations.values()):
            if name in self._package.names and kind == "notesSlide":
                blocks += self._attempt(self._notes, name) or []
            elif name in self._package.names and kind == "comments":
                blocks += self._attempt(comments, self._package.events(name), self._authors) or []
        return assemble(blocks, self._file.media_type, (f"slide {number} is hidden",) if walk.hidden else ())

    def _notes(self, part: str) -> list[Block]:
        walk = SlideWalk(self._package.events(part), lambda _: [], left_out=_NOT_OF_NOTES, bullets=False)
        blocks = [block for block in walk.blocks() if block.text.strip()]
        return [replace(blocks[0], text=f"Notes: {blocks[0].text}"), *blocks[1:]] if blocks else []

    def _pointed(self, relation: tuple[str, str] | None) -> list[Block]:
        kind, part = relation or ("", "")
        if kind == "image" and self._package.size(part) >= MIN_IMAGE_BYTES:
            self._images.add(part)
        return self._drawings.blocks(part) if kind in {"chart", "diagramData"} else []

    def _attempt(self, reading: Callable[Taken, Found], *args: Taken.args, **keywords: Taken.kwargs) -> Found | None:
        try:
            return reading(*args, **keywords)
        except DamagedPartError as error:
            self._failures.append(f"left out: {error}")
            return None
