"""Embeddings from a server that speaks OpenAI's `POST /embeddings`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vecstore.errors import EmbeddingError
from vecstore.types import FloatArray

if TYPE_CHECKING:
    import httpx

MAX_INPUTS = 128  # a request; OpenAI allows 2,048 and 300,000 tokens, smaller servers less
RETRIES = 4
_RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504})


class OpenAIEmbedder:
    """`OpenAIEmbedder("http://localhost:8080/v1", model="bge-m3", api_key=...)`.

    `dimensions` is sent along if given, else found out from a first answer. `client` is an
    `httpx.Client` of yours (proxy, certificates, a transport for tests); `sleep` waits between tries.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        api_key: str | None = None,
        dimensions: int | None = None,
        client: httpx.Client | None = None,
        timeout_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = base_url.rstrip("/") + "/embeddings"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._asked_dimensions, self._dimensions = dimensions, dimensions
        self._client = client
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        return f"openai:{self._model}:{self.dimensions}"

    @property
    def dimensions(self) -> int:
        if self._dimensions is None:
            self._dimensions = len(self._request(["dimensions"])[0])
        return self._dimensions

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [True] * len(texts)  # windows of 200 tokens fit every model served this way

    def embed(self, texts: Sequence[str]) -> FloatArray:
        groups = [self._request(texts[i : i + MAX_INPUTS]) for i in range(0, len(texts), MAX_INPUTS)]
        return np.array([vector for group in groups for vector in group], np.float32)

    def embed_query(self, text: str) -> FloatArray:
        return np.array(self._request([text])[0], np.float32)

    def _request(self, texts: Sequence[str]) -> list[list[float]]:
        body: dict[str, Any] = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        if self._asked_dimensions is not None:
            body["dimensions"] = self._asked_dimensions
        return self._vectors(self._post(body), len(texts))

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        import httpx

        with self._lock:
            self._client = self._client or httpx.Client(timeout=self._timeout_s)
        for attempt in range(RETRIES + 1):
            try:
                answer = self._client.post(self._url, json=body, headers=self._headers)
            except httpx.InvalidURL as error:
                raise EmbeddingError(f"the embeddings server {self._url} has no valid address: {error}") from error
            except httpx.HTTPError as error:
                problem = f"cannot be reached: {error}"
            else:
                if answer.status_code == httpx.codes.OK:
                    return answer
                problem = f"answered {answer.status_code}: {answer.text[:200]}"
                if answer.status_code not in _RETRIED:
                    break
            if attempt < RETRIES:
                self._sleep(0.5 * 2**attempt)
        raise EmbeddingError(f"the embeddings server {self._url} {problem}")

    def _vectors(self, answer: httpx.Response, n: int) -> list[list[float]]:
        try:
            data = sorted(answer.json()["data"], key=lambda item: item["index"])
            vectors = [[float(value) for value in item["embedding"]] for item in data]
        except (ValueError, KeyError, TypeError) as error:
            raise EmbeddingError(f"the embeddings server {self._url} sent no embeddings: {error!r}") from error
        in_order = [item["index"] for item in data] == list(range(n))
        if not in_order or len({len(vector) for vector in vectors}) != 1:
            raise EmbeddingError(f"the embeddings server {self._url} sent {len(vectors)} vectors for {n} texts")
        return vectors
