"""API keys: whose each is, what it may, and the hash of its secret."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from vecstore.catalog.database import Database
from vecstore.catalog.schema import api_keys
from vecstore.errors import NotFoundError
from vecstore.types import ApiKey


class Keys:
    """Each method is one transaction, as in Catalog. Another process may change keys while this one reads them."""

    def __init__(self, database: Database) -> None:
        self._read, self._write = database.read, database.write

    def add(self, key: ApiKey, sha256: str) -> None:
        with self._write() as tx:
            tx.execute(
                sa.insert(api_keys).values(
                    id=key.id,
                    project_id=key.project_id,
                    name=key.name,
                    sha256=sha256,
                    hint=key.hint,
                    scopes=list(key.scopes),
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                )
            )

    def list(self) -> builtins.list[ApiKey]:
        """In the order they were made, also those that hold no more."""
        with self._read() as tx:
            return [_key(row) for row in tx.execute(sa.select(api_keys).order_by(api_keys.c.number))]

    def any(self) -> bool:
        """Whether there ever was one."""
        with self._read() as tx:
            return tx.execute(sa.select(api_keys.c.number).limit(1)).first() is not None

    def find(self, sha256: str) -> tuple[ApiKey, str] | None:
        """The key whose secret has this hash, and the hash as it is stored."""
        with self._read() as tx:
            row = tx.execute(sa.select(api_keys).where(api_keys.c.sha256 == sha256)).first()
        return None if row is None else (_key(row), row.sha256)

    def revoke(self, key_id: str, *, now: int) -> ApiKey:
        """For good; one that is revoked already stays as it is. Raises NotFoundError."""
        this = api_keys.c.id == key_id
        with self._write() as tx:
            tx.execute(sa.update(api_keys).where(this & api_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            row = tx.execute(sa.select(api_keys).where(this)).first()
        if row is None:
            raise NotFoundError(f"No API key found with the name or id '{key_id:.80}'.")
        return _key(row)

    def used(self, last_used_at: Mapping[str, int]) -> None:
        """Notes when keys were used, by their ids."""
        with self._write() as tx:
            for key_id, moment in last_used_at.items():
                tx.execute(sa.update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=moment))


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        project_id=row.project_id,
        scopes=tuple(row.scopes),
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
