"""Takes a vector store out of a data folder as an archive, and into another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from vecstore import ids
from vecstore.archive import check_new, open_archive, write_archive
from vecstore.attributes import checked_name
from vecstore.blobs import ContentChangedError, blob_path
from vecstore.catalog.arrivals import arrived
from vecstore.catalog.copies import holdings, names_of_contents, settle
from vecstore.catalog.database import Database
from vecstore.catalog.transfer import export_store, import_store
from vecstore.disk import refusals
from vecstore.errors import ExpiredError
from vecstore.failpoints import reach
from vecstore.files import link_or_copy, sha256_of, temporary_sibling
from vecstore.folder import CATALOG
from vecstore.manifest import Manifest, damaged
from vecstore.parts import Parts
from vecstore.snapshots import OnProgress
from vecstore.types import VectorStoreInfo
from vecstore.uploading import checked_place


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an archive holds. `left_out` names files in progress, cancelled ones, and such as do not exist."""

    path: str
    name: str
    files: int
    chunks: int
    bytes: int
    left_out: tuple[str, ...]


def export(parts: Parts, store_id: str, path: str | PathLike[str], on_progress: OnProgress) -> ExportReport:
    """As `VectorStore.export`."""
    target = checked_place("path", path)
    check_new(target)
    parts.begin()
    store = parts.catalog.vector_store(store_id)
    if store.status == "expired":
        raise ExpiredError(f"Vector store '{store_id}' has expired.")
    with refusals(f"the archive {target} cannot be written"), _draft(parts) as draft:
        left_out, manifest = _gathered(parts, store, draft)
        reach("export.catalog")
        write_archive(target, manifest, draft / CATALOG, draft, _counted("writing", manifest.bytes, on_progress))
        size = target.stat().st_size
    return ExportReport(str(target), store.name, manifest.files, manifest.chunks, size, tuple(left_out))


def import_archive(
    parts: Parts, path: str | PathLike[str], *, name: str | None, project_id: str, on_progress: OnProgress
) -> VectorStoreInfo:
    """As `Engine.import_store`."""
    source = checked_place("path", path)
    name = None if name is None else checked_name(name)
    parts.begin()
    on_bytes = _counted("reading", source.stat().st_size if source.is_file() else 0, on_progress)
    with (
        refusals(f"{source} cannot be imported"),
        open_archive(source, on_bytes) as archive,
        _draft(parts) as draft,
    ):
        manifest = archive.manifest
        archive.write_catalog(draft / CATALOG)
        reach("import.catalog")
        with arrived(draft / CATALOG, f"{source}: {CATALOG}", manifest.name, manifest.blobs) as catalog:
            store_id = ids.new_vector_store_id()
            with parts.shards.writing(store_id), parts.sweeping(manifest.blobs):
                for sha256, pieces in archive.contents():
                    _put(parts, source, sha256, pieces)
                reach("import.contents")
                return import_store(
                    catalog.database,
                    parts.catalog,
                    store_id,
                    name=manifest.name if name is None else name,
                    project_id=project_id,
                    now=parts.now(),
                )


def name_in(path: str | PathLike[str]) -> str:
    """What the vector store in an archive is called. Raises as `Engine.import_store`."""
    with open_archive(checked_place("path", path)) as archive:
        return archive.manifest.name


@contextmanager
def _draft(parts: Parts) -> Iterator[Path]:
    """A temporary folder beside the blobs; who opens the data folder after a crash removes it."""
    with temporary_sibling(parts.folder.blobs / "archive") as draft:
        draft.mkdir()
        yield draft


def _gathered(parts: Parts, store: VectorStoreInfo, draft: Path) -> tuple[list[str], Manifest]:
    """The archive's catalogue and contents, as of one moment, and what was left out."""
    database = Database(draft / CATALOG)
    try:
        with parts.contents:  # so that none of the contents is deleted before it has a second name
            left_out = export_store(parts.catalog.database, store.id, database, now=parts.now())
            database.close()
            settle(draft / CATALOG)
            held = holdings(draft / CATALOG)
            for sha256 in held.blobs:
                path = blob_path(parts.folder.blobs, sha256)
                if not path.is_file():
                    [name, *_] = names_of_contents(draft / CATALOG, [sha256])
                    raise damaged(f"the content of {name!r} is missing from the data folder; add the original again")
                link_or_copy(path, draft / sha256)
    finally:
        database.close()
    catalog = draft / CATALOG
    return left_out, Manifest(
        kind="vector store",
        name=store.name,
        created_at=parts.now(),
        catalog_sha256=sha256_of(catalog),
        catalog_bytes=catalog.stat().st_size,
        vector_stores=held.vector_stores,
        files=held.files,
        chunks=held.chunks,
        blobs=held.blobs,
    )


def _put(parts: Parts, source: Path, sha256: str, pieces: Iterator[bytes]) -> None:
    try:
        parts.blobs.put(pieces, expected=sha256)
    except ContentChangedError:
        raise damaged(f"{source} is damaged: the content {sha256} was changed after it was written") from None


def _counted(what: str, whole: int, on_progress: OnProgress) -> Callable[[int], None]:
    done = 0

    def count(some: int) -> None:
        nonlocal done
        done += some
        on_progress(what, min(done, whole), whole)

    return count
