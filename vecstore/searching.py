"""Queries to vector stores that may be busy: what is found in each is of one state of it; and their one list."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from vecstore import excerpts, search
from vecstore.disk import refusals
from vecstore.embed import floor_of
from vecstore.errors import IndexFailedError, NotFoundError, StorageError
from vecstore.ids import chunk_number
from vecstore.index import language_of_query
from vecstore.parts import Parts
from vecstore.query import Query, checked_queries, weighted_for, yielding
from vecstore.rank import calibrated, diversified
from vecstore.rewriters import checked_wish, rewritten
from vecstore.types import FloatArray, SearchResult, SearchResults, VectorStoreInfo

ATTEMPTS = 3  # beside the writers; one more holds them up for as long as it takes
POOL = 5  # times the results, from which those that differ are chosen
MAX_POOL = 100

log = logging.getLogger(__name__)


def ask(
    parts: Parts, store_ids: Sequence[str], query: str | Sequence[str], *, rewrite_query: bool, **options: Any
) -> SearchResults:
    """What a search of these vector stores finds, by the options of `checked_query`. Raises as `VectorStore.search`."""
    queries = checked_queries(query, **options)
    stores = [parts.usable_store(store_id) for store_id in store_ids]
    if checked_wish(rewrite_query):
        queries = [replace(queries[0], text=text) for text in rewritten(parts.rewriter, query)]
    for store in stores:
        parts.activity.searched(store.id, parts.now())
    return SearchResults(search_stores(parts, stores, queries), [query.text for query in queries])


def search_stores(parts: Parts, stores: Sequence[VectorStoreInfo], queries: Sequence[Query]) -> list[SearchResult]:
    """One list of what is found for each query in each store: no passage twice, no file too often.

    The queries differ in their text alone. A chunk has the best of its scores, each beside the best of
    the same query, wherever that was found. Raises NotFoundError, EmbeddingError, RerankerError, and
    IndexFailedError where the indexes fail even anew.
    """
    wanted = queries[0]
    if wanted.diversity > 0:
        pool = min(POOL * wanted.max_num_results, MAX_POOL)
        queries = [replace(query, max_num_results=pool, max_per_file=None) for query in queries]
    present = _languages(parts, stores)
    languages = [language_of_query(query.text, present) for query in queries]
    found = [_search_store(parts, store, *asked) for store in stores for asked in zip(queries, languages, strict=True)]
    if len(found) == 1:
        results = found[0]
    else:
        unread = {query.text: weighted_for(query, parts.embedder).unread for query in queries}
        results = _distinct(_beside_the_best(found, unread), wanted.score_threshold)
    if wanted.diversity > 0:
        results = _unlike(parts, results[:MAX_POOL], wanted.diversity)
    return list(_capped(results, wanted))


def _languages(parts: Parts, stores: Iterable[VectorStoreInfo]) -> set[str]:
    """Those that some chunks are in beside English; what is wrong with an index, its search will tell."""
    found: set[str] = set()
    for store in stores:
        with suppress(IndexFailedError, StorageError, OSError, MemoryError):
            found.update(parts.shards.get(store.id, sequence=store.sequence).languages())
    return found


def _search_store(parts: Parts, store: VectorStoreInfo, query: Query, language: str | None) -> list[SearchResult]:
    """Best first, of the state that the store is given in or a later one, however many write meanwhile.

    language: another than English that the question is surely in, and some chunks of the stores that are asked.
    """
    query = yielding(weighted_for(query, parts.embedder, store.embedding_weight), parts.embedder, language)
    vector = parts.recent_queries.vector(query.text) if query.embedding_weight > 0 else None
    for _ in range(ATTEMPTS):
        if (found := _found(parts, store, query, vector)) is not None:
            return found
        store = parts.catalog.vector_store(store.id)
    with parts.shards.alone(store.id):
        for _ in range(2):
            if (found := _found(parts, parts.catalog.vector_store(store.id), query, vector)) is not None:
                return found
            if not parts.catalog.damage.quarantine(store.id):  # what is indexed is not there, or the other way round
                parts.shards.rebuild(store.id)
    raise IndexFailedError(f"the indexes of vector store {store.id} fail, also made anew; try again later")


def _found(parts: Parts, store: VectorStoreInfo, query: Query, vector: FloatArray | None) -> list[SearchResult] | None:
    """None where a write came between the indexes and the catalogue, an index failed, or a file was found damaged."""
    try:
        with refusals(f"vector store {store.id} cannot be searched"):
            found = search.search(
                query,
                vector,
                store_id=store.id,
                catalog=parts.catalog,
                shard=parts.shards.get(store.id, sequence=store.sequence),
                reranker=parts.reranker,
            )
    except IndexFailedError as error:
        log.warning("vector store %s: %s; its indexes are opened again", store.id, error)
        parts.shards.reopen(store.id)
        return None
    except StorageError as error:
        parts.shards.set_aside_damaged(store.id, error)
        return None
    if found and query.neighbours:
        try:
            found = [_surrounded(parts, store.id, each, query.neighbours) for each in found]
        except NotFoundError:
            return None
    # a filter chose files as they were when it was asked; one that was indexed anew since would be missed
    stale = query.filter is not None and parts.catalog.vector_store(store.id).sequence != store.sequence
    return None if stale else found


def _surrounded(parts: Parts, store_id: str, result: SearchResult, neighbours: int) -> SearchResult:
    """Raises NotFoundError where its file has changed."""
    around = excerpts.neighbours(parts.catalog, store_id, result, before=neighbours, after=neighbours)
    return replace(result, surroundings=around)


def _beside_the_best(found: Sequence[Sequence[SearchResult]], unread: Mapping[str, float]) -> Iterator[SearchResult]:
    """All of them, each with the score that it has beside the best of its query. `unread` of each query's text."""
    best: dict[str, float] = {}
    for each in chain.from_iterable(found):
        best[each.query] = max(each.raw_score, best.get(each.query, 0.0))
    for each in chain.from_iterable(found):
        score = float(calibrated(np.array([each.raw_score]), best[each.query], unread[each.query])[0])
        why = each.explanation and replace(each.explanation, best_raw_score=best[each.query])
        yield replace(each, score=score, explanation=why)


