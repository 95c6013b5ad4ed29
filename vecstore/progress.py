"""What every file of a batch is going through right now, and how fast: for people and programs to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from vecstore.types import BatchProgress, BatchSizes, FileBatchInfo, FileProgress


class Board:
    """Written by the job loop, read by anybody. Thread-safe. `monotonic` gives seconds that never step back."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._working: dict[int, dict[int, FileProgress]] = {}
        self._begun: dict[int, tuple[float, int]] = {}  # when, and the bytes done before
        self._shown: dict[int, int] = {}  # the most bytes done that anybody was told

    def show(self, batch: int, task: int, progress: FileProgress) -> None:
        """The file is in this stage now."""
        with self._guard:
            self._working.setdefault(batch, {})[task] = progress

    def remove(self, batch: int, tasks: Iterable[int]) -> None:
        """These files are done with."""
        with self._guard:
            for task in tasks:
                self._working.get(batch, {}).pop(task, None)

    def clear(self, batch: int) -> None:
        """Nothing of the batch goes on."""
        with self._guard:
            self._working.pop(batch, None)
            self._begun.pop(batch, None)
            self._shown.pop(batch, None)

    def begin(self, batch: int, done_bytes: int) -> None:
        """This process goes on with a batch of which so much was done before."""
        with self._guard:
            self._begun.setdefault(batch, (self._monotonic(), done_bytes))

    def progress(self, number: int, batch: FileBatchInfo, sizes: BatchSizes) -> BatchProgress:
        """What is committed and what is under way, together."""
        with self._guard:
            going_on = batch.status == "in_progress"
            working = tuple(self._working.get(number, {}).values()) if going_on else ()
            begun = self._begun.get(number)
            done = min(sizes.done_bytes + sum(_done_bytes(each) for each in working), sizes.bytes)
            if going_on:  # what was just committed may be gone from one list and not yet be in the other
                done = self._shown[number] = max(done, self._shown.get(number, 0))
        rate = None
        if begun is not None and going_on:
            seconds, since = self._monotonic() - begun[0], done - begun[1]
            rate = since / seconds if seconds > 0 and since > 0 else None
        left = (sizes.bytes - done) / rate if rate else None
        return BatchProgress(batch, sizes, working, done, rate, left)


def _done_bytes(file: FileProgress) -> int:
    """Embedding is nearly all of the work."""
    return int(file.bytes * file.done) if file.stage == "embedding" else 0
