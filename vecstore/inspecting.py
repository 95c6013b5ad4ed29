"""What can be looked at without a search: how a file was cut or would be, and what an installation has."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ingestion import SUPPORTED, ChunkingStrategy, IngestionError, chunk
from ingestion.worker import Workers, WorkersError
from vecstore import __version__
from vecstore.catalog import FORMAT
from vecstore.chunking import Strategy, checked_strategy
from vecstore.embed import Embedder
from vecstore.engine import Engine
from vecstore.errors import FileFailedError, InvalidRequestError, NotFoundError, SandboxError
from vecstore.types import FileChunk
from vecstore.uploading import source_of

_PARTS = ("faiss-cpu", "tantivy", "SQLAlchemy", "openvino", "sentence-transformers", "torch", "pypdfium2", "rapidocr")


@dataclass(frozen=True, slots=True)
class CutFile:
    """A file with its chunks in reading order; `warnings` are sentences about what was guessed or left out."""

    filename: str
    title: str
    media_type: str
    strategy: ChunkingStrategy
    warnings: tuple[str, ...]
    chunks: tuple[FileChunk, ...]


@dataclass(frozen=True, slots=True)
class Installation:
    """`sandbox` says what is in force around the parsing of documents; `ocr` whether scans can be read.

    `precision` is what the model computes in on this processor, None where that is not ours to say.
    """

    version: str
    python: str
    system: str
    data_folder: str
    data_format: str
    embedder: str
    dimensions: int
    precision: str | None
    sandbox: str
    sandbox_full: bool
    ocr: bool
    file_types: tuple[str, ...]
    packages: dict[str, str]


def stored(engine: Engine, name: str, *, store: str | None) -> CutFile:
    """The file of that name or id as its vector store has it; `store` None takes the only one that has it.

    Raises NotFoundError, InvalidRequestError where several have it, FileFailedError where it has no chunks.
    """
    holder = engine.get(store if store is not None else _only_holder(engine, name))
    member = holder.find(name)
    content = tuple(holder.content(member.id))
    return CutFile(member.filename, member.title, member.media_type, member.chunking_strategy, member.warnings, content)


def dry_run(path: Path, workers: Workers, *, chunking_strategy: Strategy | None = None, password: str = "") -> CutFile:
    """How the file would be cut. Raises InvalidRequestError, FileFailedError."""
    source, strategy = source_of(path), checked_strategy(chunking_strategy)
    try:
        with source.open() as content:
            document = workers.parse(content, source.filename, password=password)
    except IngestionError as error:
        raise FileFailedError(error.code, str(error)) from error
    except WorkersError as error:
        raise SandboxError(str(error)) from error
    chunked = chunk(document, strategy)
    cut = tuple(
        FileChunk(
            chunk_id="",
            file_id="",
            filename=source.filename,
            index=each.index,
            text=each.text,
            start=each.start,
            end=each.end,
            tokens=each.tokens,
            pages=each.pages,
            lines=each.lines,
            heading_path=each.heading_path,
            table_header=each.table_header,
            title=document.title,
            windows=tuple((window.start, window.end) for window in chunked.windows[slice(*each.windows)]),
        )
        for each in chunked.chunks
    )
    return CutFile(source.filename, document.title, document.media_type, strategy, document.warnings, cut)


def installation(folder: Path, embedder: Embedder, workers: Workers) -> Installation:
    """Raises SandboxError where no process to parse in can be had, or less than is required."""
    try:
        sandbox = workers.sandbox()
    except WorkersError as error:
        raise SandboxError(str(error)) from error
    return Installation(
        version=__version__,
        python=platform.python_version(),
        system=platform.platform(terse=True),
        data_folder=str(folder.absolute()) + ("" if folder.exists() else " (not made yet)"),
        data_format=FORMAT,
        embedder=embedder.identity,
        dimensions=embedder.dimensions,
        precision=getattr(embedder, "precision", None),
        sandbox=str(sandbox),
        sandbox_full=sandbox.full,
        ocr=_version("rapidocr") is not None and _version("onnxruntime") is not None,
        file_types=tuple(sorted(SUPPORTED)),
        packages={name: found for name in _PARTS if (found := _version(name)) is not None},
    )


def _only_holder(engine: Engine, name: str) -> str:
    holders = []
    for info in engine.list():
        members = engine.get(info.id).list()
        if any(name in (each.id, each.filename) or each.filename.endswith(f"/{name}") for each in members):
            holders.append(info)
    if not holders:
        raise NotFoundError(f"no vector store has a file {name!r}; with --dry-run it is read from disk")
    if len(holders) > 1:
        several = ", ".join(info.name or info.id for info in holders)
        raise InvalidRequestError("file", f"{name!r} is in {len(holders)} vector stores, name one of them: {several}")
    return holders[0].id


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
