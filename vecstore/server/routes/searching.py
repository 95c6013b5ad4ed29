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
    """The best passages, best first. `rewrite_query` is accepted; the query is used as it is, and told."""
    found = project.vector_store(vector_store_id).search(body.query, **body.options())
    return _written(SearchResults.of(body.query, found))


@router.post("/search", response_model=SearchResults)
def search_vector_stores(project: Project, body: SearchMany) -> Response:
    """The best passages of several vector stores, no passage of a file twice."""
    return _written(SearchResults.of(body.query, project.search(body.query, body.vector_store_ids, **body.options())))


def _written(page: SearchResults) -> Response:
    """At once, since to be checked against its own schema first takes such a page longer than its fusion."""
    return Response(page.model_dump_json(exclude_unset=True), media_type="application/json")
