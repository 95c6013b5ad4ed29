"""A server of models that speaks OpenAI's API: how it is asked, and what is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

RETRIES = 4
FIRST_PAUSE_S = 0.5  # doubled before each further try
_RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})
_TOLD_CHARS = 200  # of what the server said


class NoAnswerError(Exception):
    """The server was not reached or refused. `said`: what it answered with, which may repeat what it was asked."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


class ModelServer:
    """`POST {base_url}/{route}`. `kind` names it in errors. Thread-safe.

    client: an `httpx.Client` of yours (proxy, certificates, a transport for tests); `sleep` waits between tries.
    """

    def __init__(
        self,
        kind: str,
        base_url: str,
        route: str,
        *,
        api_key: str | None = None,
        client: httpx.Client | None = None,
        timeout_s: float,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/{route}"
        self.name = f"the {kind} server {self._url}"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = client
        self._timeout_s = timeout_s
        self._retries = retries
        self._sleep = sleep
        self._lock = threading.Lock()

    def post(self, body: Mapping[str, Any]) -> httpx.Response:
        """The first answer that is OK. Raises NoAnswerError."""
        import httpx

        with self._lock:
            self._client = self._client or httpx.Client(timeout=self._timeout_s)
        said = ""
        for attempt in range(self._retries + 1):
            try:
                answer = self._client.post(self._url, json=body, headers=self._headers)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise NoAnswerError(f"{self.name} has no valid address: {error}") from error
            except httpx.HTTPError as error:
                problem, said = f"cannot be reached: {error}", ""
            else:
                if answer.status_code == httpx.codes.OK:
                    return answer
                problem, said = f"answered {answer.status_code}", answer.text[:_TOLD_CHARS]
                if answer.status_code not in _RETRIED:
                    break
            if attempt < self._retries:
                self._sleep(FIRST_PAUSE_S * 2**attempt)
        raise NoAnswerError(f"{self.name} {problem}", said)
