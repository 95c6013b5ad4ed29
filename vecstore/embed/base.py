"""What an embedder is, and the checks that every vector passes before it is used or stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from vecstore.errors import EmbeddingError
from vecstore.types import FloatArray

EMBED_AT_ONCE = 32  # texts; under a second on a CPU, so that progress and Ctrl-C are felt


@runtime_checkable
class Embedder(Protocol):
    """Texts to vectors. Must be thread-safe; the same text gives the same vector, whatever stands beside it."""

    @property
    def identity(self) -> str:
        """Names all that decides what the vectors mean; stored with each vector store, compared on opening."""

    @property
    def dimensions(self) -> int:
        """The length of every vector."""

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether the model reads each text whole. One that it would cut is split before it is embedded."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """(len(texts), dimensions) float32, one row a passage."""

    def embed_query(self, text: str) -> FloatArray:
        """(dimensions,) float32."""


@runtime_checkable
class BatchEmbedder(Protocol):
    """An embedder that says how many texts it is best given at once; another gets EMBED_AT_ONCE of them."""

    @property
    def texts_at_once(self) -> int:
        """One or more."""


@runtime_checkable
class PartialReader(Protocol):
    """An embedder that knows not every language: what it cannot read is left to the keyword index."""

    def reads(self, text: str) -> float:
        """How much of the text it knows, 0 to 1."""


@runtime_checkable
class Speaker(Protocol):
    """An embedder that says which languages it was trained on: of others in letters that it reads it knows less."""

    @property
    def languages(self) -> Collection[str] | None:
        """Their English names in small letters, such as "english"; None says all."""


@runtime_checkable
class Compressed(Protocol):
    """An embedder to which no two texts are far apart: its cosines begin not at 0 but at a floor."""

    @property
    def floor(self) -> float:
        """The cosine of a question and a passage that have nothing to do with each other, 0 to below 1."""


def embed_checked(embedder: Embedder, texts: Sequence[str]) -> FloatArray:
    """(n, d) float32, unit norm. Raises EmbeddingError on NaN, infinity, zero or a wrong shape."""
    if not texts:
        return np.empty((0, embedder.dimensions), np.float32)
    return _unit(embedder, _array(embedder, embedder.embed(texts)), len(texts))


def embed_query_checked(embedder: Embedder, text: str) -> FloatArray:
    """(d,) float32, unit norm. Raises EmbeddingError as `embed_checked`."""
    vector: FloatArray = _unit(embedder, _array(embedder, embedder.embed_query(text))[None], 1)[0]
    return vector


def texts_at_once(embedder: Embedder) -> int:
    """How many texts it is given at once. Raises EmbeddingError where it wants none."""
    if not isinstance(embedder, BatchEmbedder):
        return EMBED_AT_ONCE
    wanted = embedder.texts_at_once
    if not isinstance(wanted, int) or wanted < 1:
        raise EmbeddingError(f"{embedder.identity} must be given one text or more at once, not {wanted!r:.40}")
    return wanted


def share_read(embedder: Embedder, text: str) -> float:
    """How much of the text it knows, 0 to 1: all, unless it says otherwise. Raises EmbeddingError on another value."""
    if not isinstance(embedder, PartialReader):
        return 1.0
    share = embedder.reads(text)
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise EmbeddingError(f"{embedder.identity} must say that it reads 0 to 1 of a text, not {share!r:.40}")
    return float(share)


def knows(embedder: Embedder, language: str) -> bool:
    """Whether it was trained on the language, by its English name in small letters: yes, unless it says otherwise."""
    languages = embedder.languages if isinstance(embedder, Speaker) else None
    return languages is None or language in languages


def floor_of(embedder: Embedder) -> float:
    """The cosine that says nothing: 0, unless it says otherwise. Raises EmbeddingError on another value."""
    if not isinstance(embedder, Compressed):
        return 0.0
    floor = embedder.floor
    if not isinstance(floor, int | float) or not 0 <= floor < 1:
        raise EmbeddingError(f"the floor of {embedder.identity} must be 0 to below 1, not {floor!r:.40}")
    return float(floor)


def _array(embedder: Embedder, vectors: object) -> FloatArray:
    if isinstance(vectors, np.ndarray) and vectors.dtype == np.float32:
        return vectors
    try:
        return np.asarray(vectors, np.float64)
    except (ValueError, TypeError) as error:
        raise EmbeddingError(f"{embedder.identity} gave no array of numbers: {error}") from error


def _unit(embedder: Embedder, vectors: FloatArray, n: int) -> FloatArray:
    if vectors.shape != (n, embedder.dimensions):
        shape = " x ".join(map(str, vectors.shape))
        raise EmbeddingError(
            f"{embedder.identity} gave {shape} values for {n} texts; {n} x {embedder.dimensions} were expected"
        )
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        vectors = vectors.astype(np.float32, copy=False)
        norms = np.linalg.norm(vectors, axis=1)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms < np.finfo(np.float32).tiny))
    if len(bad):
        kind = "a zero vector" if norms[bad[0]] == 0 else "a vector with NaN or infinite values"
        raise EmbeddingError(f"{embedder.identity} gave {kind} for text {bad[0]} of {n}")
    return np.asarray(vectors / norms[:, None], np.float32)
