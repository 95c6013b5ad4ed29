"""What people type on the command line as values: paths and globs, KEY=VALUE pairs, JSON filters."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ingestion.types import AUTO_CHUNK_TOKENS, AUTO_OVERLAP_TOKENS
from vecstore.errors import InvalidRequestError
from vecstore.jobs import Source
from vecstore.types import Excerpt, SearchResult
from vecstore.vector_store import VectorStore


@dataclass(frozen=True, slots=True)
class Gathered:
    """Files to add with their sizes summed up, and the sentences about what could not be found."""

    sources: tuple[Source, ...]
    total_bytes: int
    missing: tuple[str, ...]


def sources(paths: Sequence[str], *, besides: Path, exclude: Sequence[str] = ()) -> Gathered:
    """Files, folders and globs as sources, each file once, in a stable order; nothing of the folder `besides`.

    Files whose name, or path below its folder, matches one of the patterns `exclude` are left out.

    A file of a folder or glob is called by its path below it, a single file by its name.
    """
    found: dict[Path, Source] = {}
    missing = []
    for path in paths:
        named = list(_named(path, besides.resolve()))
        if not named:
            missing.append(_absence(path))
        for name, file in named:
            if besides.resolve() in file.resolve().parents:
                continue
            if not any(fnmatch(name, pattern) or fnmatch(file.name, pattern) for pattern in exclude):
                found.setdefault(file.resolve(), Source(name, file))
    return Gathered(tuple(found.values()), sum(map(_size, found)), tuple(missing))


def attributes(pairs: Sequence[str]) -> dict[str, str | float | bool]:
    """`KEY=VALUE` pairs; numbers, true and false become such, and anything in quotes stays a string."""
    read: dict[str, str | float | bool] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidRequestError("--attr", f"must be KEY=VALUE, not {pair!r}")
        read[key] = _value(value)
    return read


def filters(text: str) -> Any:
    """The JSON of a filter. Raises InvalidRequestError that says where it ends to be JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("--filter", f"is not JSON: {error}") from error


def chunking_strategy(kind: str | None, size: int | None, overlap: int | None) -> dict[str, object] | None:
    """A strategy of what was given, the rest as `auto` has it; None if nothing was."""
    if kind == "structure":
        if overlap is not None:
            raise InvalidRequestError("--chunk-overlap", "does not go with --strategy structure, which has no overlap")
        return {"type": kind, kind: None if size is None else {"target_chunk_size_tokens": size}}
    if kind == "auto" and (size is not None or overlap is not None):
        raise InvalidRequestError(
            "--strategy", "auto has its own sizes; --chunk-size goes with 'static' and 'structure'"
        )
    if size is None and overlap is None:
        return None if kind is None else {"type": "auto"}
    size = AUTO_CHUNK_TOKENS if size is None else size
    overlap = min(AUTO_OVERLAP_TOKENS, size // 2) if overlap is None else overlap
    return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}


def context(text: str) -> Callable[[VectorStore, SearchResult], Excerpt]:
    """`section`, or a number of neighbours to each side, as what gives a result's surroundings."""
    if text == "section":
        return lambda store, result: store.section(result)
    if not text.isdecimal():
        raise InvalidRequestError("--context", f"must be 'section' or a number of neighbours, not {text!r}")
    return lambda store, result: store.neighbours(result, before=int(text), after=int(text))


def _named(path: str, besides: Path) -> Iterator[tuple[str, Path]]:
    given = Path(path)
    if not path:
        return
    if given.is_dir():
        yield from ((file.relative_to(given).as_posix(), file) for file in _files_below(given, besides))
    elif given.is_file():
        yield given.name, given
    elif glob.has_magic(path):
        base = _base(given)
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207 - a pattern, relative or absolute
            name = Path(match).relative_to(base)
            through_link = any((base / above).is_symlink() for above in name.parents)  # which folders skip, too
            if Path(match).is_file() and not through_link:
                yield name.as_posix(), Path(match)


def _files_below(folder: Path, besides: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        place = Path(here)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (place / name).resolve() != besides
        )
        found = (place / name for name in sorted(files) if not name.startswith("."))
        # a broken link is told when it is read; a pipe or a device could be read for ever
        yield from (path for path in found if path.is_file() or not path.exists())


def _base(pattern: Path) -> Path:
    """The folder that a glob starts from: the parts before the first that has a wildcard."""
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _absence(path: str) -> str:
    if not path:
        return "'' is no path"
    if Path(path).is_dir():
        return f"{path!r} has no files in it (hidden ones are left out)"
    if Path(path).exists():
        return f"{path!r} is not a file"
    return f"no file matches {path!r}" if glob.has_magic(path) else f"{path!r} does not exist"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reported when it is read


def _value(text: str) -> str | float | bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str | int | float) else text
