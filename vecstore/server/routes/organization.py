"""Usage and costs of all projects, for who has the scope `admin`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from vecstore.engine import Engine
from vecstore.server.route import Route
from vecstore.server.wire.reports import Cost, SearchCalls, StoredBytes, UsagePage, usage_page_of
from vecstore.usage_pages import BucketQuery

router = APIRouter(route_class=Route, tags=["Usage"])

_MOMENT = 253_402_300_799  # the end of the year 9999
Ids = Annotated[list[str] | None, Query(max_length=100)]


async def _query(
    *,
    start_time: Annotated[int, Query(ge=0, le=_MOMENT)],
    end_time: Annotated[int | None, Query(ge=0, le=_MOMENT)] = None,
    bucket_width: Literal["1m", "1h", "1d"] = "1d",
    limit: Annotated[int | None, Query(ge=1, le=1440)] = None,
    page: Annotated[str | None, Query(max_length=100)] = None,
    group_by: Ids = None,
    group_by_list: Annotated[list[str] | None, Query(alias="group_by[]", max_length=100)] = None,
    project_ids: Ids = None,
    project_ids_list: Annotated[list[str] | None, Query(alias="project_ids[]", max_length=100)] = None,
    vector_store_ids: Ids = None,
    vector_store_ids_list: Annotated[list[str] | None, Query(alias="vector_store_ids[]", max_length=100)] = None,
) -> BucketQuery:
    return BucketQuery(
        start_time=start_time,
        end_time=end_time,
        bucket_width=bucket_width,
        limit=limit,
        page=page,
        group_by=[*(group_by or ()), *(group_by_list or ())],
        project_ids=[*(project_ids or ()), *(project_ids_list or ())],
        vector_store_ids=[*(vector_store_ids or ()), *(vector_store_ids_list or ())],
    )


async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.server.engine
    return engine


Asked = Annotated[BucketQuery, Depends(_query)]
TheEngine = Annotated[Engine, Depends(_engine)]


@router.get("/organization/usage/vector_stores")
def vector_stores_usage(engine: TheEngine, query: Asked) -> UsagePage[StoredBytes]:
    """The average of the bytes held in each bucket."""
    return usage_page_of(engine.stored_bytes(query), StoredBytes.of)


@router.get("/organization/usage/file_search_calls")
def file_search_calls_usage(engine: TheEngine, query: Asked) -> UsagePage[SearchCalls]:
    return usage_page_of(engine.search_calls(query), SearchCalls.of)


@router.get("/organization/costs")
def costs(engine: TheEngine, query: Asked) -> UsagePage[Cost]:
    """By day alone."""
    return usage_page_of(engine.costs(query), Cost.of)
