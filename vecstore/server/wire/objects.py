"""What clients get: OpenAI's objects from our values. Keys that OpenAI does not have are ours, and clients keep them.

What was not set is left out of the answer: an absent `expires_at` is absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from vecstore import types

Item = TypeVar("Item", bound="Object")
ValueT = TypeVar("ValueT")


class Object(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ErrorBody(Object):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(Object):
    error: ErrorBody


class List(Object, Generic[Item]):
    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


def page_of(page: types.Page[ValueT], made: Callable[[ValueT], Item]) -> List[Item]:
    data = [made(value) for value in page.data]
    ids = [str(each.id) for each in data]  # type: ignore[attr-defined] # all that are listed have one
    return List[Item](
        object="list",
        data=data,
        first_id=ids[0] if ids else None,
        last_id=ids[-1] if ids else None,
        has_more=page.has_more,
    )


class Deleted(Object):
    id: str
    object: Literal["file", "vector_store.deleted", "vector_store.file.deleted"]
    deleted: Literal[True]


class File(Object):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"]
    expires_at: int = 0
    sha256: str

    @classmethod
    def of(cls, file: types.File) -> File:
        return cls(
            id=file.id,
            object="file",
            bytes=file.bytes,
            created_at=file.created_at,
            filename=file.filename,
            purpose="user_data" if file.purpose == "evals" else file.purpose,  # which no File says, with OpenAI
            status="processed",
            sha256=file.sha256,
            **given(expires_at=file.expires_at),
        )


class Upload(Object):
    id: str
    object: Literal["upload"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    expires_at: int
    file: File | None

    @classmethod
    def of(cls, upload: types.UploadInfo) -> Upload:
        return cls(
            id=upload.id,
            object="upload",
            bytes=upload.bytes,
            created_at=upload.created_at,
            filename=upload.filename,
            purpose=upload.purpose,
            status=upload.status,
            expires_at=upload.expires_at,
            file=None if upload.file is None else File.of(upload.file),
        )


class UploadPart(Object):
    id: str
    object: Literal["upload.part"]
    created_at: int
    upload_id: str

    @classmethod
    def of(cls, part: types.UploadPart) -> UploadPart:
        return cls(id=part.id, object="upload.part", created_at=part.created_at, upload_id=part.upload_id)


class Model(Object):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: Literal["embedding", "ranking"]
    dimensions: int = 0


class Models(Object):
    object: Literal["list"]
    data: list[Model]


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}
