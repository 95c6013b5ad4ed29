"""A vector store's files cut anew, in a folder that is gone afterwards; the vector store stays as it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ingestion import ChunkingStrategy, IngestionError
from ingestion.worker import WorkersError
from vecstore.catalog import Catalog, PreparedFile
from vecstore.errors import FileFailedError, SandboxError
from vecstore.indexing import ReadFile, embed
from vecstore.parts import Parts
from vecstore.reading import Reader
from vecstore.shards import Shards
from vecstore.types import VectorStoreFile, VectorStoreInfo

PREFIX = "vecstore-tune-"  # of the folder, among temporary files
FILES_AT_ONCE = 16  # embedded together


@contextmanager
def recut(
    parts: Parts, store: VectorStoreInfo, strategy: ChunkingStrategy, on_share: Callable[[float], None]
) -> Iterator[Parts]:
    """Parts whose catalogue has this vector store alone, its files under the same ids and cut by this strategy.

    `on_share` hears how much of the work is done, 0 to 1. However it ends, nothing is left behind; only after a kill
    the folder, readable by its owner alone, is for whoever cleans up temporary files.
    Raises FileFailedError for a file that cannot be read again, as one that took a password.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        catalog = Catalog(Path(folder) / "catalog.db")
        shards = Shards(Path(folder) / "stores", catalog)
        try:
            anew = replace(parts, catalog=catalog, shards=shards, reader=Reader(catalog, parts.workers))
            _fill(anew, parts, store, strategy, on_share)
            yield anew
        finally:
            catalog.close()


def _fill(
    anew: Parts, parts: Parts, store: VectorStoreInfo, strategy: ChunkingStrategy, on_share: Callable[[float], None]
) -> None:
    anew.catalog.add_vector_store(
        store.id,
        name=store.name,
        metadata={},
        embedder=store.embedder,
        dimensions=store.dimensions,
        now=parts.now(),
        project_id=store.project_id,
    )
    members = [member for member in parts.catalog.members(store.id) if member.chunks]
    done, whole = 0, sum(member.usage_bytes for member in members) or 1
    for i in range(0, len(members), FILES_AT_ONCE):
        some = members[i : i + FILES_AT_ONCE]
        here = sum(member.usage_bytes for member in some)
        embedded = 0.0

        def on_embedded(share: float, *, before: int = done, size: int = here) -> None:
            nonlocal embedded
            embedded += share
            on_share(min((before + size * embedded) / whole, 1.0))

        read = [_read(anew, parts, store, member, strategy) for member in some]
        prepared = embed(read, parts.embedder, on_share=on_embedded)
        with anew.shards.writing(store.id):
            anew.catalog.commit(store.id, prepared, now=parts.now())
        done += here
        on_share(done / whole)


def _read(
    anew: Parts, parts: Parts, store: VectorStoreInfo, member: VectorStoreFile, strategy: ChunkingStrategy
) -> ReadFile | PreparedFile:
    file = parts.catalog.file(member.id)
    anew.catalog.add_files([file])
    try:
        with parts.blobs.open(file.sha256) as content:
            return anew.reader.read(store, file, content, attributes={}, strategy=strategy)
    except WorkersError as error:
        parts.check_open()
        raise SandboxError(str(error)) from error
    except IngestionError as error:
        raise FileFailedError(error.code, f"{file.filename!r} cannot be cut anew: {error}") from error
