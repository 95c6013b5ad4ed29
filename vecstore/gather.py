"""What people type on the command line as values: paths and globs, KEY=VALUE pairs, JSON filters."""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from ingestion.types import AUTO_CHUNK_TOKENS, AUTO_OVERLAP_TOKENS, ChunkingStrategy
from vecstore.attributes import AttributeValue, checked_attributes
from vecstore.chunking import checked_strategy
from vecstore.errors import InvalidRequestError
from vecstore.jobs import Source
from vecstore.query import MAX_NEIGHBOURS
from vecstore.questions import Question, checked_question
from vecstore.types import Excerpt, SearchResult
from vecstore.vector_store import VectorStore

MAX_MANIFEST_FILES = 100_000
_MAX_DIGITS = 30
_ESCAPED = re.compile(r"\[([*?[])\]")  # as glob.escape writes them


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


def manifest(path: str, *, besides: Path) -> Gathered:
    """The files that a manifest names: a JSON object a line, `-` for standard input.

    `file` is a path, a folder or a glob, from the manifest's folder on; `attributes` and
    `chunking_strategy` are those of the API. Where two lines name the same file, the later one holds.
    Raises InvalidRequestError with the number of the line before anything is done.
    """
    lines = _lines(path, "manifest")
    folder = Path() if path == "-" else Path(path).parent
    found: dict[Path, Source] = {}
    missing: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        entry = _entry(line, number)
        try:
            named = list(_named(_from(folder, entry.file), besides.resolve()))
        except (OSError, ValueError) as error:  # too long, or with what no file system has in a name
            raise InvalidRequestError(f"manifest line {number}:", f"names no file: {error}") from error
        if not named:
            missing.append(f"line {number}: {_absence(str(folder / entry.file))}")
        for name, file in named:
            if besides.resolve() not in file.resolve().parents:
                found[file.resolve()] = Source(name, file, entry.attributes, entry.strategy)
        if len(found) > MAX_MANIFEST_FILES:
            raise InvalidRequestError("manifest", f"may name {MAX_MANIFEST_FILES:,} files; line {number} goes beyond")
    return Gathered(tuple(found.values()), sum(map(_size, found)), tuple(missing))


def questions(path: str) -> list[Question]:
    """Labelled or clicked questions, a JSON object a line, `-` for standard input. Raises as `manifest`."""
    lines = enumerate(_lines(path, "queries"), 1)
    wheres = ((line, f"queries line {number}:") for number, line in lines if line.strip())
    return [checked_question(_json(line, where), where) for line, where in wheres]


def _from(folder: Path, file: str) -> str:
    """The path or glob as seen from the folder, whose own name is no pattern."""
    path = folder / file
    return str(Path(glob.escape(str(folder))) / file) if glob.has_magic(file) and not path.exists() else str(path)


def _lines(path: str, param: str) -> list[str]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequestError(param, f"{path!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(param, f"{path!r} is not UTF-8 text") from error
    return text.split("\n")


@dataclass(frozen=True, slots=True)
class _Entry:
    file: str
    attributes: dict[str, AttributeValue] | None
    strategy: ChunkingStrategy | None


def _entry(line: str, number: int) -> _Entry:
    where = f"manifest line {number}:"
    given = _json(line, where)
    if not isinstance(given, dict) or not isinstance(given.get("file"), str) or not given["file"]:
        raise InvalidRequestError(where, f'must be an object with a "file", not {line.strip():.80}')
    unknown = sorted(set(given) - {"file", "attributes", "chunking_strategy"})
    if unknown:
        raise InvalidRequestError(where, f"may have file, attributes and chunking_strategy, not {unknown[0]!r}")
    pairs, strategy = given.get("attributes"), given.get("chunking_strategy")
    try:
        return _Entry(
            given["file"],
            None if pairs is None else checked_attributes(pairs),
            None if strategy is None else checked_strategy(strategy),
        )
    except InvalidRequestError as error:
        raise InvalidRequestError(where, str(error)) from error


def _json(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        said = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise InvalidRequestError(where, f"is not JSON: {said}") from error


def chunk_sizes(text: str) -> list[int]:
    """Numbers of tokens with commas between them."""
    sizes = [size.strip() for size in text.split(",")]
    if not all(map(_is_number, sizes)):
        raise InvalidRequestError("--chunk-sizes", f"must be numbers of tokens like 200,400,800, not {text!r:.80}")
    return [int(size) for size in sizes]


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


def expires_after(text: str) -> dict[str, object] | Literal["never"]:
    """A number of days after the last activity, or `never`."""
    if text == "never":
        return "never"
    if not _is_number(text):
        raise InvalidRequestError("--expires-after-days", f"must be a number of days or 'never', not {text!r:.40}")
    return {"anchor": "last_active_at", "days": int(text)}


def context(text: str) -> Callable[[VectorStore, SearchResult], Excerpt]:
    """`section`, or a number of neighbours to each side, as what gives a result's surroundings."""
    if text == "section":
        return lambda store, result: store.section(result)
    if not _is_number(text) or int(text) > MAX_NEIGHBOURS:
        wanted = f"'section' or a number of neighbours up to {MAX_NEIGHBOURS}"
        raise InvalidRequestError("--context", f"must be {wanted}, not {text!r:.40}")
    return lambda store, result: store.neighbours(result, before=int(text), after=int(text))


def _is_number(text: str) -> bool:
    """Whether it is one that Python reads, which is not the case for thousands of digits."""
    return text.isdecimal() and len(text) <= _MAX_DIGITS


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
        if glob.has_magic(_ESCAPED.sub("", part)):
            break
        parts.append(_ESCAPED.sub(r"\1", part))
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
