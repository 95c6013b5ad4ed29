"""Verbs about the whole data folder in another place."""

from __future__ import annotations

import click

from vecstore.cli.options import Options, json_lines, main


@main.command()
@click.argument("dest")
@click.option("--list", "listing", is_flag=True, help="Only list the snapshots in DEST.")
@click.option("--verify", is_flag=True, help="Only read all of DEST back and compare its SHA-256.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Drop all but the newest N, this one included.")
@json_lines
@click.pass_obj
def backup(options: Options, dest: str, keep: int | None, *, listing: bool, verify: bool, as_json: bool) -> None:
    """Back the data folder up into the folder DEST.

    \b
    vecstore backup /mnt/backup --keep 30        for cron; also while a server runs
    vecstore backup /mnt/backup --list
    vecstore --root new restore /mnt/backup      what it is for

    DEST holds a snapshot for each time, whole and of one moment, and every uploaded content once: what lies there
    already, in the same length, is neither copied nor read again; the catalogue and what was copied are read back
    before a snapshot gets its name. Interrupt it, and DEST is as it was; the next one goes on with what was copied.
    --verify reads everything and changes nothing; exit status 1 if something is damaged.
    """
    from vecstore import backups, render, render_backups, terminal

    if listing + verify + (keep is not None) > 1:
        raise click.UsageError("--list, --verify and --keep do different things; give one of them")
    if listing:
        found = backups.list_snapshots(dest)
        render.json_lines(found) if as_json else render_backups.snapshots(found)
        raise click.exceptions.Exit(int(any(each.problem for each in found)))
    with terminal.steps() as on_progress:
        if verify:
            problems = backups.verify_backup(dest, on_progress=on_progress)
        else:
            made = backups.backup(options.root, dest, keep=keep, on_progress=on_progress)
    if verify:
        render.json_lines(problems) if as_json else render.problems(problems)
        raise click.exceptions.Exit(int(bool(problems)))
    render.json_lines([made]) if as_json else render_backups.made(made)


@main.command()
@click.argument("source")
@click.option("--snapshot", metavar="NAME", help="That one, as --list names it.  [default: the newest]")
@json_lines
@click.pass_obj
def restore(options: Options, source: str, snapshot: str | None, *, as_json: bool) -> None:
    """Make a data folder of the backup SOURCE.

    \b
    vecstore --root new restore /mnt/backup
    vecstore --root new restore /mnt/backup --snapshot 20261126T062408Z

    The folder, --root, must be empty or not exist yet. It counts as a data folder once everything was verified: of a
    damaged backup nothing is left, and what was interrupted can be run again. Indexes are made anew when they are
    first used, without parsing or embedding; batches in progress go on, and usage is what it was.
    """
    from vecstore import render, render_backups, restoring, terminal

    with terminal.steps() as on_progress:
        restored = restoring.restore(source, options.root, snapshot=snapshot, on_progress=on_progress)
    render.json_lines([restored]) if as_json else render_backups.restored(restored, options.root)
