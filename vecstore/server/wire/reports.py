"""Usage and costs in buckets of time, as clients get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from vecstore import usage_pages
from vecstore.server.wire.objects import Item, Object

ValueT = TypeVar("ValueT")


class StoredBytes(Object):
    """`byte_seconds` is ours, a decimal in a string: it may have more than 64 bits."""

    object: Literal["organization.usage.vector_stores.result"]
    usage_bytes: int
    project_id: str | None
    byte_seconds: str

    @classmethod
    def of(cls, result: usage_pages.StoredBytes) -> StoredBytes:
        return cls(
            object="organization.usage.vector_stores.result",
            usage_bytes=result.usage_bytes,
            project_id=result.project_id,
            byte_seconds=str(result.byte_seconds),
        )


class SearchCalls(Object):
    object: Literal["organization.usage.file_searches.result"]
    num_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    vector_store_id: str | None

    @classmethod
    def of(cls, result: usage_pages.SearchCalls) -> SearchCalls:
        return cls(
            object="organization.usage.file_searches.result",
            num_requests=result.num_requests,
            project_id=result.project_id,
            user_id=result.user_id,
            api_key_id=result.api_key_id,
            vector_store_id=result.vector_store_id,
        )


class Amount(Object):
    value: float
    currency: str
    exact: str


class Cost(Object):
    """`amount.exact` is ours: the same as a decimal, rounded once."""

    object: Literal["organization.costs.result"]
    amount: Amount
    line_item: str | None
    project_id: str | None
    quantity: float | None

    @classmethod
    def of(cls, result: usage_pages.Cost) -> Cost:
        return cls(
            object="organization.costs.result",
            amount=Amount(value=float(result.value), currency=result.currency, exact=result.value),
            line_item=result.line_item,
            project_id=result.project_id,
            quantity=None if result.quantity is None else float(result.quantity),
        )


class Bucket(Object, Generic[Item]):
    object: Literal["bucket"]
    start_time: int
    end_time: int
    results: list[Item]


class UsagePage(Object, Generic[Item]):
    object: Literal["page"]
    data: list[Bucket[Item]]
    has_more: bool
    next_page: str | None


def usage_page_of(page: usage_pages.UsagePage[ValueT], made: Callable[[ValueT], Item]) -> UsagePage[Item]:
    return UsagePage[Item](
        object="page",
        data=[
            Bucket[Item](
                object="bucket",
                start_time=bucket.start_time,
                end_time=bucket.end_time,
                results=[made(result) for result in bucket.results],
            )
            for bucket in page.buckets
        ],
        has_more=page.has_more,
        next_page=page.next_page,
    )
