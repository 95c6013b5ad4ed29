"""File batches."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from vecstore.batch import FileBatch as Batch
from vecstore.errors import VecstoreError
from vecstore.server.errors import ApiError, of_engine
from vecstore.server.route import Route
from vecstore.server.routes.stores import poll_after
from vecstore.server.state import Server
from vecstore.server.wire.objects import List, page_of
from vecstore.server.wire.params import BatchPath, PageOf, Project, StatusFilter, StorePath
from vecstore.server.wire.requests import CreateFileBatch, plain
from vecstore.server.wire.stores import FileBatch, Progress, VectorStoreFile
from vecstore.types import BatchFile

router = APIRouter(route_class=Route, tags=["File batches"])

PROGRESS_EVERY_S = 0.5


@router.post("/vector_stores/{vector_store_id}/file_batches")
def create_file_batch(
    request: Request, response: Response, project: Project, vector_store_id: StorePath, body: CreateFileBatch
) -> FileBatch:
    """Up to 2,000 files, indexed in the background. A file that does not exist fails alone."""
    if (body.file_ids is None) == (body.files is None):
        raise ApiError(400, "Give exactly one of 'file_ids' and 'files'.", code="invalid_value", param="file_ids")
    if body.files is not None:
        files = [BatchFile(each.file_id, each.attributes, plain(each.chunking_strategy)) for each in body.files]
        batch = project.vector_store(vector_store_id).batch(files)
    else:
        batch = project.vector_store(vector_store_id).batch(
            [BatchFile(file_id) for file_id in body.file_ids or ()],
            attributes=body.attributes,
            chunking_strategy=plain(body.chunking_strategy),
        )
    return _told(request, response, batch)


@router.get("/vector_stores/{vector_store_id}/file_batches/{batch_id}")
def retrieve_file_batch(
    request: Request, response: Response, project: Project, vector_store_id: StorePath, batch_id: BatchPath
) -> FileBatch:
    return _told(request, response, project.vector_store(vector_store_id).get_batch(batch_id))


@router.post("/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel")
def cancel_file_batch(
    request: Request, response: Response, project: Project, vector_store_id: StorePath, batch_id: BatchPath
) -> FileBatch:
    """What is not done yet never will be; what is done stays."""
    batch = project.vector_store(vector_store_id).get_batch(batch_id)
    batch.cancel()
    return _told(request, response, batch)


@router.get("/vector_stores/{vector_store_id}/file_batches/{batch_id}/files")
def list_files_in_batch(
    project: Project, vector_store_id: StorePath, batch_id: BatchPath, page: PageOf, status: StatusFilter = None
) -> List[VectorStoreFile]:
    batch = project.vector_store(vector_store_id).get_batch(batch_id)
    return page_of(batch.page(page, status=status), VectorStoreFile.of)


@router.get(
    "/vector_stores/{vector_store_id}/file_batches/{batch_id}/progress",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
def stream_progress(
    request: Request, project: Project, vector_store_id: StorePath, batch_id: BatchPath
) -> StreamingResponse:
    """How far it is, as server-sent events named `progress`, until it has ended: then one named `done`, or `error`."""
    batch = project.vector_store(vector_store_id).get_batch(batch_id)
    server: Server = request.app.state.server
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_events(batch, server), media_type="text/event-stream", headers=headers)


async def _events(batch: Batch, server: Server) -> AsyncIterator[str]:
    """Until it has ended, its vector store was deleted, or the server is told to stop."""
    while not server.draining.is_set():
        try:
            now = await anyio.to_thread.run_sync(batch.progress)
        except VecstoreError as error:
            yield f"event: error\ndata: {of_engine(error).envelope().model_dump_json()}\n\n"
            return
        ended = now.batch.status != "in_progress"
        yield f"event: {'done' if ended else 'progress'}\ndata: {Progress.of(now).model_dump_json()}\n\n"
        if ended:
            return
        await anyio.sleep(PROGRESS_EVERY_S)


def _told(request: Request, response: Response, batch: Batch) -> FileBatch:
    poll_after(request, response)
    server: Server = request.app.state.server
    return FileBatch.of(batch.info(), server.settings.batch_object)
