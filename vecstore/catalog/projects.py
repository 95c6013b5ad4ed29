"""Who vector stores are billed to, and at what price."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from vecstore.catalog.database import Database
from vecstore.catalog.schema import projects
from vecstore.errors import InvalidRequestError, NotFoundError
from vecstore.types import Project


class Projects:
    """Each method is one transaction, as in Catalog."""

    def __init__(self, database: Database) -> None:
        self._read, self._write = database.read, database.write

    def add(self, project: Project) -> None:
        """Raises InvalidRequestError where the name is taken."""
        with self._write() as tx:
            if tx.execute(sa.select(projects.c.id).where(projects.c.name == project.name)).first():
                raise InvalidRequestError("name", f"{project.name!r} is the name of a project already")
            tx.execute(sa.insert(projects).values(asdict(project)))

    def list(self) -> list[Project]:
        """In the order they were made."""
        with self._read() as tx:
            return [_project(row) for row in tx.execute(sa.select(projects).order_by(projects.c.number))]

    def get(self, name_or_id: str) -> Project:
        """The oldest one that it may mean. Raises NotFoundError."""
        meant = (projects.c.id == name_or_id) | (projects.c.name == name_or_id)
        with self._read() as tx:
            row = tx.execute(sa.select(projects).where(meant).order_by(projects.c.number)).first()
        if row is None:
            raise NotFoundError(f"No project found with the name or id '{name_or_id:.80}'.")
        return _project(row)

    def set_price(self, project_id: str, price_per_gb_day: str | None) -> None:
        """None is the usual price. Raises NotFoundError."""
        with self._write() as tx:
            changed: Any = tx.execute(
                sa.update(projects).where(projects.c.id == project_id).values(price_per_gb_day=price_per_gb_day)
            )
            if not changed.rowcount:
                raise NotFoundError(f"No project found with id '{project_id}'.")


def _project(row: Any) -> Project:
    return Project(row.id, row.name, row.created_at, row.price_per_gb_day)
