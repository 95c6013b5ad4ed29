"""Backs a data folder up: a copy of the catalogue of one moment, and of whatever contents are not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from vecstore import snapshots
from vecstore.blobs import Blobs, ContentChangedError, blob_path
from vecstore.catalog import FORMAT
from vecstore.catalog.copies import copy_catalog, holdings, names_of_contents
from vecstore.catalog.database import stored_revision
from vecstore.disk import refusals
from vecstore.errors import FormatError, InvalidRequestError, StorageError
from vecstore.failpoints import reach
from vecstore.files import fsync_folder, fsync_path, sha256_of, temporary_sibling
from vecstore.folder import BLOBS, CATALOG
from vecstore.manifest import MANIFEST, Manifest, damaged, manifest_bytes, read_manifest
from vecstore.snapshots import (
    SNAPSHOTS,
    OnProgress,
    Snapshot,
    changing,
    check_catalog,
    drop_all_but,
    is_content,
    listed,
    new_name,
    pieces,
    problems,
    snapshot_of,
)
from vecstore.types import Problem
from vecstore.uploading import checked_place

_ATTEMPTS = 3  # contents may be deleted while they are copied; what is missing each time is lost
_NAMED = 5  # files in a sentence


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup made, how many contents it copied, since they were not there yet, and what snapshots it dropped."""

    snapshot: Snapshot
    copied_contents: int
    copied_bytes: int
    dropped: tuple[str, ...] = ()


def backup(
    folder: str | PathLike[str],
    dest: str | PathLike[str],
    *,
    keep: int | None = None,
    on_progress: OnProgress = lambda *_: None,
    now: Callable[[], float] = time.time,
) -> BackupReport:
    """Writes a snapshot of the data folder into the backup `dest`, also while another process has the folder open.

    It is of one moment; its catalogue and what was copied were read back when this returns; indexes are not in it.
    A content that `dest` has already in the same length is neither copied nor read again. keep: how many
    snapshots stay, this one included; all if None.
    Raises FormatError, FolderInUseError while another backup goes on, and StorageError, also where a content is
    missing or damaged in the data folder; then `dest` is as it was.
    """
    source, target = checked_place("folder", folder), checked_place("dest", dest)
    if keep is not None and (type(keep) is not int or keep < 1):
        raise InvalidRequestError("keep", f"must be a whole number from 1 on, not {keep!r:.40}")
    _check_format(source)
    if target.resolve().is_relative_to(source.resolve()):
        raise InvalidRequestError("dest", f"must lie outside of the data folder {source}, and {target} does not")
    with refusals(f"the backup {target} cannot be written"), changing(target) as blobs:
        copying = _Copying(source / BLOBS, target / BLOBS, blobs, on_progress)
        name = new_name(target, int(now()))
        manifest = _snapshot(source, target / SNAPSHOTS / name, copying, int(now()))
        copied = [size for sha256, size in copying.copied.items() if sha256 in manifest.blobs]
        dropped = [] if keep is None else drop_all_but(target, keep, blobs)
    return BackupReport(snapshot_of(name, manifest), len(copied), sum(copied), tuple(dropped))


def list_snapshots(dest: str | PathLike[str]) -> list[Snapshot]:
    """Those of a backup, oldest first, also those that are damaged. Raises FormatError where there is no backup."""
    return listed(checked_place("dest", dest))


def verify_backup(
    dest: str | PathLike[str], *, snapshot: str | None = None, on_progress: OnProgress = lambda *_: None
) -> list[Problem]:
    """Reads back all that its snapshots hold, or one of them, each content once; [] says that all is well.

    Nothing is changed. Raises FormatError where there is no backup, NotFoundError.
    """
    return problems(checked_place("dest", dest), snapshot, on_progress)


def _check_format(folder: Path) -> None:
    found = stored_revision(folder / CATALOG)
    if found is None:
        raise FormatError(f"there is no data folder at {folder}")
    if found != FORMAT:
        raise FormatError(
            f"{folder} has data format {found}, not {FORMAT}: open it once with this version, as 'vecstore list' does, "
            "and back it up then"
        )


