"""Do catalogue, indexes and contents agree? Both ways, and what of it can be put right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from vecstore.blobs import Blobs
from vecstore.catalog import Catalog, inconsistencies
from vecstore.catalog.report import awaited_contents
from vecstore.files import remove, sha256_of
from vecstore.shards import Shards
from vecstore.types import FloatArray, IntArray, Problem


def check_vector_store(catalog: Catalog, shards: Shards, store_id: str, *, fix: bool) -> list[Problem]:
    """The store's rows against each other, and its indexes against them. Indexes can be made anew."""
    with shards.alone(store_id):
        return _checked(catalog, shards, store_id, fix=fix)


def _checked(catalog: Catalog, shards: Shards, store_id: str, *, fix: bool) -> list[Problem]:
    found = inconsistencies(catalog, store_id)
    if fix:
        catalog.damage.quarantine(store_id)
    broken = [*_damaged_files(catalog, shards, store_id), *_index_problems(catalog, shards, store_id)]
    if broken and fix:
        shards.rebuild(store_id)
        left = {problem.message for problem in _index_problems(catalog, shards, store_id)}
        broken = [replace(problem, fixed=problem.message not in left) for problem in broken]
    return [*found, *broken]


def check_folder(catalog: Catalog, blobs: Blobs, shards: Shards, *, fix: bool) -> list[Problem]:
    """Uploaded contents against the files and uploads that want them, and what lies about without a row."""
    found = []
    for file in {file.sha256: file for file in catalog.files()}.values():
        if not blobs.intact(file.sha256):
            what = (
                f"the content of {file.filename!r} is missing or was changed; what was indexed of it is unharmed. "
                "Add the original again, or remove the file."
            )
            found.append(Problem("content", file.id, what))
    for part in awaited_contents(catalog):
        if not blobs.intact(part.sha256):
            what = f"the content of a part of {part.filename!r} is missing or was changed; send the part again"
            found.append(Problem("content", part.part_id, what))
    return [*found, *check_strays(catalog, blobs, shards, fix=fix)]


def check_strays(catalog: Catalog, blobs: Blobs, shards: Shards, *, fix: bool) -> list[Problem]:
    """What an interrupted process left: contents that belong to no file, indexes that belong to no vector store."""
    found = []
    for sha256 in sorted(set(blobs) - catalog.blobs_in_use()):
        if fix:
            blobs.delete(sha256)
        found.append(Problem("stray content", sha256, "belongs to no file; left by an interrupted upload", fix))
    for path in shards.stray_folders():
        with shards.alone(path.name):  # not one that is just being deleted
            if not path.exists() or path.name in {store.id for store in catalog.vector_stores()}:
                continue  # gone, or made meanwhile
            if fix:
                remove(path)
        found.append(Problem("stray index", path.name, "belongs to no vector store", fix))
    return found


def _damaged_files(catalog: Catalog, shards: Shards, store_id: str) -> Iterator[Problem]:
    checkpoint = catalog.checkpoint(store_id)
    if checkpoint is None:
        return
    folder = shards.folder(store_id) / checkpoint.folder
    for name, sha256 in checkpoint.files.items():
        if not _is(folder / name, sha256):
            yield Problem("index file", f"{store_id} {name}", "is missing or was changed after it was written")


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _index_problems(catalog: Catalog, shards: Shards, store_id: str) -> list[Problem]:
    rows, vectors, numbers = shards.get(store_id).contents()
    changes = list(catalog.changes_since(store_id, 0))
    true_numbers = np.array(sorted(chunk.number for change in changes for chunk in change.chunks), np.int64)
    true_rows = np.concatenate([np.empty((0, 4), np.int64), *(change.rows for change in changes)])
    filled = [change.vectors for change in changes if len(change.rows)]
    true_vectors = np.concatenate(filled).astype(np.float32) if filled else np.empty_like(vectors)
    messages = [*_keyword_messages(true_numbers, numbers), *_dense_messages(true_rows, rows, true_vectors, vectors)]
    return [Problem("index", store_id, message) for message in messages]


def _keyword_messages(true: IntArray, found: IntArray) -> Iterator[str]:
    if not np.array_equal(true, found):
        missing, extra = len(np.setdiff1d(true, found)), len(found) - len(np.intersect1d(true, found))
        yield f"the keyword index lacks {missing} chunks and has {extra} too many"


def _dense_messages(true_rows: IntArray, rows: IntArray, true: FloatArray, found: FloatArray) -> Iterator[str]:
    if not np.array_equal(true_rows, rows):
        yield f"the dense index has {len(rows)} windows where the catalogue has {len(true_rows)}, or other ones"
    elif not np.array_equal(true, found):
        yield f"{int((true != found).any(axis=1).sum())} vectors of the dense index differ from the catalogue's"
