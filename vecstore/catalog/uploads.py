"""Uploads in parts: what is awaited of each, what has come, and the file that they became."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from vecstore.catalog import rows, statements
from vecstore.catalog.database import Database
from vecstore.catalog.schema import files, upload_parts, uploads
from vecstore.errors import InvalidRequestError, NotFoundError
from vecstore.types import File, UploadInfo, UploadPart


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Where a part's content is."""

    id: str
    sha256: str
    bytes: int


class Uploads:
    """Each method is one transaction, as in Catalog. Those that change an upload refuse one that is not pending.

    From the second on in which it expires it is not, whether or not its end was carried out.
    """

    def __init__(self, database: Database) -> None:
        self._read, self._write = database.read, database.write

    def add(self, upload: UploadInfo, *, file_expires_after_s: int | None) -> None:
        """A new upload, pending and without parts."""
        with self._write("upload.create") as tx:
            tx.execute(
                sa.insert(uploads).values(
                    id=upload.id,
                    filename=upload.filename,
                    purpose=upload.purpose,
                    bytes=upload.bytes,
                    mime_type=upload.mime_type,
                    created_at=upload.created_at,
                    expires_at=upload.expires_at,
                    status=upload.status,
                    file_expires_after_s=file_expires_after_s,
                    project_id=upload.project_id,
                )
            )

    def get(self, upload_id: str, *, now: int) -> UploadInfo:
        """Raises NotFoundError."""
        with self._read() as tx:
            return _info(tx, _row(tx, upload_id), now)

    def pending(self, upload_id: str, *, now: int) -> UploadInfo:
        """Raises NotFoundError, and InvalidRequestError where it is not pending any more."""
        with self._read() as tx:
            return _pending(tx, upload_id, now)

    def parts(self, upload_id: str) -> list[StoredPart]:
        """In the order they came; none once it is not pending."""
        query = sa.select(upload_parts).where(upload_parts.c.upload_id == upload_id).order_by(upload_parts.c.number)
        with self._read() as tx:
            return [StoredPart(row.id, row.sha256, row.bytes) for row in tx.execute(query)]

    def add_part(self, part: UploadPart, sha256: str) -> None:
        """Raises as `pending`, as of the part's creation."""
        with self._write("upload.part") as tx:
            _pending(tx, part.upload_id, part.created_at)
            tx.execute(
                sa.insert(upload_parts).values(
                    id=part.id,
                    upload_id=part.upload_id,
                    created_at=part.created_at,
                    sha256=sha256,
                    bytes=part.bytes,
                )
            )

    def complete(self, upload_id: str, sha256: str, *, file_id: str, now: int) -> UploadInfo:
        """Makes it a file of that content and forgets all of its parts. Raises as `pending`."""
        with self._write("upload.complete") as tx:
            _pending(tx, upload_id, now)
            row = _row(tx, upload_id)
            expires_at = None if row.file_expires_after_s is None else now + row.file_expires_after_s
            made = File(file_id, row.filename, row.bytes, sha256, now, row.purpose, expires_at, row.project_id)
            statements.insert_file(tx, made, None)
            this = uploads.c.id == upload_id
            statements.end_upload(tx, this, "completed")
            tx.execute(sa.update(uploads).where(this).values(file_id=file_id))
            return _info(tx, _row(tx, upload_id), now)

    def cancel(self, upload_id: str, *, now: int) -> UploadInfo:
        """Forgets its parts. Raises as `pending`."""
        with self._write("upload.cancel") as tx:
            _pending(tx, upload_id, now)
            statements.end_upload(tx, uploads.c.id == upload_id, "cancelled")
            return _info(tx, _row(tx, upload_id), now)


def _row(tx: sa.Connection, upload_id: str) -> Any:
    row = tx.execute(sa.select(uploads).where(uploads.c.id == upload_id)).first()
    if row is None:
        raise NotFoundError(f"No such Upload object: {upload_id}")  # in OpenAI's wording for a file
    return row


def _pending(tx: sa.Connection, upload_id: str, now: int) -> UploadInfo:
    info = _info(tx, _row(tx, upload_id), now)
    if info.status != "pending":
        raise InvalidRequestError("upload_id", f"{upload_id!r} has the status '{info.status}', and must be 'pending'")
    return info


def _info(tx: sa.Connection, row: Any, now: int) -> UploadInfo:
    file = tx.execute(sa.select(files).where(files.c.id == row.file_id)).first()
    return UploadInfo(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        bytes=row.bytes,
        mime_type=row.mime_type,
        created_at=row.created_at,
        expires_at=row.expires_at,
        status="expired" if row.status == "pending" and row.expires_at <= now else row.status,
        file=None if file is None else rows.file_of(file),
        project_id=row.project_id,
    )
