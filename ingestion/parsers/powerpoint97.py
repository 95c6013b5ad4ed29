"""PowerPoint 97 to 2003 (ppt): a slide's texts from its drawing and its outline, then its notes and comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ingestion.parsers.blocks import Block, Part, assemble, stack
from ingestion.parsers.ole import Container, decrypted
from ingestion.types import Document, InvalidFileError, RawFile

MAX_SLIDES = 20_000
MAX_EDITS = 10_000  # saved one after the other into the same file
MAX_TEXT_CHARS = 200_000_000

_CONTAINER = 0xF  # a record's version where it holds others
_ENCRYPTED = 0xF3D1C4DF  # CurrentUserAtom.headerToken

# Record types (MS-PPT 2.13.24)
_DOCUMENT, _SLIDE, _NOTES_ATOM, _PERSIST_ATOM = 1000, 1006, 1009, 1011
_OUTLINE_REFERENCE, _HEADER, _CHARS, _BYTES, _STRING = 3998, 3999, 4000, 4008, 4026
_BLOB, _FOOTERS, _LIST, _EDIT, _PERSIST_DIRECTORY, _COMMENT = 5003, 4057, 4080, 4085, 6002, 12000

_TITLES = (0, 6)  # TextHeaderAtom: title, centred title
_SLIDES, _NOTES = 0, 2  # instances of SlideListWithText
_FOOTER = 2  # instance of a string
_NUMBER = "*"  # stands for the number of the slide or the date
_MEANT = str.maketrans({"\r": "\n", "\x0b": "\n"})


def read(file: RawFile) -> Document:
    with Container(file) as container:
        user = container.read("Current User") if container.has("Current User") else b""
        if _number(user, 12) != _ENCRYPTED:
            return _document(container.read("PowerPoint Document"), user, file)
    plain = replace(file, data=decrypted(file))
    with Container(plain) as container:
        return _document(container.read("PowerPoint Document"), container.read("Current User"), plain)


def _number(data: bytes, at: int, size: int = 4) -> int:
    """0 beyond the end."""
    return int.from_bytes(data[at : at + size], "little")


class _Record(NamedTuple):
    kind: int
    instance: int
    is_container: bool
    start: int  # of its content
    end: int


def _records(data: bytes, start: int, end: int) -> Iterator[_Record]:
    """All records in document order, those in containers after their container."""
    at, end = start, min(end, len(data))
    while at + 8 <= end:
        head = _number(data, at, 2)
        content = at + 8
        kind = _number(data, at + 2, 2)
        record = _Record(kind, head >> 4, head & 0xF == _CONTAINER, content, min(content + _number(data, at + 4), end))
        yield record
        at = content if record.is_container or kind == _BLOB else record.end


def _record_at(data: bytes, at: int) -> _Record | None:
    return next(_records(data, at, len(data)), None)


@dataclass(slots=True)
class _Text:
    is_title: bool
    text: str


@dataclass(slots=True)
class _Slide:
    """`persisted` is the place in the file of its container, or -1."""

    identity: int
    persisted: int
    outline: list[_Text] = field(default_factory=list)


def _document(data: bytes, user: bytes, file: RawFile) -> Document:
    places = _persisted(data, user)
    slides, notes = _lists(data, places)
    warnings = []
    if not slides:  # without its directory, the slides in the order they were written
        slides = [_Slide(0, record.start - 8) for record in _records(data, 0, len(data)) if record.kind == _SLIDE]
        if slides:
            warnings.append(f"'{file.filename}' is damaged: its slides are in the order they were saved in")
    if not slides and not data:
        raise InvalidFileError(f"'{file.filename}' is damaged: it has no PowerPoint document")
    if len(slides) > MAX_SLIDES:
        raise InvalidFileError(f"'{file.filename}' has {len(slides)} slides, the limit is {MAX_SLIDES}")
    notes_of = {_notes_owner(data, note.persisted): note for note in notes if note.persisted >= 0}
    budget = _Budget(file.filename)
    footers: set[str] = set()
    parts = []
    for number, slide in enumerate(slides, 1):
        blocks = _slide_blocks(data, slide, footers, budget)
        note = notes_of.get(slide.identity) if slide.identity else None
        if note is not None:
            blocks += [Block(text.text) for text in _drawn(data, note, budget)]
        parts.append(Part("slide", "", number, assemble(blocks, file.media_type)))
    return stack(parts, file.media_type, warnings)


class _Budget:
    """Slides may refer to one and the same text again and again."""

    def __init__(self, filename: str) -> None:
        self._filename, self._left = filename, MAX_TEXT_CHARS

    def take(self, chars: int) -> None:
        self._left -= chars
        if self._left < 0:
            raise InvalidFileError(f"'{self._filename}' has more than {MAX_TEXT_CHARS:,} characters of text")


def _persisted(data: bytes, user: bytes) -> dict[int, int]:
    """Persist identity -> place in the file, the newest edit first (MS-PPT 2.1.2); empty if it cannot be followed."""
    found: dict[int, int] = {}
    document = 0
    seen: set[int] = set()
    edit_at = _number(user, 16)
    while edit_at not in seen and len(seen) < MAX_EDITS:
        seen.add(edit_at)
        edit = _record_at(data, edit_at)
        if edit is None or edit.kind != _EDIT:
            break
        document = document or _number(data, edit.start + 16)
        directory = _record_at(data, _number(data, edit.start + 12))
        if directory is not None and directory.kind == _PERSIST_DIRECTORY:
            for identity, place in _directory(data, directory):
                found.setdefault(identity, place)
        edit_at = _number(data, edit.start + 8)
        if not edit_at:
            break
    if document in found:
        found[0] = found[document]  # identities begin with 1
    return found


def _directory(data: bytes, directory: _Record) -> Iterator[tuple[int, int]]:
    at = directory.start
    while at + 4 <= directory.end:
        entry = _number(data, at)
        first, count = entry & 0xFFFFF, entry >> 20
        at += 4
        for i in range(min(count, (directory.end - at) // 4)):
            yield first + i, _number(data, at + 4 * i)
        at += 4 * count


def _lists(data: bytes, places: dict[int, int]) -> tuple[list[_Slide], list[_Slide]]:
    """The slides in their order with their outline texts, and the notes."""
    document = _record_at(data, places[0]) if 0 in places else None
    if document is None or document.kind != _DOCUMENT:
        document = next((record for record in _records(data, 0, len(data)) if record.kind == _DOCUMENT), None)
    slides: list[_Slide] = []
    notes: list[_Slide] = []
    if document is None or not places:
        return slides, notes
    end_of_list, current, is_title = 0, slides, False
    for record in _records(data, document.start, document.end):
        if record.kind == _LIST:
            end_of_list = record.end
            current = {_SLIDES: slides, _NOTES: notes}.get(record.instance, [])
        elif record.start >= end_of_list:
            continue
        elif record.kind == _PERSIST_ATOM:
            place = places.get(_number(data, record.start), -1)
            current.append(_Slide(_number(data, record.start + 12), place))
        elif record.kind == _HEADER:
            is_title = _number(data, record.start) in _TITLES
            if current:
                current[-1].outline.append(_Text(is_title, ""))
        elif record.kind in {_CHARS, _BYTES} and current and current[-1].outline:
            current[-1].outline[-1].text = _text(data, record)
    return slides, notes


def _text(data: bytes, record: _Record) -> str:
    content = data[record.start : record.end]
    if record.kind == _BYTES:
        return content.decode("latin-1").translate(_MEANT)
    return content[: len(content) // 2 * 2].decode("utf-16-le", "replace").translate(_MEANT)


def _notes_owner(data: bytes, place: int) -> int:
    """The identity of the slide that the notes belong to."""
    notes = _record_at(data, place)
    if notes is not None:
        for record in _records(data, notes.start, notes.end):
            if record.kind == _NOTES_ATOM:
                return _number(data, record.start)
    return 0


def _slide_blocks(data: bytes, slide: _Slide, footers: set[str], budget: _Budget) -> list[Block]:
    blocks = []
    for text in _drawn(data, slide, budget):
        if text.is_title:
            blocks.append(Block(" ".join(text.text.split()), "heading", 1))
        else:
            blocks.append(Block(text.text))
    blocks += [Block(comment) for comment in _comments(data, slide)]
    for footer in _footers(data, slide):
        if footer not in footers:
            footers.add(footer)
            blocks.append(Block(footer))
    return blocks


def _drawn(data: bytes, slide: _Slide, budget: _Budget) -> list[_Text]:
    """The texts of the shapes in their order; a placeholder's text is in the outline. Titles come first."""
    container = _record_at(data, slide.persisted) if slide.persisted >= 0 else None
    texts: list[_Text] = []
    used: set[int] = set()
    is_title = False
    for record in _records(data, container.start, container.end) if container is not None else ():
        if record.kind == _HEADER:
            is_title = _number(data, record.start) in _TITLES
        elif record.kind == _OUTLINE_REFERENCE:
            index = _number(data, record.start)
            if index < len(slide.outline):
                texts.append(slide.outline[index])
                used.add(index)
        elif record.kind in {_CHARS, _BYTES}:
            text = _text(data, record)
            texts += [] if text == _NUMBER else [_Text(is_title, text)]
    texts += [text for index, text in enumerate(slide.outline) if index not in used]
    budget.take(sum(len(text.text) for text in texts))
    return sorted(texts, key=lambda text: not text.is_title)


