"""Verbs about many files and about time: batches, expiry, projects."""

from __future__ import annotations

import click

from vecstore.cli.keys import accounts
from vecstore.cli.options import Options, in_store, json_lines, main


@main.command()
@in_store
@click.argument("manifest", metavar="MANIFEST.jsonl")
@click.option("--estimate", is_flag=True, help="Only tell what it would come to; nothing is embedded or stored.")
@json_lines
@click.pass_obj
def batch(options: Options, store: str, manifest: str, *, estimate: bool, as_json: bool) -> None:
    """Add the files of a manifest to STORE.

    \b
    A JSON object a line, '-' reads them from standard input:
      {"file": "leases/*.pdf", "attributes": {"year": 2026}}
      {"file": "notes", "chunking_strategy": {"type": "structure"}}

    'file' is a path, a folder or a glob, from the manifest's folder on; attributes and chunking_strategy are
    those of the API. A file named by itself is called by its name, one of a folder or glob by its path below it;
    where two lines name the same file, the later one holds. Up to 100,000 files. Run it again to go on where it
    was interrupted: what is there already is left alone, what changed is replaced.
    """
    from vecstore import gather, render, render_jobs

    found = gather.manifest(manifest, besides=options.root)
    with options.engine() as engine:
        target = engine.get(store)
        if estimate:
            with render.adding(found, as_json=as_json, summary=False) as view:
                expected = target.estimate(found.sources, on_bytes=view.advance)
            render_jobs.estimate(expected, engine.month_of(target, expected), as_json=as_json)
            raise click.exceptions.Exit(view.exit_status)
        with render.adding(found, as_json=as_json) as view:
            for outcome in target.add_many(found.sources, on_bytes=view.advance):
                view.report(outcome)
    raise click.exceptions.Exit(view.exit_status)


@main.command()
@click.argument("store", required=False)
@click.option("--run", is_flag=True, help="Go on with what was interrupted, wait for these.")
@click.option("--cancel", "cancelled", metavar="BATCH-ID", multiple=True, help="End one; what is done stays.")
@json_lines
@click.pass_obj
def batches(options: Options, store: str | None, cancelled: tuple[str, ...], *, run: bool, as_json: bool) -> None:
    """List file batches.

    Those of STORE, or all: made by the library or over HTTP. One that was interrupted goes on when the server or
    the library opens the data folder, or with --run. Exit status 1 if a file of those that were run failed.
    """
    from vecstore import render_jobs

    with options.engine() as engine:
        listed = engine.batches if store is None else engine.get(store).batches
        for batch_id in cancelled:
            engine.batch(batch_id).cancel()
        waiting = [each.id for each in listed() if each.status == "in_progress"] if run else []
        if waiting:
            engine.resume()
        failed = [render_jobs.watch(engine.batch(batch_id)).file_counts.failed for batch_id in waiting]
        found, names = listed(), {info.id: info.name for info in engine.list()}
    if run and not waiting:
        click.echo("Nothing was left to do.", err=True)
    render_jobs.batches_json(found) if as_json else render_jobs.batches(found, names)
    raise click.exceptions.Exit(int(any(failed)))


@main.command()
@click.option("--dry-run", is_flag=True, help="Only tell what is due.")
@json_lines
@click.pass_obj
def expire(options: Options, *, dry_run: bool, as_json: bool) -> None:
    """Take out what has expired.

    Vector stores lose their files, files leave every vector store, uploads that were never completed go. For cron:
    nothing expired is ever found or billed, but until somebody looks it takes up room on the disk.
    """
    from vecstore import render, render_jobs

    with options.engine() as engine:
        found = engine.expire(dry_run=dry_run)
    render.json_lines(found) if as_json else render_jobs.expired(found, dry_run=dry_run)


@main.command()
@click.argument("name", required=False)
@click.option("--create", is_flag=True, help="Make the project NAME; it cannot be deleted.")
@click.option("--price", metavar="DOLLARS", help="A GB and day, such as 0.05; 'usual' for the usual price.")
@json_lines
@click.pass_obj
def projects(options: Options, name: str | None, price: str | None, *, create: bool, as_json: bool) -> None:
    """List who vector stores are billed to.

    'vecstore create STORE --project NAME' puts a vector store into a project. A price holds for all that is reported
    from then on, of the past, too.
    """
    from vecstore import render, render_jobs

    if name is None and (create or price is not None):
        raise click.UsageError("--create and --price need the NAME of the project")
    with accounts(options, create=create) as opened:
        if name is not None and create:
            opened.create_project(name)
        if name is not None and price is not None:
            opened.set_price(name, None if price == "usual" else price)
        found = opened.projects() if name is None else [opened.project(name)]
    render.json_lines(found) if as_json else render_jobs.projects(found)
