"""Many files: read, embed and commit in groups, and report on the way."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vecstore.attributes import storable_text
from vecstore.catalog import PreparedFile
from vecstore.indexing import ReadFile

GROUP_WINDOWS = 64  # embedded and committed together: a second or two of work, and all that a crash can lose
GROUP_FILES = 64
MAX_FILE_BYTES = 512 << 20  # OpenAI: Files
GROUP_BYTES = 64 << 20  # what is held in memory until it is written


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

    def read(self) -> builtins.bytes:
        """Raises OSError."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


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
        """The file ready to be embedded, or what else became of it."""

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
    for source in sources:
        read = steps.read(source)
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
