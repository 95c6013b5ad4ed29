"""Centroids for lists of vectors that are near each other: spherical k-means.

In numpy: the BLAS that FAISS's wheels bring along takes four times as long for the same.
"""

from __future__ import annotations

import math

import numpy as np

from vecstore.index.vectors import Vectors
from vecstore.types import FloatArray, IntArray

_ROUNDS = 4  # more of them do not change what is found
_BLOCK = 2_048  # vectors that are compared at a time
_SAMPLES = 64  # vectors a list, of which the centroids are the means


def centroids_of(vectors: Vectors) -> FloatArray:
    """(n, d) float32, unit norm: as many as the square root of the vectors. The same vectors give the same."""
    count = math.isqrt(len(vectors))
    sample = vectors.take(np.arange(0, len(vectors), max(1, len(vectors) // (_SAMPLES * count))))
    centroids = sample[np.random.default_rng(0).choice(len(sample), count, replace=False)]
    for _ in range(_ROUNDS):
        of = assigned(sample, centroids)
        order = np.argsort(of, kind="stable")
        lists, begins = np.unique(of[order], return_index=True)
        centroids[lists] = np.add.reduceat(sample[order], begins)  # an empty one stays as it is
        centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    return centroids


def assigned(vectors: FloatArray, centroids: FloatArray) -> IntArray:
    """The nearest centroid of each vector (m,)."""
    nearest = np.empty(len(vectors), np.int64)
    for begin in range(0, len(vectors), _BLOCK):
        some = slice(begin, begin + _BLOCK)
        nearest[some] = np.argmax(vectors[some] @ centroids.T, axis=1)
    return nearest
