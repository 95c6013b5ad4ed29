"""Texts to vectors, beside plain sentence-transformers in single precision on the same device, in one run.

Tokens are the model's own, as many as it reads. The cosine is that of the same text by both.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vecstore.embed import SentenceTransformerEmbedder, default_embedder
from vecstore.embed.graph import native_precision
from vecstore.types import FloatArray

RESULTS = Path(__file__).parent / "results" / "embed.jsonl"
PLAIN = "sentence-transformers f32"
QUERIES = ("How often must the inputs be verified?", "E-2041", "notice period of the master services agreement")
_PACKAGES = ("torch", "sentence-transformers", "transformers", "tokenizers", "openvino", "numpy")
_ROWS = {
    "tokens/s": ",.0f",
    "ratio": ".1f",
    "mean cosine": ".6f",
    "least cosine": ".6f",
    "cold start CPU s": ".2f",
    "query p50 CPU ms": ".2f",
    "query p99 CPU ms": ".2f",
}
_COLD = {
    True: "from sentence_transformers import SentenceTransformer as S; S({0!r}, device={1!r}).encode(['x'])",
    False: "from vecstore.embed import SentenceTransformerEmbedder as S; "
    "S({0!r}, device={1!r}, precision={2!r}).embed_query('x')",
}


@dataclass(frozen=True, slots=True)
class _Side:
    """One way to vectors."""

    embed: Callable[[Sequence[str]], FloatArray]
    start: str  # a program that comes to its first vector


def run(model: Path, texts: list[str], *, device: str, runs: int, asked: int = 100) -> dict[str, Any]:
    """Medians over interleaved runs of all sides, warm; then what a start costs, and a query, each `asked` times."""
    sides, tokens = _sides(model, device), _tokens(model, texts)
    vectors = {name: side.embed(texts[:64]) for name, side in sides.items()}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            began = time.perf_counter()
            vectors[name] = side.embed(texts)
            taken[name].append(time.perf_counter() - began)
    seconds = {name: statistics.median(each) for name, each in taken.items()}
    return {
        "machine": machine(device),
        "versions": {name: version(name) for name in _PACKAGES if _is_there(name)},
        "commit": commit(),
        "model sha256": _sha256((model / "model.safetensors").read_bytes()),
        "texts sha256": _sha256("\0".join(texts).encode()),
        "device": device,
        "texts": len(texts),
        "tokens": tokens,
        "runs": runs,
        "sides": {
            name: {
                "tokens/s": tokens / seconds[name],
                "ratio": seconds[PLAIN] / seconds[name],
                **_cosines(vectors[name], vectors[PLAIN]),
                "cold start CPU s": _process_cpu(side.start),
                **_query_times(side, asked),
            }
            for name, side in sides.items()
        },
    }


def table(report: dict[str, Any]) -> str:
    """The report as lines of text."""
    sides = report["sides"]
    lines = [
        f"{report['texts']:,} texts, {report['tokens']:,} tokens, median of {report['runs']} runs, {report['machine']}",
        f"{'':18}" + "".join(f"{name:>27}" for name in sides),
    ]
    for row, form in _ROWS.items():
        lines.append(f"{row:18}" + "".join(f"{format(side[row], form):>27}" for side in sides.values()))
    return "\n".join(lines)


def record(report: dict[str, Any]) -> None:
    """One more line of the results that are kept."""
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report) + "\n")


def windows_of(folder: Path) -> list[str]:
    """What is embedded of the folder's files."""
    import vecstore
    from bench import smoke
    from vecstore import gather

    with tempfile.TemporaryDirectory() as root, vecstore.open(root, embedder=vecstore.HashingEmbedder()) as engine:
        store = engine.create("texts")
        added = store.add_many(gather.sources([str(folder)], besides=Path(root)).sources)
        found = smoke.windows_of(store, [each.file_id for each in added if each.outcome == "added" and each.file_id])
    if not found:
        raise ValueError(f"{folder} holds no file that could be read")
    return found


def joined(texts: list[str], words: int) -> list[str]:
    """Texts of at least so many words: each joined with those that follow it."""
    found: list[str] = []
    for text in texts:
        if found and len(found[-1].split()) < words:
            found[-1] += "\n" + text
        else:
            found.append(text)
    return found


def varied(texts: list[str], count: int) -> list[str]:
    """So many; once all are taken, again, cut at a random word and the ends swapped."""
    chance = random.Random(0)
    return [texts[i] if i < len(texts) else _swapped(texts[i % len(texts)], chance) for i in range(count)]


def default_model() -> Path:
    """The folder of the model that comes along."""
    return default_embedder()._folder()  # noqa: SLF001 - as a path, to be run by others too


def machine(device: str) -> str:
    """The processor, how many cores of it there are, and the GPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    where = f"{processor}, {len(os.sched_getaffinity(0))} cores"
    if not device.startswith("cuda"):
        return where
    import torch

    return f"{torch.cuda.get_device_name(device)}, {where}"


def _swapped(text: str, chance: random.Random) -> str:
    words = text.split(" ")
    cut = chance.randrange(len(words))
    return " ".join(words[cut:] + words[:cut])


def _sides(model: Path, device: str) -> dict[str, _Side]:
    precisions = ["f32", "bf16"] if device == "cpu" and native_precision() == "bf16" else ["f32"]
    sides = {}
    for precision in precisions:
        ours = SentenceTransformerEmbedder(model, device=device, precision=precision)  # type: ignore[arg-type]
        name = f"vecstore {precision}" if device == "cpu" else f"vecstore {device}"
        sides[name] = _Side(ours.embed, _COLD[False].format(str(model), device, precision))
    return {**sides, PLAIN: _Side(_plain(model, device), _COLD[True].format(str(model), device))}


def _plain(model: Path, device: str) -> Callable[[Sequence[str]], FloatArray]:
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device=device)
    return lambda texts: np.asarray(loaded.encode(list(texts), show_progress_bar=False), np.float32)


def _tokens(model: Path, texts: list[str]) -> int:
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device="cpu")
    return sum(map(len, loaded.tokenizer(texts, truncation=True, max_length=loaded.max_seq_length)["input_ids"]))


def _cosines(ours: FloatArray, theirs: FloatArray) -> dict[str, float]:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    cosines = np.sum(ours * theirs, axis=1) / norms
    return {"mean cosine": float(cosines.mean()), "least cosine": float(cosines.min())}


def _query_times(side: _Side, asked: int) -> dict[str, float]:
    times = []
    for query in QUERIES * asked:
        began = time.process_time()
        side.embed([query])
        times.append((time.process_time() - began) * 1000)
    return {"query p50 CPU ms": statistics.median(times), "query p99 CPU ms": statistics.quantiles(times, n=100)[-1]}


def _process_cpu(program: str) -> float:
    """User and system seconds of a Python that runs it."""
    before = os.times()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _is_there(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def commit() -> str | None:
    """Of the code that is measured, where git knows it."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return said.stdout.strip() or None
