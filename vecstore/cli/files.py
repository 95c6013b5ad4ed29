"""Verbs about the files of a vector store."""

from __future__ import annotations

from pathlib import Path

import click

from vecstore.cli.options import Options, in_store, json_lines, main, strategy_options


@main.command()
@in_store
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--attr", "attributes", multiple=True, metavar="KEY=VALUE", help="To filter by; repeatable. Replaces those it had."
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out files like '*.png'; repeatable.")
@strategy_options
@click.option("--password", default="", help="Opens encrypted PDF and Office files; it is not kept.")
@click.option(
    "--estimate", is_flag=True, help="Only tell what it would come to and cost; nothing is embedded or stored."
)
@json_lines
@click.pass_obj
def add(
    options: Options,
    store: str,
    paths: tuple[str, ...],
    attributes: tuple[str, ...],
    exclude: tuple[str, ...],
    strategy: str | None,
    chunk_size: int | None,
    chunk_overlap: int | None,
    password: str,
    *,
    estimate: bool,
    as_json: bool,
) -> None:
    """Add files, folders, globs to STORE.

    Hidden files in folders are left out. A file that cannot be read is reported and the others go on;
    then the exit status is 1. Values that look like numbers, true or false are stored as such.
    """
    from vecstore import gather, render, render_jobs

    found = gather.sources(paths, besides=options.root, exclude=exclude)
    wanted = gather.chunking_strategy(strategy, chunk_size, chunk_overlap)
    pairs = gather.attributes(attributes) if attributes else None
    with options.engine() as engine:
        target = engine.get(store)
        if estimate:
            with render.adding(found, as_json=as_json, summary=False) as view:
                expected = target.estimate(
                    found.sources, chunking_strategy=wanted, password=password, on_bytes=view.advance
                )
            render_jobs.estimate(expected, engine.month_of(target, expected), as_json=as_json)
            raise click.exceptions.Exit(view.exit_status)
        with render.adding(found, as_json=as_json) as view:
            for outcome in target.add_many(
                found.sources,
                attributes=pairs,
                chunking_strategy=wanted,
                password=password,
                on_bytes=view.advance,
            ):
                view.report(outcome)
    raise click.exceptions.Exit(view.exit_status)


@main.command()
@click.argument("store", required=False)
@json_lines
@click.pass_obj
def files(options: Options, store: str | None, *, as_json: bool) -> None:
    """List the files of STORE.

    With their status and warnings; without STORE all that were uploaded.
    """
    from vecstore import render

    with options.engine() as engine:
        if store is None:
            uploaded = engine.files()
            render.json_lines(uploaded) if as_json else render.uploaded_files(uploaded)
        else:
            members = engine.get(store).list()
            render.json_lines(members) if as_json else render.members(members)


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="[STORE] FILE")
@click.option("--dry-run", is_flag=True, help="FILE is a path: parse and cut it without adding it anywhere.")
@strategy_options
@click.option("--password", default="", help="Opens an encrypted PDF or Office file; with --dry-run.")
@json_lines
@click.pass_obj
def chunks(
    options: Options,
    names: tuple[str, ...],
    strategy: str | None,
    chunk_size: int | None,
    chunk_overlap: int | None,
    password: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Show how FILE was cut.

    Every chunk with its pages, lines, headings, size and offsets, and the text that was parsed. STORE can be left out
    where one vector store alone has the file. With --dry-run, how a file not added yet would be cut.
    """
    from vecstore import gather, inspecting, render

    if len(names) > (1 if dry_run else 2):
        raise click.UsageError("--dry-run takes one path" if dry_run else "one file at a time: [STORE] FILE")
    wanted = gather.chunking_strategy(strategy, chunk_size, chunk_overlap)
    if dry_run:
        with options.workers() as workers:
            cut = inspecting.dry_run(Path(names[0]), workers, chunking_strategy=wanted, password=password)
    else:
        if wanted is not None or password:
            raise click.UsageError("--strategy, --chunk-size, --chunk-overlap and --password are for --dry-run")
        with options.engine() as engine:
            cut = inspecting.stored(engine, names[-1], store=names[0] if len(names) == 2 else None)
    render.json_lines(cut.chunks) if as_json else render.cut_file(cut)


@main.command()
@in_store
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_obj
def detach(options: Options, store: str, files: tuple[str, ...]) -> None:
    """Take FILEs out of STORE.

    What was uploaded stays, and 'vecstore files' lists it, until 'vecstore rm FILE-ID'.
    """
    with options.engine() as engine:
        target = engine.get(store)
        for member in [target.find(name) for name in files]:
            target.detach(member.id)
            click.echo(f"detached {member.filename} ({member.id})")
