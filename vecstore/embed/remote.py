"""Embeddings from a server that speaks OpenAI's `POST /embeddings`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vecstore.errors import EmbeddingError
from vecstore.model_server import ModelServer, NoAnswerError, checked_model
from vecstore.types import FloatArray

if TYPE_CHECKING:
    import httpx

MAX_INPUTS = 128  # a request; OpenAI allows 2,048 and 300,000 tokens, smaller servers less
MAX_BYTES = 256 << 20  # of an answer: 128 vectors of 4,096 dimensions are some 12 MB of JSON


class OpenAIEmbedder:
    """`OpenAIEmbedder("http://localhost:8080/v1", model="bge-m3", api_key=...)`.

    `dimensions` is sent along if given, else found out from a first answer. `timeout_s` is for each try as a whole,
    `max_bytes` for an answer. `client` is an `httpx.Client` of yours (proxy, certificates, a transport for tests);
    `sleep` waits between tries.
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
        max_bytes: int = MAX_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server = ModelServer(
            "embeddings",
            base_url,
            "embeddings",
            max_bytes=max_bytes,
            api_key=api_key,
            client=client,
            timeout_s=timeout_s,
            sleep=sleep,
        )
        self._model = checked_model(model)
        self._asked_dimensions, self._dimensions = dimensions, dimensions

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

    def _post(self, body: dict[str, Any]) -> bytes:
        try:
            return self._server.post(body)
        except NoAnswerError as error:
            raise EmbeddingError(f"{error}: {error.said}" if error.said else str(error)) from error

    def _vectors(self, answer: bytes, n: int) -> list[list[float]]:
        try:
            data = sorted(json.loads(answer)["data"], key=lambda item: item["index"])
            vectors = [[float(value) for value in item["embedding"]] for item in data]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise EmbeddingError(f"{self._server.name} sent no embeddings: {error!r:.200}") from error
        in_order = [item["index"] for item in data] == list(range(n))
        if not in_order or len({len(vector) for vector in vectors}) != 1:
            raise EmbeddingError(f"{self._server.name} sent {len(vectors)} vectors for {n} texts")
        return vectors
