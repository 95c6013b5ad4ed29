"""What lies in a data folder without anything in the catalogue that wants it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vecstore.catalog.migrating import COPIES
from vecstore.files import TEMPORARY_MARK
from vecstore.folder import PARSING, known_names
from vecstore.index import LIVE
from vecstore.parts import Parts

_FOREIGN = "nothing of vecstore's; it was left where it is"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or folder that nothing accounts for. `ours` says that vecstore left it, so that it may go."""

    path: Path
    message: str
    ours: bool


def leftovers(parts: Parts) -> Iterator[Leftover]:
    """Everything but contents and whole folders of vector stores that are gone, which `check` looks at by itself."""
    folder = parts.folder
    for path in sorted(folder.path.iterdir()):
        if TEMPORARY_MARK in path.name:
            yield Leftover(path, "left by an interrupted process", ours=True)
        elif path.name not in known_names() and not path.match(COPIES):
            yield Leftover(path, _FOREIGN, ours=False)
    yield from _in_blobs(folder.blobs)
    yield from _markers(parts)
    for store in parts.catalog.vector_stores():
        with parts.shards.alone(store.id):
            yield from _in_store(parts, store.id)


def _in_blobs(folder: Path) -> Iterator[Leftover]:
    """A temporary file is an upload on its way: what an earlier process left was removed when this one began."""
    for path in sorted(folder.iterdir()):
        if TEMPORARY_MARK in path.name:
            continue
        if not path.is_dir() or not re.fullmatch("[0-9a-f]{2}", path.name):
            yield Leftover(path, _FOREIGN, ours=False)
            continue
        for blob in sorted(path.iterdir()):
            if not re.fullmatch(f"{path.name}[0-9a-f]{{62}}", blob.name):
                yield Leftover(blob, _FOREIGN, ours=False)


def _markers(parts: Parts) -> Iterator[Leftover]:
    """Of files that are being parsed, as long as the job loop works."""
    folder = parts.folder.path / PARSING
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.isdecimal():
            yield Leftover(path, _FOREIGN, ours=False)
        elif not parts.is_working:
            yield Leftover(path, "says that a file is being parsed, and none is", ours=True)


def _in_store(parts: Parts, store_id: str) -> Iterator[Leftover]:
    """Called under the store's lock."""
    folder, checkpoint = parts.shards.folder(store_id), parts.catalog.checkpoint(store_id)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if checkpoint is not None and path.name == checkpoint.folder:
            held = {each.relative_to(path).as_posix(): each for each in sorted(path.rglob("*")) if each.is_file()}
            for name in held.keys() - checkpoint.files.keys():
                if not name.endswith(".lock"):
                    yield Leftover(held[name], _FOREIGN, ours=False)
        elif path.name.startswith("checkpoint-") or TEMPORARY_MARK in path.name:
            yield Leftover(path, "index files that the catalogue does not vouch for", ours=True)
        elif path.name != LIVE:
            yield Leftover(path, _FOREIGN, ours=False)
