"""How a file was cut: an addition to OpenAI's API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from vecstore.server.route import Route
from vecstore.server.wire.objects import List
from vecstore.server.wire.params import MAX_LISTED, Cursor, FilePath, Project, StorePath
from vecstore.server.wire.stores import Chunk

router = APIRouter(route_class=Route, tags=["Vector stores"])


@router.get("/vector_stores/{vector_store_id}/files/{file_id}/chunks")
def list_chunks(
    project: Project,
    vector_store_id: StorePath,
    file_id: FilePath,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 20,
    after: Cursor = None,
) -> List[Chunk]:
    """In reading order, with offsets, pages, lines and headings."""
    found = project.vector_store(vector_store_id).content(file_id, after=after or None, limit=limit + 1)
    shown = [Chunk.of(chunk) for chunk in found[:limit]]
    return List[Chunk](
        object="list",
        data=shown,
        first_id=shown[0].id if shown else None,
        last_id=shown[-1].id if shown else None,
        has_more=len(found) > limit,
    )
