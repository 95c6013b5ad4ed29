"""A file that comes in parts, each stored as it comes; completed, they are one file."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from vecstore import ids
from vecstore.attributes import storable_text
from vecstore.catalog.uploads import StoredPart
from vecstore.errors import InvalidRequestError, StorageError
from vecstore.expiry import UPLOAD_S, checked_seconds
from vecstore.jobs import MAX_FILE_BYTES
from vecstore.parts import Parts
from vecstore.types import UploadInfo, UploadPart

MAX_PART_BYTES = 64 << 20  # OpenAI: Uploads. Its 8 GB an upload are more than a file may have and be indexed
_READ_BYTES = 1 << 20


def create_upload(
    parts: Parts,
    filename: str,
    *,
    size: int,
    purpose: str,
    mime_type: str,
    expires_after: Mapping[str, object] | None,
) -> UploadInfo:
    """A pending upload; durable when it returns. Raises InvalidRequestError."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_FILE_BYTES:
        limit = f"1 to {MAX_FILE_BYTES:,} ({MAX_FILE_BYTES >> 20} MiB, the most that one file may have)"
        raise InvalidRequestError("bytes", f"must be {limit}, not {size!r:.40}")
    now = parts.now()
    upload = UploadInfo(
        id=ids.new_upload_id(),
        filename=_checked_text("filename", filename),
        purpose=_checked_text("purpose", purpose),
        bytes=size,
        mime_type=_checked_text("mime_type", mime_type),
        created_at=now,
        expires_at=now + UPLOAD_S,
        status="pending",
    )
    parts.catalog.uploads.add(upload, file_expires_after_s=checked_seconds(expires_after))
    parts.catalog.expiring.note(upload.expires_at)
    return upload


def add_part(parts: Parts, upload_id: str, data: bytes | BinaryIO) -> UploadPart:
    """Stores a part; durable when it returns. Nothing is left of one that is refused.

    Raises NotFoundError, InvalidRequestError, StorageError.
    """
    upload = parts.catalog.uploads.pending(upload_id, now=parts.now())
    pieces = list(_pieces_of(data, upload))  # before any lock is held: the caller's stream may stall
    written: list[str] = []
    with parts.sweeping(written):
        parts.catalog.uploads.pending(upload_id, now=parts.now())
        sha256, size = parts.blobs.put(pieces)
        written.append(sha256)
        part = UploadPart(ids.new_part_id(), upload_id, parts.now(), size)
        parts.catalog.uploads.add_part(part, sha256)
    return part


def complete_upload(parts: Parts, upload_id: str, part_ids: Sequence[str], *, md5: str | None) -> UploadInfo:
    """One file of these parts, in this order; durable when it returns, with all of the upload's parts forgotten.

    A kill leaves it pending with every part, or completed. Raises NotFoundError, InvalidRequestError, StorageError.
    """
    if md5 is not None and not re.fullmatch("[0-9a-fA-F]{32}", md5):
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
    contents: list[str] = []
    with parts.sweeping(contents):
        contents += [part.sha256 for part in parts.catalog.uploads.parts(upload_id)]
        return parts.catalog.uploads.cancel(upload_id, now=parts.now())


def _checked_text(param: str, value: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(param, f"must be a string that is not empty, not {value!r:.80}")
    return storable_text(value)


def _pieces_of(data: bytes | BinaryIO, upload: UploadInfo) -> Iterator[bytes]:
    limit, total = min(MAX_PART_BYTES, upload.bytes), 0
    reason = "as its upload" if limit == upload.bytes else f"{limit >> 20} MiB"
    file = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    if not hasattr(file, "read"):
        raise InvalidRequestError("data", f"must be bytes or a binary file, not {type(data).__name__}")
    while piece := file.read(_READ_BYTES):
        if not isinstance(piece, bytes):
            raise InvalidRequestError("data", f"must hold bytes, not {type(piece).__name__}")
        total += len(piece)
        if total > limit:
            raise InvalidRequestError("data", f"may have at most {limit:,} bytes ({reason}); it has more")
        yield piece
    if not total:
        raise InvalidRequestError("data", f"must be 1 to {limit:,} bytes ({reason}), not 0")


def _chosen(upload: UploadInfo, stored: Sequence[StoredPart], part_ids: Sequence[str]) -> list[StoredPart]:
    """The parts of these ids, in their order, once they are known to make up the upload."""
    known = {part.id: part for part in stored}
    chosen: dict[str, StoredPart] = {}
    for part_id in part_ids:
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
        digest = hashlib.sha256()
        with parts.blobs.open(part.sha256) as file:
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
                yield piece
        if digest.hexdigest() != part.sha256:  # else the file would be whole, and wrong
            raise StorageError(f"the content of {part.id} was changed on disk; send the part again")


def _matching(pieces: Iterable[bytes], md5: str) -> Iterator[bytes]:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != md5:
        raise InvalidRequestError("md5", f"is {md5}, and the parts in this order have {digest.hexdigest()}")
