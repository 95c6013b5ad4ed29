"""Many files: read, embed and commit in groups, and report on the way."""

from __future__ import annotations

import builtins
import io
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, Self

from ingestion import ChunkingStrategy
from vecstore.attributes import storable_text
from vecstore.catalog import PreparedFile
from vecstore.errors import InvalidRequestError
from vecstore.indexing import ReadFile
from vecstore.types import AttributeMap

READERS = os.cpu_count() or 1
READ_AHEAD_FILES = 64  # parsed and chunked before they are embedded: one slow file does not keep all others waiting
READ_AHEAD_BYTES = 32 << 20

GROUP_WINDOWS = 64  # embedded and committed together, to begin with; what a slow embedder makes of them in seconds
GROUP_FILES = 64
GROUP_S = (0.25, 2.0)  # of embedding; a quicker group is followed by a larger one. It is all that a crash can lose
MOST_TIMES = 64  # as much as the first group
MAX_FILE_BYTES = 512 << 20  # OpenAI: Files
GROUP_BYTES = 64 << 20  # of uploads written in one go
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file to add: its `content`, or the path it is read from; and the name it gets in the vector store.

    What it says of attributes and strategy goes before what is said of all files.
    """

    filename: str
    content: Path | builtins.bytes
    attributes: AttributeMap | None = None
    chunking_strategy: ChunkingStrategy | None = None

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
    pages: int = 0
    chunks: int = 0
    tokens: int = 0
    warnings: tuple[str, ...] = ()
    code: str | None = None
    error: str | None = None


class Steps(Protocol):
    """What is done with the files of one run."""

    def read(self, source: Source) -> ReadFile | PreparedFile | AddedFile:
        """The file ready to be embedded or committed, or what else became of it; called from several threads."""

    def embed(self, files: Sequence[ReadFile | PreparedFile], on_share: Callable[[float], None]) -> list[PreparedFile]:
        """Their vectors; `on_share` hears the share of the work just done."""

    def commit(self, prepared: Sequence[PreparedFile]) -> list[AddedFile]:
        """Makes them searchable, all or none; what became of each, in the same order."""


def add_many(
    sources: Iterable[Source], steps: Steps, on_bytes: Callable[[float], None] = lambda _: None
) -> Iterator[AddedFile]:
    """Each file's outcome once it is final, in the order given; `on_bytes` hears how many bytes were just dealt with.

    While a group of files is embedded, later ones are read and the one before is committed. A file
    that cannot be read is reported and the others go on. An error of the embedder or the disk ends the
    run; what was committed before stays, and nothing of the open group does.
    """
    with _Committer(steps) as committer:
        try:
            yield from _groups(sources, committer, steps, on_bytes)
        except KeyboardInterrupt:
            yield from committer.finish()  # what is kept is told
            raise


def _groups(
    sources: Iterable[Source], committer: _Committer, steps: Steps, on_bytes: Callable[[float], None]
) -> Iterator[AddedFile]:
    group, pace = _Group(), Pace()
    for read in read_ahead(sources, steps):
        group.take(read)
        if isinstance(read, AddedFile):
            on_bytes(read.bytes)
        if group.is_full(pace):
            yield from _turn(group, committer, steps, on_bytes, pace)
            group = _Group()
        elif not group.files and not committer.busy:  # nothing to wait for
            yield from group.outcomes_with([])
            group = _Group()
    yield from _turn(group, committer, steps, on_bytes, pace)
    yield from committer.finish()


def _turn(
    group: _Group, committer: _Committer, steps: Steps, on_bytes: Callable[[float], None], pace: Pace
) -> Iterator[AddedFile]:
    """Embeds this group and tells what became of the one before, whatever happens to this one."""
    try:
        with pace.embedding(full=group.is_full(pace)):
            prepared = group.embedded(steps, on_bytes)
    except Exception:
        yield from committer.finish()
        raise
    yield from committer.commit(group, prepared)


@dataclass(slots=True)
class Pace:
    """How many times a first group makes a second of work or so for this embedder."""

    times: int = 1

    @contextmanager
    def embedding(self, *, full: bool) -> Iterator[None]:
        """While a group is embedded; one that was not full says only that it was not too large."""
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        if full and seconds < GROUP_S[0]:
            self.times = min(2 * self.times, MOST_TIMES)
        elif seconds > GROUP_S[1]:
            self.times = max(self.times // 2, 1)


@dataclass(slots=True)
class _Group:
    """Files that are embedded and committed together, among those that need neither."""

    files: list[ReadFile | PreparedFile] = field(default_factory=list)
    outcomes: list[AddedFile | None] = field(default_factory=list)  # None for one of `files`

    def take(self, read: ReadFile | PreparedFile | AddedFile) -> None:
        if isinstance(read, AddedFile):
            self.outcomes.append(read)
        else:
            self.files.append(read)
            self.outcomes.append(None)

    def is_full(self, pace: Pace) -> bool:
        windows = sum(len(each.chunked.windows) for each in self.files if isinstance(each, ReadFile))
        size = sum(each.file.bytes for each in self.files)
        held = len(self.files) / GROUP_FILES, windows / GROUP_WINDOWS
        return max(held) >= pace.times or size >= GROUP_BYTES

    def embedded(self, steps: Steps, on_bytes: Callable[[float], None]) -> list[PreparedFile]:
        if not self.files:
            return []
        left = float(sum(file.file.bytes for file in self.files))

        def advance(share: float) -> None:
            nonlocal left
            on_bytes(min(share * total, left))
            left -= min(share * total, left)

        total = left
        prepared = steps.embed(self.files, advance)
        on_bytes(left)
        return prepared

    def outcomes_with(self, committed: Sequence[AddedFile]) -> Iterator[AddedFile]:
        each = iter(committed)
        return (outcome or next(each) for outcome in self.outcomes)


class _Committer:
    """Commits one group in the background while the next one is embedded."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._executor = ThreadPoolExecutor(1, "vecstore-commit")
        self._under_way: tuple[_Group, Future[list[AddedFile]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=True)

    @property
    def busy(self) -> bool:
        return self._under_way is not None

    def commit(self, group: _Group, prepared: list[PreparedFile]) -> Iterator[AddedFile]:
        """Begins with this group; the outcomes of the one before."""
        yield from self.finish()
        self._under_way = group, self._executor.submit(self._commit, prepared)

    def finish(self) -> Iterator[AddedFile]:
        """The outcomes of the group under way."""
        if self._under_way is not None:
            (group, committed), self._under_way = self._under_way, None
            yield from group.outcomes_with(committed.result())

    def _commit(self, prepared: list[PreparedFile]) -> list[AddedFile]:
        return self._steps.commit(prepared) if prepared else []


def read_ahead(sources: Iterable[Source], steps: Steps) -> Iterator[ReadFile | PreparedFile | AddedFile]:
    """Each file in the order given, read, while others after it are being read."""
    executor = ThreadPoolExecutor(READERS, "vecstore-read")
    waiting: deque[tuple[int, Future[ReadFile | PreparedFile | AddedFile]]] = deque()
    ahead = 0
    try:
        for source in sources:
            size = _size(source)
            waiting.append((size, executor.submit(steps.read, source)))
            ahead += size
            while len(waiting) > READ_AHEAD_FILES or (ahead > READ_AHEAD_BYTES and len(waiting) > READERS):
                size, read = waiting.popleft()
                ahead -= size
                yield read.result()
        for _, read in waiting:
            yield read.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _size(source: Source) -> int:
    try:
        return source.bytes
    except OSError:
        return 0  # told when it is read
