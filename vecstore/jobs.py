"""Many files: read, embed and commit in groups, and report on the way."""

from __future__ import annotations

import builtins
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from vecstore.attributes import storable_text
from vecstore.catalog import PreparedFile
from vecstore.errors import InvalidRequestError
from vecstore.indexing import ReadFile

READERS = os.cpu_count() or 1
READ_AHEAD = 2 * READERS  # files parsed and chunked before they are embedded: no stage waits for the other

GROUP_WINDOWS = 64  # embedded and committed together: a second or two of work, and all that a crash can lose
GROUP_FILES = 64
MAX_FILE_BYTES = 512 << 20  # OpenAI: Files
GROUP_BYTES = 64 << 20  # of uploads written in one go
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file to add: its `content`, or the path it is read from; and the name it gets in the vector store."""

    filename: str
    content: Path | builtins.bytes

    @property
    def origin(self) -> str | None:
        """The absolute path, by which a later version of the file is known."""
        return storable_text(str(self.content.resolve())) if isinstance(self.content, Path) else None

    @property
    def bytes(self) -> int:
        """Its size. Raises OSError."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    @contextmanager
    def open(self) -> Iterator[BinaryIO | builtins.bytes]:
        """The content, as a file on disk where it is one. Raises OSError."""
        if isinstance(self.content, Path):
            with self.content.open("rb") as file:
                yield file
        else:
            yield self.content

    def pieces(self) -> Iterator[builtins.bytes]:
        """The content piece by piece. Raises InvalidRequestError past the limit, OSError where it cannot be read."""
        with io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb") as file:
            total = 0
            while piece := file.read(_READ_BYTES):
                total += len(piece)
                if total > MAX_FILE_BYTES:
                    raise InvalidRequestError("file", f"{self.filename!r} may have {MAX_FILE_BYTES} bytes; it has more")
                yield piece


@dataclass(frozen=True, slots=True)
class AddedFile:
    """What became of one file of many. `error` is a sentence that names the file; `code` is OpenAI's word for it."""

    outcome: Literal["added", "replaced", "updated", "unchanged", "failed"]
    filename: str
    file_id: str | None = None
    bytes: int = 0
    chunks: int = 0
    tokens: int = 0
    warnings: tuple[str, ...] = ()
    code: str | None = None
    error: str | None = None


class Steps(Protocol):
    """What is done with the files of one run."""

    def read(self, source: Source) -> ReadFile | AddedFile:
        """The file ready to be embedded, or what else became of it; called from several threads."""

    def embed(self, files: Sequence[ReadFile], on_share: Callable[[float], None]) -> list[PreparedFile]:
        """Their vectors; `on_share` hears the share of the work just done."""

    def commit(self, files: Sequence[ReadFile], prepared: Sequence[PreparedFile]) -> list[AddedFile]:
        """Makes them searchable, all or none; what became of each, in the same order."""


def add_many(
    sources: Iterable[Source], steps: Steps, on_bytes: Callable[[float], None] = lambda _: None
) -> Iterator[AddedFile]:
    """Each file's outcome once it is final, in the order given; `on_bytes` hears how many bytes were just dealt with.

    A file that cannot be read is reported and the others go on. An error of the embedder or the
    disk ends the run; what was committed before stays, and nothing of the open group does.
    """
    group: list[ReadFile] = []
    outcomes: list[AddedFile | None] = []  # None for a file of the group
    for read in _read_ahead(sources, steps):
        if isinstance(read, ReadFile):
            group.append(read)
            outcomes.append(None)
        else:
            outcomes.append(read)
            on_bytes(read.bytes)
        if not group or _is_full(group):
            yield from _finish(group, outcomes, steps, on_bytes)
            group, outcomes = [], []
    yield from _finish(group, outcomes, steps, on_bytes)


def _read_ahead(sources: Iterable[Source], steps: Steps) -> Iterator[ReadFile | AddedFile]:
    """Each file in the order given, while others after it are read."""
    executor = ThreadPoolExecutor(READERS, "vecstore-read")
    waiting: deque[Future[ReadFile | AddedFile]] = deque()
    try:
        for source in sources:
            waiting.append(executor.submit(steps.read, source))
            if len(waiting) > READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _is_full(group: Sequence[ReadFile]) -> bool:
    windows, size = sum(len(file.chunked.windows) for file in group), sum(file.file.bytes for file in group)
    return len(group) >= GROUP_FILES or windows >= GROUP_WINDOWS or size >= GROUP_BYTES


def _finish(
    group: Sequence[ReadFile], outcomes: Sequence[AddedFile | None], steps: Steps, on_bytes: Callable[[float], None]
) -> Iterator[AddedFile]:
    committed: Iterator[AddedFile] = iter(())
    if group:
        total = sum(file.file.bytes for file in group)
        committed = iter(steps.commit(group, steps.embed(group, lambda share: on_bytes(share * total))))
    for outcome in outcomes:
        yield outcome or next(committed)
