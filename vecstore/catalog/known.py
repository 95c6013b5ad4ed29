"""What the catalogue knows already of files that are about to be added, read for many names at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from vecstore.catalog import rows, statements
from vecstore.catalog.database import Database
from vecstore.catalog.schema import files, members
from vecstore.types import File, VectorStoreFile, VectorStoreInfo

_NAMED = (
    sa.select(files)
    .where(
        (files.c.project_id == sa.bindparam("project")) & files.c.filename.in_(sa.bindparam("names", expanding=True))
    )
    .order_by(files.c.number)
)
_MEMBERS = statements.MEMBERS.where(
    (members.c.vector_store_id == sa.bindparam("store")) & members.c.file_id.in_(sa.bindparam("ids", expanding=True))
)


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file, the path it was added from, and what the vector store has of it."""

    file: File
    source: str | None
    member: VectorStoreFile | None


class KnownFiles:
    """The files of a vector store's project that have one of these names, as of one moment."""

    def __init__(self, database: Database, store: VectorStoreInfo, filenames: Iterable[str]) -> None:
        self._by_name: dict[str, list[KnownFile]] = {name: [] for name in filenames}
        with database.read() as tx:
            found = [
                row
                for some in statements.in_parts(list(self._by_name))
                for row in tx.execute(_NAMED, {"project": store.project_id, "names": some})
            ]
            held = {
                row.file_id: rows.member_of(row)
                for some in statements.in_parts([row.id for row in found])
                for row in tx.execute(_MEMBERS, {"store": store.id, "ids": some})
            }
        for row in found:
            self._by_name[row.filename].append(KnownFile(rows.file_of(row), row.source, held.get(row.id)))

    def named(self, filename: str) -> list[KnownFile]:
        """Oldest first."""
        return self._by_name[filename]

    def get(self, file: File) -> KnownFile | None:
        """What is known of this very file."""
        return next((each for each in self._by_name[file.filename] if each.file.id == file.id), None)

    def came_from(self, known: KnownFile, source: str) -> None:
        """Notes here what was noted in the catalogue."""
        same_name = self._by_name[known.file.filename]
        same_name[same_name.index(known)] = replace(known, source=source)
