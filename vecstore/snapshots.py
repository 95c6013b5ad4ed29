"""A folder of backups: snapshots by name, oldest first, and the blobs that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vecstore.blobs import Blobs, blob_path
from vecstore.catalog import FORMAT
from vecstore.catalog.copies import check_copy, format_of, holdings
from vecstore.disk import refusals
from vecstore.errors import FormatError, NotFoundError, StorageError
from vecstore.failpoints import reach
from vecstore.files import fsync_folder, make_folder, remove_leftovers, sha256_of, temporary_sibling
from vecstore.folder import BLOBS, CATALOG, LOCK, alone
from vecstore.manifest import MANIFEST, MAX_BYTES, Manifest, damaged, read_manifest
from vecstore.types import Problem

SNAPSHOTS = "snapshots"

OnProgress = Callable[[str, float, float], None]  # what is done, how much of it, and of how much

_NAME = re.compile(r"\d{8}T\d{6}Z(-\d{6})?")
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a data folder. `bytes` are those of its catalogue and of all its contents, shared or not.

    `problem` is a sentence where it cannot be restored, as far as its manifest tells; the numbers are 0 then.
    """

    name: str
    created_at: int = 0
    data_format: str = ""
    vecstore: str = ""
    vector_stores: int = 0
    files: int = 0
    chunks: int = 0
    contents: int = 0
    bytes: int = 0
    problem: str | None = None


def listed(backup: Path) -> list[Snapshot]:
    """As `list_snapshots`."""
    return [_listed(backup, name) for name in names(backup)]


def names(backup: Path) -> list[str]:
    """Of the snapshots, oldest first. Raises FormatError where there is no backup."""
    if not (backup / SNAPSHOTS).is_dir():
        raise FormatError(f"there is no backup at {backup}: it has no folder {SNAPSHOTS!r}")
    with refusals(f"the backup {backup} cannot be read"):
        return sorted(path.name for path in (backup / SNAPSHOTS).iterdir() if _NAME.fullmatch(path.name))


def find(backup: Path, name: str | None) -> str:
    """The name of that snapshot, or of the newest. Raises NotFoundError where there is none."""
    known = names(backup)
    if not known or (name is not None and name not in known):
        what = "no snapshot" if name is None else f"no snapshot {name!r:.80}"
        raise NotFoundError(f"the backup {backup} has {what}; 'vecstore backup DEST --list' lists those it has")
    return known[-1] if name is None else name


def manifest_of(backup: Path, name: str) -> Manifest:
    """Raises StorageError where it is missing or damaged, FormatError where a newer version wrote it."""
    path = backup / SNAPSHOTS / name / MANIFEST
    return read_manifest(_beginning(path), str(path), "backup")


def snapshot_of(name: str, manifest: Manifest) -> Snapshot:
    return Snapshot(
        name,
        manifest.created_at,
        manifest.data_format,
        manifest.vecstore,
        manifest.vector_stores,
        manifest.files,
        manifest.chunks,
        len(manifest.blobs),
        manifest.bytes,
    )