def _distinct(results: Iterable[SearchResult], score_threshold: float) -> list[SearchResult]:
    """Best first, ties in the given order: those that reach the threshold and say what no better one does."""
    kept: list[SearchResult] = []
    of_file: dict[str, list[SearchResult]] = {}
    for each in sorted(results, key=lambda each: (-each.score, -each.raw_score)):  # stable
        better = of_file.setdefault(each.file_id, [])
        if each.score >= score_threshold and not any(search.same_passage(each, other) for other in better):
            better.append(each)
            kept.append(each)
    return kept


def _unlike(parts: Parts, results: list[SearchResult], diversity: float) -> list[SearchResult]:
    """The best one first, then each as good and as unlike those before it as `diversity` says."""
    vectors = np.zeros((len(results), parts.embedder.dimensions), np.float32)
    for store_id in {each.vector_store_id for each in results}:
        rows = [i for i, each in enumerate(results) if each.vector_store_id == store_id]
        numbers = np.array([chunk_number(results[i].chunk_id) for i in rows], np.int64)
        vectors[rows] = parts.shards.get(store_id).centres(numbers)
    scores = np.array([each.score for each in results])
    return [results[i] for i in diversified(scores, vectors, diversity, floor_of(parts.embedder))]


def _capped(results: Iterable[SearchResult], wanted: Query) -> Iterator[SearchResult]:
    """The first ones, of no file more than its share."""
    taken, share = Counter[str](), wanted.max_per_file or wanted.max_num_results
    for each in results:
        if taken[each.file_id] < share:
            taken[each.file_id] += 1
            yield each
        if taken.total() == wanted.max_num_results:
            return
