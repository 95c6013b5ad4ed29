"""`open()` and Engine: where the parts are put together, and the only place that looks at the clock."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

from ingestion.sandbox import Sandbox
from ingestion.worker import Workers, WorkersError
from vecstore import checking, uploads
from vecstore.accounts import Accounts
from vecstore.activity import Activity
from vecstore.attributes import checked_name
from vecstore.backups import BackupReport, backup
from vecstore.batch import FileBatch
from vecstore.blobs import Blobs
from vecstore.catalog import Catalog
from vecstore.catalog.database import stored_revision
from vecstore.catalog.statements import check_id
from vecstore.disk import WriteGate
from vecstore.embed import Embedder, RecentQueries, default_embedder, embed_query_checked
from vecstore.errors import FormatError, InvalidRequestError, NotFoundError, SandboxError, StorageError
from vecstore.failpoints import reach
from vecstore.files import remove_leftovers
from vecstore.folder import DataFolder
from vecstore.moving import import_archive
from vecstore.parts import Parts
from vecstore.rank import Reranker, checked_reranker, rerank
from vecstore.reading import Reader
from vecstore.rewriters import Rewriter, checked_rewriter
from vecstore.runner import Runner
from vecstore.scope import ProjectScope
from vecstore.shards import Shards
from vecstore.snapshots import OnProgress
from vecstore.types import (
    DEFAULT_PROJECT,
    AddEstimate,
    ApiKey,
    Expired,
    File,
    FileBatchInfo,
    Problem,
    Project,
    UploadInfo,
    UploadPart,
    VectorStoreInfo,
)
from vecstore.uploading import Upload, checked_path
from vecstore.usage import Estimate, UsageReport, estimate, price_of
from vecstore.usage_pages import BucketQuery, Cost, SearchCalls, StoredBytes, UsagePage, period
from vecstore.vector_store import VectorStore


def open(  # noqa: A001 - vecstore.open, as one opens a file
    folder: str | PathLike[str],
    *,
    embedder: Embedder | None = None,
    reranker: Reranker | None = None,
    rewriter: Rewriter | None = None,
    create: bool = True,
    workers: Workers | None = None,
    resume: bool = True,
    now: Callable[[], float] = time.time,
) -> Engine:
    """The data folder as an Engine; made if it does not exist, unless `create` is false.

    embedder: the default model if None. reranker: none. Both are loaded when first used.
    rewriter: what `search(rewrite_query=True)` makes of a question; rules for English if None.
    workers: parse documents in processes of their own, locked down as far as the system can; several
    engines may share them, who made them closes them. `Workers(sandbox="required")` refuses less than
    all of the sandbox: the first file, or `sandbox()`, raises SandboxError then.
    resume: batches that were interrupted go on at once, in the background; if not, with the next
    batch or `resume()`.
    Raises FolderInUseError when another process has it, FormatError when it is of a newer format.
    """
    path = checked_path("folder", folder)
    return Engine(
        path,
        embedder=embedder,
        reranker=checked_reranker(reranker),
        rewriter=checked_rewriter(rewriter),
        create=create,
        workers=workers,
        resume=resume,
        now=now,
    )


class Engine:
    """All files and vector stores of one data folder. Thread-safe; close it, or use it in a `with`."""

    def __init__(
        self,
        folder: Path,
        *,
        embedder: Embedder | None,
        reranker: Reranker | None,
        rewriter: Rewriter,
        create: bool,
        workers: Workers | None,
        resume: bool,
        now: Callable[[], float],
    ) -> None:
        self._shares_workers = workers is not None
        held = DataFolder(folder, create=create)
        reach("open.locked")
        try:
            _check_not_emptied(held)
            gate = WriteGate()
            catalog, parsers = Catalog(held.catalog, gate), workers or Workers()
            embeds = embedder or default_embedder()
            self._parts = Parts(
                folder=held,
                catalog=catalog,
                blobs=Blobs(held.blobs, gate),
                gate=gate,
                shards=Shards(held.stores, catalog),
                embedder=embeds,
                recent_queries=RecentQueries(embeds),
                reranker=reranker,
                rewriter=rewriter,
                workers=parsers,
                reader=Reader(catalog, parsers),
                activity=Activity(catalog),
                clock=now,
            )
            if held.interrupted:
                catalog.batches.died(held.interrupted_tasks())
                if held.has_log:  # else what looks like a stray may be what the log knew of
                    checking.check_strays(self._parts, fix=True)
                remove_leftovers(held.path)
            held.forget_interrupted()
        except BaseException:
            held.release(swept=not held.interrupted)
            raise
        self._accounts = Accounts(catalog, self.now)
        self.keys = self._accounts.keys
        self.answers = catalog.answers
        self._runner = Runner(self._parts)
        if resume:
            self.resume()

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
        self._runner.stop()
        with suppress(StorageError):
            parts.activity.flush()
            self.keys.flush()
        reach("close.flushed")
        if not self._shares_workers:
            parts.workers.close()
        try:
            parts.shards.close()  # waits for whoever writes to a vector store; nobody begins any more
        finally:
            with parts.contents:  # and for uploads
                parts.catalog.close()
            parts.folder.release(swept=not parts.gate.is_shut)

    @property
    def folder(self) -> Path:
        """Where the data is."""
        return self._parts.folder.path

    @property
    def embedder(self) -> tuple[str, int]:
        """The identity of what embeds, and the dimensions of its vectors."""
        return self._parts.embedder.identity, self._parts.embedder.dimensions

    @property
    def ranker(self) -> str:
        """What ranks: both legs fused, and the reranker by the name of its class, if there is one."""
        reranker = self._parts.reranker
        return "hybrid" if reranker is None else f"hybrid+{type(reranker).__name__}"

    def now(self) -> int:
        """The time by the engine's clock, in whole Unix seconds."""
        return self._parts.now()

    def check_writable(self) -> None:
        """Raises StorageError once an fsync has failed: nothing is written any more until a restart; reads go on."""
        self._parts.check_open()
        self._parts.gate.check()

    def warm_up(self) -> None:
        """Loads embedder and reranker now rather than with the first search. Raises EmbeddingError, RerankerError."""
        self._parts.check_open()
        embed_query_checked(self._parts.embedder, "warm up")
        if self._parts.reranker is not None:
            rerank(self._parts.reranker, "warm up", ["warm up"])

    # Vector stores -----------------------------------------------------------------------------

    def create(
        self,
        name: str = "",
        *,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_after: Mapping[str, object] | None = None,
        project: str | None = None,
        exist_ok: bool = False,
    ) -> VectorStore:
        """A new, empty vector store, or with `exist_ok` the one of that name, as it is, if it has not expired.

        Names need not be unique; ids are.
        expires_after: `{"anchor": "last_active_at", "days": 7}`, 1 to 365 days; never if None.
        project: by name or id, who it is billed to; the one that is always there if None.
        """
        name = checked_name(name)
        if exist_ok and any(store.status != "expired" for store in self._named(name)):
            return self.get(name)
        scope = self.scope(project)
        return scope.create(name, description=description, metadata=metadata, expires_after=expires_after)

    def get(self, name_or_id: str) -> VectorStore:
        """The vector store of that id, or the only one of that name; an expired one gives way to one that is not.

        Raises NotFoundError, and InvalidRequestError if several have the name.
        """
        self._parts.begin()
        name_or_id = checked_name(name_or_id)
        named = self._named(name_or_id)
        named = [store for store in named if store.status != "expired"] or named
        if len(named) > 1:
            several = ", ".join(store.id for store in named)
            raise InvalidRequestError("name", f"{name_or_id!r} is the name of {len(named)} vector stores: {several}")
        if named:
            return VectorStore(self._parts, named[0].id)
        try:
            return VectorStore(self._parts, self._parts.catalog.vector_store(name_or_id).id)
        except NotFoundError:
            raise NotFoundError(f"No vector store found with the name or id '{name_or_id}'.") from None

    def _named(self, name: str) -> builtins.list[VectorStoreInfo]:
        self._parts.begin()
        return self._parts.catalog.vector_stores(name=name)

    def list(self) -> builtins.list[VectorStoreInfo]:
        """All vector stores, in the order of creation."""
        self._parts.begin()
        return self._parts.catalog.vector_stores()

    def delete(self, name_or_id: str) -> None:
        """Deletes a vector store; its files stay. Raises NotFoundError."""
        self.get(name_or_id).delete()

    def import_store(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        project: str | None = None,
        on_progress: OnProgress = lambda *_: None,
    ) -> VectorStore:
        """The vector store in an archive that `VectorStore.export` wrote, all of it or nothing, without embedding.

        It has a new id and begins now, as for what it costs and when it expires; its files keep their ids where no
        other file has them. name: the one it had if None. It can be used with the embedder it was made with.
        Raises InvalidRequestError, FormatError for what is no archive or a newer one, StorageError for a damaged one.
        """
        project_id = self.scope(project).project_id
        made = import_archive(self._parts, path, name=name, project_id=project_id, on_progress=on_progress)
        return VectorStore(self._parts, made.id)

    # Files -------------------------------------------------------------------------------------

    def upload(
        self,
        file: Upload,
        *,
        purpose: str = "assistants",
        expires_after: Mapping[str, object] | None = None,
        project: str | None = None,
    ) -> File:
        """Stores a file by path, or as `(filename, bytes)` or `(filename, binary file)`. Durable when it returns.

        expires_after: `{"anchor": "created_at", "seconds": 3600}`, up to 30 days; never if None.
        project: by name or id; only its vector stores can have the file.
        """
        return self.scope(project).upload(file, purpose=purpose, expires_after=expires_after)

    def files(self) -> builtins.list[File]:
        """All uploaded files, in the order of upload."""
        self._parts.begin()
        return self._parts.catalog.files()

    def file(self, file_id: str) -> File:
        """Raises NotFoundError."""
        self._parts.begin()
        return self._parts.catalog.file(file_id)

    def file_content(self, file_id: str) -> bytes:
        """The bytes that were uploaded. Raises NotFoundError."""
        return self._parts.blobs.read(self.file(file_id).sha256)

    def delete_file(self, file_id: str) -> None:
        """Takes the file out of every vector store and forgets it. Raises NotFoundError."""
        self._parts.begin()
        self._parts.remove_file(file_id, at=self._parts.now())

    # Uploads in parts --------------------------------------------------------------------------

    def create_upload(
        self,
        filename: str,
        *,
        bytes: int,  # noqa: A002 - OpenAI's name
        purpose: str = "assistants",
        mime_type: str = "application/octet-stream",
        expires_after: Mapping[str, object] | None = None,
        project: str | None = None,
    ) -> UploadInfo:
        """A file of that many bytes, to come in parts within an hour. expires_after, project: as in `upload`."""
        return self.scope(project).create_upload(
            filename, bytes=bytes, purpose=purpose, mime_type=mime_type, expires_after=expires_after
        )

    def add_part(self, upload_id: str, data: bytes | BinaryIO) -> UploadPart:
        """Stores up to 64 MiB of it, from any thread, in any order. Raises NotFoundError, InvalidRequestError."""
        self._parts.begin()
        return uploads.add_part(self._parts, upload_id, data)

    def complete_upload(self, upload_id: str, part_ids: Sequence[str], *, md5: str | None = None) -> UploadInfo:
        """One file of these parts, in this order; md5: in hexadecimal. Raises NotFoundError, InvalidRequestError."""
        self._parts.begin()
        return uploads.complete_upload(self._parts, upload_id, part_ids, md5=md5)

    def cancel_upload(self, upload_id: str) -> UploadInfo:
        """Forgets its parts. Raises NotFoundError, and InvalidRequestError unless it is pending."""
        self._parts.begin()
        return uploads.cancel_upload(self._parts, upload_id)

    def get_upload(self, upload_id: str) -> UploadInfo:
        """As it is now, whatever became of it. Raises NotFoundError."""
        self._parts.begin()
        check_id("upload_id", upload_id)
        return self._parts.catalog.uploads.get(upload_id, now=self._parts.now())

    # Projects ----------------------------------------------------------------------------------

    def create_project(self, name: str, *, price_per_gb_day: str | None = None) -> Project:
        """A project to bill vector stores to. price_per_gb_day: US dollars as a decimal; the usual price if None.

        Raises InvalidRequestError, also for a name that is taken.
        """
        self._parts.begin()
        return self._accounts.create_project(name, price_per_gb_day=price_per_gb_day)

    def projects(self) -> builtins.list[Project]:
        """All projects, in the order of creation; the first one is there from the beginning."""
        self._parts.begin()
        return self._accounts.projects()

    def scope(self, project: str | ApiKey | None = None) -> ProjectScope:
        """What one project has: all it can see. By name or id, or a key's; the one that is always there if None."""
        self._parts.check_open()
        if isinstance(project, ApiKey):
            return ProjectScope(self._parts, project.project_id)
        return ProjectScope(self._parts, DEFAULT_PROJECT if project is None else self.project(project).id)

    def project(self, name_or_id: str) -> Project:
        """Raises NotFoundError."""
        self._parts.check_open()
        return self._accounts.project(name_or_id)

    def set_price(self, project: str, price_per_gb_day: str | None) -> None:
        """What a project pays from now on and for all of its past, too; None is the usual price."""
        self._parts.begin()
        self._accounts.set_price(project, price_per_gb_day)

    # Batches and expiry --------------------------------------------------------------------------

    def resume(self) -> None:
        """Goes on in the background with whatever batches have something left to do."""
        self._parts.check_open()
        if self._parts.catalog.batches.unfinished():
            self._parts.waking.set()

    def batches(self) -> builtins.list[FileBatchInfo]:
        """The batches of all vector stores, in the order they were made."""
        self._parts.begin()
        return self._parts.catalog.batches.list()

    def batch(self, batch_id: str) -> FileBatch:
        """Raises NotFoundError."""
        self._parts.begin()
        return FileBatch(self._parts, self._parts.catalog.batches.get(batch_id).id)

    def expire(self, *, dry_run: bool = False) -> builtins.list[Expired]:
        """Takes out what has expired, as every other call does, and tells what it was; `dry_run` only tells."""
        self._parts.check_open()
        self._parts.activity.flush()
        return self._parts.catalog.expiring.due(self._parts.now()) if dry_run else self._parts.expire()

    # The whole ---------------------------------------------------------------------------------

    def usage(
        self,
        start: int | None = None,
        end: int | None = None,
        *,
        by: Literal["project", "store", "day", "hour"] | None = None,
        project: str | None = None,
    ) -> UsageReport:
        """GB-days, and what they cost, from `start` to before `end` in Unix seconds: this month up to now if None.

        By hour it is this day. `end` is now where it lies in the future.
        Exact to the byte-second. project: only its vector stores, by name or id. Raises InvalidRequestError.
        """
        self._parts.begin()
        since, until = period(start, end, self._parts.now(), within="day" if by == "hour" else "month")
        project_id = None if project is None else self.project(project).id
        return self._parts.catalog.meter.report(since, until, by=by, project_id=project_id)

    def month_of(self, store: VectorStore, added: AddEstimate) -> Estimate:
        """What that much more would cost in 30 days, on top of what the store's project holds now."""
        for name, value, kind in (("store", store, VectorStore), ("added", added, AddEstimate)):
            if not isinstance(value, kind):
                raise InvalidRequestError(name, f"must be of type {kind.__name__}, not {value!r:.80}")
        project_id = store.info().project_id
        [project] = [each for each in self.projects() if each.id == project_id]
        held = sum(each.usage_bytes for each in self.list() if each.project_id == project_id)
        return estimate(held, added.usage_bytes, price_of(project.price_per_gb_day))

    def stored_bytes(self, query: BucketQuery) -> UsagePage[StoredBytes]:
        """OpenAI's report `/organization/usage/vector_stores`. Raises InvalidRequestError."""
        self._parts.begin()
        return self._parts.catalog.meter.vector_store_buckets(query, self._parts.now())

    def search_calls(self, query: BucketQuery) -> UsagePage[SearchCalls]:
        """OpenAI's report `/organization/usage/file_search_calls`. Raises InvalidRequestError."""
        self._parts.begin()
        self._parts.activity.flush()
        return self._parts.catalog.meter.search_call_buckets(query, self._parts.now())

    def costs(self, query: BucketQuery) -> UsagePage[Cost]:
        """OpenAI's report `/organization/costs`. Raises InvalidRequestError."""
        self._parts.begin()
        return self._parts.catalog.meter.cost_buckets(query, self._parts.now())

    def backup(
        self, dest: str | PathLike[str], *, keep: int | None = None, on_progress: OnProgress = lambda *_: None
    ) -> BackupReport:
        """Writes a snapshot of the data folder into the backup `dest`; as `vecstore.backup`."""
        self._parts.check_open()
        self._parts.activity.flush()
        self.keys.flush()
        return backup(self.folder, dest, keep=keep, on_progress=on_progress, now=self._parts.clock)

    def sandbox(self) -> Sandbox:
        """What is in force around the parsing of documents. Raises SandboxError where it is less than required."""
        self._parts.check_open()
        try:
            return self._parts.workers.sandbox()
        except WorkersError as error:
            raise SandboxError(str(error)) from error

    def check(self, *, fix: bool = False, deep: bool = False) -> builtins.list[Problem]:
        """Compares catalogue, indexes, contents and the data folder both ways; [] says that all is well.

        fix: what can be derived is made anew (indexes, counts, bytes, the ledger's level) and what nothing wants is
        removed. What cannot be had again without the original file is only named.
        deep: all indexes are made a second time, which takes as long as a rebuild and as much room on the disk, and
        a sample of queries must find the same in both.
        """
        self._parts.begin()
        return checking.check_all(self._parts, fix=fix, deep=deep)


def _check_not_emptied(folder: DataFolder) -> None:
    """Raises FormatError for a catalogue without anything in it where there are contents."""
    if any(folder.blobs.glob("??/*")) and stored_revision(folder.catalog) is None:
        raise FormatError(
            f"{folder.catalog} has nothing in it, and there are uploaded contents: if the file beside it that ends in "
            "'-wal' was removed, put that back, or restore a backup. All was left as it is."
        )