def pieces(path: Path, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """What is in the file. Raises StorageError where it cannot be read."""
    with refusals(f"{path} cannot be read"), path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            on_bytes(len(piece))
            yield piece


def is_content(path: Path, sha256: str) -> bool:
    """Whether the file is there and can be read, and its bytes are the ones it is named for."""
    with suppress(OSError):
        return path.is_file() and sha256_of(path) == sha256
    return False


def check_catalog(path: Path, manifest: Manifest, where: Path) -> None:
    """Raises StorageError unless this is the catalogue that the manifest names; `where` it came from."""
    with refusals(f"{path} cannot be read"):
        if path.stat().st_size != manifest.catalog_bytes or sha256_of(path) != manifest.catalog_sha256:
            raise damaged(f"{where} is damaged: it was changed or cut short after it was written")
    check_copy(path)
    if format_of(path) != manifest.data_format:
        raise damaged(f"{where} is damaged: it is of another data format than its manifest says")
    if manifest.data_format == FORMAT:
        held = holdings(path)
        if (held.vector_stores, held.files, held.chunks, held.blobs) != (
            manifest.vector_stores,
            manifest.files,
            manifest.chunks,
            manifest.blobs,
        ):
            raise damaged(f"{where} is damaged: it holds other things than its manifest says")


# Changing it -----------------------------------------------------------------------------------


@contextmanager
def changing(backup: Path) -> Iterator[Blobs]:
    """The blobs of the backup, which is made if it is not there, and locked.

    Raises FolderInUseError while another one changes it, FormatError for a folder with other things in it.
    """
    if backup.exists() and not backup.is_dir():
        raise FormatError(f"{backup} is not a folder")
    found = {path.name for path in backup.iterdir()} if backup.exists() else set()
    others = found - {BLOBS, LOCK, SNAPSHOTS}
    if others:
        raise FormatError(f"{backup} is neither empty nor a backup of vecstore: it holds {min(others)!r}")
    make_folder(backup)
    with alone(backup / LOCK, f"another backup into {backup} is under way; wait until it ends"):
        make_folder(backup / SNAPSHOTS)
        remove_leftovers(backup / SNAPSHOTS)
        yield Blobs(backup / BLOBS)


def new_name(backup: Path, now: int) -> str:
    """After all others, also where the clock stepped back."""
    name, last = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ"), max(names(backup), default="")
    if last < name:
        return name
    stamp, _, nth = last.partition("-")
    return f"{stamp}-{int(nth or 0) + 1:06d}"


def drop_all_but(backup: Path, keep: int, blobs: Blobs) -> list[str]:
    """Drops all but the newest, and then what none of these wants; the names of those dropped.

    Raises as `manifest_of` where one that is kept cannot tell what it wants; then nothing is dropped.
    """
    known = names(backup)
    wanted = {sha256 for name in known[-keep:] for sha256 in manifest_of(backup, name).blobs}
    for name in known[:-keep]:
        folder = backup / SNAPSHOTS / name
        with temporary_sibling(folder) as gone:
            folder.rename(gone)  # at once, so that no half of it is ever listed
            fsync_folder(folder.parent)
        reach("backup.dropped")
    for sha256 in set(blobs) - wanted:
        blobs.delete(sha256)
    reach("backup.swept")
    return known[:-keep]


def problems(backup: Path, snapshot: str | None, on_progress: OnProgress) -> list[Problem]:
    """As `verify_backup`."""
    wanted: dict[str, str] = {}
    sizes: dict[str, int] = {}
    found = [] if names(backup) else [Problem("snapshot", str(backup), "there is none: no backup was completed")]
    for each in names(backup) if snapshot is None else [find(backup, snapshot)]:
        folder = backup / SNAPSHOTS / each
        try:
            manifest = manifest_of(backup, each)
            check_catalog(folder / CATALOG, manifest, folder / CATALOG)
        except (StorageError, FormatError) as error:
            if folder.exists():  # not dropped meanwhile
                found.append(Problem("snapshot", each, str(error)))
            continue
        sizes |= manifest.blobs
        wanted |= dict.fromkeys(manifest.blobs, each)
    done, whole = 0, sum(sizes.values())
    for sha256, holder in sorted(wanted.items()):
        path = blob_path(backup / BLOBS, sha256)
        if not is_content(path, sha256) and (backup / SNAPSHOTS / holder).exists():
            what = "is missing or was changed; remove it if it is there, and the next backup copies it again"
            found.append(Problem("content", str(path), f"{what}. The last snapshot with it is {holder}"))
        done += sizes[sha256]
        on_progress("verifying", done, whole)
    return found


def _listed(backup: Path, name: str) -> Snapshot:
    try:
        return snapshot_of(name, manifest_of(backup, name))
    except (StorageError, FormatError) as error:
        return Snapshot(name, problem=str(error))


def _beginning(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise damaged(f"{path} is damaged: it is no file")
    with refusals(f"{path} cannot be read"), path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise damaged(f"{path} is damaged: it has more than {MAX_BYTES} bytes")
    return data
