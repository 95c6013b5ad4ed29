"""VectorStore: one vector store of an engine."""

from __future__ import annotations

import builtins
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Literal, TypeVar

from ingestion import IngestionError
from ingestion.worker import WorkersError
from vecstore import checking, excerpts, tuning
from vecstore.adding import AddSteps
from vecstore.attributes import check_password, checked_attributes, checked_metadata, checked_name
from vecstore.batch import FileBatch, batch_file, check_number, is_uploaded, start_batch
from vecstore.catalog import contents_of
from vecstore.chunking import Strategy, checked_strategy, usual_strategy
from vecstore.disk import refusals
from vecstore.errors import (
    FileFailedError,
    InvalidRequestError,
    NotFoundError,
    SandboxError,
)
from vecstore.expiry import checked_days
from vecstore.index import IndexInfo
from vecstore.indexing import embed, failed
from vecstore.jobs import AddedFile, Source, add_many
from vecstore.moving import ExportReport, export
from vecstore.parts import Parts
from vecstore.query import DEFAULT_RESULTS
from vecstore.questions import Question
from vecstore.rewriters import rewritten
from vecstore.searching import ask
from vecstore.tuning import OnProgress, Tuning
from vecstore.types import (
    AddEstimate,
    AttributeMap,
    BatchFile,
    Excerpt,
    FileBatchInfo,
    FileChunk,
    FileStatus,
    HybridSearch,
    LastError,
    Page,
    PageQuery,
    Problem,
    SearchResult,
    SearchResults,
    VectorStoreFile,
    VectorStoreInfo,
)
from vecstore.uploading import Upload, checked_source, promised, source_of, store_uploads

MAX_CHUNKS = 1_000_000  # listed at a time; of a file there are fewer

T = TypeVar("T")

log = logging.getLogger(__name__)


