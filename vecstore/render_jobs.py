"""How people see batches, estimates, projects and what has expired."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from vecstore.batch import FileBatch
from vecstore.terminal import err, moment, out, plain, print_table, row, say, table
from vecstore.types import AddEstimate, BatchProgress, Expired, FileBatchInfo, FileCounts, Project
from vecstore.usage import PRICE_PER_GB_DAY, Estimate, price_text


def estimate(expected: AddEstimate, month: Estimate, *, as_json: bool) -> None:
    """What adding would come to, and cost a month."""
    if as_json:
        sys.stdout.write(json.dumps(asdict(expected) | {"month": asdict(month)}, ensure_ascii=False) + "\n")
        return
    for sentence in expected.failed:
        say(err, "✗", "red", sentence)
    shown = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        (
            "files",
            f"{expected.files:,} to add, {expected.unchanged:,} unchanged, {len(expected.failed):,} not readable",
        ),
        ("size", f"{expected.bytes:,} bytes, {expected.tokens:,} tokens, {expected.chunks:,} chunks"),
        ("usage", f"{expected.usage_bytes:+,} bytes"),
        (
            f"in {month.days} days",
            f"{month.gb_days} GB-days, {month.billable_gb_days} of them billable: ${month.amount}",
        ),
    ):
        shown.add_row(Text(name, style="dim"), Text(value))
    out.print(shown)


def watch(batch: FileBatch) -> FileBatchInfo:
    """Waits for a batch, with a progress bar on standard error; says what failed."""
    progress = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    task = progress.add_task("batch", total=None, done="")

    def show(now: BatchProgress) -> None:
        counts, sizes = now.batch.file_counts, now.sizes
        done = (
            f"{counts.total - counts.in_progress}/{counts.total} files, {sizes.pages:,} pages, {sizes.chunks:,} chunks"
        )
        progress.update(task, total=max(sizes.bytes, 1), completed=now.done_bytes, done=done)

    with progress:
        info = batch.wait(on_progress=show)
    for file in batch.files():
        if file.last_error is not None:
            say(err, "✗", "red", file.last_error.message)
    return info


def batches(found: Sequence[FileBatchInfo], names: Mapping[str, str]) -> None:
    """Oldest first; `names` of the vector stores by id."""
    shown = table("batch", "status", "files~", "vector store~", "made")
    for each in found:
        name = names.get(each.vector_store_id, "")
        row(shown, each.id, each.status, _counted(each.file_counts), name, moment(each.created_at))
    print_table(shown, "No batches.")


def batches_json(found: Sequence[FileBatchInfo]) -> None:
    """One JSON object a line, with the status."""
    for each in found:
        sys.stdout.write(json.dumps(asdict(each) | {"status": each.status}) + "\n")


def _counted(counts: FileCounts) -> str:
    named = (("done", counts.completed), ("failed", counts.failed), ("cancelled", counts.cancelled))
    return ", ".join(f"{n:,} {what}" for what, n in (*named, ("to do", counts.in_progress)) if n)


def expired(found: Sequence[Expired], *, dry_run: bool) -> None:
    what = "is due" if dry_run else "expired"
    for each in found:
        kind = each.kind.replace("_", " ")
        out.print(
            Text(f"{kind} {plain(each.name)!r} ({each.id}) {what}: {moment(each.expired_at)}, {each.bytes:,} bytes")
        )
    if not found:
        err.print("Nothing has expired.")


def projects(found: Sequence[Project]) -> None:
    shown = table("project~", "id", "$ a GB and day>", "made")
    for each in found:
        price = each.price_per_gb_day or price_text(PRICE_PER_GB_DAY)
        row(shown, each.name, each.id, price, moment(each.created_at) if each.created_at else "")
    print_table(shown, "No projects.")
