"""A file that comes in parts, each stored as it comes; completed, they are one file."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from vecstore import ids
from vecstore.attributes import checked_filename, checked_text
from vecstore.blobs import Incoming
from vecstore.catalog.statements import check_id
from vecstore.catalog.uploads import StoredPart
from vecstore.disk import refusals
from vecstore.errors import InvalidRequestError, StorageError
from vecstore.expiry import UPLOAD_S, checked_seconds
from vecstore.jobs import MAX_FILE_BYTES
from vecstore.parts import Parts
from vecstore.types import UploadInfo, UploadPart

MAX_PART_BYTES = 64 << 20  # OpenAI: Uploads. Its 8 GB an upload are more than a file may have and be indexed
MAX_SENT = 2  # times its bytes: what may lie on the disk of one upload, since parts can be sent again
_READ_BYTES = 1 << 20


def create_upload(
    parts: Parts,
    filename: str,
    *,
    size: int,
    purpose: str,
    mime_type: str,
    expires_after: Mapping[str, object] | None,
    project_id: str,
) -> UploadInfo:
    """A pending upload; durable when it returns. Raises InvalidRequestError."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_FILE_BYTES:
        limit = f"1 to {MAX_FILE_BYTES:,} ({MAX_FILE_BYTES >> 20} MiB, the most that one file may have)"
        raise InvalidRequestError("bytes", f"must be {limit}, not {size!r:.40}")
    now = parts.now()
    upload = UploadInfo(
        id=ids.new_upload_id(),
        filename=checked_filename(filename),
        purpose=checked_text("purpose", purpose),
        bytes=size,
        mime_type=checked_text("mime_type", mime_type),
        created_at=now,
        expires_at=now + UPLOAD_S,
        status="pending",
        project_id=project_id,
    )
    parts.catalog.uploads.add(upload, file_expires_after_s=checked_seconds(expires_after))
    parts.catalog.expiring.note(upload.expires_at)
    return upload


def add_part(parts: Parts, upload_id: str, data: bytes | BinaryIO | Incoming) -> UploadPart:
    """Stores a part; durable when it returns. Nothing is left of one that is refused.

    Raises NotFoundError, InvalidRequestError, StorageError.
    """
    check_id("upload_id", upload_id)
    upload = parts.catalog.uploads.pending(upload_id, now=parts.now())
    if isinstance(data, Incoming):
        _check_size(data.bytes)
        return _keep_part(parts, upload, data)
    with parts.blobs.receive() as incoming:  # before any lock is held: the caller's stream may stall
        for piece in _pieces_of(data):
            incoming.write(piece)
            if incoming.bytes > MAX_PART_BYTES:
                break
        _check_size(incoming.bytes)
        return _keep_part(parts, upload, incoming)


def _keep_part(parts: Parts, upload: UploadInfo, incoming: Incoming) -> UploadPart:
    with parts.sweeping([incoming.sha256]):
        parts.catalog.uploads.pending(upload.id, now=parts.now())
        _check_sum(upload, parts.catalog.uploads.parts(upload.id), incoming.bytes)
        parts.blobs.keep(incoming)
        part = UploadPart(ids.new_part_id(), upload.id, parts.now(), incoming.bytes)
        parts.catalog.uploads.add_part(part, incoming.sha256)
    return part


def complete_upload(parts: Parts, upload_id: str, part_ids: Sequence[str], *, md5: str | None) -> UploadInfo:
    """One file of these parts, in this order; durable when it returns, with all of the upload's parts forgotten.

    A kill leaves it pending with every part, or completed. Raises NotFoundError, InvalidRequestError, StorageError.
    """
    check_id("upload_id", upload_id)
    if md5 is not None and not (isinstance(md5, str) and re.fullmatch("[0-9a-fA-F]{32}", md5)):
        raise InvalidRequestError("md5", f"must be 32 hexadecimal digits, not {md5!r:.80}")
    contents: list[str] = []
    with parts.sweeping(contents):
        upload = parts.catalog.uploads.pending(upload_id, now=parts.now())
        stored = parts.catalog.uploads.parts(upload_id)
        pieces = _joined(parts, _chosen(upload, stored, part_ids))
        whole, _ = parts.blobs.put(pieces if md5 is None else _matching(pieces, md5.lower()))
        contents += [whole, *(part.sha256 for part in stored)]
        completed = parts.catalog.uploads.complete(upload_id, whole, file_id=ids.new_file_id(), now=parts.now())
    if completed.file is not None:
        parts.catalog.expiring.note(completed.file.expires_at)
    return completed


