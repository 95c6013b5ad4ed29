"""OpenDocument text and presentations (odt, odp): a walk over content.xml, and the margins from styles.xml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ingestion.media_types import ODP
from ingestion.parsers.blocks import Block, Part, assemble, stack
from ingestion.parsers.drawingml import MIN_IMAGE_BYTES
from ingestion.parsers.flows import not_read
from ingestion.parsers.odf_walk import OdfWalk, Slide, Styles
from ingestion.parsers.package import DamagedPartError, Package
from ingestion.types import Document, InvalidFileError, RawFile

MAX_SLIDES = 10_000
CONTENT, STYLES, MANIFEST = "content.xml", "styles.xml", "META-INF/manifest.xml"


def read(file: RawFile) -> Document:
    document = _Reader(file).document()
    if document.warnings and not document.text.strip():
        raise InvalidFileError(f"'{file.filename}' has no text: {'; '.join(document.warnings)}")
    return document


class _Reader:
    """The parts of one file, read from first to last."""

    def __init__(self, file: RawFile) -> None:
        self._file = file
        self._package = Package(file)
        self._styles = Styles()
        self._images: set[str] = set()
        self._objects: set[str] = set()
        self._hidden_chars = 0
        self._failures: list[str] = []

    def document(self) -> Document:
        self._check()
        margins = self._margins()
        walk = OdfWalk(self._package.events(CONTENT), self._styles, self._pointed)
        if self._file.media_type == ODP:
            document = self._presentation(walk)
        else:
            document = assemble(self._text(walk, margins), self._file.media_type)
        self._hidden_chars += walk.hidden_chars
        return replace(document, warnings=(*document.warnings, *self._warnings()))

    def _check(self) -> None:
        filename = self._file.filename
        if MANIFEST in self._package.names and b"encryption-data" in self._package.read(MANIFEST):
            if self._file.options.password:
                raise InvalidFileError(f"'{filename}' is encrypted, and an OpenDocument file cannot be decrypted here")
            raise InvalidFileError(f"'{filename}' is encrypted: a password is needed to open it")
        if CONTENT not in self._package.names:
            raise InvalidFileError(f"'{filename}' is damaged: it has no {CONTENT}")

    def _warnings(self) -> list[str]:
        hidden = [f"hidden text was left out: {self._hidden_chars:,} characters"] if self._hidden_chars else []
        return [*hidden, *not_read(len(self._images), "image"), *self._failures]

    def _margins(self) -> dict[str, list[Block]]:
        """Headers and footers; the styles' names that hide are learnt on the way."""
        if STYLES not in self._package.names:
            return {}
        walk = OdfWalk(self._package.events(STYLES), self._styles, lambda _kind, _href: [])
        try:
            list(walk.blocks())
        except DamagedPartError as error:
            self._failures.append(f"left out: {error}")
        return walk.margins

    def _text(self, walk: OdfWalk, margins: dict[str, list[Block]]) -> Iterator[Block]:
        yield from margins.get("header", [])
        yield from walk.blocks()
        yield from margins.get("footer", [])

    def _presentation(self, walk: OdfWalk) -> Document:
        list(walk.blocks())
        if len(walk.slides) > MAX_SLIDES:
            raise InvalidFileError(
                f"'{self._file.filename}' has {len(walk.slides):,} slides, the limit is {MAX_SLIDES:,}"
            )
        if not walk.slides:
            raise InvalidFileError(f"'{self._file.filename}' is damaged: it has no slides")
        return stack(
            (Part("slide", "", number, self._slide(slide, number)) for number, slide in enumerate(walk.slides, 1)),
            self._file.media_type,
        )

    def _slide(self, slide: Slide, number: int) -> Document:
        hidden = (f"slide {number} is hidden",) if slide.hidden else ()
        return assemble([*slide.titles, *slide.body, *slide.notes], self._file.media_type, hidden)

    def _pointed(self, kind: str, href: str) -> list[Block]:
        """The table of a chart or the signs of a formula, each read once; images are counted."""
        name = href.removeprefix("./")
        if kind == "image":
            if self._package.size(name) >= MIN_IMAGE_BYTES and not name.startswith("ObjectReplacements/"):
                self._images.add(name)
            return []
        part = f"{name}/{CONTENT}"
        if part in self._objects or part not in self._package.names:
            return []
        self._objects.add(part)
        try:
            return list(OdfWalk(self._package.events(part), Styles(), lambda _kind, _href: []).blocks())
        except DamagedPartError as error:
            self._failures.append(f"left out: {error}")
            return []
