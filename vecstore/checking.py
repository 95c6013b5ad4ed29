"""Do catalogue, indexes and contents agree? Both ways, and what of it can be put right."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from vecstore.catalog import (
    close_account,
    database_problems,
    inconsistencies,
    ledger_problems,
    lists_contents_whole,
    mark_problems,
    recount,
)
from vecstore.catalog.report import awaited_contents
from vecstore.errors import IndexFailedError, NotFoundError, StorageError
from vecstore.files import remove, sha256_of
from vecstore.index import Candidates
from vecstore.leftovers import leftovers
from vecstore.parts import Parts
from vecstore.search import query_words
from vecstore.types import FloatArray, IntArray, Problem

log = logging.getLogger(__name__)

MANY_STRAYS = 10  # contents; with fewer it is not asked whether the catalogue is the right one
SAMPLE = 20  # queries of a deep check
DEPTH = 10  # results of each that are compared
_QUERY_CHARS = 300
_GUESSED = 0.5  # of a chunk's BM25: so much it may be off where a tenth of all, and far longer ones, were taken out
_DERIVED = ("counts", "batch")  # kinds of problems that other rows tell the truth about


def check_all(parts: Parts, *, fix: bool, deep: bool) -> list[Problem]:
    """The whole data folder. What is damaged in one place does not keep the others from being looked at."""
    found = _looked_at("catalogue", "pages", partial(database_problems, parts.catalog, fix=fix))
    try:
        stores = parts.catalog.vector_stores()
    except StorageError as error:
        if error.code != "damaged":
            raise
        return [*found, Problem("catalogue", "vector stores", str(error))]
    for store in stores:
        with suppress(NotFoundError):  # deleted meanwhile
            found += check_vector_store(parts, store.id, fix=fix, deep=deep)
    found += _looked_at("catalogue", "ledger", partial(_check_ledger, parts, fix=fix))
    with parts.contents:
        found += _looked_at("catalogue", "files", partial(_check_contents, parts))
        found += _looked_at("catalogue", "files", partial(check_strays, parts, fix=fix))
    return [*found, *_looked_at("catalogue", "checkpoints", partial(_check_leftovers, parts, fix=fix))]


def _looked_at(kind: str, where: str, look: Callable[[], list[Problem]]) -> list[Problem]:
    """Damage that keeps it from being looked at is a problem itself."""
    try:
        return look()
    except StorageError as error:
        if error.code != "damaged":
            raise
        return [Problem(kind, where, str(error))]


def check_vector_store(parts: Parts, store_id: str, *, fix: bool, deep: bool) -> list[Problem]:
    """The store's rows against each other, and its indexes against them.

    deep: and what a sample of queries finds against what it finds in indexes made anew. Raises NotFoundError.
    """
    with parts.shards.alone(store_id):
        return _looked_at("vector store", store_id, partial(_checked, parts, store_id, fix=fix, deep=deep))


def _checked(parts: Parts, store_id: str, *, fix: bool, deep: bool) -> list[Problem]:
    found = [*_rows_checked(parts, store_id, fix=fix), *_idle_batches(parts, store_id)]
    damage = parts.catalog.damage
    damaged = any(each.kind == "file" for each in found) and bool(damage.found(store_id))
    if damaged and fix:
        damage.quarantine(store_id)
    compared = fix or not damaged  # else there is nothing whole to compare them with

    def index_problems() -> list[Problem]:
        broken = _index_problems(parts, store_id) if compared else []
        if not deep or not compared or broken:
            return broken
        try:
            return _differences(parts, store_id)
        except IndexFailedError as error:
            return [Problem("index", store_id, str(error))]

    broken = [*_damaged_files(parts, store_id), *index_problems()]
    if broken and fix:
        parts.shards.rebuild(store_id)
        left = {problem.message for problem in index_problems()}
        broken = [replace(problem, fixed=problem.message not in left) for problem in broken]
    return [*found, *broken]


def _rows_checked(parts: Parts, store_id: str, *, fix: bool) -> list[Problem]:
    found = inconsistencies(parts.catalog, store_id)
    if not fix or not any(problem.kind in _DERIVED for problem in found):
        return found
    recount(parts.catalog.database, store_id, now=parts.now())
    left = inconsistencies(parts.catalog, store_id)
    return [replace(problem, fixed=problem.kind in _DERIVED and problem not in left) for problem in found]


def _idle_batches(parts: Parts, store_id: str) -> Iterator[Problem]:
    """Interrupted, in an engine that was opened without going on with them."""
    for batch in parts.catalog.batches.list(store_id):
        left = batch.file_counts.in_progress
        if left and not parts.is_working:
            what = f"{left} of its files are in progress, and nothing works on them: 'vecstore batches --run' goes on"
            yield Problem("idle batch", batch.id, what)


def _check_ledger(parts: Parts, *, fix: bool) -> list[Problem]:
    sums, levels = mark_problems(parts.catalog), ledger_problems(parts.catalog)
    if fix:
        for problem in levels:
            close_account(parts.catalog.database, problem.where, now=parts.now())
        if sums:
            parts.catalog.meter.forget_marks()
    return [replace(problem, fixed=fix) for problem in (*sums, *levels)]


def _check_contents(parts: Parts) -> list[Problem]:
    """Uploaded contents against the files and uploads that want them."""
    found = []
    for file in {file.sha256: file for file in parts.catalog.files()}.values():
        if not parts.blobs.intact(file.sha256):
            what = (
                f"the content of {file.filename!r} is missing or was changed; what was indexed of it is unharmed. "
                "Add the original again, or remove the file."
            )
            found.append(Problem("content", file.id, what))
    for part in awaited_contents(parts.catalog):
        if not parts.blobs.intact(part.sha256):
            what = f"the content of a part of {part.filename!r} is missing or was changed; send the part again"
            found.append(Problem("content", part.part_id, what))
    return found


def check_strays(parts: Parts, *, fix: bool) -> list[Problem]:
    """What an interrupted process left: contents that belong to no file, indexes that belong to no vector store.

    Nothing is removed on the word of a catalogue that is damaged there.
    """
    catalog, blobs, shards = parts.catalog, parts.blobs, parts.shards
    found = []
    fix = fix and lists_contents_whole(catalog)
    held, wanted = set(blobs), catalog.blobs_in_use()
    strays, what = sorted(held - wanted), "belongs to no file; left by an interrupted upload"
    # a crash leaves all that is wanted; another folder's catalogue wants what is not there, and knows no indexes here
    other = 2 * len(wanted - held) > len(wanted) if wanted else bool(shards.stray_folders())
    doubtful = other and len(strays) >= MANY_STRAYS
    if doubtful:
        what = "belongs to no file: is this the catalogue that it was uploaded with? If so, remove it by hand"
    for sha256 in strays:
        if fix and not doubtful:
            blobs.delete(sha256)
        found.append(Problem("stray content", sha256, what, fix and not doubtful))
    for path in shards.stray_folders():
        with shards.alone(path.name):  # not one that is just being deleted
            if not path.exists() or path.name in {store.id for store in catalog.vector_stores()}:
                continue  # gone, or made meanwhile
            if fix:
                remove(path)
        found.append(Problem("stray index", path.name, "belongs to no vector store", fix))
    return found


def _check_leftovers(parts: Parts, *, fix: bool) -> list[Problem]:
    found = []
    for each in list(leftovers(parts)):
        if fix and each.ours:
            remove(each.path)
        where = each.path.relative_to(parts.folder.path).as_posix()
        found.append(Problem("leftover" if each.ours else "stray file", where, each.message, fix and each.ours))
    return found


def _damaged_files(parts: Parts, store_id: str) -> Iterator[Problem]:
    checkpoint = parts.catalog.checkpoint(store_id)
    if checkpoint is None:
        return
    folder = parts.shards.folder(store_id) / checkpoint.folder
    for name, sha256 in checkpoint.files.items():
        if not (folder / name).is_file() or sha256_of(folder / name) != sha256:
            yield Problem("index file", f"{store_id} {name}", "is missing or was changed after it was written")


def _index_problems(parts: Parts, store_id: str) -> list[Problem]:
    rows, vectors, numbers = _contents(parts, store_id)
    changes = list(parts.catalog.changes_since(store_id, 0))
    true_numbers = np.array(sorted(chunk.number for change in changes for chunk in change.chunks), np.int64)
    true_rows = np.concatenate([np.empty((0, 4), np.int64), *(change.rows for change in changes)])
    filled = [change.vectors for change in changes if len(change.rows)]
    true_vectors = np.concatenate(filled).astype(np.float32) if filled else np.empty_like(vectors)
    messages = [*_keyword_messages(true_numbers, numbers), *_dense_messages(true_rows, rows, true_vectors, vectors)]
    return [Problem("index", store_id, message) for message in messages]


def _contents(parts: Parts, store_id: str) -> tuple[IntArray, FloatArray, IntArray]:
    """Of indexes that are opened again where somebody has written to their files: those are problems themselves."""
    try:
        return parts.shards.get(store_id).contents()
    except IndexFailedError as error:
        log.warning("vector store %s: %s; its indexes are opened again", store_id, error)
        parts.shards.reopen(store_id)
        return parts.shards.get(store_id).contents()


def _keyword_messages(true: IntArray, found: IntArray) -> Iterator[str]:
    if not np.array_equal(true, found):
        missing, extra = len(np.setdiff1d(true, found)), len(found) - len(np.intersect1d(true, found))
        yield f"the keyword index lacks {missing} chunks and has {extra} too many"


def _dense_messages(true_rows: IntArray, rows: IntArray, true: FloatArray, found: FloatArray) -> Iterator[str]:
    """Vectors bit by bit: a zero has a sign, too."""
    if not np.array_equal(true_rows, rows):
        yield f"the dense index has {len(rows)} windows where the catalogue has {len(true_rows)}, or other ones"
        return
    differ = (true.view(np.uint32) != found.view(np.uint32)).any(axis=1)
    if differ.any():
        yield f"{int(differ.sum())} vectors of the dense index differ from the catalogue's"


def _differences(parts: Parts, store_id: str) -> list[Problem]:
    """Queries made of the store's own chunks, the same ones each time."""
    numbers = parts.shards.get(store_id).contents()[2]
    if not len(numbers):
        return []
    sample = numbers[:: max(1, len(numbers) // SAMPLE)][:SAMPLE]
    texts = {number: chunk.text for number, (chunk, _) in parts.catalog.chunks(sample.tolist()).items()}
    with parts.shards.rebuilt_aside(store_id) as anew:
        used = parts.shards.get(store_id)
        vectors = anew.centres(sample)
        differ = 0
        for number, vector in zip(sample.tolist(), vectors, strict=True):
            words = query_words(texts[number][:_QUERY_CHARS], anew.languages())
            # without codes of vectors: they may miss a result, and that is no damage
            found, true = (shard.candidates(vector, words, depth=DEPTH, exact=True) for shard in (used, anew))
            differ += not _same(found, true, exactly=not used.has_removed)
    message = f"{differ} of {len(sample)} sampled queries find something else than in indexes made anew"
    return [Problem("index", store_id, message)] if differ else []


def _same(found: Candidates, true: Candidates, *, exactly: bool) -> bool:
    """Whether each leg finds the same first, with the same scores.

    Not exactly: BM25 counts, or guesses, what was taken out; then the same chunks have the words, about as often.
    """
    if exactly:
        return _first(found, "embedding", "text") == _first(true, "embedding", "text")
    _, ours, theirs = np.intersect1d(found.numbers, true.numbers, return_indices=True)
    one, other = found.bm25[ours], true.bm25[theirs]
    alike = np.array_equal(one > 0, other > 0) and np.allclose(one, other, rtol=_GUESSED)
    return alike and _first(found, "embedding") == _first(true, "embedding")


def _first(found: Candidates, *legs: Literal["embedding", "text"]) -> list[tuple[float, ...]]:
    """The first ones of these legs: their numbers, their ranks in each, and what they score in each."""
    ranks = np.stack([found.embedding_ranks if leg == "embedding" else found.text_ranks for leg in legs])
    scores = np.stack([found.cosines if leg == "embedding" else found.bm25 for leg in legs])
    first = (ranks > 0) & (ranks <= DEPTH)
    chosen = first.any(axis=0)
    return [tuple(each) for each in np.vstack([found.numbers, ranks * first, scores.round(4)])[:, chosen].T.tolist()]
