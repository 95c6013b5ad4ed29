"""When vector stores were last used and how often they were searched: noted in memory, written soon after."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from vecstore.catalog import Catalog
from vecstore.errors import StorageError, VecstoreError

FLUSH_AFTER_S = 1.0  # all that a killed process forgets
MINUTE_S = 60

log = logging.getLogger(__name__)


class Activity:
    """Thread-safe. A search writes nothing to the disk; this does, once a second at most, for all of them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._active: dict[str, int] = {}
        self._calls: dict[int, Counter[str]] = {}
        self._timer: threading.Timer | None = None

    def searched(self, store_id: str, now: int) -> None:
        """A search of this store, at `now` in Unix seconds."""
        with self._guard:
            self._active[store_id] = max(now, self._active.get(store_id, now))
            self._calls.setdefault(now - now % MINUTE_S, Counter())[store_id] += 1
            if self._timer is None:
                self._timer = threading.Timer(FLUSH_AFTER_S, self._flush_later)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Writes what was noted. Raises StorageError, and then it is still noted."""
        with self._writing:
            with self._guard:
                active, self._active = self._active, {}
                calls, self._calls = self._calls, {}
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if not active:
                return
            try:
                self._catalog.touch(active, calls)
            except BaseException:
                with self._guard:
                    self._active = {**active, **self._active}
                    for minute, counts in calls.items():
                        self._calls.setdefault(minute, Counter()).update(counts)
                raise

    def _flush_later(self) -> None:
        try:
            self.flush()
        except StorageError as error:
            log.warning("searches could not be noted as activity: %s", error)  # a full disk; they are noted later
        except VecstoreError:
            pass  # closed meanwhile, which has flushed
