"""What a backup or an archive holds: a list of its parts, with the size and SHA-256 of each, that lies beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from typing import Any, Literal, TypeAlias

from vecstore.catalog import FORMAT
from vecstore.errors import FormatError, StorageError
from vecstore.files import sha256_of_content
from vecstore.usage import END_OF_TIME

MANIFEST = "manifest.json"
VERSION = 1
MAX_BYTES = 64 << 20  # of a manifest: some 800,000 contents

Kind: TypeAlias = Literal["backup", "vector store"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_WHOLE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """`catalog_sha256` and `catalog_bytes` are of catalog.db, `blobs` has the bytes of each content by its SHA-256.

    `name` is the vector store's, "" of a backup. `chunks` are those that searches can find. `folder_id` is the
    data folder's, 0 where it has none.
    """

    kind: Kind
    name: str
    created_at: int
    catalog_sha256: str
    catalog_bytes: int
    vector_stores: int
    files: int
    chunks: int
    blobs: Mapping[str, int]
    folder_id: int = 0
    data_format: str = FORMAT
    vecstore: str = field(default_factory=lambda: metadata.version("vecstore"))

    @property
    def bytes(self) -> int:
        """Of all that it names."""
        return self.catalog_bytes + sum(self.blobs.values())


def manifest_bytes(manifest: Manifest) -> bytes:
    """As it is written: JSON that ends with the SHA-256 of all before it."""
    said = {"manifest": VERSION, **asdict(manifest)}
    return json.dumps({**said, "sha256": _sha256(said)}, indent=1).encode()


def read_manifest(data: bytes, where: str, kind: Kind) -> Manifest:
    """Raises StorageError where it is damaged, FormatError where a newer version wrote it. `where` names it."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise damaged(f"{where} is damaged: it is no JSON") from error
    version = said.pop("manifest", None) if isinstance(said, dict) else None
    if type(version) is not int:
        raise damaged(f"{where} is damaged: it has no version")
    if version != VERSION:
        raise FormatError(f"{where} is of version {version}; this version of vecstore reads version {VERSION}")
    sha256 = said.pop("sha256", None)
    if sha256 != _sha256({"manifest": VERSION, **said}):
        raise damaged(f"{where} is damaged: it was changed after it was written")
    said.setdefault("folder_id", 0)
    if not _is_whole(said) or said["kind"] != kind:
        raise damaged(f"{where} is damaged: it is not the manifest of a {kind}")
    if said["data_format"] > FORMAT:
        raise FormatError(
            f"{where} is of data format {said['data_format']}; this version of vecstore reads up to {FORMAT}"
        )
    return Manifest(**said)


def damaged(sentence: str) -> StorageError:
    """What is on the disk is not what was written."""
    return StorageError(sentence, code="damaged")


def _sha256(said: Mapping[str, Any]) -> str:
    return sha256_of_content(json.dumps(said, sort_keys=True).encode())


def _is_whole(said: Mapping[str, Any]) -> bool:
    """Whether it has every field, each of its type."""
    if set(said) != {each.name for each in fields(Manifest)} or not isinstance(said["blobs"], dict):
        return False
    texts = [said[name] for name in ("kind", "name", "data_format", "vecstore", "catalog_sha256")]
    wholes = [said[name] for name in ("created_at", "catalog_bytes", "vector_stores", "files", "chunks", "folder_id")]
    return (
        all(type(text) is str and _is_unicode(text) for text in texts)
        and all(type(whole) is int and 0 <= whole <= _MAX_WHOLE for whole in [*wholes, *said["blobs"].values()])
        and said["created_at"] < END_OF_TIME
        and all(_SHA256.fullmatch(sha256) for sha256 in (said["catalog_sha256"], *said["blobs"]))
    )


def _is_unicode(text: str) -> bool:
    try:
        return bool(text.encode()) or not text
    except UnicodeEncodeError:
        return False
