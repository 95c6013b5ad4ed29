"""One query to one vector store that may be busy: what is found is of one state of it."""

from __future__ import annotations

import logging

from vecstore import search
from vecstore.errors import IndexFailedError
from vecstore.parts import Parts
from vecstore.query import Query, weighted_for
from vecstore.types import FloatArray, SearchResult, VectorStoreInfo

ATTEMPTS = 3  # beside the writers; one more holds them up for as long as it takes

log = logging.getLogger(__name__)


def search_store(parts: Parts, store: VectorStoreInfo, query: Query) -> list[SearchResult]:
    """Best first, of the state that the store is given in or a later one, however many write meanwhile.

    Raises NotFoundError, EmbeddingError, and IndexFailedError where the indexes fail even anew.
    """
    query = weighted_for(query, parts.embedder, store.embedding_weight)
    vector = search.embedded(query, parts.embedder)
    for _ in range(ATTEMPTS):
        if (found := _found(parts, store, query, vector)) is not None:
            return found
        store = parts.catalog.vector_store(store.id)
    with parts.shards.alone(store.id):
        if (found := _found(parts, parts.catalog.vector_store(store.id), query, vector)) is not None:
            return found
    raise IndexFailedError(f"the indexes of vector store {store.id} fail, also made anew; try again later")


def _found(parts: Parts, store: VectorStoreInfo, query: Query, vector: FloatArray | None) -> list[SearchResult] | None:
    """None where a write came between the indexes and the catalogue, or an index failed."""
    try:
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
    # a filter chose files as they were when it was asked; one that was indexed anew since would be missed
    stale = query.filter is not None and parts.catalog.vector_store(store.id).sequence != store.sequence
    return None if stale else found
