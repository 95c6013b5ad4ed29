"""A model as an OpenVINO graph: converted once with torch, run ever after without it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from vecstore.errors import EmbeddingError
from vecstore.files import fsync_path, remove, sha256_of, temporary_sibling
from vecstore.types import FloatArray

_FORMAT = 1  # of the files below; a new one converts again
_GRAPH, _WEIGHTS, _TOKENIZER, _CARD = "graph.xml", "graph.bin", "tokenizer.json", "card.json"


Precision: TypeAlias = Literal["f32", "bf16"]


def native_precision() -> Precision:
    """bf16 where this processor has instructions for it."""
    import openvino

    return "bf16" if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def converted(source: Callable[[], Path], fingerprint: str, cache_folder: Path | None) -> Path:
    """The folder with the graph of a model; `source` is asked for the model's folder only if it must be made.

    Every file is checked by its SHA-256 each time; a damaged graph is made again.
    """
    folder = _cache_folder(cache_folder) / f"{fingerprint[:32]}-{_FORMAT}"
    if not _intact(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_sibling(folder) as fresh:
            from vecstore.embed.torch_model import convert

            fresh.mkdir()
            card = convert(source(), fresh / _GRAPH, fresh / _TOKENIZER)
            card["sha256"] = {name: sha256_of(fresh / name) for name in (_GRAPH, _WEIGHTS, _TOKENIZER)}
            (fresh / _CARD).write_text(json.dumps(card))
            for path in fresh.iterdir():
                fsync_path(path)
            remove(folder)
            try:
                fresh.rename(folder)
            except OSError:  # another process was faster
                if not _intact(folder):
                    raise
    return folder


def _cache_folder(given: Path | None) -> Path:
    if given is not None:
        return given
    import platformdirs

    return Path(platformdirs.user_cache_dir("vecstore")) / "models"


def _intact(folder: Path) -> bool:
    try:
        known = json.loads((folder / _CARD).read_bytes())["sha256"]
        return all(sha256_of(folder / name) == sha256 for name, sha256 in known.items())
    except (OSError, ValueError, KeyError):
        return False


def _writable(folder: Path) -> Path | None:
    """The folder, made if need be; None on a disk that is only read from."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    return folder


class Graph:
    """Runs texts one at a time, several side by side: a vector never depends on what else is in the batch."""

    def __init__(self, folder: Path, *, precision: Precision) -> None:
        import openvino
        from tokenizers import Tokenizer

        card: dict[str, Any] = json.loads((folder / _CARD).read_bytes())
        self.dimensions: int = card["dimensions"]
        self._max_tokens: int = card["max_tokens"]
        self._prompts: dict[str, str] = card["prompts"]
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        core = openvino.Core()
        if compiled := _writable(folder / "compiled"):
            core.set_property({"CACHE_DIR": str(compiled)})  # six times as fast to load
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        self._compiled = core.compile_model(str(folder / _GRAPH), "CPU", hints)
        self._queue = openvino.AsyncInferQueue(self._compiled)
        self._running = threading.Lock()
        self._request = self._compiled.create_infer_request()  # of queries, which do not wait for documents
        self._asking = threading.Lock()

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text, with its prompt, is within the model's length."""
        return [len(ids) <= self._max_tokens for ids in self._ids(texts, query=False)]

    def run(self, texts: Sequence[str], *, query: bool) -> FloatArray:
        """(n, d) float32. A query over the model's length is cut into parts and their mean taken."""
        parts: list[tuple[int, list[int]]] = []
        for i, ids in enumerate(self._ids(texts, query=query)):
            parts.extend((i, piece) for piece in self._pieces(ids))
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        infer = self._infer_now if query else self._infer
        for (i, _), vector in zip(parts, infer([ids for _, ids in parts]), strict=True):
            vectors[i] += vector / np.linalg.norm(vector)
        return vectors

    def _ids(self, texts: Sequence[str], *, query: bool) -> list[list[int]]:
        prompt = self._prompts.get("query" if query else "document", "")
        return [encoding.ids for encoding in self._tokenizer.encode_batch([prompt + text for text in texts])]

    def _pieces(self, ids: list[int]) -> list[list[int]]:
        if len(ids) <= self._max_tokens:
            return [ids]
        first, last, inner = ids[0], ids[-1], ids[1:-1]  # each piece with the marks of beginning and end
        size = self._max_tokens - 2
        return [[first, *inner[i : i + size], last] for i in range(0, len(inner), size)]

    def _infer_now(self, batch: list[list[int]]) -> list[FloatArray]:
        with self._asking:
            return [self._request.infer(_inputs(ids))[0][0].astype(np.float32) for ids in batch]

    def _infer(self, batch: list[list[int]]) -> list[FloatArray]:
        out: list[FloatArray | None] = [None] * len(batch)

        def keep(request: Any, i: int) -> None:
            out[i] = request.get_output_tensor(0).data[0].astype(np.float32)

        with self._running:
            self._queue.set_callback(keep)
            for i, ids in enumerate(batch):
                self._queue.start_async(_inputs(ids), i)
            self._queue.wait_all()
        vectors = [vector for vector in out if vector is not None]
        if len(vectors) != len(batch):
            raise EmbeddingError(f"the model answered {len(vectors)} of {len(batch)} texts")
        return vectors


def _inputs(ids: list[int]) -> dict[int, Any]:
    """Token ids and their mask."""
    tokens = np.array([ids], np.int64)
    return {0: tokens, 1: np.ones_like(tokens)}
