"""What clients send as forms: a file with fields beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vecstore.server.body import Form
from vecstore.server.errors import ApiError
from vecstore.server.validation import of_validation
from vecstore.server.wire.requests import FileExpiresAfter, Purpose

BATCH_FILES_EXPIRE_AFTER_S = 30 * 86_400  # OpenAI: files for its batch API; others never do


class _CreateFile(BaseModel):
    """Fields of a form are texts, so numbers are read from them."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose
    anchor: str | None = Field(None, alias="expires_after[anchor]")
    seconds: int | None = Field(None, alias="expires_after[seconds]")


@dataclass(frozen=True, slots=True)
class CreateFile:
    purpose: str
    expires_after: dict[str, object] | None


def create_file(form: Form) -> CreateFile:
    """Raises ApiError."""
    try:
        said = _CreateFile.model_validate(form.fields)
        policy = None
        if said.anchor is not None or said.seconds is not None:
            policy = FileExpiresAfter.model_validate({"anchor": said.anchor, "seconds": said.seconds}).model_dump()
    except ValidationError as error:
        raise of_validation(error.errors()) from error
    if policy is None and said.purpose == "batch":
        policy = {"anchor": "created_at", "seconds": BATCH_FILES_EXPIRE_AFTER_S}
    return CreateFile(said.purpose, policy)


def check_part(form: Form) -> None:
    """Raises ApiError."""
    for name in form.fields:
        raise ApiError(400, f"Unknown parameter: '{name:.80}'.", code="unknown_parameter", param=name[:80])


def _form(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_BYTES = {"type": "string", "format": "binary"}

FILE = _form(
    {
        "file": _BYTES,
        "purpose": {"type": "string", "enum": ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
    },
    ["file", "purpose"],
    dependentRequired={
        "expires_after[anchor]": ["expires_after[seconds]"],
        "expires_after[seconds]": ["expires_after[anchor]"],
    },
)
PART = _form({"data": _BYTES}, ["data"])
