"""`open()`, Engine and VectorStore: where the parts are put together, and the only place that looks at the clock."""

from __future__ import annotations

import builtins
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeAlias

from ingestion import IngestionError, StaticStrategy
from vecstore import checking, ids, search
from vecstore.adding import AddSteps, checked_strategy, storable_text
from vecstore.attributes import checked_attributes, checked_metadata
from vecstore.blobs import Blobs
from vecstore.catalog import Catalog
from vecstore.embed import Embedder, default_embedder
from vecstore.errors import EmbedderMismatchError, FileFailedError, InvalidRequestError, VecstoreError
from vecstore.folder import DataFolder
from vecstore.indexing import embed, failed, read
from vecstore.jobs import AddedFile, Source, add_many
from vecstore.rank import Reranker
from vecstore.shards import Shards
from vecstore.types import (
    AttributeMap,
    File,
    FileChunk,
    HybridSearch,
    LastError,
    Problem,
    SearchResult,
    Usage,
    VectorStoreFile,
    VectorStoreInfo,
)

MAX_FILE_BYTES = 512 << 20  # OpenAI: Files
MAX_NAME_CHARS = 256
ACTIVITY_EVERY_S = 60  # a search moves last_active_at at most this often: it costs a durable write
_READ_BYTES = 1 << 20
_SEARCH_ATTEMPTS = 3

Upload: TypeAlias = str | PathLike[str] | tuple[str, bytes | BinaryIO]


def open(  # noqa: A001 - vecstore.open, as one opens a file
    folder: str | PathLike[str],
    *,
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    create: bool = True,
    now: Callable[[], float] = time.time,
) -> Engine:
    """The data folder as an Engine; made if it does not exist, unless `create` is false.

    embedder: the default model if None. reranker: none. Both are loaded when first used.
    Raises FolderInUseError when another process has it, FormatError when it is of a newer format.
    """
    return Engine(Path(folder), embedder=embedder, reranker=reranker, create=create, now=now)


class Engine:
    """All files and vector stores of one data folder. Thread-safe; close it, or use it in a `with`."""

    def __init__(
        self,
        folder: Path,
        *,
        embedder: Embedder | None,
        reranker: Reranker | None,
        create: bool,
        now: Callable[[], float],
    ) -> None:
        self._folder = DataFolder(folder, create=create)
        try:
            self._catalog = Catalog(self._folder.catalog)
        except BaseException:
            self._folder.release()
            raise
        self._blobs = Blobs(self._folder.blobs)
        self._shards = Shards(self._folder.stores, self._catalog)
        self._embedder = embedder or default_embedder()
        self._reranker = reranker
        self._now = now
        self._contents = threading.RLock()  # a blob is not swept while the row that wants it is being written
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Writes checkpoints of the indexes and lets go of the folder. Closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        try:
            self._shards.close()
        finally:
            self._catalog.close()
            self._folder.release()

    # Vector stores -----------------------------------------------------------------------------

    def create(self, name: str = "", *, metadata: Mapping[str, str] | None = None) -> VectorStore:
        """A new, empty vector store. Names need not be unique; ids are."""
        self._check_open()
        if not isinstance(name, str) or len(name) > MAX_NAME_CHARS:
            raise InvalidRequestError("name", f"must be a string of up to {MAX_NAME_CHARS} characters, not {name!r:.80}")
        store_id = ids.new_vector_store_id()
        self._catalog.add_vector_store(
            store_id,
            name=storable_text(name),
            metadata=checked_metadata(metadata),
            embedder=self._embedder.identity,
            dimensions=self._embedder.dimensions,
            now=self._time(),
        )
        return VectorStore(self, store_id)

    def get(self, name_or_id: str) -> VectorStore:
        """The vector store of that id, or the only one of that name. Raises NotFoundError, or if several have it."""
        self._check_open()
        named = self._catalog.vector_stores(name=name_or_id)
        if len(named) > 1:
            several = ", ".join(store.id for store in named)
            raise InvalidRequestError("name", f"{name_or_id!r} is the name of {len(named)} vector stores: {several}")
        return VectorStore(self, named[0].id if named else self._catalog.vector_store(name_or_id).id)

    def list(self) -> builtins.list[VectorStoreInfo]:
        """All vector stores, in the order of creation."""
        self._check_open()
        return self._catalog.vector_stores()

    def delete(self, name_or_id: str) -> None:
        """Deletes a vector store; its files stay. Raises NotFoundError."""
        store_id = self.get(name_or_id).id
        with self._shards.deleting(store_id):
            self._catalog.delete_vector_store(store_id, now=self._time())

    # Files -------------------------------------------------------------------------------------

    def upload(self, file: Upload, *, purpose: str = "assistants") -> File:
        """Stores a file by path, or as `(filename, bytes)` or `(filename, binary file)`. Durable when it returns."""
        self._check_open()
        source = _source(file)
        with self._contents:
            sha256, size = self._blobs.put(_pieces(source))
            stored = File(ids.new_file_id(), storable_text(source.filename), size, sha256, self._time(), purpose)
            self._catalog.add_file(stored)
        return stored

    def files(self) -> builtins.list[File]:
        """All uploaded files, in the order of upload."""
        self._check_open()
        return self._catalog.files()

    def file(self, file_id: str) -> File:
        """Raises NotFoundError."""
        self._check_open()
        return self._catalog.file(file_id)

    def file_content(self, file_id: str) -> bytes:
        """The bytes that were uploaded. Raises NotFoundError."""
        return self._blobs.read(self.file(file_id).sha256)

    def delete_file(self, file_id: str) -> None:
        """Takes the file out of every vector store and forgets it. Raises NotFoundError."""
        stored = self.file(file_id)
        for store_id in self._catalog.delete_file(file_id, now=self._time()):
            self._shards.refresh(store_id)
        self._sweep(stored.sha256)

    # The whole ---------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Logical bytes: of each chunk its UTF-8 text and 4 bytes a dimension."""
        held = {store.id: store.usage_bytes for store in self.list()}
        return Usage(sum(held.values()), held)

    def check(self, *, fix: bool = False) -> builtins.list[Problem]:
        """Compares catalogue, indexes and contents both ways; [] says that all is well.

        fix: indexes are made anew from the catalogue and stray files removed. What cannot be had
        again without the original file is only named.
        """
        self._check_open()
        found = [problem for store in self.list() for problem in VectorStore(self, store.id).check(fix=fix)]
        with self._contents:
            return [*found, *checking.check_folder(self._catalog, self._blobs, self._shards, fix=fix)]

    def _check_open(self) -> None:
        if self._closed:
            raise VecstoreError(f"the engine on {self._folder.path} is closed")

    def _time(self) -> int:
        return int(self._now())

    def _sweep(self, sha256: str) -> None:
        with self._contents:
            if not self._catalog.blob_in_use(sha256):
                self._blobs.delete(sha256)


