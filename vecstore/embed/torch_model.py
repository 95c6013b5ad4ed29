"""All that needs torch: converting a model for the CPU, and running one on a GPU. Imported only for that."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer

from vecstore.errors import EmbeddingError
from vecstore.types import FloatArray

log = logging.getLogger(__name__)


def convert(model_folder: Path, graph: Path, tokenizer: Path) -> dict[str, Any]:
    """Writes the model's OpenVINO graph and its tokenizer; gives its card: dimensions, max_tokens, prompts.

    Raises EmbeddingError when the model has no fast tokenizer or its graph gives other vectors.
    """
    import openvino

    log.info("converting %s; this is done once", model_folder)
    model = _load(model_folder, "cpu")
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EmbeddingError(f"the model in {model_folder} has no fast tokenizer; use it with device='torch:cpu'")
    backend.save(str(tokenizer))
    example = {"input_ids": torch.tensor([[101, 102]]), "attention_mask": torch.tensor([[1, 1]])}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns about shapes that are constant here
        network = openvino.convert_model(
            _Pooled(model),
            example_input=(example["input_ids"], example["attention_mask"]),
            input=[openvino.PartialShape([-1, -1]), openvino.PartialShape([-1, -1])],
        )
    openvino.save_model(network, str(graph), compress_to_fp16=False)
    return {
        "dimensions": _dimensions(model),
        "max_tokens": model.max_seq_length,
        "prompts": _prompts(model),
    }


class TorchModel:
    """A model on a device of torch's."""

    def __init__(self, folder: Path, device: str) -> None:
        self._model = _load(folder, device.removeprefix("torch:"))
        self._prompts = _prompts(self._model)
        self.dimensions = _dimensions(self._model)

    def fits(self, texts: Sequence[str]) -> list[bool]:
        prompt = self._prompts.get("document", "")
        encoded = self._model.tokenizer([prompt + text for text in texts], truncation=False, verbose=False)
        return [len(ids) <= self._model.max_seq_length for ids in encoded["input_ids"]]

    def run(self, texts: Sequence[str], *, query: bool) -> FloatArray:
        """(n, d) float32."""
        prompt = self._prompts.get("query" if query else "document", "")
        return np.asarray(self._model.encode(list(texts), prompt=prompt, show_progress_bar=False), np.float32)


class _Pooled(torch.nn.Module):
    """The whole model, pooling and all, as a function of two tensors."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        embedded = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
        result: torch.Tensor = embedded["sentence_embedding"]
        return result


def _load(folder: Path, device: str) -> SentenceTransformer:
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    try:
        return SentenceTransformer(str(folder), device=device, local_files_only=True).eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise EmbeddingError(f"the model in {folder} cannot be loaded on {device}: {error}") from error


def _dimensions(model: SentenceTransformer) -> int:
    return int(model.encode(["dimensions"], show_progress_bar=False).shape[-1])


def _prompts(model: SentenceTransformer) -> dict[str, str]:
    """What goes before a query and before a passage; a model without them gets nothing."""
    prompts = model.prompts or {}
    document = prompts.get("document") or prompts.get("passage") or ""
    return {"query": prompts.get("query") or "", "document": document}
