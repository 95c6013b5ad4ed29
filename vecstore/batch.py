"""FileBatch: many files that are attached together, in the background."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import TypeGuard

from vecstore import ids
from vecstore.attributes import checked_attributes
from vecstore.chunking import Strategy, checked_strategy, usual_strategy
from vecstore.errors import InvalidRequestError
from vecstore.jobs import Source
from vecstore.parts import Parts
from vecstore.types import (
    AttributeMap,
    BatchFile,
    BatchProgress,
    FileBatchInfo,
    FileStatus,
    Page,
    PageQuery,
    VectorStoreFile,
)

MAX_FILES = 2_000  # OpenAI
POLL_S = 0.1
_FILE_ID = re.compile("file-[0-9A-Za-z_-]+")  # a path of that form can be given as a Path


class FileBatch:
    """A handle: its `id`, and no state but the engine. The work goes on in the engine's background."""

    def __init__(self, parts: Parts, batch_id: str) -> None:
        self._parts = parts
        self.id = batch_id

    def __repr__(self) -> str:
        return f"FileBatch({self.id!r})"

    def info(self) -> FileBatchInfo:
        """Counts and status; the counts always add up to the files of the batch. Raises NotFoundError."""
        self._parts.begin()
        return self._parts.catalog.batches.get(self.id)

    def files(self) -> list[VectorStoreFile]:
        """What became of each file so far, in the order given. Raises NotFoundError."""
        self._parts.begin()
        return self._parts.catalog.batches.files(self.id)

    def page(self, page: PageQuery, *, status: FileStatus | None = None) -> Page[VectorStoreFile]:
        """A part of `files`. Raises NotFoundError, and InvalidRequestError for a cursor that is none of them."""
        self._parts.begin()
        return self._parts.catalog.pages.batch_files(self.info().vector_store_id, self.id, page, status=status)

    def progress(self) -> BatchProgress:
        """How far it is, and what goes on right now. Raises NotFoundError."""
        self._parts.begin()
        rows = self._parts.catalog.batches
        number, info, sizes = rows.sizes(self.id)
        return self._parts.board.progress(number, info, sizes)

    def wait(
        self,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> FileBatchInfo:
        """Until nothing is in progress, or the time is over; the batch as it is then. Raises NotFoundError.

        `on_progress` is called some ten times a second. The batch goes on whatever becomes of the waiting.
        """
        is_number = isinstance(timeout_s, int | float) and timeout_s == timeout_s  # noqa: PLR0124 - NaN is not
        if timeout_s is not None and not is_number:
            raise InvalidRequestError("timeout_s", f"must be seconds, not {timeout_s!r:.40}")
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            now = self.progress()
            info = now.batch
            if on_progress is not None:
                on_progress(now)
            if info.status != "in_progress" or (until is not None and time.monotonic() >= until):
                return info
            time.sleep(POLL_S)

    def cancel(self) -> FileBatchInfo:
        """What is not done yet never will be; what is done stays. A batch that has ended stays as it is."""
        self._parts.begin()
        return self._parts.catalog.batches.cancel(self.id, now=self._parts.now())


def start_batch(parts: Parts, store_id: str, files: Iterable[BatchFile]) -> FileBatch:
    """Makes a durable batch of uploaded files and wakes the job loop; a file that is named twice counts once."""
    usual = usual_strategy(parts.usable_store(store_id))
    wanted = {each.file_id: (each.attributes or {}, checked_strategy(each.chunking_strategy, usual)) for each in files}
    info = parts.catalog.batches.add(ids.new_batch_id(), store_id, wanted, now=parts.now())
    parts.waking.set()
    return FileBatch(parts, info.id)


def check_number(files: int) -> None:
    """Raises InvalidRequestError for more files than a batch may have, or none."""
    if not 1 <= files <= MAX_FILES:
        raise InvalidRequestError("files", f"must be 1 to {MAX_FILES:,} files, not {files:,}")


def is_uploaded(file: object) -> TypeGuard[str | BatchFile]:
    """Whether it names an uploaded file by its id, rather than a path or a content."""
    return isinstance(file, BatchFile) or (isinstance(file, str) and _FILE_ID.fullmatch(file) is not None)


def batch_file(file: object, attributes: AttributeMap | None, chunking_strategy: Strategy | None) -> BatchFile:
    """Its id, if it has one yet, with its own attributes and strategy or those of all. Raises InvalidRequestError."""
    if isinstance(file, BatchFile) and not is_uploaded(file.file_id):
        raise InvalidRequestError("file_id", f"must begin with 'file-', not {file.file_id!r:.80}")
    own = (file.attributes, file.chunking_strategy) if isinstance(file, BatchFile | Source) else (None, None)
    strategy = chunking_strategy if own[1] is None else own[1]
    return BatchFile(
        file.file_id if isinstance(file, BatchFile) else file if isinstance(file, str) else "",
        checked_attributes(attributes if own[0] is None else own[0]),
        None if strategy is None else checked_strategy(strategy),
    )
