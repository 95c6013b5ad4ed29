"""The vectors of the last questions, so that one that is asked again, or of several stores, is embedded once."""

from __future__ import annotations

import threading
from collections import OrderedDict

from vecstore.embed.base import Embedder, embed_query_checked
from vecstore.types import FloatArray

MOST = 1_024  # questions; a megabyte or two of vectors


class RecentQueries:
    """Of one embedder, which gives the same text the same vector. Thread-safe."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: OrderedDict[str, FloatArray] = OrderedDict()
        self._guard = threading.Lock()

    def vector(self, text: str) -> FloatArray:
        """(d,) float32, unit norm, not to be written to. Raises EmbeddingError."""
        with self._guard:
            known = self._vectors.get(text)
            if known is not None:
                self._vectors.move_to_end(text)
                return known
        vector = embed_query_checked(self._embedder, text)
        vector.flags.writeable = False
        with self._guard:
            self._vectors[text] = vector
            while len(self._vectors) > MOST:
                self._vectors.popitem(last=False)
        return vector
