"""Questions with what answers them, as people label or click it: checked, and found in a vector store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vecstore import ids
from vecstore.catalog import Catalog
from vecstore.errors import InvalidRequestError
from vecstore.query import checked_text
from vecstore.types import FileChunk, VectorStoreFile, VectorStoreInfo

HELD_SHARE = 0.5  # of a passage; a chunk that has less of it does not answer
ACCEPTED = 'a file\'s name or id, {"file": ..., "passage": ...} or {"chunk_id": ...}'
_SAID = re.compile(r"[^\s|]+")  # white space and the bars between the cells of a table may differ


@dataclass(frozen=True, slots=True)
class Relevant:
    """What answers: a file, of it only where the passage stands if there is one; or a chunk by its id."""

    file: str = ""
    passage: str | None = None
    chunk_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """`where` is what errors call it, such as `queries line 3:`."""

    query: str
    relevant: tuple[Relevant, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What answers, in a vector store: a file, or those of its chunks that hold half of `text`.

    Of a chunk that was clicked, half of the shorter of the two: so it can be found in another cutting.
    """

    file_id: str
    text: str | None
    clicked: bool
    where: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that a vector store can be measured with."""

    query: str
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where it stands in the file's parsed text, each time that it does; None for anywhere in the file."""

    file_id: str
    stretches: tuple[tuple[int, int], ...] | None
    clicked: bool

    def held_by(self, chunk: FileChunk) -> bool:
        """Whether this chunk answers."""
        if chunk.file_id != self.file_id or self.stretches is None:
            return chunk.file_id == self.file_id
        return any(self._held(chunk, start, end) for start, end in self.stretches)

    def _held(self, chunk: FileChunk, start: int, end: int) -> bool:
        whole = min(end - start, chunk.end - chunk.start) if self.clicked else end - start
        return min(end, chunk.end) - max(start, chunk.start) >= HELD_SHARE * whole


def checked_question(given: object, where: str) -> Question:
    """A question of JSON: `query`, and `relevant` with what answers it; other keys say nothing.

    Raises InvalidRequestError that begins with `where`.
    """
    if not isinstance(given, Mapping) or not {"query", "relevant"} <= set(given):
        raise InvalidRequestError(where, f'must be an object with "query" and "relevant", not {given!r:.80}')
    relevant = given["relevant"]
    if not isinstance(relevant, list | tuple) or not relevant:
        raise InvalidRequestError(where, f"relevant must be a list of one or more of {ACCEPTED}, not {relevant!r:.80}")
    try:
        query = checked_text(given["query"])
    except InvalidRequestError as error:
        raise InvalidRequestError(where, str(error)) from error
    return Question(query, tuple(_relevant(each, where) for each in relevant), where)


def _relevant(given: object, where: str) -> Relevant:
    if isinstance(given, str) and given:
        return Relevant(file=given)
    if isinstance(given, Mapping):
        chunk_id, file, passage = given.get("chunk_id"), given.get("file"), given.get("passage")
        if isinstance(chunk_id, str) and chunk_id:
            return Relevant(chunk_id=chunk_id)
        if isinstance(file, str) and file and set(given) <= {"file", "passage"}:
            if passage is not None and (not isinstance(passage, str) or not _SAID.search(passage)):
                raise InvalidRequestError(where, f"passage must be a text copied from the file, not {passage!r:.80}")
            return Relevant(file=file, passage=passage)
    raise InvalidRequestError(where, f"relevant has {given!r:.80}; each must be {ACCEPTED}")


def asked_of(catalog: Catalog, store: VectorStoreInfo, questions: Iterable[Question]) -> list[Asked]:
    """The questions with the files of the vector store; those of the same query are one, with all that answers it.

    Raises InvalidRequestError that names the question, for what the vector store does not have.
    """
    files = _Files(catalog, store)
    asked: dict[str, dict[Wanted, None]] = {}
    for question in questions:
        wanted = asked.setdefault(question.query, {})
        wanted.update(dict.fromkeys(files.wanted(each, question.where) for each in question.relevant))
    return [Asked(query, tuple(wanted)) for query, wanted in asked.items()]


