"""Who a data folder's contents belong to: projects and their API keys, also while another process has the folder."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vecstore import ids
from vecstore.attributes import checked_name
from vecstore.catalog import FORMAT, Catalog
from vecstore.catalog.database import stored_revision
from vecstore.catalog.statements import check_id
from vecstore.errors import FormatError
from vecstore.folder import CATALOG
from vecstore.keys import Keys
from vecstore.types import Project
from vecstore.usage import price_of, price_text


class Accounts:
    """Projects, and `keys`. Nothing is cached, so that what one process changes holds in all of them at once."""

    def __init__(self, catalog: Catalog, now: Callable[[], int]) -> None:
        self._catalog = catalog
        self.now = now
        self.keys = Keys(catalog, now)

    def create_project(self, name: str, *, price_per_gb_day: str | None = None) -> Project:
        """price_per_gb_day: US dollars as a decimal; the usual price if None. Raises InvalidRequestError."""
        price = None if price_per_gb_day is None else price_text(price_of(price_per_gb_day))
        made = Project(ids.new_project_id(), checked_name(name, least_chars=1), self.now(), price)
        self._catalog.projects.add(made)
        return made

    def projects(self) -> builtins.list[Project]:
        """In the order of creation; the first one is there from the beginning."""
        return self._catalog.projects.list()

    def project(self, name_or_id: str) -> Project:
        """Raises NotFoundError."""
        check_id("project", name_or_id)
        return self._catalog.projects.get(name_or_id)

    def set_price(self, project: str, price_per_gb_day: str | None) -> None:
        """What a project pays from now on and for all of its past, too; None is the usual price."""
        price = None if price_per_gb_day is None else price_text(price_of(price_per_gb_day))
        self._catalog.projects.set_price(self.project(project).id, price)


@contextmanager
def open_accounts(folder: Path, *, now: Callable[[], float] = time.time) -> Iterator[Accounts]:
    """Without the folder's lock, since the catalogue takes several processes; nothing is made or migrated.

    Raises FormatError unless the folder is of the format that this version writes.
    """
    found = stored_format(folder)
    if found != FORMAT:
        raise FormatError(f"{folder} has {f'data format {found}' if found else 'no catalogue'}, not format {FORMAT}")
    catalog = Catalog(folder / CATALOG)
    try:
        yield Accounts(catalog, lambda: int(now()))
    finally:
        catalog.close()


def stored_format(folder: Path) -> str | None:
    """None where there is no catalogue yet. Raises FormatError on a newer format, or what is no catalogue."""
    return stored_revision(folder / CATALOG)