class VectorStore:
    """A handle: an id, and no state but the engine. Every call sees what was last committed."""

    def __init__(self, engine: Engine, store_id: str) -> None:
        self._engine = engine
        self.id = store_id

    def __repr__(self) -> str:
        return f"VectorStore({self.id!r})"

    def info(self) -> VectorStoreInfo:
        """Raises NotFoundError once it is deleted."""
        self._engine._check_open()
        return self._engine._catalog.vector_store(self.id)

    def add(
        self,
        file: Upload,
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: StaticStrategy | Mapping[str, object] | None = None,
    ) -> VectorStoreFile:
        """Uploads and attaches; searchable when it returns. What fails is not kept, and raises FileFailedError.

        A path that was added before and has other content now replaces it; the same name with the
        same content is left as it is, but for attributes that are given.
        """
        [added] = self._add([_source(file)], attributes, chunking_strategy)
        if added.file_id is None:
            raise FileFailedError(added.code or "server_error", added.error or "")
        return self.file(added.file_id)

    def add_many(
        self,
        sources: Iterable[Source],
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: StaticStrategy | Mapping[str, object] | None = None,
        on_bytes: Callable[[float], None] = lambda _: None,
    ) -> Iterator[AddedFile]:
        """As `add` for many files: yields each one's outcome once it is durable and searchable.

        A file that fails does not stop the others. The work is done while you iterate.
        """
        return self._add(sources, attributes, chunking_strategy, on_bytes)

    def attach(
        self,
        file_id: str,
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: StaticStrategy | Mapping[str, object] | None = None,
    ) -> VectorStoreFile:
        """Makes an uploaded file searchable; attached already, it is indexed anew and counted once.

        As with OpenAI, a file that cannot be read is kept with status `failed` and its `last_error`.
        Raises NotFoundError; EmbeddingError, and then nothing was changed.
        """
        engine = self._engine
        strategy, pairs = checked_strategy(chunking_strategy), checked_attributes(attributes)
        stored = engine.file(file_id)
        self._check_embedder()
        try:
            reading = read(
                stored,
                engine._blobs.read(stored.sha256),
                attributes=pairs,
                strategy=strategy,
                embedder=engine._embedder,
            )
        except IngestionError as error:
            prepared = [failed(stored, LastError(error.code, str(error)), attributes=pairs, strategy=strategy)]
        else:
            prepared = embed([reading], engine._embedder)
        with engine._shards.writing(self.id):
            engine._catalog.commit(self.id, prepared, now=engine._time())
        return self.file(file_id)

    def search(
        self,
        query: str,
        *,
        max_num_results: int = search.DEFAULT_RESULTS,
        filters: Mapping[str, object] | None = None,
        score_threshold: float = 0.0,
        hybrid_search: HybridSearch | Mapping[str, float] | None = None,
        ranker: str = "auto",
        explain: bool = False,
    ) -> builtins.list[SearchResult]:
        """The best passages, best first; equal scores in the order they were added. [] says that nothing matches.

        filters: OpenAI's comparison and compound filters on attributes, applied before ranking.
        hybrid_search: the weights of meaning and of words, halves by default. ranker: "none" leaves
        the reranker out. explain: each result tells what each leg made of it.
        Raises InvalidRequestError, NotFoundError, EmbeddingError, EmbedderMismatchError.
        """
        checked = search.checked_query(
            query,
            max_num_results=max_num_results,
            filters=filters,
            score_threshold=score_threshold,
            hybrid_search=hybrid_search,
            ranker=ranker,
            explain=explain,
        )
        engine = self._engine
        info = self._check_embedder()
        if engine._time() - info.last_active_at >= ACTIVITY_EVERY_S:
            engine._catalog.touch(self.id, now=engine._time())
        for _ in range(_SEARCH_ATTEMPTS):
            found = search.search(
                checked,
                store_id=self.id,
                catalog=engine._catalog,
                shard=engine._shards.get(self.id),
                embedder=engine._embedder,
                reranker=engine._reranker,
            )
            if found is not None:
                return found
            engine._shards.refresh(self.id)
        raise VecstoreError(f"vector store {self.id} changes faster than it can be searched; try again")

    def list(self) -> builtins.list[VectorStoreFile]:
        """Its files, in the order they were attached."""
        self._engine._check_open()
        return self._engine._catalog.members(self.id)

    def file(self, file_id: str) -> VectorStoreFile:
        """Raises NotFoundError."""
        self._engine._check_open()
        return self._engine._catalog.member(self.id, file_id)

    def content(self, file_id: str) -> builtins.list[FileChunk]:
        """How a file was cut: its chunks in reading order. Raises NotFoundError."""
        self._engine._check_open()
        return self._engine._catalog.content(self.id, file_id)

    def update(self, file_id: str, *, attributes: AttributeMap | None) -> VectorStoreFile:
        """Replaces the file's attributes; filters see it at once. Raises NotFoundError."""
        self._engine._check_open()
        self._engine._catalog.set_attributes(self.id, file_id, checked_attributes(attributes))
        return self.file(file_id)

    def detach(self, file_id: str) -> None:
        """Takes a file out of this vector store; the file itself stays. Raises NotFoundError."""
        self._engine._check_open()
        with self._engine._shards.writing(self.id):
            self._engine._catalog.remove_member(self.id, file_id, now=self._engine._time())

    def delete(self) -> None:
        """Deletes the vector store; its files stay. Raises NotFoundError."""
        self._engine.delete(self.id)

    def check(self, *, fix: bool = False) -> builtins.list[Problem]:
        """As `Engine.check`, for this vector store alone."""
        self._engine._check_open()
        return checking.check_vector_store(self._engine._catalog, self._engine._shards, self.id, fix=fix)

    def _add(
        self,
        sources: Iterable[Source],
        attributes: AttributeMap | None,
        chunking_strategy: StaticStrategy | Mapping[str, object] | None,
        on_bytes: Callable[[float], None] = lambda _: None,
    ) -> Iterator[AddedFile]:
        engine = self._engine
        steps = AddSteps(
            store_id=self.id,
            catalog=engine._catalog,
            blobs=engine._blobs,
            shards=engine._shards,
            embedder=engine._embedder,
            contents=engine._contents,
            attributes=None if attributes is None else checked_attributes(attributes),
            strategy=checked_strategy(chunking_strategy),
            now=engine._time,
        )
        self._check_embedder()
        return add_many(sources, steps, on_bytes)

    def _check_embedder(self) -> VectorStoreInfo:
        info = self.info()
        given = self._engine._embedder
        if info.embedder != given.identity or info.dimensions != given.dimensions:
            raise EmbedderMismatchError(
                f"vector store {info.name or info.id!r} was made with the embedder {info.embedder} "
                f"({info.dimensions} dimensions) and cannot be used with {given.identity} ({given.dimensions})"
            )
        return info


def _source(file: Upload) -> Source:
    if not isinstance(file, tuple):
        return Source(Path(file).name, Path(file))
    filename, content = file
    return Source(filename, content if isinstance(content, bytes) else content.read(MAX_FILE_BYTES + 1))


def _pieces(source: Source) -> Iterator[bytes]:
    """The content piece by piece. Raises InvalidRequestError past the limit, OSError where it cannot be read."""
    with io.BytesIO(source.content) if isinstance(source.content, bytes) else source.content.open("rb") as file:
        total = 0
        while piece := file.read(_READ_BYTES):
            total += len(piece)
            if total > MAX_FILE_BYTES:
                raise InvalidRequestError("file", f"{source.filename!r} may have {MAX_FILE_BYTES} bytes; it has more")
            yield piece
