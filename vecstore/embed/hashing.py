"""An embedder without a model: words hashed to directions. For tests, and for trying things out in no time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import regex

from vecstore.types import FloatArray

_WORD = regex.compile(r"\w+")
MAX_WORDS = 256  # like a small model, so that splitting is exercised


class HashingEmbedder:
    """Each word adds a fixed pseudo-random direction; texts that share words are near. Deterministic everywhere."""

    def __init__(self, dimensions: int = 64) -> None:
        self._dimensions = dimensions

    @property
    def identity(self) -> str:
        return f"vecstore-hashing-{self._dimensions}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return [len(_WORD.findall(text)) <= MAX_WORDS for text in texts]

    def embed(self, texts: Sequence[str]) -> FloatArray:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> FloatArray:
        # a text without words is a point of its own, not zero
        total = np.sum([self._direction(word) for word in _WORD.findall(text.lower()) or [" "]], axis=0)
        return np.asarray(total / np.linalg.norm(total), np.float32)

    def _direction(self, word: str) -> FloatArray:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        return np.asarray(np.random.default_rng(seed).standard_normal(self._dimensions), np.float32)