class _Copying:
    """Contents on their way from the data folder. `copied` has the bytes of those that were not there yet."""

    def __init__(self, source: Path, target: Path, blobs: Blobs, on_progress: OnProgress) -> None:
        self._source, self._target, self._blobs = source, target, blobs
        self.on_progress = on_progress
        self.copied: dict[str, int] = {}

    def copy(self, wanted: Mapping[str, int]) -> dict[str, str]:
        """What of it cannot be had from the data folder, each with the reason."""
        lost: dict[str, str] = {}
        done, whole = 0, sum(wanted.values())
        for sha256, size in wanted.items():
            path = blob_path(self._target, sha256)
            if not (path.is_file() and path.stat().st_size == size):
                problem = self._problem(sha256)
                if problem is not None:
                    lost[sha256] = problem
                    continue
                self.copied[sha256] = size
            done += size
            self.on_progress("copying contents", done, whole)
        return lost

    def _problem(self, sha256: str) -> str | None:
        """Why it could not be copied."""
        source = blob_path(self._source, sha256)
        if not source.is_file():
            return "missing"
        try:
            self._blobs.put(pieces(source, lambda _: None), expected=sha256)
        except ContentChangedError:
            return "changed on the disk"
        except StorageError:
            if not source.is_file():
                return "missing"  # since a moment ago
            raise
        written = blob_path(self._target, sha256)
        if not is_content(written, sha256):
            raise damaged(f"{written} reads otherwise than it was written")
        return None


def _snapshot(source: Path, target: Path, copying: _Copying, now: int) -> Manifest:
    """Under its name once all of it was read back and is durable."""
    lost: dict[str, str] = {}
    for attempt in range(_ATTEMPTS):
        with temporary_sibling(target) as draft:
            draft.mkdir()
            catalog = draft / CATALOG
            copy_catalog(source / CATALOG, catalog, lambda *done: copying.on_progress("copying the catalogue", *done))
            reach("backup.catalog")
            held = holdings(catalog)
            _check_lineage(target.parent.parent, source, held.folder_id)
            found = copying.copy(held.blobs)
            reach("backup.contents")
            if not found:
                manifest = Manifest(
                    kind="backup",
                    name="",
                    created_at=now,
                    catalog_sha256=sha256_of(catalog),
                    catalog_bytes=catalog.stat().st_size,
                    vector_stores=held.vector_stores,
                    files=held.files,
                    chunks=held.chunks,
                    blobs=held.blobs,
                    folder_id=held.folder_id,
                )
                _finish(draft, target, manifest)
                return manifest
            lost = found if attempt == 0 else {sha256: found[sha256] for sha256 in lost if sha256 in found}
            names = names_of_contents(catalog, lost)
    raise _given_up(source, names, set(lost.values()))


def _check_lineage(backup: Path, source: Path, folder_id: int) -> None:
    """Raises FormatError where the newest snapshot is of another data folder: a restore would mix them up."""
    for name in reversed(snapshots.names(backup)):
        try:
            other = snapshots.manifest_of(backup, name).folder_id
        except (StorageError, FormatError):
            continue
        if other and folder_id and other != folder_id:
            raise FormatError(
                f"{backup} holds backups of another data folder than {source}: give each a place of its own"
            )
        return


def _finish(draft: Path, target: Path, manifest: Manifest) -> None:
    (draft / MANIFEST).write_bytes(manifest_bytes(manifest))
    reach("backup.written")
    for path in (draft / MANIFEST, draft / CATALOG):
        fsync_path(path)
    fsync_folder(draft)
    reach("backup.synced")
    check_catalog(
        draft / CATALOG,
        read_manifest((draft / MANIFEST).read_bytes(), str(draft / MANIFEST), "backup"),
        draft / CATALOG,
    )
    draft.rename(target)
    reach("backup.renamed")
    fsync_folder(target.parent)
    reach("backup.durable")


def _given_up(folder: Path, names: list[str], reasons: set[str]) -> StorageError:
    if not names:
        return StorageError(f"files of {folder} are deleted faster than they can be copied; try again", code="busy")
    told = ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return damaged(
        f"no backup was made: the content of {told} is {' or '.join(sorted(reasons))} in {folder}; "
        "add the original again, or remove the file"
    )