def cancel_upload(parts: Parts, upload_id: str) -> UploadInfo:
    """Ends it and forgets its parts. Raises NotFoundError, InvalidRequestError."""
    check_id("upload_id", upload_id)
    contents: list[str] = []
    with parts.sweeping(contents):
        contents += [part.sha256 for part in parts.catalog.uploads.parts(upload_id)]
        return parts.catalog.uploads.cancel(upload_id, now=parts.now())


def _pieces_of(data: bytes | BinaryIO) -> Iterator[bytes]:
    file = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    if not hasattr(file, "read"):
        raise InvalidRequestError("data", f"must be bytes or a binary file, not {type(data).__name__}")
    while piece := file.read(_READ_BYTES):
        if not isinstance(piece, bytes):
            raise InvalidRequestError("data", f"must hold bytes, not {type(piece).__name__}")
        yield piece


def _check_size(size: int) -> None:
    if not 1 <= size <= MAX_PART_BYTES:
        raise InvalidRequestError("data", f"must be 1 to {MAX_PART_BYTES:,} bytes (64 MiB), not {size:,}")


def _check_sum(upload: UploadInfo, stored: Sequence[StoredPart], size: int) -> None:
    """Or else parts that no file is ever made of would fill the disk."""
    total, limit = sum(part.bytes for part in stored) + size, MAX_SENT * upload.bytes + MAX_PART_BYTES
    if total > limit:
        allowed = f"{limit:,} bytes, {MAX_SENT} times its own and a part more"
        raise InvalidRequestError("data", f"may bring the parts of {upload.id} to {allowed}, not {total:,}")


def _chosen(upload: UploadInfo, stored: Sequence[StoredPart], part_ids: Sequence[str]) -> list[StoredPart]:
    """The parts of these ids, in their order, once they are known to make up the upload."""
    if isinstance(part_ids, str | bytes) or not isinstance(part_ids, Sequence):
        raise InvalidRequestError("part_ids", f"must be a list of ids, not {part_ids!r:.80}")
    known = {part.id: part for part in stored}
    chosen: dict[str, StoredPart] = {}
    for part_id in part_ids:
        check_id("part_ids", part_id)
        if part_id not in known:
            raise InvalidRequestError("part_ids", f"has {part_id!r:.80}, which is no part of {upload.id}")
        if part_id in chosen:
            raise InvalidRequestError("part_ids", f"has {part_id!r} more than once")
        chosen[part_id] = known[part_id]
    total = sum(part.bytes for part in chosen.values())
    if total != upload.bytes:
        raise InvalidRequestError("part_ids", f"add up to {total:,} bytes, and must to the upload's {upload.bytes:,}")
    return list(chosen.values())


def _joined(parts: Parts, chosen: Iterable[StoredPart]) -> Iterator[bytes]:
    for part in chosen:
        try:
            content = parts.blobs.open(part.sha256)
        except StorageError as error:
            if error.code != "damaged":
                raise
            sentence = f"the content of {part.id} was changed on disk; send the part again"
            raise StorageError(sentence, code="damaged") from error
        with content, refusals(f"{part.id} cannot be read"):
            while piece := content.read(_READ_BYTES):
                yield piece


def _matching(pieces: Iterable[bytes], md5: str) -> Iterator[bytes]:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != md5:
        raise InvalidRequestError("md5", f"is {md5}, and the parts in this order have {digest.hexdigest()}")
