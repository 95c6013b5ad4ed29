"""ProjectScope: what one project has, and nothing of any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from vecstore import ids, uploads
from vecstore.attributes import checked_description, checked_filename, checked_metadata, checked_name, checked_text
from vecstore.blobs import Incoming
from vecstore.errors import InvalidRequestError, NotFoundError, shown
from vecstore.expiry import checked_days, checked_seconds
from vecstore.parts import Parts
from vecstore.query import DEFAULT_RESULTS
from vecstore.rewriters import rewritten
from vecstore.searching import ask
from vecstore.types import (
    File,
    HybridSearch,
    Page,
    PageQuery,
    SearchResults,
    UploadInfo,
    UploadPart,
    VectorStoreInfo,
)
from vecstore.uploading import Upload, keep_upload, store_upload
from vecstore.vector_store import VectorStore

MAX_STORES = 20  # searched in one call


class ProjectScope:
    """The files, uploads and vector stores of one project; another's look like ones that do not exist.

    Here everything goes by id. Thread-safe; no state but the engine.
    """

    def __init__(self, parts: Parts, project_id: str) -> None:
        self._parts = parts
        self.project_id = project_id

    # Files -------------------------------------------------------------------------------------

    def receive(self) -> AbstractContextManager[Incoming]:
        """Room on the disk for a content that comes piece by piece; what is not kept by then is gone afterwards."""
        self._parts.begin()
        return self._parts.blobs.receive()

    def upload(
        self,
        file: Upload | tuple[str, Incoming],
        *,
        purpose: str = "assistants",
        expires_after: Mapping[str, object] | None = None,
    ) -> File:
        """As `Engine.upload`; also of a content that has come in already."""
        self._parts.begin()
        purpose, expires_after_s = checked_text("purpose", purpose), checked_seconds(expires_after)
        if isinstance(file, tuple) and len(file) == 2 and isinstance(file[1], Incoming):
            filename = checked_filename(file[0])
            return keep_upload(
                self._parts,
                filename,
                file[1],
                purpose=purpose,
                expires_after_s=expires_after_s,
                project_id=self.project_id,
            )
        return store_upload(
            self._parts,
            file,
            purpose=purpose,
            expires_after_s=expires_after_s,
            project_id=self.project_id,
        )

    def files(self, page: PageQuery, *, purpose: str | None = None) -> Page[File]:
        """Raises InvalidRequestError for a cursor that is none of them."""
        self._parts.begin()
        return self._parts.catalog.pages.files(self.project_id, page, purpose=purpose)

    def file(self, file_id: str) -> File:
        """Raises NotFoundError."""
        self._parts.begin()
        found = self._parts.catalog.file(file_id)
        if found.project_id != self.project_id:
            raise NotFoundError(f"No such File object: {file_id}")
        return found

    def open_content(self, file_id: str) -> BinaryIO:
        """The bytes that were uploaded, as a file on disk. Raises NotFoundError."""
        return self._parts.blobs.open(self.file(file_id).sha256)

    def delete_file(self, file_id: str) -> None:
        """Takes the file out of every vector store and forgets it. Raises NotFoundError."""
        self.file(file_id)
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
    ) -> UploadInfo:
        """As `Engine.create_upload`."""
        self._parts.begin()
        return uploads.create_upload(
            self._parts,
            filename,
            size=bytes,
            purpose=purpose,
            mime_type=mime_type,
            expires_after=expires_after,
            project_id=self.project_id,
        )

    def get_upload(self, upload_id: str) -> UploadInfo:
        """As it is now, whatever became of it. Raises NotFoundError."""
        self._parts.begin()
        found = self._parts.catalog.uploads.get(upload_id, now=self._parts.now())
        if found.project_id != self.project_id:
            raise NotFoundError(f"No such Upload object: {upload_id}")
        return found

    def add_part(self, upload_id: str, data: bytes | BinaryIO | Incoming) -> UploadPart:
        """As `Engine.add_part`; also of a content that has come in already."""
        return uploads.add_part(self._parts, self.get_upload(upload_id).id, data)

    def complete_upload(self, upload_id: str, part_ids: Sequence[str], *, md5: str | None = None) -> UploadInfo:
        """As `Engine.complete_upload`."""
        return uploads.complete_upload(self._parts, self.get_upload(upload_id).id, part_ids, md5=md5)

    def cancel_upload(self, upload_id: str) -> UploadInfo:
        """As `Engine.cancel_upload`."""
        return uploads.cancel_upload(self._parts, self.get_upload(upload_id).id)

    # Vector stores -----------------------------------------------------------------------------

    def create(
        self,
        name: str = "",
        *,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        expires_after: Mapping[str, object] | None = None,
    ) -> VectorStore:
        """As `Engine.create`: a new, empty vector store."""
        self._parts.begin()
        store_id = ids.new_vector_store_id()
        self._parts.catalog.add_vector_store(
            store_id,
            name=checked_name(name),
            description=checked_description(description),
            metadata=checked_metadata(metadata),
            embedder=self._parts.embedder.identity,
            dimensions=self._parts.embedder.dimensions,
            now=self._parts.now(),
            expires_after_days=checked_days(expires_after),
            project_id=self.project_id,
        )
        return VectorStore(self._parts, store_id)

    def vector_stores(self, page: PageQuery) -> Page[VectorStoreInfo]:
        """Raises InvalidRequestError for a cursor that is none of them."""
        self._parts.begin()
        self._parts.activity.flush()
        return self._parts.catalog.pages.vector_stores(self.project_id, page)

    def vector_store(self, store_id: str) -> VectorStore:
        """Raises NotFoundError."""
        self._parts.begin()
        if self._parts.catalog.vector_store(store_id).project_id != self.project_id:
            raise NotFoundError(f"No vector store found with id '{store_id}'.")
        return VectorStore(self._parts, store_id)

    def search(
        self,
        query: str | Sequence[str],
        store_ids: Sequence[str],
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
        """As `VectorStore.search`, over several of them; no passage of a file comes twice."""
        if not isinstance(store_ids, list | tuple) or not 1 <= len(store_ids) <= MAX_STORES:
            raise InvalidRequestError(
                "vector_store_ids", f"must be a list of 1 to {MAX_STORES}, not {shown(store_ids)}"
            )
        return ask(
            self._parts,
            [self.vector_store(store_id).id for store_id in dict.fromkeys(store_ids)],
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

    def rewritten(self, query: str | Sequence[str]) -> list[str]:
        """As `VectorStore.rewritten`."""
        self._parts.check_open()
        return rewritten(self._parts.rewriter, query)
