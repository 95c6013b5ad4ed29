"""The files inside a file: read one by one, all levels within one budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ingestion.parse import MAX_TEXT_CHARS, parse_part
from ingestion.parsers.blocks import Part
from ingestion.types import IngestionError, InvalidFileError, RawFile

MAX_MEMBERS = 2000
MAX_MEMBER_BYTES = 256 << 20
MAX_UNPACKED_BYTES = 512 << 20
MAX_RATIO = 200  # a file may unpack to 200 times its size ...
FREE_BYTES = 64 << 20  # ... and this much more
MAX_TOLD = 20  # sentences on what could not be read; of the rest only the number is told


class LimitError(InvalidFileError):
    """The budget is spent: no level goes on, where another failure is only a warning."""


@dataclass(slots=True)
class Budget:
    """What is left for the file `filename` and everything inside it. Raises LimitError when it is spent."""

    filename: str
    limit_bytes: int
    spent_bytes: int = 0
    members: int = 0
    chars: int = 0

    def spend(self, unpacked_bytes: int) -> None:
        self.spent_bytes += unpacked_bytes
        if self.spent_bytes > self.limit_bytes:
            raise LimitError(f"'{self.filename}' unpacks to more than {self.limit_bytes:,} bytes, the limit for it")

    def count_member(self) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise LimitError(f"'{self.filename}' holds more than {MAX_MEMBERS:,} files, the limit")

    def count_text(self, chars: int) -> None:
        self.chars += chars
        if self.chars > MAX_TEXT_CHARS:
            raise LimitError(f"'{self.filename}' has more than {MAX_TEXT_CHARS:,} characters of text, the limit")


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def budget_for(file: RawFile) -> Iterator[Budget]:
    """The budget that is open, or a new one for this file, which ends with it."""
    found = _budget.get()
    if found is not None:
        yield found
        return
    opened = Budget(file.filename, min(MAX_UNPACKED_BYTES, MAX_RATIO * len(file.data) + FREE_BYTES))
    token = _budget.set(opened)
    try:
        yield opened
    finally:
        _budget.reset(token)


@dataclass(slots=True)
class Members:
    """The parts that could be read, in order, and a sentence for each that could not."""

    holder: RawFile
    budget: Budget
    parts: list[Part] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def read(self, data: bytes, name: str, label: str = "") -> None:
        """`name` is for its extension and in sentences, `label` what the part is called if not that."""
        try:
            document = parse_part(data, name, self.holder)
        except LimitError:
            raise
        except IngestionError as error:
            self.failures.append(str(error))
            return
        if not document.text.strip():
            self.failures.append(" ".join((f"'{name}' has no text", *document.warnings)))
            return
        self.add(Part("part", label or name, len(self.parts) + 1, document))

    def add(self, part: Part) -> None:
        self.budget.count_text(len(part.document.text))
        self.parts.append(part)

    def warnings(self) -> list[str]:
        return told(self.failures)


def told(failures: Iterable[str]) -> list[str]:
    """The first sentences, and how many more there are."""
    sentences = [f"left out: {failure}" for failure in failures]
    more = len(sentences) - MAX_TOLD
    return [*sentences[:MAX_TOLD], f"left out: {more:,} more files"] if more > 0 else sentences
