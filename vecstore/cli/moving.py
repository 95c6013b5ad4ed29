"""Verbs that take one vector store from one data folder to another."""

from __future__ import annotations

import click

from vecstore.cli.options import Options, in_store, json_lines, main
from vecstore.cli.stores import check_name


@main.command()
@in_store
@click.argument("file", metavar="FILE.tar")
@json_lines
@click.pass_obj
def export(options: Options, store: str, file: str, *, as_json: bool) -> None:
    """Write STORE into one file, to move it.

    \b
    vecstore export handbook handbook.tar
    vecstore --root elsewhere import handbook.tar

    Its files as they were uploaded, their chunks and vectors, attributes, name, metadata, expiry policy and tuning:
    nothing is parsed or embedded again where it is imported. Files in progress, or cancelled with nothing to be found,
    are left out and named. FILE.tar must not exist yet.
    """
    from vecstore import render, render_backups, terminal

    with options.engine() as engine, terminal.steps() as on_progress:
        report = engine.get(store).export(file, on_progress=on_progress)
    render.json_lines([report]) if as_json else render_backups.exported(report)


@main.command(name="import")
@click.argument("file", metavar="FILE.tar")
@click.option("--name", metavar="NAME", help="Call it that.  [default: as it was called]")
@click.option("--project", metavar="PROJECT", help="Who it is billed to; see 'vecstore projects'.")
@json_lines
@click.pass_obj
def import_(options: Options, file: str, name: str | None, project: str | None, *, as_json: bool) -> None:
    """Make a vector store of an exported FILE.tar, print its id.

    All of it is checked first: of a damaged file nothing is imported. It counts and costs from now on, and its expiry
    policy begins anew. It is searched with the embedder that it was made with, given as for all verbs.
    """
    from vecstore import moving, render, terminal

    called = moving.name_in(file) if name is None else name
    with options.engine(create=True) as engine:
        check_name(engine, called, besides=None)
        with terminal.steps() as on_progress:
            made = engine.import_store(file, name=called, project=project, on_progress=on_progress)
        info = made.info()
    render.json_lines([info]) if as_json else click.echo(info.id)
