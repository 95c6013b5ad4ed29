"""bytes -> text -> chunks. Plain values in and out; never imports vecstore."""

from ingestion.chunk import chunk, contexts, passages
from ingestion.detect import SUPPORTED, media_type
from ingestion.parse import parse, revision
from ingestion.types import (
    AUTO,
    Chunk,
    Chunked,
    ChunkingStrategy,
    Document,
    IngestionError,
    InvalidFileError,
    Passage,
    Span,
    StaticStrategy,
    StructureStrategy,
    UnsupportedFileError,
    Window,
)

__all__ = [
    "AUTO",
    "SUPPORTED",
    "Chunk",
    "Chunked",
    "ChunkingStrategy",
    "Document",
    "IngestionError",
    "InvalidFileError",
    "Passage",
    "Span",
    "StaticStrategy",
    "StructureStrategy",
    "UnsupportedFileError",
    "Window",
    "chunk",
    "contexts",
    "media_type",
    "parse",
    "passages",
    "revision",
]