def _comments(data: bytes, slide: _Slide) -> Iterator[str]:
    said: dict[int, str] = {}
    for record in _strings(data, slide, _COMMENT):
        if record.kind == _COMMENT:
            yield from _comment(said)
            said = {}
        else:
            said[record.instance] = _text(data, record)
    yield from _comment(said)


def _comment(said: dict[int, str]) -> Iterator[str]:
    """Of its strings the first is the author, the second what he says."""
    if said.get(1, "").strip():
        yield f"Comment ({said[0].strip()}): {said[1]}" if said.get(0, "").strip() else f"Comment: {said[1]}"


def _footers(data: bytes, slide: _Slide) -> Iterator[str]:
    for record in _strings(data, slide, _FOOTERS):
        if record.kind == _STRING and record.instance == _FOOTER:
            yield _text(data, record).strip()


def _strings(data: bytes, slide: _Slide, holder: int) -> Iterator[_Record]:
    """The containers of the kind `holder` in a slide, each followed by the strings in it."""
    container = _record_at(data, slide.persisted) if slide.persisted >= 0 else None
    if container is None:
        return
    end = 0
    for record in _records(data, container.start, container.end):
        if record.kind == holder:
            end = record.end
            yield record
        elif record.kind == _STRING and record.start < end:
            yield record
