"""How people and programs see API keys. A secret is shown when its key is made, and never again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from vecstore.terminal import err, moment, plain, print_table, row, table
from vecstore.types import ApiKey, Project


def secret_json(key: ApiKey, secret: str) -> None:
    """One JSON object: the key's fields, and `secret`."""
    sys.stdout.write(json.dumps(asdict(key) | {"secret": secret}, ensure_ascii=False) + "\n")


def created(key: ApiKey, project: Project) -> None:
    """On standard error: standard output has the secret alone."""
    until = "does not expire" if key.expires_at is None else f"expires {moment(key.expires_at)}"
    err.print(
        plain(f"{key.id} of the project {project.name!r} may {_joined(key.scopes)} and {until}."),
        "The secret is shown this once.",
        style="dim",
        markup=False,
        soft_wrap=True,
    )


def keys(found: Sequence[ApiKey], projects: Mapping[str, str], *, now: int) -> None:
    """Oldest first; `projects` are names by id."""
    shown = table("name~", "id", "secret", "project~", "may~", "made", "last used", "holds")
    for key in found:
        used = "never" if key.last_used_at is None else moment(key.last_used_at)
        project = projects.get(key.project_id, key.project_id)
        row(
            shown,
            key.name,
            key.id,
            f"…{key.hint}",
            project,
            _joined(key.scopes),
            moment(key.created_at),
            used,
            _holds(key, now),
        )
    print_table(shown, "No API keys.")


def _holds(key: ApiKey, now: int) -> str:
    if key.revoked_at is not None:
        return f"revoked {moment(key.revoked_at)}"
    if key.expires_at is None:
        return "yes"
    return f"{'until' if key.expires_at > now else 'expired'} {moment(key.expires_at)}"


def _joined(scopes: Sequence[str]) -> str:
    return ", ".join(scopes)
