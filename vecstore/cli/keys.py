"""Verbs about API keys. They open the catalogue alone, so that they work while a server has the data folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vecstore.cli.options import Options, json_lines, main
from vecstore.errors import FolderInUseError, FormatError

if TYPE_CHECKING:
    from vecstore.accounts import Accounts

_DAY_S = 86_400
_MAX_DAYS = 3650


@contextmanager
def accounts(options: Options, *, create: bool = False) -> Iterator[Accounts]:
    """Projects and keys. A folder of an older format is migrated first, unless another process has it."""
    from vecstore.accounts import open_accounts, stored_format
    from vecstore.catalog import FORMAT

    found = stored_format(options.root)
    if found != FORMAT:
        try:
            with options.engine(create=create):
                pass  # to open it is to make or to migrate it
        except FolderInUseError as error:
            has = f"the data format {found}" if found else "no catalogue yet"
            raise FormatError(f"{error}; it has {has} and cannot be brought to {FORMAT} until that one ends") from error
    with open_accounts(options.root) as opened:
        yield opened


@main.group(name="keys")
def keys() -> None:
    """Make, list and revoke API keys.

    A key belongs to one project and reaches nothing of another one. Also while a server runs: a new key holds, and a
    revoked one fails, with the next request. Once a key was made, the server answers nobody without one.
    """


@keys.command()
@click.argument("name")
@click.option("--project", metavar="PROJECT", help="By name or id.  [default: the one that is always there]")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "write", "admin"]),
    multiple=True,
    default=["write"],
    show_default=True,
    help="'write' may read, too; 'admin' may all, and sees the usage of all projects.",
)
@click.option("--expires-after-days", type=click.IntRange(1, _MAX_DAYS), metavar="DAYS", help="1 to 3650.")
@json_lines
@click.pass_obj
def create(
    options: Options,
    name: str,
    project: str | None,
    scopes: tuple[str, ...],
    expires_after_days: int | None,
    *,
    as_json: bool,
) -> None:
    """Make a key, print its secret.

    The secret alone is on standard output, KEY=$(vecstore keys create app); it is stored nowhere and never shown again.
    """
    from vecstore import render_keys

    lives_s = None if expires_after_days is None else expires_after_days * _DAY_S
    with accounts(options, create=True) as opened:
        key, secret = opened.keys.create(name, project=project, scopes=scopes, expires_after_s=lives_s)
        owner = opened.project(key.project_id)
    if as_json:
        render_keys.secret_json(key, secret)
    else:
        click.echo(secret)
        render_keys.created(key, owner)


@keys.command(name="list")
@click.option("--project", metavar="PROJECT", help="Only its keys, by name or id.")
@json_lines
@click.pass_obj
def list_(options: Options, project: str | None, *, as_json: bool) -> None:
    """List the keys, without their secrets."""
    from vecstore import render, render_keys

    with accounts(options) as opened:
        found, names = opened.keys.list(), {each.id: each.name for each in opened.projects()}
        if project is not None:
            owner = opened.project(project).id
            found = [key for key in found if key.project_id == owner]
        now = opened.now()
    render.json_lines(found) if as_json else render_keys.keys(found, names, now=now)


@keys.command()
@click.argument("key")
@click.pass_obj
def revoke(options: Options, key: str) -> None:
    """Refuse a key, by name or id, from now on and for good."""
    with accounts(options) as opened:
        revoked = opened.keys.revoke(key)
    click.echo(f"revoked the key {revoked.name!r} ({revoked.id})")