class _Files:
    """A vector store's files by id, by name, and by the end of the name behind a slash."""

    def __init__(self, catalog: Catalog, store: VectorStoreInfo) -> None:
        self._catalog, self._store = catalog, store
        self._whole: dict[str, list[VectorStoreFile]] = {}
        self._ends: dict[str, list[VectorStoreFile]] = {}
        for member in catalog.members(store.id):
            for name in {member.id, member.filename}:
                self._whole.setdefault(name, []).append(member)
            for slash in re.finditer("/", member.filename):
                self._ends.setdefault(member.filename[slash.end() :], []).append(member)

    def wanted(self, relevant: Relevant, where: str) -> Wanted:
        if relevant.chunk_id is None:
            return Wanted(self._file(relevant.file, where), relevant.passage, clicked=False, where=where)
        number = ids.chunk_number(relevant.chunk_id)
        found = None if number is None else self._catalog.chunks([number]).get(number)
        if found is None or found[0].file_id not in self._whole:
            raise InvalidRequestError(
                where, f"names the chunk {relevant.chunk_id!r:.80}, which vector store {self._name} does not have"
            )
        return Wanted(found[0].file_id, found[0].text, clicked=True, where=where)

    def _file(self, name: str, where: str) -> str:
        found = self._whole.get(name) or self._ends.get(name) or []
        if not found:
            raise InvalidRequestError(
                where, f"names the file {name!r:.80}, which vector store {self._name} does not have"
            )
        if len(found) > 1:
            several = ", ".join(member.id for member in found[:5])
            raise InvalidRequestError(where, f"names {name!r:.80}, the name of {len(found)} files: {several}")
        if not found[0].chunks:
            raise InvalidRequestError(where, f"names the file {name!r:.80}, of which nothing can be found")
        return found[0].id

    @property
    def _name(self) -> str:
        return repr(self._store.name or self._store.id)


def places_of(catalog: Catalog, store_id: str, asked: Sequence[Asked]) -> list[tuple[Place, ...]]:
    """Where the answers of each question stand in a catalogue that has these files, however it cut them.

    Raises InvalidRequestError that names the question of a passage that does not stand in its file.
    """
    texts: dict[str, dict[str, Wanted]] = {}
    for wanted in (each for question in asked for each in question.wanted):
        if wanted.text is not None:
            texts.setdefault(wanted.file_id, {}).setdefault(wanted.text, wanted)
    stretches: dict[tuple[str, str | None], tuple[tuple[int, int], ...]] = {}
    for file_id, some in texts.items():
        whole = _Squeezed(catalog.text(store_id, file_id))
        for text, wanted in some.items():
            stretches[file_id, text] = whole.stretches(text)
            if not stretches[file_id, text]:
                name = catalog.file(file_id).filename
                raise InvalidRequestError(wanted.where, f"has a passage that {name!r} does not: {text!r:.80}")
    return [
        tuple(Place(each.file_id, stretches.get((each.file_id, each.text)), each.clicked) for each in question.wanted)
        for question in asked
    ]


class _Squeezed:
    """A text without what may differ, and where each of its characters stands in the whole one."""

    def __init__(self, text: str) -> None:
        words = list(_SAID.finditer(text))
        self._text = "".join(word.group() for word in words)
        self._places = np.concatenate([np.arange(*word.span()) for word in words] or [np.empty(0, np.int64)])

    def stretches(self, passage: str) -> tuple[tuple[int, int], ...]:
        """All of them, in reading order."""
        wanted = "".join(_SAID.findall(passage))
        found = [match.start() for match in re.finditer(re.escape(wanted), self._text)]
        return tuple((int(self._places[i]), int(self._places[i + len(wanted) - 1]) + 1) for i in found)
