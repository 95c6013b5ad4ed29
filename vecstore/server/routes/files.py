"""Files."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from vecstore.server.body import Form
from vecstore.server.route import FormRoute, Route
from vecstore.server.wire import forms
from vecstore.server.wire.objects import Deleted, File, List, page_of
from vecstore.server.wire.params import FilePath, FilesPageOf, Project

router = APIRouter(route_class=Route, tags=["Files"])
uploading = APIRouter(route_class=FormRoute, tags=["Files"])

_PIECE_BYTES = 1 << 20
MAX_SAVED_CHARS = 255  # of a name that is suggested to who saves it


@uploading.post("/files", response_model_exclude_unset=True, openapi_extra=forms.FILE)
def create_file(request: Request, project: Project) -> File:
    """Stores a file, up to 512 MB."""
    form: Form = request.state.form
    said = forms.create_file(form)
    filename = form.filename or "upload"
    return File.of(project.upload((filename, form.content), purpose=said.purpose, expires_after=said.expires_after))


@router.get("/files", response_model_exclude_unset=True)
def list_files(
    project: Project, page: FilesPageOf, purpose: Annotated[str | None, Query(max_length=100)] = None
) -> List[File]:
    return page_of(project.files(page, purpose=purpose or None), File.of)


@router.get("/files/{file_id}", response_model_exclude_unset=True)
def retrieve_file(project: Project, file_id: FilePath) -> File:
    return File.of(project.file(file_id))


@router.delete("/files/{file_id}")
def delete_file(project: Project, file_id: FilePath) -> Deleted:
    """Also takes it out of every vector store."""
    project.delete_file(file_id)
    return Deleted(id=file_id, object="file", deleted=True)


_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/files/{file_id}/content", response_class=StreamingResponse, responses=_BYTES)
def retrieve_file_content(project: Project, file_id: FilePath) -> StreamingResponse:
    """The bytes that were uploaded."""
    file, content = project.file(file_id), project.open_content(file_id)

    def pieces() -> Any:
        with content:
            while piece := content.read(_PIECE_BYTES):
                yield piece

    name = PurePosixPath(file.filename).name[-MAX_SAVED_CHARS:]
    headers = {
        "content-length": str(file.bytes),
        "content-disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}",
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(pieces(), media_type="application/octet-stream", headers=headers)


router.include_router(uploading)
