"""Makes a data folder of a snapshot: nothing counts as one before all of it was verified."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from vecstore.blobs import Blobs, ContentChangedError, blob_path
from vecstore.disk import refusals
from vecstore.failpoints import reach
from vecstore.files import fsync_folder, fsync_path
from vecstore.folder import BLOBS, CATALOG, becoming
from vecstore.manifest import Manifest, damaged
from vecstore.snapshots import (
    SNAPSHOTS,
    OnProgress,
    Snapshot,
    check_catalog,
    find,
    manifest_of,
    pieces,
    snapshot_of,
)
from vecstore.uploading import checked_place


def restore(
    source: str | PathLike[str],
    folder: str | PathLike[str],
    *,
    snapshot: str | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> Snapshot:
    """Makes the folder, which must be empty or not exist, what the data folder was; by name, or the newest snapshot.

    Indexes are made anew when a vector store is first used, without parsing or embedding. Raises StorageError that
    names what of the backup is damaged, and then nothing is left; NotFoundError, FormatError, FolderInUseError.
    """
    backup, target = checked_place("source", source), checked_place("folder", folder)
    name = find(backup, snapshot)
    manifest = manifest_of(backup, name)
    with refusals(f"nothing can be restored into {target}"), becoming(target) as draft:
        reach("restore.begun")
        _copy_catalog(backup / SNAPSHOTS / name / CATALOG, draft, manifest, on_progress)
        reach("restore.catalog")
        _copy_blobs(backup / BLOBS, target / BLOBS, manifest, on_progress)
        reach("restore.contents")
        draft.replace(target / CATALOG)
        reach("restore.renamed")
        fsync_folder(target)
        reach("restore.durable")
    return snapshot_of(name, manifest)


def _copy_catalog(source: Path, draft: Path, manifest: Manifest, on_progress: OnProgress) -> None:
    done = 0
    with draft.open("wb") as file:
        for piece in pieces(source, lambda _: None):
            done += file.write(piece)
            on_progress("copying the catalogue", done, manifest.catalog_bytes)
    fsync_path(draft)
    check_catalog(draft, manifest, source)


def _copy_blobs(source: Path, target: Path, manifest: Manifest, on_progress: OnProgress) -> None:
    blobs = Blobs(target)
    done, whole = 0, sum(manifest.blobs.values())
    for sha256, size in manifest.blobs.items():
        path = blob_path(source, sha256)
        if not path.is_file():
            raise damaged(f"the backup is damaged: {path} is missing")
        try:
            blobs.put(pieces(path, lambda _: None), expected=sha256)
        except ContentChangedError:
            sentence = f"the backup is damaged: {path} was changed or cut short after it was written"
            raise damaged(sentence) from None
        done += size
        on_progress("copying contents", done, whole)
