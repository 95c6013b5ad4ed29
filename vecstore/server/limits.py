"""How much at once, and how often: who comes on top is told when to come again."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vecstore.server.auth import EVERYBODY, Caller
from vecstore.server.errors import too_busy

MINUTE_S = 60.0
_REMEMBERED = 10_000  # callers whose pace is known


class Gate:
    """At most so many at a time, and half of them of one key; the others are refused, not queued without end."""

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._guard = threading.Lock()
        self._of: Counter[str] = Counter()

    @property
    def inside(self) -> int:
        """How many are at work."""
        return self._of.total()

    @contextmanager
    def entered(self, caller: Caller) -> Iterator[None]:
        """Raises ApiError 503 when it is full, 429 where the caller has its share."""
        share = self._limit if caller.id == EVERYBODY else max(1, self._limit // 2)
        with self._guard:
            if self.inside >= self._limit:
                raise too_busy(f"The server has {self._limit} {self._what} at work, and takes no more at a time.")
            if self._of[caller.id] >= share:
                message = f"This API key has {share} {self._what} at work, and more are not taken of one at a time."
                raise too_busy(message, status=429, code="rate_limit_exceeded")
            self._of[caller.id] += 1
        try:
            yield
        finally:
            with self._guard:
                self._of[caller.id] -= 1
                if not self._of[caller.id]:
                    del self._of[caller.id]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Pace:
    """So many requests a minute for each caller: a token bucket that holds a minute's worth."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._guard = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> dict[str, str]:
        """The `x-ratelimit-*` headers of this request. Raises ApiError 429 with the seconds to wait."""
        now = self._clock()
        with self._guard:
            bucket = self._buckets.pop(caller, None) or _Bucket(float(self._per_minute), now)
            self._buckets[caller] = bucket
            while len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
            refilled = bucket.tokens + (now - bucket.at) * self._per_minute / MINUTE_S
            bucket.tokens, bucket.at = min(refilled, float(self._per_minute)), now
            refused = bucket.tokens < 1
            if not refused:
                bucket.tokens -= 1
            left = bucket.tokens
        headers = {
            "x-ratelimit-limit-requests": str(self._per_minute),
            "x-ratelimit-remaining-requests": str(int(left)),
            "x-ratelimit-reset-requests": f"{(self._per_minute - left) * MINUTE_S / self._per_minute:.3f}s",
        }
        if refused:
            wait_s = max(1, math.ceil((1 - left) * MINUTE_S / self._per_minute))
            error = too_busy(
                f"Rate limit reached: {self._per_minute} requests per minute. Please try again in {wait_s}s.",
                status=429,
                code="rate_limit_exceeded",
                after_s=wait_s,
            )
            error.headers.update(headers)
            raise error
        return headers
