"""The verb about what is held, for how long, and what that costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from vecstore.cli.options import Options, json_lines, main

if TYPE_CHECKING:
    from vecstore.usage import By

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """A date or time of ISO 8601 as Unix seconds; UTC unless it says otherwise."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        sentence = f"{value!r} is no date or time such as 2026-11-01 or 2026-11-01T12:30"
        raise click.BadParameter(sentence, ctx, param) from None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(seconds=1)


@main.command()
@click.option("--from", "start", callback=_instant, metavar="TIME", help="UTC.  [default: the first of that month]")
@click.option("--to", "end", callback=_instant, metavar="TIME", help="Up to but without it.  [default: now]")
@click.option("--by", type=click.Choice(["store", "project", "day", "hour"]), default="store", show_default=True)
@click.option("--project", metavar="PROJECT", help="Only its vector stores, by name or id.")
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets; the last line is the total.")
@json_lines
@click.pass_obj
def usage(
    options: Options,
    start: int | None,
    end: int | None,
    by: By,
    project: str | None,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show what is held, for how long, and what it costs.

    Logical bytes: of each chunk its UTF-8 text and 4 bytes a dimension. Exact to the second; a time is
    a date such as 2026-11-01, or 2026-11-01T12:30. The free GB is a project's, so a vector store has
    no bill of its own.
    """
    from vecstore import render_usage

    if as_csv and as_json:
        raise click.UsageError("--csv and --json are two forms of the same; give one of them")
    with options.engine() as engine:
        report = engine.usage(start, end, by=by, project=project)
    if as_csv:
        render_usage.csv_lines(report)
    elif as_json:
        render_usage.json_lines(report)
    else:
        render_usage.table(report)
