"""What `add` does with each file: known already, changed, or new; read, embedded and committed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ingestion import AUTO, IngestionError, StaticStrategy
from vecstore import ids, indexing
from vecstore.attributes import storable_text
from vecstore.catalog import PreparedFile
from vecstore.errors import InvalidRequestError, NotFoundError
from vecstore.indexing import ReadFile
from vecstore.jobs import MAX_FILE_BYTES, AddedFile, Source
from vecstore.parts import Parts
from vecstore.types import AttributeMap, File, VectorStoreFile


def checked_strategy(strategy: StaticStrategy | Mapping[str, object] | None) -> StaticStrategy:
    """OpenAI's `{"type": "auto"}` or `{"type": "static", "static": {...}}` as a value; None is auto.

    Raises InvalidRequestError with the value and the limit.
    """
    if strategy is None or isinstance(strategy, StaticStrategy):
        return strategy or AUTO
    if not isinstance(strategy, Mapping) or strategy.get("type") not in ("auto", "static"):
        raise InvalidRequestError("chunking_strategy", f"must have the type 'auto' or 'static', not {strategy!r:.100}")
    if strategy["type"] == "auto":
        return AUTO
    sizes = strategy.get("static")
    wanted = ("max_chunk_size_tokens", "chunk_overlap_tokens")
    if not isinstance(sizes, Mapping) or set(sizes) != set(wanted):
        raise InvalidRequestError("chunking_strategy.static", f"must have {' and '.join(wanted)}, not {sizes!r:.100}")
    size, overlap = (sizes[name] for name in wanted)
    if any(isinstance(value, bool) or not isinstance(value, int) for value in (size, overlap)):
        raise InvalidRequestError("chunking_strategy.static", f"must have whole numbers, not {size!r} and {overlap!r}")
    try:
        return StaticStrategy(size, overlap)
    except ValueError as error:
        raise InvalidRequestError("chunking_strategy:", str(error)) from error


@dataclass(slots=True)
class AddSteps:
    """The steps of one `add` to one vector store; see `jobs.Steps`.

    `attributes` and `strategy` are None where none were given: then a file that is there already keeps its own.
    """

    parts: Parts
    store_id: str
    attributes: AttributeMap | None
    strategy: StaticStrategy | None
    _seen: set[tuple[str, str, str | None]] = field(default_factory=set)
    _open: dict[str, bytes] = field(default_factory=dict)

    def read(self, source: Source) -> ReadFile | AddedFile:
        filename = storable_text(source.filename)
        try:
            if source.bytes > MAX_FILE_BYTES:
                return _unread(filename, f"may have {MAX_FILE_BYTES:,} bytes, not {source.bytes:,}")
            data = source.read()
        except OSError as error:
            return _unread(filename, f"cannot be read: {error.strerror or error}")
        sha256 = hashlib.sha256(data).hexdigest()
        if (filename, sha256, source.origin) in self._seen:
            return AddedFile("unchanged", filename, bytes=len(data))
        known = self._known(filename, sha256, source.origin)
        stale = self._stale(filename, source.origin, sha256)
        if known is not None and not self.parts.blobs.intact(sha256):
            self.parts.blobs.put([data])  # the original is here, so what was damaged is made good
        if known is not None and not stale and (done := self._already(known, len(data))):
            return done
        stored = known or File(ids.new_file_id(), filename, len(data), sha256, self.parts.now())
        before = self._members([stored.id, *stale])
        attributes, strategy = self.attributes, self.strategy
        if attributes is None:
            attributes = before[0].attributes if before else {}
        if strategy is None:
            strategy = before[0].chunking_strategy if before else AUTO
        try:
            reading = indexing.read(
                stored, data, attributes=attributes, strategy=strategy, embedder=self.parts.embedder
            )
        except IngestionError as error:
            return AddedFile("failed", filename, bytes=len(data), code=error.code, error=str(error))
        self._seen.add((filename, sha256, source.origin))
        if known is None:
            self._open[stored.id] = data
        return replace(reading, new=known is None, source=source.origin)

    def embed(self, files: Sequence[ReadFile], on_share: Callable[[float], None]) -> list[PreparedFile]:
        return indexing.embed(files, self.parts.embedder, on_share=on_share)

    def commit(self, files: Sequence[ReadFile], prepared: Sequence[PreparedFile]) -> list[AddedFile]:
        parts, outcomes, wanted = self.parts, [], []
        replaced: dict[str, File] = {}
        with parts.shards.writing(self.store_id), parts.contents:
            for file, ready in zip(files, prepared, strict=True):
                stored = file.file
                # looked at again, alone: somebody else may have added the same meanwhile
                known = self._known(stored.filename, stored.sha256, file.source) if file.new else None
                if known is not None and self._member(known.id):
                    outcomes.append(AddedFile("unchanged", stored.filename, known.id, stored.bytes))
                    continue
                if not file.new and not self._exists(stored.id):
                    outcomes.append(_unread(stored.filename, "was deleted while it was added; add it again"))
                    continue
                stale = self._stale(stored.filename, file.source, stored.sha256)
                replaced |= {file_id: parts.catalog.file(file_id) for file_id in stale}
                again = not file.new and self._member(stored.id) is not None
                outcomes.append(_outcome(file, "replaced" if stale else "updated" if again else "added"))
                wanted.append(ready)
            with parts.sweeping([each.file.sha256 for each in wanted] + [each.sha256 for each in replaced.values()]):
                for ready in wanted:
                    if ready.new:
                        parts.blobs.put([self._open[ready.file.id]])
                if wanted:
                    parts.catalog.commit(self.store_id, wanted, replaced=list(replaced), now=parts.now())
        self._open.clear()
        return outcomes

    def _known(self, filename: str, sha256: str, origin: str | None) -> File | None:
        """The same content under the same name, but not that of another path which is still there.

        One that this vector store has comes before others. It is known by this path from then on.
        """
        same = [
            (file, source)
            for file, source in self.parts.catalog.find_files(filename)
            if file.sha256 == sha256 and (origin is None or source in (None, origin) or not Path(source).exists())
        ]
        if not same:
            return None
        file, source = next((each for each in same if self._member(each[0].id)), same[0])
        if origin is not None and source != origin:
            self.parts.catalog.set_source(file.id, origin)
        return file

    def _already(self, file: File, size: int) -> AddedFile | None:
        member = self._member(file.id)
        if member is None or member.status != "completed":
            return None
        if self.strategy not in (None, member.chunking_strategy):
            return None
        outcome = AddedFile("unchanged", file.filename, file.id, size, member.chunks)
        if self.attributes is None or _typed(self.attributes) == _typed(member.attributes):
            return outcome
        self.parts.catalog.set_attributes(self.store_id, file.id, self.attributes)
        return replace(outcome, outcome="updated")

    def _stale(self, filename: str, origin: str | None, sha256: str) -> tuple[str, ...]:
        """The files of this vector store that came from the same path when it had other content."""
        if origin is None:
            return ()
        same_name = self.parts.catalog.find_files(filename)
        older = [file for file, source in same_name if source == origin and file.sha256 != sha256]
        return tuple(member.id for member in self._members([file.id for file in older]))

    def _members(self, file_ids: Sequence[str]) -> list[VectorStoreFile]:
        """Those of these files that the vector store has."""
        return [member for file_id in file_ids if (member := self._member(file_id))]

    def _exists(self, file_id: str) -> bool:
        try:
            self.parts.catalog.file(file_id)
        except NotFoundError:
            return False
        return True

    def _member(self, file_id: str) -> VectorStoreFile | None:
        try:
            return self.parts.catalog.member(self.store_id, file_id)
        except NotFoundError:
            return None


def _typed(attributes: AttributeMap) -> dict[str, tuple[type, object]]:
    return {key: (type(value), value) for key, value in attributes.items()}  # since True == 1


def _outcome(file: ReadFile, outcome: Literal["added", "replaced", "updated"]) -> AddedFile:
    return AddedFile(
        outcome=outcome,
        filename=file.file.filename,
        file_id=file.file.id,
        bytes=file.file.bytes,
        chunks=len(file.chunked.chunks),
        tokens=sum(chunk.tokens for chunk in file.chunked.chunks),
        warnings=file.document.warnings,
    )


def _unread(filename: str, reason: str) -> AddedFile:
    return AddedFile("failed", filename, code="invalid_file", error=f"{filename!r} {reason}")
