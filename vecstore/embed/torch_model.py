"""All that needs torch: converting a model for the CPU, and running one on a GPU. Imported only for that."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer

from vecstore.embed.packed import Packed
from vecstore.errors import EmbeddingError
from vecstore.types import FloatArray

_TRIAL = ("one", "What is the notice period of the agreement?", "a longer text of many words " * 30)
_TRIAL_PACKED = (*_TRIAL, "", " Überstunden\n\tAND Lines ", "beyond what many models read " * 200)
_UNSAID_MAX_TOKENS = 512  # what a BERT reads, where a model's files do not say
_FAITHFUL = 0.9999  # cosine of the same text by torch and by the graph
_FAITHFUL_HALF = 0.999  # and in half precision

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
    network = _converted(model, model_folder)
    openvino.save_model(network, str(graph), compress_to_fp16=False)
    return {"dimensions": _dimensions(model), "max_tokens": _max_tokens(model), "prompts": _prompts(model)}


def _converted(model: SentenceTransformer, model_folder: Path) -> Any:
    """The OpenVINO model of the network with its pooling, tried on texts of several lengths."""
    import openvino

    pooled, instead = _Pooled(model), f"; use the model in {model_folder} with device='torch:cpu'"
    any_length = openvino.PartialShape([-1, -1])
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer warns about shapes that are constant here
            network = openvino.convert_model(pooled, example_input=_ids(model, _TRIAL[0]), input=[any_length] * 2)
            compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            for text in _TRIAL:
                ids = _ids(model, text)
                ours, theirs = compiled([each.numpy() for each in ids])[0][0], pooled(*ids)[0].numpy()
                cosine = float(ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs)))
                if not cosine > _FAITHFUL:
                    raise EmbeddingError(f"the converted graph gives other vectors, cosine {cosine:.4f}{instead}")
    except RuntimeError as error:
        raise EmbeddingError(f"the model cannot be converted: {str(error).splitlines()[0]}{instead}") from error
    return network


def _ids(model: SentenceTransformer, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    encoded = model.tokenizer(text, truncation=True, max_length=_max_tokens(model), return_tensors="pt")
    return encoded["input_ids"], encoded["attention_mask"]


class TorchModel:
    """A model on a device of torch's, run by sentence-transformers; on CUDA in half precision and large batches.

    Whether these give the same vectors is tried when it is loaded.
    """

    def __init__(self, folder: Path, device: str) -> None:
        device = device.removeprefix("torch:")
        self._model = _load(folder, device)
        self._prompts = _prompts(self._model)
        self.dimensions = _dimensions(self._model)
        self._packed: Packed | None = None
        if self._model.device.type == "cuda":
            self._packed = packed(self._model, torch.float16)
            if self._packed is None:
                self._model = _load(folder, device)  # as it was

    def fits(self, texts: Sequence[str]) -> list[bool]:
        prompt = self._prompts.get("document", "")
        encoded = self._model.tokenizer([prompt + text for text in texts], truncation=False, verbose=False)
        return [len(ids) <= _max_tokens(self._model) for ids in encoded["input_ids"]]

    def run(self, texts: Sequence[str], *, query: bool) -> FloatArray:
        """(n, d) float32."""
        prompt = self._prompts.get("query" if query else "document", "")
        if self._packed is not None:
            return self._packed.run([prompt + text for text in texts])
        return np.asarray(self._model.encode(list(texts), prompt=prompt, show_progress_bar=False), np.float32)


def packed(model: SentenceTransformer, dtype: torch.dtype) -> Packed | None:
    """The model in large batches, its network of that precision from now on; None if the vectors would be others."""
    tokenizer = _own_tokenizer(model)
    if tokenizer is None or not _is_plain(model):
        log.info("the model is run by sentence-transformers, not in large batches")
        return None
    prompts, dimensions = set(_prompts(model).values()), _dimensions(model)
    wanted = [model.encode(list(_TRIAL_PACKED), prompt=prompt, show_progress_bar=False) for prompt in prompts]
    model[0].to(dtype)
    ours = Packed(
        partial(_in_two_precisions, model),
        tokenizer,
        dimensions=dimensions,
        max_tokens=_max_tokens(model),
        padding=model.tokenizer.pad_token_id or 0,
        device=model.device,
    )
    for prompt, theirs in zip(prompts, wanted, strict=True):
        cosines = _cosines(ours.run([prompt + text for text in _TRIAL_PACKED]), theirs)
        if not (cosines > _FAITHFUL_HALF).all():
            log.info("the model is run by sentence-transformers: in large batches, cosine %.4f", cosines.min())
            return None
    return ours


def _in_two_precisions(model: SentenceTransformer, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
    """The network in its own precision, what follows it in single."""
    network, *others = model
    features = network({"input_ids": input_ids, "attention_mask": attention_mask})
    features["token_embeddings"] = features["token_embeddings"].float()
    for module in others:
        features = module(features)
    return features["sentence_embedding"]


def _own_tokenizer(model: SentenceTransformer) -> Tokenizer | None:
    """A copy that cuts at the model's length; None where the model has no fast one."""
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(_max_tokens(model), direction=model.tokenizer.truncation_side)
    return tokenizer


def _is_plain(model: SentenceTransformer) -> bool:
    """Whether it is a network that reads token ids, and what is known to follow one."""
    first, *others = model
    return type(first) is Transformer and all(type(each) in (Pooling, Dense, Normalize) for each in others)


def _cosines(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return np.asarray(np.sum(ours * theirs, axis=1) / norms, np.float32)


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
    except (OSError, ValueError, RuntimeError, AssertionError) as error:  # torch asserts that it was built for CUDA
        raise EmbeddingError(f"the model in {folder} cannot be loaded on {device}: {error}") from error


def _dimensions(model: SentenceTransformer) -> int:
    return int(model.encode(["dimensions"], show_progress_bar=False).shape[-1])


def _max_tokens(model: SentenceTransformer) -> int:
    return int(model.max_seq_length or _UNSAID_MAX_TOKENS)


def _prompts(model: SentenceTransformer) -> dict[str, str]:
    """What goes before a query and before a passage; a model without them gets nothing."""
    prompts = model.prompts or {}
    document = prompts.get("document") or prompts.get("passage") or ""
    return {"query": prompts.get("query") or "", "document": document}
