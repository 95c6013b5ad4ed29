"""Uploads in parts."""

from __future__ import annotations

from fastapi import APIRouter, Request

from vecstore.server.body import Form
from vecstore.server.route import FormRoute, Route
from vecstore.server.wire import forms
from vecstore.server.wire.objects import Upload, UploadPart
from vecstore.server.wire.params import Project, UploadPath
from vecstore.server.wire.requests import CompleteUpload, CreateUpload, plain

router = APIRouter(route_class=Route, tags=["Uploads"])
parts = APIRouter(route_class=FormRoute, tags=["Uploads"])


@router.post("/uploads", response_model_exclude_unset=True)
def create_upload(project: Project, body: CreateUpload) -> Upload:
    """A file that comes in parts, within an hour."""
    made = project.create_upload(
        body.filename,
        bytes=body.bytes,
        purpose=body.purpose,
        mime_type=body.mime_type,
        expires_after=plain(body.expires_after),
    )
    return Upload.of(made)


@parts.post("/uploads/{upload_id}/parts", openapi_extra=forms.PART)
def add_upload_part(request: Request, project: Project, upload_id: UploadPath) -> UploadPart:
    """Up to 64 MiB, in any order and side by side."""
    form: Form = request.state.form
    forms.check_part(form)
    return UploadPart.of(project.add_part(upload_id, form.content))


@router.post("/uploads/{upload_id}/complete", response_model_exclude_unset=True)
def complete_upload(project: Project, upload_id: UploadPath, body: CompleteUpload) -> Upload:
    """One file of these parts, in this order."""
    return Upload.of(project.complete_upload(upload_id, body.part_ids, md5=body.md5))


@router.post("/uploads/{upload_id}/cancel", response_model_exclude_unset=True)
def cancel_upload(project: Project, upload_id: UploadPath) -> Upload:
    return Upload.of(project.cancel_upload(upload_id))


router.include_router(parts)
