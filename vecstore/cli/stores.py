"""Verbs about vector stores and the whole data folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from vecstore.cli.options import Options, in_store, json_lines, main

if TYPE_CHECKING:
    from vecstore.engine import Engine


@main.command()
@click.argument("name")
@click.option("--exist-ok", is_flag=True, help="It is no error if a vector store of that name exists.")
@click.option("--expires-after-days", type=int, metavar="DAYS", help="After its last activity; 1 to 365.")
@click.option("--project", metavar="PROJECT", help="Who it is billed to; see 'vecstore projects'.")
@click.pass_obj
def create(options: Options, name: str, expires_after_days: int | None, project: str | None, *, exist_ok: bool) -> None:
    """Make a vector store, print its id."""
    from vecstore.expiry import policy_of

    with options.engine(create=True) as engine:
        check_name(engine, name, besides=None if not exist_ok else name)
        named = [store for store in engine.list() if store.name == name and store.status != "expired"]
        if named:
            click.echo(named[0].id)
            return
        click.echo(engine.create(name, expires_after=policy_of(expires_after_days), project=project).id)


@main.command(name="set")
@in_store
@click.option("--name", metavar="NAME", help="Call it that.")
@click.option("--expires-after-days", metavar="DAYS|never", help="After its last activity; 1 to 365.")
@json_lines
@click.pass_obj
def set_(options: Options, store: str, name: str | None, expires_after_days: str | None, *, as_json: bool) -> None:
    """Change STORE's name or expiry.

    An expired vector store keeps its row and loses its files; that cannot be undone.
    """
    from vecstore import gather, render

    policy = None if expires_after_days is None else gather.expires_after(expires_after_days)
    with options.engine() as engine:
        target = engine.get(store)
        if name is not None:
            check_name(engine, name, besides=target.info().name)
        info = target.set(name=name, expires_after=policy)
    render.json_lines([info]) if as_json else render.vector_store(info)


def check_name(engine: Engine, name: str, *, besides: str | None) -> None:
    """Names that can be told from ids and from each other; `besides` is the one it may have."""
    if not name.strip() or name.startswith(("vs_", "file-")):
        raise click.UsageError(f"a name must not be empty or look like an id, and {name!r} does")
    named = [store for store in engine.list() if store.name == name and store.status != "expired"]
    if named and name != besides:
        raise click.ClickException(f"a vector store named {name!r} exists already: {named[0].id}")


@main.command(name="list")
@json_lines
@click.pass_obj
def list_(options: Options, *, as_json: bool) -> None:
    """List the vector stores."""
    from vecstore import render

    with options.engine() as engine:
        stores = engine.list()
    render.json_lines(stores) if as_json else render.vector_stores(stores)


@main.command()
@in_store
@json_lines
@click.pass_obj
def show(options: Options, store: str, *, as_json: bool) -> None:
    """Show one vector store."""
    from vecstore import render

    with options.engine() as engine:
        info = engine.get(store).info()
    render.json_lines([info]) if as_json else render.vector_store(info)


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="STORE|FILE-ID...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--with-files", is_flag=True, help="Delete also the files that only this vector store has.")
@click.pass_obj
def rm(options: Options, names: tuple[str, ...], *, yes: bool, with_files: bool) -> None:
    """Delete vector stores, or files by id.

    A file is taken out of every vector store. The files of a vector store stay uploaded, unless --with-files is given
    and no other vector store has them.
    """
    with options.engine() as engine:
        targets = [_removable(engine, name, with_files=with_files) for name in names]
        for what, delete in targets:
            if not yes and not sys.stdin.isatty():
                raise click.UsageError(f"--yes is needed to delete {what} without a terminal to ask at")
            if yes or click.confirm(f"Delete {what}?"):
                delete()
                click.echo(f"deleted {what}")


@main.command()
@click.argument("store", required=False)
@click.option(
    "--fix", is_flag=True, help="Put right what can be derived, remove strays; nothing is parsed or embedded again."
)
@click.option(
    "--deep", is_flag=True, help="Also make all indexes a second time, and compare what a sample of queries finds."
)
@json_lines
@click.pass_obj
def check(options: Options, store: str | None, *, fix: bool, deep: bool, as_json: bool) -> None:
    """Verify catalogue, indexes, uploads and the data folder.

    Compares them both ways: every page and row of the catalogue and its checksums, counts, bytes and the ledger, all
    index files and vectors, all uploaded contents, and what else lies in the folder. It reads all of that once.

    --fix makes indexes, counts, bytes and the ledger's level anew and removes what interrupted processes left. A
    file that was damaged is kept out of results and stays listed: add the original again, or restore a backup. What
    is not vecstore's is only named.

    --deep takes as long as making all indexes anew, and as much room on the disk as the largest of them.

    Exit status 1 if something is left wrong.
    """
    from vecstore import render

    with options.engine() as engine:
        problems = (engine if store is None else engine.get(store)).check(fix=fix, deep=deep)
    render.json_lines(problems) if as_json else render.problems(problems)
    raise click.exceptions.Exit(int(any(not problem.fixed for problem in problems)))


def _removable(engine: Engine, name: str, *, with_files: bool) -> tuple[str, Callable[[], None]]:
    from vecstore.terminal import counted

    if name.startswith("file-"):
        file = engine.file(name)
        return f"the file {file.filename!r} ({file.id}) from everywhere", lambda: engine.delete_file(file.id)
    store = engine.get(name)
    info, stays = store.info(), "with" if with_files else "but not"
    what = f"the vector store {info.name!r} ({info.id}), {stays} its {counted(info.file_counts.total, 'file')}"
    return what, lambda: store.delete(with_files=with_files)


@main.command()
@click.argument("store", required=False)
@json_lines
@click.pass_obj
def info(options: Options, store: str | None, *, as_json: bool) -> None:
    """Show what this installation has, or how a vector store is searched.

    Versions, the data folder, what embeds, how documents are parsed and what around it is locked down.

    With STORE: the kind of its index of vectors, how many windows of text there are, what they take on disk and in
    memory, and how many of the ten best chunks a search finds, measured with some of its own vectors as queries.
    """
    from vecstore import inspecting, render

    if store is not None:
        with options.engine() as engine:
            index = engine.get(store).index_info()
        render.json_lines([index]) if as_json else render.index(index)
        return
    with options.workers() as workers:
        facts = inspecting.installation(options.root, options.embed_with(), workers)
    render.json_lines([facts]) if as_json else render.installation(facts)


@main.command(hidden=True)
def failpoints() -> None:
    """List the places where a crash test can end the process; see vecstore/failpoints.py."""
    from vecstore import failpoints

    click.echo("\n".join(failpoints.names()))
