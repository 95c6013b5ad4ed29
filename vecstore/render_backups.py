"""What people see of backups and archives: what was made, what there is, and what was restored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vecstore.backups import BackupReport
from vecstore.moving import ExportReport
from vecstore.snapshots import Snapshot
from vecstore.terminal import counted, err, moment, out, plain, print_table, row, say, table


def made(report: BackupReport) -> None:
    """The snapshot, how much of it was copied, and what was dropped."""
    snapshot = report.snapshot
    say(out, "✓", "green", f"{snapshot.name}: {_held(snapshot)}")
    kept = snapshot.contents - report.copied_contents
    out.print(
        f"  {counted(report.copied_contents, 'content')} copied, {report.copied_bytes:,} bytes; {kept:,} there already",
        soft_wrap=True,
    )
    for name in report.dropped:
        out.print(f"  dropped {plain(name)}", soft_wrap=True)


def snapshots(found: Sequence[Snapshot]) -> None:
    """A line each, and a sentence for what is damaged."""
    shown = table("snapshot", "made", "vector stores>", "files>", "chunks>", "bytes>")
    for each in found:
        if each.problem is None:
            row(
                shown,
                each.name,
                moment(each.created_at),
                f"{each.vector_stores:,}",
                f"{each.files:,}",
                f"{each.chunks:,}",
                f"{each.bytes:,}",
            )
    print_table(shown, "No snapshots that can be restored; 'vecstore backup DEST' makes one.")
    for each in found:
        if each.problem is not None:
            say(out, "✗", "red", each.problem)


def restored(snapshot: Snapshot, folder: Path) -> None:
    """What is there again, and where."""
    say(out, "✓", "green", f"{folder} is as of {moment(snapshot.created_at)}: {_held(snapshot)}")


def exported(report: ExportReport) -> None:
    """The archive, and what is not in it."""
    held = f"{counted(report.files, 'file')}, {counted(report.chunks, 'chunk')}, {report.bytes:,} bytes"
    say(out, "✓", "green", f"{report.path}: {report.name!r} with {held}")
    for filename in report.left_out:
        say(err, "!", "yellow", f"{filename!r} is left out: it is in progress, was cancelled, or does not exist")


def _held(snapshot: Snapshot) -> str:
    stores, files = counted(snapshot.vector_stores, "vector store"), counted(snapshot.files, "file")
    return f"{stores}, {files}, {counted(snapshot.chunks, 'chunk')}, {snapshot.bytes:,} bytes"
