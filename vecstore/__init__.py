"""The file_search engine that you own: files in, ranked passages with exact citations out, offline.

import vecstore

with vecstore.open("kb") as engine:
    store = engine.create("handbook")
    store.add("handbook.pdf", attributes={"year": 2026})
    for result in store.search("How long is parental leave?"):
        print(f"{result.score:.2f} {result.filename} {result.pages} {result.text}")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingestion.types import AUTO, StaticStrategy, StructureStrategy
    from ingestion.worker import Workers
    from vecstore.backups import BackupReport, backup, list_snapshots, verify_backup
    from vecstore.batch import FileBatch
    from vecstore.embed import (
        Embedder,
        HashingEmbedder,
        MultilingualEmbedder,
        OpenAIEmbedder,
        SentenceTransformerEmbedder,
        default_embedder,
    )
    from vecstore.engine import Engine, open
    from vecstore.errors import (
        EmbedderMismatchError,
        EmbeddingError,
        ExpiredError,
        FileFailedError,
        FolderInUseError,
        FormatError,
        IndexFailedError,
        InvalidRequestError,
        NotFoundError,
        RerankerError,
        SandboxError,
        ServerError,
        StorageError,
        VecstoreError,
    )
    from vecstore.index import IndexInfo
    from vecstore.jobs import AddedFile, Source
    from vecstore.moving import ExportReport
    from vecstore.rank import CrossEncoderReranker, Reranker
    from vecstore.restoring import restore
    from vecstore.rewriters import ChatRewriter, Rewriter, RuleRewriter
    from vecstore.snapshots import Snapshot
    from vecstore.tuning import Cut, Tuning
    from vecstore.types import (
        AddEstimate,
        ApiKey,
        BatchFile,
        BatchProgress,
        BatchSizes,
        Excerpt,
        Expired,
        Explanation,
        File,
        FileBatchInfo,
        FileChunk,
        FileProgress,
        HybridSearch,
        Problem,
        Project,
        SearchResult,
        SearchResults,
        UploadInfo,
        UploadPart,
        VectorStoreFile,
        VectorStoreInfo,
    )
    from vecstore.usage import Estimate, UsageReport, UsageRow
    from vecstore.usage_pages import BucketQuery
    from vecstore.vector_store import VectorStore

__version__ = "0.1.0"

# Imported when first asked for, so that `import vecstore` and `vecstore --help` cost nothing.
_HOMES = {
    "ingestion.types": ("AUTO", "StaticStrategy", "StructureStrategy"),
    "ingestion.worker": ("Workers",),
    "vecstore.backups": ("BackupReport", "backup", "list_snapshots", "verify_backup"),
    "vecstore.batch": ("FileBatch",),
    "vecstore.embed": (
        "Embedder",
        "HashingEmbedder",
        "MultilingualEmbedder",
        "OpenAIEmbedder",
        "SentenceTransformerEmbedder",
        "default_embedder",
    ),
    "vecstore.engine": ("Engine", "open"),
    "vecstore.errors": (
        "EmbedderMismatchError",
        "EmbeddingError",
        "ExpiredError",
        "FileFailedError",
        "FolderInUseError",
        "FormatError",
        "IndexFailedError",
        "InvalidRequestError",
        "NotFoundError",
        "RerankerError",
        "SandboxError",
        "ServerError",
        "StorageError",
        "VecstoreError",
    ),
    "vecstore.index": ("IndexInfo",),
    "vecstore.jobs": ("AddedFile", "Source"),
    "vecstore.moving": ("ExportReport",),
    "vecstore.rank": ("CrossEncoderReranker", "Reranker"),
    "vecstore.restoring": ("restore",),
    "vecstore.rewriters": ("ChatRewriter", "Rewriter", "RuleRewriter"),
    "vecstore.snapshots": ("Snapshot",),
    "vecstore.tuning": ("Cut", "Tuning"),
    "vecstore.types": (
        "AddEstimate",
        "ApiKey",
        "BatchFile",
        "BatchProgress",
        "BatchSizes",
        "Excerpt",
        "Expired",
        "Explanation",
        "File",
        "FileBatchInfo",
        "FileChunk",
        "FileProgress",
        "HybridSearch",
        "Problem",
        "Project",
        "SearchResult",
        "SearchResults",
        "UploadInfo",
        "UploadPart",
        "VectorStoreFile",
        "VectorStoreInfo",
    ),
    "vecstore.usage": ("Estimate", "UsageReport", "UsageRow"),
    "vecstore.usage_pages": ("BucketQuery",),
    "vecstore.vector_store": ("VectorStore",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AUTO",
    "AddEstimate",
    "AddedFile",
    "ApiKey",
    "BackupReport",
    "BatchFile",
    "BatchProgress",
    "BatchSizes",
    "BucketQuery",
    "ChatRewriter",
    "CrossEncoderReranker",
    "Cut",
    "Embedder",
    "EmbedderMismatchError",
    "EmbeddingError",
    "Engine",
    "Estimate",
    "Excerpt",
    "Expired",
    "ExpiredError",
    "Explanation",
    "ExportReport",
    "File",
    "FileBatch",
    "FileBatchInfo",
    "FileChunk",
    "FileFailedError",
    "FileProgress",
    "FolderInUseError",
    "FormatError",
    "HashingEmbedder",
    "HybridSearch",
    "IndexFailedError",
    "IndexInfo",
    "InvalidRequestError",
    "MultilingualEmbedder",
    "NotFoundError",
    "OpenAIEmbedder",
    "Problem",
    "Project",
    "Reranker",
    "RerankerError",
    "Rewriter",
    "RuleRewriter",
    "SandboxError",
    "SearchResult",
    "SearchResults",
    "SentenceTransformerEmbedder",
    "ServerError",
    "Snapshot",
    "Source",
    "StaticStrategy",
    "StorageError",
    "StructureStrategy",
    "Tuning",
    "UploadInfo",
    "UploadPart",
    "UsageReport",
    "UsageRow",
    "VecstoreError",
    "VectorStore",
    "VectorStoreFile",
    "VectorStoreInfo",
    "Workers",
    "backup",
    "default_embedder",
    "list_snapshots",
    "open",
    "restore",
    "verify_backup",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOME_OF:
        raise AttributeError(f"module 'vecstore' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
