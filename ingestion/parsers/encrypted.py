"""Office Open XML files with a password: an OLE container around the encrypted package."""

from __future__ import annotations

from ingestion.parse import parse_part
from ingestion.parsers.ole import decrypted
from ingestion.types import Document, RawFile


def read(file: RawFile) -> Document:
    return parse_part(decrypted(file), file.filename, file, titled=True)
