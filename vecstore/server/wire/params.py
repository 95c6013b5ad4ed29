"""What clients say in the path and the query."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request

from vecstore.scope import ProjectScope
from vecstore.server.wire import requests
from vecstore.types import PageQuery

FilePath = Annotated[requests.FileId, Path(alias="file_id")]
StorePath = Annotated[requests.VectorStoreId, Path(alias="vector_store_id")]
BatchPath = Annotated[requests.BatchId, Path(alias="batch_id")]
UploadPath = Annotated[requests.UploadId, Path(alias="upload_id")]

Order = Annotated[Literal["asc", "desc"], Query(description="By creation.")]
Cursor = Annotated[str | None, Query(max_length=requests.MAX_ID_CHARS, description="The id of an item of this list.")]
StatusFilter = Annotated[
    Literal["in_progress", "completed", "failed", "cancelled"] | None, Query(alias="filter", description="Of a file.")
]

MAX_FILES_LISTED = 10_000
MAX_LISTED = 100


async def _page(
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 20,
    order: Order = "desc",
    after: Cursor = None,
    before: Cursor = None,
) -> PageQuery:
    return PageQuery(limit, order, after or None, before or None)


async def _files_page(
    limit: Annotated[int, Query(ge=1, le=MAX_FILES_LISTED)] = MAX_FILES_LISTED,
    order: Order = "desc",
    after: Cursor = None,
) -> PageQuery:
    return PageQuery(limit, order, after or None)


async def _project(request: Request) -> ProjectScope:
    project: ProjectScope = request.state.caller.project
    return project


PageOf = Annotated[PageQuery, Depends(_page)]
FilesPageOf = Annotated[PageQuery, Depends(_files_page)]
Project = Annotated[ProjectScope, Depends(_project)]
