"""Which files of a vector store a filter lets through: their attributes are kept in memory while they are asked for."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import sqlalchemy as sa

from vecstore.catalog.database import Database
from vecstore.catalog.schema import members
from vecstore.columns import Columns
from vecstore.filters import Filter
from vecstore.types import IntArray

MAX_FILES = 1_000_000  # whose attributes are kept, of all vector stores together
_GROWTH = 1.25  # a table is read anew when it has grown so much: it still has what was taken out meanwhile


class _Table:
    """Of one vector store, as far as its sequence number `sequence`."""

    def __init__(self) -> None:
        self.reading = threading.Lock()
        self.sequence = 0
        self.columns, self.numbers = Columns(), np.empty(0, np.int64)
        self.at_first = 0  # how many files it had when it was read whole

    def catch_up(self, database: Database, store_id: str, sequence: int) -> None:
        """Reads what it lacks. A file that is indexed anew has another number; an older one is in no index."""
        condition = (members.c.vector_store_id == store_id) & (members.c.chunks > 0)
        columns = members.c.number, members.c.attributes, members.c.sequence
        query = sa.select(*columns).where(condition).order_by(members.c.number)
        with database.read() as tx:
            found = tx.execute(query.where(members.c.sequence > self.sequence)).all()
            if len(self.columns) + len(found) > _GROWTH * self.at_first:
                found = found if self.sequence == 0 else tx.execute(query).all()
                self.columns, self.numbers, self.at_first = Columns(), np.empty(0, np.int64), len(found)
        self.columns.add(row.attributes for row in found)
        self.numbers = np.concatenate([self.numbers, np.array([row.number for row in found], np.int64)])
        self.sequence = max(sequence, *(row.sequence for row in found), 0)


class Allowing:
    """The tables of the vector stores that were last filtered. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: OrderedDict[str, _Table] = OrderedDict()
        self._altering = Counter[str]()  # how many set attributes of each just now
        self._guard = threading.Lock()

    def members(self, store_id: str, sequence: int, wanted: Filter) -> IntArray:
        """The numbers of the members that pass, ascending, with all that were searchable at `sequence` or are later.

        Some that were taken out may be among them.
        """
        table = self._table(store_id)
        with table.reading:
            if table.sequence < sequence:
                self._catch_up(table, store_id, sequence)
            found: IntArray = table.numbers[table.columns.passing(wanted)]
            return found

    @contextmanager
    def altering(self, store_id: str) -> Iterator[None]:
        """Attributes of this store are set without a new sequence number: nothing from before is kept."""
        with self._guard:
            self._altering[store_id] += 1
            self._tables.pop(store_id, None)
        try:
            yield
        finally:
            with self._guard:
                self._altering[store_id] -= 1
                self._altering = +self._altering  # only those that are not 0

    def _table(self, store_id: str) -> _Table:
        with self._guard:
            if self._altering[store_id]:
                return _Table()
            table = self._tables.setdefault(store_id, _Table())
            self._tables.move_to_end(store_id)
            return table

    def _catch_up(self, table: _Table, store_id: str, sequence: int) -> None:
        """A table that was interrupted is half done, and made anew by the next who asks."""
        try:
            table.catch_up(self._database, store_id, sequence)
        except BaseException:
            with self._guard:
                self._tables.pop(store_id, None)
            raise
        with self._guard:
            while len(self._tables) > 1 and sum(len(each.columns) for each in self._tables.values()) > MAX_FILES:
                self._tables.popitem(last=False)
