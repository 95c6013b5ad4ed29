"""What a server does while nobody asks: each a thread, from the server's start to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vecstore.engine import Engine
from vecstore.errors import VecstoreError

SWEEP_EVERY_S = 30.0
LOAD_AGAIN_AFTER_S = 5.0  # where it could not be loaded, such as from a server that is not up yet
ENDS_WITHIN_S = 60.0  # a model that is converted takes some fifteen

log = logging.getLogger("vecstore.server")


@contextmanager
def background(work: Callable[..., None], *given: object) -> Iterator[None]:
    """Work in a thread, `work(*given, ended)`, which is told by that event to end, and waited for.

    A process that ends while native code runs in a thread of it is aborted.
    """
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(*given, ended), name=work.__name__, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(ENDS_WITHIN_S)


def sweep(engine: Engine, ended: threading.Event) -> None:
    """Takes out what has expired, so that its disk is free and its memory forgotten.

    It is gone for every caller anyway, to the second.
    """
    while not ended.wait(SWEEP_EVERY_S):
        try:
            for each in engine.expire():
                log.info("expired: %s %s", each.kind, each.id)
            engine.answers.prune(engine.now())
        except VecstoreError as error:  # a full disk; the next round tries again
            log.warning("what has expired could not be taken out: %s", error)


class Model:
    """Loads the model, so that the first search is as quick as the others. `missing` says why it is not, or is None."""

    def __init__(self, engine: Engine) -> None:
        self.missing: str | None = "it is being loaded"
        self._engine = engine

    def load(self, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                self._engine.warm_up()
            except VecstoreError as error:
                if self.missing != str(error):
                    log.error("the model could not be loaded: %s", error)  # noqa: TRY400 - its message is the reason
                self.missing = str(error)
                ended.wait(LOAD_AGAIN_AFTER_S)
            else:
                self.missing = None
                return
