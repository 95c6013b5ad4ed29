"""Search: of one vector store as OpenAI has it, and of several."""

from __future__ import annotations

from fastapi import APIRouter, Response

from vecstore.server.route import Route
from vecstore.server.wire.params import Project, StorePath
from vecstore.server.wire.requests import Search, SearchMany
from vecstore.server.wire.results import SearchResults

router = APIRouter(route_class=Route, tags=["Search"])


@router.post("/vector_stores/{vector_store_id}/search", response_model=SearchResults)
def search_vector_store(project: Project, vector_store_id: StorePath, body: Search) -> Response:
    """The best passages, best first. `search_query` is what was searched for, with `rewrite_query` the rewritten."""
    store = project.vector_store(vector_store_id)
    queries = store.rewritten(body.query) if body.rewrite_query else body.query
    return _written(SearchResults.of(queries, store.search(queries, **body.options())))


@router.post("/search", response_model=SearchResults)
def search_vector_stores(project: Project, body: SearchMany) -> Response:
    """The best passages of several vector stores, no passage of a file twice."""
    queries = project.rewritten(body.query) if body.rewrite_query else body.query
    return _written(SearchResults.of(queries, project.search(queries, body.vector_store_ids, **body.options())))


def _written(page: SearchResults) -> Response:
    """At once, since to be checked against its own schema first takes such a page longer than its fusion."""
    return Response(page.model_dump_json(exclude_unset=True), media_type="application/json")
