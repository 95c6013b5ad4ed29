"""What `add` does with each file: known already, changed, or new; read, embedded and committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from ingestion import ChunkingStrategy, IngestionError
from ingestion.worker import WorkersError
from vecstore import ids, indexing
from vecstore.attributes import storable_text
from vecstore.blobs import ContentChangedError
from vecstore.catalog import PreparedFile
from vecstore.catalog.known import KnownFile, KnownFiles
from vecstore.chunking import usual_strategy
from vecstore.disk import check_not_exhausted
from vecstore.errors import SandboxError
from vecstore.files import sha256_of_content
from vecstore.indexing import ReadFile
from vecstore.jobs import MAX_FILE_BYTES, AddedFile, Source, read_ahead
from vecstore.parts import Parts
from vecstore.types import AddEstimate, AttributeMap, File, VectorStoreFile, VectorStoreInfo
from vecstore.usage import usage_bytes

_Read: TypeAlias = ReadFile | PreparedFile | AddedFile

CHANGED = "changed while it was added; add it again"


@dataclass(slots=True)
class AddSteps:
    """The steps of one `add` to one vector store; see `jobs.Steps`.

    `attributes` and `strategy` are None where none were given, here or with the source: then a file that is
    there already keeps its own.
    """

    parts: Parts
    store: VectorStoreInfo
    attributes: AttributeMap | None
    strategy: ChunkingStrategy | None
    password: str = ""
    _begun: dict[tuple[str, str, str | None], Future[AddedFile | None]] = field(default_factory=dict)
    _beginning: threading.Lock = field(default_factory=threading.Lock)
    _open: dict[str, Source] = field(default_factory=dict)

    def read(self, source: Source) -> _Read:
        filename = storable_text(source.filename)
        try:
            if source.bytes > MAX_FILE_BYTES:
                return _unread(filename, f"may have {MAX_FILE_BYTES:,} bytes, not {source.bytes:,}")
            with source.open() as content:
                sha256 = sha256_of_content(content)
                return self._once(source, filename, sha256, content)
        except OSError as error:
            check_not_exhausted(f"{filename!r} cannot be read", error)
            return _unread(filename, f"cannot be read: {error.strerror or error}")
        except WorkersError as error:
            self.parts.check_open()
            raise SandboxError(str(error)) from error

    def _once(self, source: Source, filename: str, sha256: str, content: BinaryIO | bytes) -> _Read:
        """Reads the file, unless the same one was given before in this run."""
        mine: Future[AddedFile | None] = Future()  # not what was read: each file of the run would stay in memory
        with self._beginning:
            first = self._begun.setdefault((filename, sha256, source.origin), mine)
        if first is not mine:
            done = first.result()  # it began earlier, so it does not wait for this one
            if done is not None and done.outcome == "failed":
                return done
            return AddedFile("unchanged", filename, bytes=source.bytes)
        try:
            read = self._read(source, filename, sha256, content)
        except BaseException as error:
            mine.set_exception(error)
            raise
        mine.set_result(read if isinstance(read, AddedFile) else None)
        return read

    def _read(self, source: Source, filename: str, sha256: str, content: BinaryIO | bytes) -> _Read:
        size, origin = source.bytes, source.origin
        found = self._found([filename])
        known = self._known(found, filename, sha256, origin)
        stale = _stale(found, filename, origin, sha256)
        if known is not None and not self.parts.blobs.intact(sha256):
            try:  # the original is here, so what was damaged is made good
                self.parts.blobs.put(source.pieces(), expected=sha256)
            except ContentChangedError:
                return _unread(filename, CHANGED)
        wanted = self._wanted(source)
        if known is not None and not stale and (done := self._already(known, size, *wanted)):
            return done
        stored = self._new(filename, size, sha256) if known is None else known.file
        before = [each.member for each in (known, *stale) if each is not None and each.member is not None]
        attributes, strategy = _as_before(before, *wanted, usual_strategy(self.store))
        try:
            # what is stored is what a file is known by, whatever happens to the path meanwhile
            with nullcontext(content) if known is None else self.parts.blobs.open(sha256) as parsed:
                reading = self.parts.reader.read(
                    self.store, stored, parsed, attributes=attributes, strategy=strategy, password=self.password
                )
        except IngestionError as error:
            return AddedFile("failed", filename, bytes=size, code=error.code, error=str(error))
        if known is None:
            self._open[stored.id] = source
        return replace(reading, new=known is None, source=origin)

    def _new(self, filename: str, size: int, sha256: str) -> File:
        file_id, project_id = ids.new_file_id(), self.store.project_id
        return File(file_id, filename, size, sha256, self.parts.now(), project_id=project_id)

    def _wanted(self, source: Source) -> tuple[AttributeMap | None, ChunkingStrategy | None]:
        """Attributes and strategy as they were given, for this source or for all."""
        return (
            self.attributes if source.attributes is None else source.attributes,
            self.strategy if source.chunking_strategy is None else source.chunking_strategy,
        )

    def estimated(self, sources: Iterable[Source], on_bytes: Callable[[float], None]) -> AddEstimate:
        """Reads all of them, embeds and changes nothing."""
        failed, unchanged, read = [], 0, AddEstimate(0, 0, (), 0, 0, 0, 0)
        for each in read_ahead(sources, self):
            if isinstance(each, AddedFile):
                unchanged += each.outcome != "failed"
                failed += [each.error] if each.error else []
                on_bytes(each.bytes)
            else:
                read = self._with(read, each)
                on_bytes(each.file.bytes)
        return replace(read, unchanged=unchanged, failed=tuple(failed))

    def _with(self, so_far: AddEstimate, file: ReadFile | PreparedFile) -> AddEstimate:
        chunks = file.chunks if isinstance(file, PreparedFile) else file.chunked.chunks
        found = self._found([file.file.filename])
        gone = [found.get(file.file), *_stale(found, file.file.filename, file.source, file.file.sha256)]
        less = sum(each.member.usage_bytes for each in gone if each is not None and each.member is not None)
        more = usage_bytes((chunk.text for chunk in chunks), self.store.dimensions)
        return replace(
            so_far,
            files=so_far.files + 1,
            bytes=so_far.bytes + file.file.bytes,
            chunks=so_far.chunks + len(chunks),
            tokens=so_far.tokens + sum(chunk.tokens for chunk in chunks),
            usage_bytes=so_far.usage_bytes + more - less,
        )

    def embed(self, files: Sequence[ReadFile | PreparedFile], on_share: Callable[[float], None]) -> list[PreparedFile]:
        return indexing.embed(files, self.parts.embedder, on_share=on_share)

    def commit(self, prepared: Sequence[PreparedFile]) -> list[AddedFile]:
        parts = self.parts
        with parts.shards.writing(self.store.id), parts.contents:
            found = self._found([file.file.filename for file in prepared])
            outcomes = [self._decided(found, file) for file in prepared]
            wanted = {
                i: ready for i, ready in enumerate(prepared) if outcomes[i].outcome not in ("unchanged", "failed")
            }
            with parts.sweeping([ready.file.sha256 for ready in wanted.values()]):
                for i, ready in list(wanted.items()):
                    if ready.new and not self._stored(ready.file):
                        outcomes[i] = _unread(ready.file.filename, CHANGED)
                        del wanted[i]
                replaced = {
                    stale.file.id: stale.file.sha256
                    for file in wanted.values()
                    for stale in _stale(found, file.file.filename, file.source, file.file.sha256)
                }
                with parts.sweeping(replaced.values()):
                    if wanted:
                        parts.catalog.commit(
                            self.store.id, list(wanted.values()), replaced=list(replaced), now=parts.now()
                        )
        return outcomes

    def _decided(self, found: KnownFiles, file: PreparedFile) -> AddedFile:
        """What becomes of the file, looked at again, alone: somebody else may have added or deleted it meanwhile."""
        stored = file.file
        known = self._known(found, stored.filename, stored.sha256, file.source) if file.new else found.get(stored)
        if file.new and known is not None and known.member is not None:
            return AddedFile("unchanged", stored.filename, known.file.id, stored.bytes)
        if not file.new and known is None:
            return _unread(stored.filename, "was deleted while it was added; add it again")
        stale = _stale(found, stored.filename, file.source, stored.sha256)
        again = not file.new and known is not None and known.member is not None
        return _outcome(file, "replaced" if stale else "updated" if again else "added")

    def _stored(self, file: File) -> bool:
        """Whether the content could be stored as it was read."""
        try:
            self.parts.blobs.put(self._open.pop(file.id).pieces(), expected=file.sha256)
        except (ContentChangedError, OSError):
            return False
        return True

    def _found(self, filenames: Iterable[str]) -> KnownFiles:
        return KnownFiles(self.parts.catalog.database, self.store, filenames)

    def _known(self, found: KnownFiles, filename: str, sha256: str, origin: str | None) -> KnownFile | None:
        """The same content under the same name, but not that of another path which is still there.

        One that this vector store has comes before others. It is known by this path from then on.
        """
        same = [
            each
            for each in found.named(filename)
            if each.file.sha256 == sha256
            and (origin is None or each.source in (None, origin) or not Path(each.source).exists())
        ]
        if not same:
            return None
        known = next((each for each in same if each.member is not None), same[0])
        if origin is not None and known.source != origin:
            self.parts.catalog.set_source(known.file.id, origin)
            found.came_from(known, origin)
        return known

    def _already(
        self, known: KnownFile, size: int, attributes: AttributeMap | None, strategy: ChunkingStrategy | None
    ) -> AddedFile | None:
        file, member = known.file, known.member
        if member is None or member.status != "completed":
            return None
        if strategy not in (None, member.chunking_strategy):
            return None
        outcome = AddedFile("unchanged", file.filename, file.id, size, chunks=member.chunks)
        if attributes is None or _typed(attributes) == _typed(member.attributes):
            return outcome
        self.parts.catalog.set_attributes(self.store.id, file.id, attributes)
        return replace(outcome, outcome="updated")


def _stale(found: KnownFiles, filename: str, origin: str | None, sha256: str) -> list[KnownFile]:
    """The files of the vector store that came from the same path when it had other content."""
    if origin is None:
        return []
    older = [each for each in found.named(filename) if each.source == origin and each.file.sha256 != sha256]
    return [each for each in older if each.member is not None]


def _as_before(
    before: Sequence[VectorStoreFile],
    attributes: AttributeMap | None,
    strategy: ChunkingStrategy | None,
    usual: ChunkingStrategy,
) -> tuple[AttributeMap, ChunkingStrategy]:
    """What was not given is as the first of these has it, else as usual."""
    if attributes is None:
        attributes = before[0].attributes if before else {}
    if strategy is None:
        strategy = before[0].chunking_strategy if before else usual
    return attributes, strategy


def _typed(attributes: AttributeMap) -> dict[str, tuple[type, object]]:
    return {key: (type(value), value) for key, value in attributes.items()}  # since True == 1


def _outcome(file: PreparedFile, outcome: Literal["added", "replaced", "updated"]) -> AddedFile:
    return AddedFile(
        outcome=outcome,
        filename=file.file.filename,
        file_id=file.file.id,
        bytes=file.file.bytes,
        pages=file.pages,
        chunks=len(file.chunks),
        tokens=sum(chunk.tokens for chunk in file.chunks),
        warnings=file.warnings,
    )


def _unread(filename: str, reason: str) -> AddedFile:
    return AddedFile("failed", filename, code="invalid_file", error=f"{filename!r} {reason}")
