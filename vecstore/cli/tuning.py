"""The verb `tune`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from vecstore.cli.options import Options, in_store, json_lines, main


@main.command()
@in_store
@click.option("--queries", metavar="FILE", help="JSON lines of questions and what answers them; - for standard input.")
@click.option("--chunk-sizes", metavar="TOKENS,...", help="Also try the files cut at each of these sizes.")
@click.option("--force", is_flag=True, help="Store the weights whatever they gain.")
@click.option("--dry-run", is_flag=True, help="Only tell what they would gain; nothing is stored.")
@click.option("--reset", is_flag=True, help="Go back to halves and usual sizes; no questions are needed.")
@json_lines
@click.pass_obj
def tune(
    options: Options,
    store: str,
    queries: str | None,
    chunk_sizes: str | None,
    *,
    force: bool,
    dry_run: bool,
    reset: bool,
    as_json: bool,
) -> None:
    """Fit STORE's weights to questions of yours.

    How much meaning and words count is chosen so that what answers stands first, by nDCG@10 and five-fold
    cross-validation. The weights are kept with STORE if the gain is surely above 0 (95 % interval), and
    searches use them from then on unless they are given --weights.

    \b
    vecstore tune handbook --queries questions.jsonl
    {"query": "Who signs for travel?", "relevant": ["handbook.pdf"]}
    {"query": "hotel limit", "relevant": [{"file": "handbook.pdf", "passage": "A hotel night may cost"}]}
    {"query": "parental leave", "relevant": [{"chunk_id": "chunk_4711"}]}

    A line is a question, ten or more in all. What answers it is a file by name or id, a passage copied from it, or a
    chunk that was clicked; a chunk that holds half of the passage answers, and white space may differ.
    --chunk-sizes cuts the files anew in a temporary folder, as adding them again with --chunk-size would,
    which takes as long as adding them did; the files of STORE stay as they are. A size that surely gains is kept with
    STORE, for files that are added later.
    """
    from vecstore import gather, render_tuning, terminal

    if reset and (queries or chunk_sizes or force or dry_run):
        raise click.UsageError("--reset goes without other options")
    if not reset and queries is None:
        raise click.UsageError("--queries FILE is needed, or --reset")
    if force and dry_run:
        raise click.UsageError("--force stores the weights and --dry-run does not: one of them")
    sizes = [] if chunk_sizes is None else gather.chunk_sizes(chunk_sizes)
    asked = [] if queries is None else gather.questions(queries)
    with options.engine() as engine:
        target = engine.get(store)
        if reset:
            info = target.reset_tuning()
            render_tuning.reset(info, as_json=as_json)
            return
        with _sigterm_as_ctrl_c(), terminal.steps() as on_progress:
            result = target.tune(asked, chunk_sizes=sizes, force=force, dry_run=dry_run, on_progress=on_progress)
        name = target.info().name or target.id
    render_tuning.report(result, name, as_json=as_json)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """What is cut anew lies in a temporary folder, which only an end in good order removes."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
