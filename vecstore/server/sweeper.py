"""Takes out what has expired while nobody asks, so that its disk is free and its memory is forgotten."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from vecstore.engine import Engine
from vecstore.errors import VecstoreError

EVERY_S = 30.0

log = logging.getLogger("vecstore.server")


class Sweeper:
    """A thread, from `with` to its end. What has expired is gone for every caller anyway, to the second."""

    def __init__(self, engine: Engine, *, every_s: float = EVERY_S) -> None:
        self._engine = engine
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sweep, name="sweeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sweep(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                for each in self._engine.expire():
                    log.info("expired: %s %s", each.kind, each.id)
                self._engine.answers.prune(self._engine.now())
            except VecstoreError as error:  # a full disk; the next round tries again
                log.warning("what has expired could not be taken out: %s", error)
