"""`open()` and Engine: where the parts are put together, and the only place that looks at the clock."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from ingestion.sandbox import Sandbox
from ingestion.worker import Workers, WorkersError
from vecstore import checking, ids
from vecstore.attributes import checked_metadata, storable_text
from vecstore.blobs import Blobs
from vecstore.catalog import Catalog
from vecstore.embed import Embedder, default_embedder
from vecstore.errors import InvalidRequestError, NotFoundError, SandboxError
from vecstore.folder import DataFolder
from vecstore.parts import Parts
from vecstore.rank import Reranker
from vecstore.shards import Shards
from vecstore.types import File, Problem, Usage, VectorStoreInfo
from vecstore.uploading import Upload, source_of
from vecstore.vector_store import VectorStore

MAX_NAME_CHARS = 256


def open(  # noqa: A001 - vecstore.open, as one opens a file
    folder: str | PathLike[str],
    *,
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    create: bool = True,
    workers: Workers | None = None,
    now: Callable[[], float] = time.time,
) -> Engine:
    """The data folder as an Engine; made if it does not exist, unless `create` is false.

    embedder: the default model if None. reranker: none. Both are loaded when first used.
    workers: parse documents in processes of their own, locked down as far as the system can; several
    engines may share them, who made them closes them. `Workers(sandbox="required")` refuses less than
    all of the sandbox: the first file, or `sandbox()`, raises SandboxError then.
    Raises FolderInUseError when another process has it, FormatError when it is of a newer format.
    """
    return Engine(Path(folder), embedder=embedder, reranker=reranker, create=create, workers=workers, now=now)


class Engine:
    """All files and vector stores of one data folder. Thread-safe; close it, or use it in a `with`."""

    def __init__(
        self,
        folder: Path,
        *,
        embedder: Embedder | None,
        reranker: Reranker | None,
        create: bool,
        workers: Workers | None,
        now: Callable[[], float],
    ) -> None:
        self._shares_workers = workers is not None
        held = DataFolder(folder, create=create)
        try:
            catalog = Catalog(held.catalog)
            self._parts = Parts(
                folder=held,
                catalog=catalog,
                blobs=Blobs(held.blobs),
                shards=Shards(held.stores, catalog),
                embedder=embedder or default_embedder(),
                reranker=reranker,
                workers=workers or Workers(),
                clock=now,
            )
            if held.interrupted:
                checking.check_strays(catalog, self._parts.blobs, self._parts.shards, fix=True)
        except BaseException:
            held.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Writes checkpoints of the indexes and lets go of the folder. Closing twice is no error."""
        parts = self._parts
        if parts.closed.is_set():
            return
        parts.closed.set()
        if not self._shares_workers:
            parts.workers.close()
        try:
            parts.shards.close()  # waits for whoever writes to a vector store; nobody begins any more
        finally:
            with parts.contents:  # and for uploads
                parts.catalog.close()
            parts.folder.release()

    # Vector stores -----------------------------------------------------------------------------

    def create(
        self, name: str = "", *, metadata: Mapping[str, str] | None = None, exist_ok: bool = False
    ) -> VectorStore:
        """A new, empty vector store, or with `exist_ok` the one of that name. Names need not be unique; ids are."""
        self._parts.check_open()
        if not isinstance(name, str) or len(name) > MAX_NAME_CHARS:
            raise InvalidRequestError(
                "name", f"must be a string of up to {MAX_NAME_CHARS} characters, not {name!r:.80}"
            )
        if exist_ok and self._parts.catalog.vector_stores(name=storable_text(name)):
            return self.get(name)
        store_id = ids.new_vector_store_id()
        self._parts.catalog.add_vector_store(
            store_id,
            name=storable_text(name),
            metadata=checked_metadata(metadata),
            embedder=self._parts.embedder.identity,
            dimensions=self._parts.embedder.dimensions,
            now=self._parts.now(),
        )
        return VectorStore(self._parts, store_id)

    def get(self, name_or_id: str) -> VectorStore:
        """The vector store of that id, or the only one of that name. Raises NotFoundError, or if several have it."""
        self._parts.check_open()
        name_or_id = storable_text(name_or_id)
        named = self._parts.catalog.vector_stores(name=name_or_id)
        if len(named) > 1:
            several = ", ".join(store.id for store in named)
            raise InvalidRequestError("name", f"{name_or_id!r} is the name of {len(named)} vector stores: {several}")
        if named:
            return VectorStore(self._parts, named[0].id)
        try:
            return VectorStore(self._parts, self._parts.catalog.vector_store(name_or_id).id)
        except NotFoundError:
            raise NotFoundError(f"No vector store found with the name or id '{name_or_id}'.") from None

    def list(self) -> builtins.list[VectorStoreInfo]:
        """All vector stores, in the order of creation."""
        self._parts.check_open()
        return self._parts.catalog.vector_stores()

    def delete(self, name_or_id: str) -> None:
        """Deletes a vector store; its files stay. Raises NotFoundError."""
        self.get(name_or_id).delete()

    # Files -------------------------------------------------------------------------------------

    def upload(self, file: Upload, *, purpose: str = "assistants") -> File:
        """Stores a file by path, or as `(filename, bytes)` or `(filename, binary file)`. Durable when it returns."""
        self._parts.check_open()
        source = source_of(file)
        written: builtins.list[str] = []
        with self._parts.sweeping(written):
            sha256, size = self._parts.blobs.put(source.pieces())
            written.append(sha256)
            stored = File(ids.new_file_id(), storable_text(source.filename), size, sha256, self._parts.now(), purpose)
            self._parts.catalog.add_file(stored)
        return stored

    def files(self) -> builtins.list[File]:
        """All uploaded files, in the order of upload."""
        self._parts.check_open()
        return self._parts.catalog.files()

    def file(self, file_id: str) -> File:
        """Raises NotFoundError."""
        self._parts.check_open()
        return self._parts.catalog.file(file_id)

    def file_content(self, file_id: str) -> bytes:
        """The bytes that were uploaded. Raises NotFoundError."""
        return self._parts.blobs.read(self.file(file_id).sha256)

    def delete_file(self, file_id: str) -> None:
        """Takes the file out of every vector store and forgets it. Raises NotFoundError."""
        stored = self.file(file_id)
        parts = self._parts
        with ExitStack() as writing:
            held = sorted(
                parts.catalog.holders(file_id)
            )  # in one order, so that two deletions do not wait for each other
            for store_id in held:
                writing.enter_context(parts.shards.writing(store_id))
            with parts.sweeping([stored.sha256]):
                gone_from = parts.catalog.delete_file(file_id, now=parts.now())
        for store_id in set(gone_from) - set(held):  # attached meanwhile
            with suppress(NotFoundError):
                parts.shards.refresh(store_id)

    # The whole ---------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Logical bytes: of each chunk its UTF-8 text and 4 bytes a dimension."""
        held = {store.id: store.usage_bytes for store in self.list()}
        return Usage(sum(held.values()), held)

    def sandbox(self) -> Sandbox:
        """What is in force around the parsing of documents. Raises SandboxError where it is less than required."""
        self._parts.check_open()
        try:
            return self._parts.workers.sandbox()
        except WorkersError as error:
            raise SandboxError(str(error)) from error

    def check(self, *, fix: bool = False) -> builtins.list[Problem]:
        """Compares catalogue, indexes and contents both ways; [] says that all is well.

        fix: indexes are made anew from the catalogue and stray files removed. What cannot be had
        again without the original file is only named.
        """
        self._parts.check_open()
        found = []
        for store in self.list():
            with suppress(NotFoundError):  # deleted meanwhile
                found += VectorStore(self._parts, store.id).check(fix=fix)
        with self._parts.contents:
            return [*found, *checking.check_folder(self._parts.catalog, self._parts.blobs, self._parts.shards, fix=fix)]
