"""Loads the model while nobody waits for it, so that the first search is as quick as the others."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from vecstore.engine import Engine
from vecstore.errors import VecstoreError

ENDS_WITHIN_S = 60.0  # a model that is converted takes some fifteen
AGAIN_AFTER_S = 5.0  # where it could not be loaded, such as from a server that is not up yet

log = logging.getLogger("vecstore.server")


class Warming:
    """A thread, from `with` until the model is loaded or the block ends. `reason` says why it is not, or is None."""

    def __init__(self, engine: Engine, *, again_after_s: float = AGAIN_AFTER_S) -> None:
        self.reason: str | None = "it is being loaded"
        self._engine = engine
        self._again_after_s = again_after_s
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._ended.clear()
        self._thread = threading.Thread(target=self._load, name="warming", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:  # a process that ends while a model is loaded in it is aborted
            self._thread.join(ENDS_WITHIN_S)

    def _load(self) -> None:
        while not self._ended.is_set():
            try:
                self._engine.warm_up()
            except VecstoreError as error:
                if self.reason != str(error):
                    log.error("the model could not be loaded: %s", error)  # noqa: TRY400 - its message is the reason
                self.reason = str(error)
                self._ended.wait(self._again_after_s)
            else:
                self.reason = None
                return