class VectorStore:
    """A handle: an id, and no state but the engine. Every call sees what was last committed."""

    def __init__(self, parts: Parts, store_id: str) -> None:
        self._parts = parts
        self.id = store_id

    def __repr__(self) -> str:
        return f"VectorStore({self.id!r})"

    def info(self) -> VectorStoreInfo:
        """Raises NotFoundError once it is deleted."""
        self._parts.begin()
        self._parts.activity.flush()
        return self._parts.catalog.vector_store(self.id)

    def index_info(self) -> IndexInfo:
        """How its vectors are searched: the kind of index, its size, and its recall, measured now.

        Raises NotFoundError, IndexFailedError where a file of it was changed.
        """
        self._parts.begin()
        return self._parts.shards.get(self.id, sequence=self.info().sequence).index_info()

    def add(
        self,
        file: Upload,
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: Strategy | None = None,
        password: str = "",
    ) -> VectorStoreFile:
        """Uploads and attaches; searchable when it returns. What fails is not kept, and raises FileFailedError.

        A path that was added before and has other content now replaces it; the same name with the
        same content is left as it is, but for attributes that are given. password: opens an encrypted
        PDF or Office file; it is not kept.
        """
        [added] = add_many([source_of(file)], self._steps(attributes, chunking_strategy, password))
        if added.file_id is None:
            raise FileFailedError(added.code or "server_error", added.error or "")
        return self.file(added.file_id)

    def add_many(
        self,
        sources: Iterable[Source | Upload],
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: Strategy | None = None,
        password: str = "",
        on_bytes: Callable[[float], None] = lambda _: None,
    ) -> Iterator[AddedFile]:
        """As `add` for many files: yields each one's outcome once it is durable and searchable.

        A `Source` gives a path another name. A file that fails does not stop the others. The work is
        done while you iterate; `on_bytes` hears how many bytes were just dealt with.
        """
        return add_many(_named(sources), self._steps(attributes, chunking_strategy, password), on_bytes)

    def estimate(
        self,
        sources: Iterable[Source | Upload],
        *,
        chunking_strategy: Strategy | None = None,
        password: str = "",
        on_bytes: Callable[[float], None] = lambda _: None,
    ) -> AddEstimate:
        """What `add_many` would make of these files: parsed and chunked, not embedded; nothing is kept.

        What it would cost is `Engine.month_of(store, estimate)`.
        """
        steps = self._steps(None, chunking_strategy, password)
        return steps.estimated(_named(sources), on_bytes)

    def batch(
        self,
        files: Iterable[str | BatchFile | Source | Upload],
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: Strategy | None = None,
    ) -> FileBatch:
        """Attaches up to 2,000 files in the background: ids of uploaded files, or paths and contents to upload first.

        The batch is durable when this returns: it goes on when the engine is opened again, whatever
        happened. A `BatchFile`, by id, and a `Source`, by path or content, have attributes and a strategy
        of their own. A file that cannot be read fails alone. What is uploaded here is a new file each
        time, while `add` knows a path again. Raises InvalidRequestError, NotFoundError, ExpiredError, and
        then nothing was begun.
        """
        project_id = self._parts.usable_store(self.id).project_id
        given = list(_listed("files", files))
        check_number(len(given))
        checked = [batch_file(file, attributes, chunking_strategy) for file in given]
        to_upload = [source_of(file) for file in given if not isinstance(file, BatchFile) and not is_uploaded(file)]
        uploaded = iter(store_uploads(self._parts, to_upload, project_id=project_id))
        stored = [
            each if is_uploaded(file) else replace(each, file_id=next(uploaded).id)
            for each, file in zip(checked, given, strict=True)
        ]
        return start_batch(self._parts, self.id, stored)

    def batches(self) -> builtins.list[FileBatchInfo]:
        """All of its batches, in the order they were made."""
        self.info()
        return self._parts.catalog.batches.list(self.id)

    def get_batch(self, batch_id: str) -> FileBatch:
        """Raises NotFoundError, also for another store's."""
        self._parts.begin()
        return FileBatch(self._parts, self._parts.catalog.batches.get(batch_id, store_id=self.id).id)

    def set(
        self,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_after: Mapping[str, object] | Literal["never"] | None = None,
    ) -> VectorStoreInfo:
        """Changes what is given. expires_after: `{"anchor": "last_active_at", "days": 7}`, or "never" to clear it.

        A policy counts from the last activity, and expires nothing before it was set.
        Raises InvalidRequestError, NotFoundError; ExpiredError for a policy that comes too late.
        """
        parts = self._parts
        parts.begin()
        parts.activity.flush()
        changed: dict[str, object] = {}
        if name is not None:
            changed["name"] = checked_name(name)
        if metadata is not None:
            changed["metadata"] = checked_metadata(metadata)
        if expires_after is not None:
            changed["expires_after_days"] = None if expires_after == "never" else checked_days(expires_after)
        return parts.catalog.update_vector_store(self.id, changed, now=parts.now())

    def attach(
        self,
        file_id: str,
        *,
        attributes: AttributeMap | None = None,
        chunking_strategy: Strategy | None = None,
        password: str = "",
    ) -> VectorStoreFile:
        """Makes an uploaded file searchable; attached already, it is indexed anew and counted once.

        As with OpenAI, a file that cannot be read is kept with status `failed` and its `last_error`.
        Raises NotFoundError; EmbeddingError, and then nothing was changed.
        """
        parts = self._parts
        pairs = checked_attributes(attributes)
        check_password(password)
        info = parts.usable_store(self.id)
        strategy = checked_strategy(chunking_strategy, usual_strategy(info))
        stored = parts.catalog.file(file_id)
        if stored.project_id != info.project_id:
            raise NotFoundError(f"No such File object: {file_id}")  # to this project it is not there
        try:
            with parts.blobs.open(stored.sha256) as content, refusals(f"{stored.filename!r} could not be read"):
                reading = parts.reader.read(
                    info, stored, content, attributes=pairs, strategy=strategy, password=password
                )
        except WorkersError as error:
            parts.check_open()
            raise SandboxError(str(error)) from error
        except IngestionError as error:
            prepared = [failed(stored, LastError(error.code, str(error)), attributes=pairs, strategy=strategy)]
        else:
            prepared = embed([reading], parts.embedder)
        with parts.shards.writing(self.id):
            parts.catalog.commit(self.id, prepared, now=parts.now())
            return self.file(file_id)  # before anybody detaches it

    def search(
        self,
        query: str | Sequence[str],
        *,
        max_num_results: int = DEFAULT_RESULTS,
        filters: Mapping[str, object] | None = None,
        score_threshold: float = 0.0,
        hybrid_search: HybridSearch | Mapping[str, float] | None = None,
        ranker: str = "auto",
        max_per_file: int | None = None,
        diversity: float = 0.0,
        neighbours: int = 0,
        explain: bool = False,
        rewrite_query: bool = False,
    ) -> SearchResults:
        """The best passages, best first; equal scores in the order they were added. [] says that nothing matches.

        query: of a list each is searched for, and a chunk has the best of its scores.
        filters: OpenAI's comparison and compound filters on attributes, applied before ranking.
        hybrid_search: the weights of meaning and of words; by default what `tune` stored, else halves.
        ranker: "none" leaves re-ranking out. max_per_file: results of one file at most. diversity: 0 to 1,
        how much the first results should differ from each other rather than answer well. neighbours: 0 to 50,
        chunks before and after each result to be given as its `surroundings`. explain: each result tells
        what each leg made of it.
        rewrite_query: searches for `rewritten(query)` instead; each result names the query that found it, and
        `queries` of the list has all of them.
        Raises InvalidRequestError, NotFoundError, EmbeddingError, EmbedderMismatchError.
        """
        return ask(
            self._parts,
            [self.id],
            query,
            max_num_results=max_num_results,
            filters=filters,
            score_threshold=score_threshold,
            hybrid_search=hybrid_search,
            ranker=ranker,
            max_per_file=max_per_file,
            diversity=diversity,
            neighbours=neighbours,
            explain=explain,
            rewrite_query=rewrite_query,
        )

    def tune(
        self,
        questions: Iterable[Question | Mapping[str, object]],
        *,
        chunk_sizes: Sequence[int] = (),
        force: bool = False,
        dry_run: bool = False,
        on_progress: OnProgress = lambda *_: None,
    ) -> Tuning:
        """Fits the weights of the two legs to labelled or clicked questions; later searches use them by default.

        questions: 10 or more like `{"query": ..., "relevant": [...]}`, each of these a file's name or id,
        `{"file": ..., "passage": ...}` with text copied from it, or `{"chunk_id": ...}`.
        Stored if the interval of the gain is above 0, or with `force`; with `dry_run` never. chunk_sizes: also
        cuts the files anew at each of these sizes, in a temporary folder, and tells what that brings. A size
        that surely gains is stored for files that are added later without a strategy; those that are there
        stay as they are cut.
        on_progress hears what is done, how much of it, and of how much.
        Raises InvalidRequestError that names the question, ExpiredError, FileFailedError for what cannot be cut anew.
        """
        return tuning.tune(
            self._parts,
            self.id,
            questions,
            chunk_sizes=chunk_sizes,
            force=force,
            dry_run=dry_run,
            on_progress=on_progress,
        )

    def reset_tuning(self) -> VectorStoreInfo:
        """Back to halves, and to auto for files to come. Raises NotFoundError."""
        self._parts.begin()
        usual = {"embedding_weight": None, "chunk_size": None}
        return self._parts.catalog.update_vector_store(self.id, usual, now=self._parts.now())

    def rewritten(self, query: str | Sequence[str]) -> builtins.list[str]:
        """The queries that the engine's rewriter makes of these, each once: 1 to 5 of a text, at most 20 in all.

        Raises InvalidRequestError, and VecstoreError where the rewriter gives none.
        """
        self._parts.check_open()
        return rewritten(self._parts.rewriter, query)

    def list(self) -> builtins.list[VectorStoreFile]:
        """Its files, in the order they were attached."""
        self._parts.begin()
        return self._parts.catalog.members(self.id)

    def file(self, file_id: str) -> VectorStoreFile:
        """Raises NotFoundError."""
        self._parts.begin()
        return self._parts.catalog.member(self.id, file_id)

    def page(self, page: PageQuery, *, status: FileStatus | None = None) -> Page[VectorStoreFile]:
        """A part of its files. Raises NotFoundError, and InvalidRequestError for a cursor that is none of them."""
        self._parts.begin()
        return self._parts.catalog.pages.members(self.id, page, status=status)

    def find(self, name_or_id: str) -> VectorStoreFile:
        """The file of that id or name, or else the one whose name ends in `/` and that. Raises NotFoundError.

        Raises InvalidRequestError if there are several.
        """
        members = self.list()
        found = [member for member in members if name_or_id in (member.id, member.filename)]
        found = found or [member for member in members if member.filename.endswith(f"/{name_or_id}")]
        if not found:
            raise NotFoundError(f"no file {name_or_id!r} in vector store {self.info().name!r}")
        if len(found) > 1:
            several = ", ".join(member.id for member in found)
            raise InvalidRequestError("file", f"{name_or_id!r} is the name of {len(found)} files: {several}")
        return found[0]

    def content(self, file_id: str, *, after: str | None = None, limit: int | None = None) -> builtins.list[FileChunk]:
        """How a file was cut: its chunks in reading order, of up to `limit` those behind the chunk of the id `after`.

        Raises NotFoundError, FileFailedError if it has none, InvalidRequestError for a chunk that is none of them.
        """
        whole = isinstance(limit, int) and not isinstance(limit, bool)
        if limit is not None and not (whole and 1 <= limit <= MAX_CHUNKS):
            raise InvalidRequestError("limit", f"must be 1 to {MAX_CHUNKS:,}, or None, not {limit!r:.40}")
        self._check_read(file_id)
        return self._parts.catalog.content(self.id, file_id, after=after, limit=limit)

    def text(self, file_id: str) -> str:
        """All of a file's parsed text. Raises NotFoundError, FileFailedError if it has none."""
        self._check_read(file_id)
        return self._parts.catalog.text(self.id, file_id)

    def _check_read(self, file_id: str) -> None:
        error = self.file(file_id).last_error
        if error is not None:
            raise FileFailedError(error.code, error.message)

    def neighbours(self, result: SearchResult | FileChunk, *, before: int = 1, after: int = 1) -> Excerpt:
        """The chunk together with so many before and after it in its file, each character once.

        Raises NotFoundError when the file is gone, InvalidRequestError for more than 50 to a side.
        """
        self._parts.begin()
        _check_result(result)
        return excerpts.neighbours(self._parts.catalog, self.id, result, before=before, after=after)

    def section(self, result: SearchResult | FileChunk, *, max_chars: int = excerpts.MAX_SECTION_CHARS) -> Excerpt:
        """The whole section that the result's passage stands in, up to `max_chars` around it. Raises NotFoundError."""
        self._parts.begin()
        _check_result(result)
        return excerpts.section(self._parts.catalog, self.id, result, max_chars=max_chars)

    def update(self, file_id: str, *, attributes: AttributeMap | None) -> VectorStoreFile:
        """Replaces the file's attributes; filters see it at once. Raises NotFoundError."""
        self._parts.begin()
        self._parts.catalog.set_attributes(self.id, file_id, checked_attributes(attributes))
        return self.file(file_id)

    def detach(self, file_id: str) -> None:
        """Takes a file out of this vector store; the file itself stays. Raises NotFoundError."""
        self._parts.begin()
        with self._parts.shards.writing(self.id):
            self._parts.catalog.remove_member(self.id, file_id, now=self._parts.now())

    def delete(self, *, with_files: bool = False) -> None:
        """Deletes the vector store; its files stay, but with `with_files` only those of other vector stores.

        Raises NotFoundError.
        """
        parts = self._parts
        parts.begin()
        contents: builtins.list[str] = []
        with parts.shards.deleting(self.id), parts.sweeping(contents):
            if with_files:
                contents += contents_of(parts.catalog.database, self.id)
            parts.catalog.delete_vector_store(self.id, with_files=with_files, now=parts.now())

    def export(self, path: str | PathLike[str], *, on_progress: OnProgress = lambda *_: None) -> ExportReport:
        """Writes all of it into one new file, an archive for `Engine.import_store`, here or on another machine.

        Its files with their contents, attributes, chunks and vectors, and its name, metadata, description, expiry
        policy and tuning; no project, batches or usage. Raises InvalidRequestError where the file exists,
        ExpiredError, StorageError; then there is no file.
        """
        return export(self._parts, self.id, path, on_progress)

    def check(self, *, fix: bool = False, deep: bool = False) -> builtins.list[Problem]:
        """As `Engine.check`, for this vector store alone."""
        self._parts.begin()
        return checking.check_vector_store(self._parts, self.id, fix=fix, deep=deep)

    def _steps(self, attributes: AttributeMap | None, chunking_strategy: Strategy | None, password: str) -> AddSteps:
        check_password(password)
        return AddSteps(
            parts=self._parts,
            store=self._parts.usable_store(self.id),
            attributes=None if attributes is None else checked_attributes(attributes),
            strategy=None if chunking_strategy is None else checked_strategy(chunking_strategy),
            password=password,
        )


def _named(sources: Iterable[Source | Upload]) -> Iterator[Source]:
    listed = _listed("sources", sources)
    return (checked_source(source) if isinstance(source, Source) else promised(source) for source in listed)


def _listed(param: str, given: Iterable[T]) -> Iterable[T]:
    """Raises InvalidRequestError for what is no list, or but one path."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidRequestError(param, f"must be a list of files, not {given!r:.80}")
    return given


def _check_result(result: SearchResult | FileChunk) -> None:
    if not isinstance(result, SearchResult | FileChunk):
        raise InvalidRequestError("result", f"must be a SearchResult or a FileChunk, not {result!r:.80}")
