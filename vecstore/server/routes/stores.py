"""Vector stores and the files in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from vecstore.errors import VecstoreError
from vecstore.server.route import Route
from vecstore.server.state import Server
from vecstore.server.wire.objects import Deleted, List, page_of
from vecstore.server.wire.params import FilePath, PageOf, Project, StatusFilter, StorePath
from vecstore.server.wire.requests import AttachFile, CreateVectorStore, UpdateFile, UpdateVectorStore, plain
from vecstore.server.wire.stores import Contents, VectorStore, VectorStoreFile
from vecstore.types import BatchFile

router = APIRouter(route_class=Route, tags=["Vector stores"])


@router.post("/vector_stores", response_model_exclude_unset=True)
def create_vector_store(
    project: Project, body: Annotated[CreateVectorStore, Body(default_factory=CreateVectorStore)]
) -> VectorStore:
    """The chunking strategy is that of the `file_ids` given here; a file that does not exist is listed as failed."""
    store = project.create(
        body.name or "",
        description=body.description,
        metadata=body.metadata,
        expires_after=plain(body.expires_after),
    )
    if body.file_ids:
        files = [BatchFile(file_id) for file_id in body.file_ids]
        try:
            store.batch(files, chunking_strategy=plain(body.chunking_strategy))
        except VecstoreError:
            store.delete()  # the caller is not told its id
            raise
    return VectorStore.of(store.info())


@router.get("/vector_stores", response_model_exclude_unset=True)
def list_vector_stores(project: Project, page: PageOf) -> List[VectorStore]:
    return page_of(project.vector_stores(page), VectorStore.of)


@router.get("/vector_stores/{vector_store_id}", response_model_exclude_unset=True)
def retrieve_vector_store(project: Project, vector_store_id: StorePath) -> VectorStore:
    return VectorStore.of(project.vector_store(vector_store_id).info())


@router.post("/vector_stores/{vector_store_id}", response_model_exclude_unset=True)
def update_vector_store(
    project: Project,
    vector_store_id: StorePath,
    body: Annotated[UpdateVectorStore, Body(default_factory=UpdateVectorStore)],
) -> VectorStore:
    """Changes what is given; an `expires_after` of null clears the policy."""
    policy = plain(body.expires_after)
    info = project.vector_store(vector_store_id).set(
        name=body.name,
        metadata=body.metadata,
        expires_after="never" if policy is None and "expires_after" in body.model_fields_set else policy,
    )
    return VectorStore.of(info)


@router.delete("/vector_stores/{vector_store_id}")
def delete_vector_store(project: Project, vector_store_id: StorePath) -> Deleted:
    """Its files stay."""
    project.vector_store(vector_store_id).delete()
    return Deleted(id=vector_store_id, object="vector_store.deleted", deleted=True)


@router.post("/vector_stores/{vector_store_id}/files")
def attach_file(
    request: Request, response: Response, project: Project, vector_store_id: StorePath, body: AttachFile
) -> VectorStoreFile:
    """Indexed in the background; one that is attached already is indexed again, and counted once."""
    store = project.vector_store(vector_store_id)
    file = project.file(body.file_id)
    store.batch([BatchFile(file.id, body.attributes, plain(body.chunking_strategy))])
    poll_after(request, response)
    return VectorStoreFile.of(store.file(file.id))


@router.get("/vector_stores/{vector_store_id}/files")
def list_vector_store_files(
    project: Project, vector_store_id: StorePath, page: PageOf, status: StatusFilter = None
) -> List[VectorStoreFile]:
    return page_of(project.vector_store(vector_store_id).page(page, status=status), VectorStoreFile.of)


@router.get("/vector_stores/{vector_store_id}/files/{file_id}")
def retrieve_vector_store_file(
    request: Request, response: Response, project: Project, vector_store_id: StorePath, file_id: FilePath
) -> VectorStoreFile:
    poll_after(request, response)
    return VectorStoreFile.of(project.vector_store(vector_store_id).file(file_id))


@router.post("/vector_stores/{vector_store_id}/files/{file_id}")
def update_vector_store_file(
    project: Project,
    vector_store_id: StorePath,
    file_id: FilePath,
    body: UpdateFile,
) -> VectorStoreFile:
    """Replaces the attributes; filters see it at once."""
    store = project.vector_store(vector_store_id)
    return VectorStoreFile.of(store.update(file_id, attributes=body.attributes))


@router.delete("/vector_stores/{vector_store_id}/files/{file_id}")
def detach_file(project: Project, vector_store_id: StorePath, file_id: FilePath) -> Deleted:
    """The file itself stays."""
    project.vector_store(vector_store_id).detach(file_id)
    return Deleted(id=file_id, object="vector_store.file.deleted", deleted=True)


@router.get("/vector_stores/{vector_store_id}/files/{file_id}/content")
def retrieve_vector_store_file_content(project: Project, vector_store_id: StorePath, file_id: FilePath) -> Contents:
    """The parsed text, each character once."""
    return Contents.of(project.vector_store(vector_store_id).text(file_id))


def poll_after(request: Request, response: Response) -> None:
    """Tells clients that wait when to look again."""
    server: Server = request.app.state.server
    response.headers["openai-poll-after-ms"] = str(server.settings.poll_after_ms)
