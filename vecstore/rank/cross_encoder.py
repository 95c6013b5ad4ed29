"""A cross-encoder of sentence-transformers as the reranker. torch is imported at the first use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vecstore.errors import RerankerError
from vecstore.model_folder import checked_model, problem_of_folder
from vecstore.types import FloatArray


class CrossEncoderReranker:
    """Any cross-encoder that gives one score, by folder or by name on the hub; it reads query and passage together.

    Logits go through a sigmoid; scores that a model brings to 0 to 1 by itself stay. device: torch's.
    max_tokens: of query and passage together, what is longer is cut; the model's own limit if None.
    The model is loaded at the first use. Passages are scored one call after the other.
    Raises InvalidRequestError for a name that is none.
    """

    def __init__(self, model: str | Path, *, device: str = "cpu", max_tokens: int | None = None) -> None:
        self._name, self._device, self._max_tokens = checked_model(model), device.removeprefix("torch:"), max_tokens
        self._using = threading.Lock()  # a tokenizer is nobody else's while it pads

    def scores(self, query: str, texts: Sequence[str]) -> FloatArray:
        """(len(texts),) float32, 0 to 1. Raises RerankerError; where the model was not loaded, the next call tries."""
        if not texts:
            return np.zeros(0, np.float32)
        with self._using:
            model, activation = self._loaded_or_error()
            try:
                given = model.predict(
                    [(query, text) for text in texts], activation_fn=activation, show_progress_bar=False
                )
            except RuntimeError as error:  # torch: no memory
                raise RerankerError(f"the reranker {self._name!r} failed: {error}") from error
        return np.asarray(given, np.float32)

    def _loaded_or_error(self) -> tuple[Any, Any]:
        from safetensors import SafetensorError

        try:
            return self._loaded
        except (OSError, RuntimeError, ImportError, ValueError, AssertionError, SafetensorError) as error:
            # not there, damaged, without torch; torch asserts that it was built for CUDA
            raise RerankerError(f"the reranker {self._name!r} could not be loaded: {error}") from error

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The model and what brings its scores to 0 to 1."""
        if problem := problem_of_folder(self._name):
            raise FileNotFoundError(problem)
        import torch
        import transformers

        transformers.logging.disable_progress_bar()
        transformers.logging.set_verbosity_error()
        model = self._cross_encoder()
        if model.num_labels != 1:
            raise RerankerError(
                f"the reranker {self._name!r} gives {model.num_labels} values for a passage; one score is needed"
            )
        plain = isinstance(model.activation_fn, torch.nn.Identity)
        return model, torch.nn.Sigmoid() if plain else model.activation_fn

    def _cross_encoder(self) -> Any:
        from sentence_transformers import CrossEncoder

        given = {"device": self._device, "max_length": self._max_tokens}
        try:
            return CrossEncoder(self._name, local_files_only=True, **given)
        except OSError:  # not in the cache
            if Path(self._name).is_dir():
                raise
        return CrossEncoder(self._name, **given)
