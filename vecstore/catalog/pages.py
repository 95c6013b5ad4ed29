"""Lists in parts: each from behind an item that the caller has seen, so that new ones shift nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from vecstore.catalog import rows, statements
from vecstore.catalog.batches import BATCH_FILES, batch_info
from vecstore.catalog.database import Database
from vecstore.catalog.schema import batch_files, batches, files, members, vector_stores
from vecstore.errors import InvalidRequestError
from vecstore.types import File, FileStatus, Page, PageQuery, VectorStoreFile, VectorStoreInfo

T = TypeVar("T")

_REMEMBERED = 10_000  # places of items that ended a page: a caller may delete what it is shown, and then go on


@dataclass(frozen=True, slots=True)
class _Listing(Generic[T]):
    """What is listed: `place` orders it for good, `name` is what a cursor names, `scope` says whose list it is."""

    scope: str
    query: sa.Select[Any]
    place: sa.Column[int]
    name: sa.Column[str]
    value_of: Callable[[Any], T]


class Pages:
    """Each method is one transaction, as in Catalog. In the order of creation.

    Raises InvalidRequestError for a cursor that is no item of the list, and never ended a page of it.
    """

    def __init__(self, database: Database) -> None:
        self._read = database.read
        self._guard = threading.Lock()
        self._places: OrderedDict[tuple[str, str], int] = OrderedDict()

    def files(self, project_id: str, page: PageQuery, *, purpose: str | None = None) -> Page[File]:
        """A project's files."""
        query = sa.select(files).where(files.c.project_id == project_id)
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        listing = _Listing(f"{project_id}/files", query, files.c.number, files.c.id, rows.file_of)
        with self._read() as tx:
            return self._page(tx, listing, page)

    def vector_stores(self, project_id: str, page: PageQuery) -> Page[VectorStoreInfo]:
        """A project's vector stores."""
        query = sa.select(vector_stores).where(vector_stores.c.project_id == project_id)
        scope, place, name = f"{project_id}/stores", vector_stores.c.number, vector_stores.c.id
        with self._read() as tx:
            return self._page(tx, _Listing(scope, query, place, name, rows.vector_store_of), page)

    def members(self, store_id: str, page: PageQuery, *, status: FileStatus | None = None) -> Page[VectorStoreFile]:
        """A vector store's files. Raises NotFoundError, too."""
        query = statements.MEMBERS.where(members.c.vector_store_id == store_id)
        if status is not None:
            query = query.where(members.c.status == status)
        with self._read() as tx:
            statements.store_row(tx, store_id)
            place, name = members.c.position, members.c.file_id
            return self._page(tx, _Listing(store_id, query, place, name, rows.member_of), page)

    def batch_files(
        self, store_id: str, batch_id: str, page: PageQuery, *, status: FileStatus | None = None
    ) -> Page[VectorStoreFile]:
        """A batch's files. Raises NotFoundError, too."""
        query = BATCH_FILES.where(batches.c.id == batch_id)
        if status is not None:
            query = query.where(batch_files.c.status == status)
        with self._read() as tx:
            batch_info(tx, batch_id, store_id)
            place, name = batch_files.c.number, batch_files.c.file_id
            return self._page(tx, _Listing(batch_id, query, place, name, rows.batch_file_of), page)

    def _page(self, tx: sa.Connection, listing: _Listing[T], page: PageQuery) -> Page[T]:
        query, place = listing.query, listing.place
        descending = page.order == "desc"
        if page.after is not None:
            after = self._place(tx, listing, "after", page.after)
            query = query.where(place < after if descending else place > after)
        if page.before is not None:
            before = self._place(tx, listing, "before", page.before)
            query = query.where(place > before if descending else place < before)
        from_behind = page.before is not None and page.after is None  # the ones that end at the cursor
        query = query.order_by(place.desc() if descending != from_behind else place.asc())
        named = query.add_columns(place.label("place"), listing.name.label("cursor"))
        found = tx.execute(named.limit(page.limit + 1)).all()
        shown = found[: page.limit][:: -1 if from_behind else 1]
        self._remember(listing.scope, [*shown[:1], *shown[-1:]])
        return Page(tuple(listing.value_of(row) for row in shown), len(found) > page.limit)

    def _place(self, tx: sa.Connection, listing: _Listing[T], param: str, cursor: str) -> int:
        found: int | None = tx.execute(
            listing.query.where(listing.name == cursor).with_only_columns(listing.place)
        ).scalar()
        if found is None:
            with self._guard:
                found = self._places.get((listing.scope, cursor))
        if found is None:
            raise InvalidRequestError(param, f"must be the id of an item of this list, not {cursor!r:.80}")
        return found

    def _remember(self, scope: str, ends: Sequence[Any]) -> None:
        with self._guard:
            for row in ends:
                self._places[scope, row.cursor] = row.place
                self._places.move_to_end((scope, row.cursor))
            while len(self._places) > _REMEMBERED:
                self._places.popitem(last=False)
