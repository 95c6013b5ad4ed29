"""How long the pieces should be that are embedded, and what a chunk's score is made of: by meaning alone, on dev sets.

Each document is read and cut as a vector store cuts it, with windows of each length in turn; its rank is that of its
best chunk. Of a window that is longer than the model reads, the parts are embedded and their mean taken. Beside nDCG@10
stands what it costs: the vectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import nDCG

import ingestion
from bench.collections import Collection, load
from ingestion import cutter
from vecstore import Embedder
from vecstore.embed import default_embedder
from vecstore.types import FloatArray

RESULTS = Path(__file__).parent / "results" / "windows.json"
BEGIN, END = "<!-- windows:begin, by python -m bench readme -->\n", "<!-- windows:end -->\n"
SIZES = (50, 100, 150, 200, 400)  # tokens of cl100k_base
MEASURE = nDCG @ 10
_AT_ONCE = 256

Pooling = Callable[[FloatArray], FloatArray]  # (windows, questions) cosines of one chunk to (questions,)


def _best(cosines: FloatArray) -> FloatArray:
    return np.asarray(cosines.max(axis=0))


def _best_two(cosines: FloatArray) -> FloatArray:
    return np.asarray(np.sort(cosines, axis=0)[-2:].mean(axis=0))


def _mean(cosines: FloatArray) -> FloatArray:
    return np.asarray(cosines.mean(axis=0))


POOLINGS: Mapping[str, Pooling] = {"best window": _best, "mean of the best two": _best_two, "mean of all": _mean}


def run(
    folders: Sequence[Path],
    *,
    sizes: Sequence[int] = SIZES,
    embedder: Embedder | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """By collection and size: nDCG@10 a pooling, how many vectors. Raises ValueError for another layout than BEIR's."""
    collections = [load(folder) for folder in folders]
    if any(each.layout != "documents" for each in collections):
        raise ValueError("windows takes collections in BEIR's layout")
    embedder = embedder or default_embedder()
    return {
        each.name: {str(size): _scores(each, size, embedder, on_progress) for size in sizes} for each in collections
    }


def _scores(
    collection: Collection, size: int, embedder: Embedder, on_progress: Callable[[str], None]
) -> dict[str, Any]:
    asked = np.stack([embedder.embed_query(question.text) for question in collection.questions])
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    texts, chunks = _cut(collection, size)
    distinct = list(dict.fromkeys(texts))
    cosines: dict[str, FloatArray] = {}
    for i in range(0, len(distinct), _AT_ONCE):
        on_progress(f"{collection.name}, {size} tokens: {i} of {len(distinct)} windows")
        some = distinct[i : i + _AT_ONCE]
        vectors = embedder.embed(some)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines.update(zip(some, vectors @ asked.T, strict=True))
    scores = {}
    for name, pooled in POOLINGS.items():
        ranking: dict[str, dict[str, float]] = {question.id: {} for question in collection.questions}
        for document, windows in chunks:
            of_chunk = pooled(np.stack([cosines[texts[i]] for i in windows]))
            for question, score in zip(collection.questions, of_chunk.tolist(), strict=True):
                ranking[question.id][document] = max(score, ranking[question.id].get(document, -1.0))
        scores[name] = float(ir_measures.calc_aggregate([MEASURE], collection.qrels, ranking)[MEASURE])
    return {str(MEASURE): scores, "vectors": len(distinct), "chunks": len(chunks)}


def _cut(collection: Collection, size: int) -> tuple[list[str], list[tuple[str, range]]]:
    """The windows' texts, and each chunk's document and windows."""
    texts: list[str] = []
    chunks: list[tuple[str, range]] = []
    with _windows_of(size):
        for each in collection.sources():
            assert isinstance(each.content, bytes), "of BEIR's layout"
            try:
                document = ingestion.parse(each.content, each.filename)
            except ingestion.IngestionError:  # some collections have empty documents
                continue
            cut = ingestion.chunk(document, ingestion.AUTO)
            first = len(texts)
            texts += [document.text[window.start : window.end] for window in cut.windows]
            key = collection.documents[each.filename]
            chunks += [(key, range(first + chunk.windows[0], first + chunk.windows[1])) for chunk in cut.chunks]
    return texts, chunks


@contextmanager
def _windows_of(size: int) -> Iterator[None]:
    usual = cutter.WINDOW_TOKENS
    cutter.WINDOW_TOKENS = size
    try:
        yield
    finally:
        cutter.WINDOW_TOKENS = usual


def record(report: Mapping[str, Any], path: Path = RESULTS) -> None:
    """In place of what was recorded before."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def table(report: Mapping[str, Any]) -> str:
    """Markdown: a row a collection and size."""
    lines = [f"| {MEASURE!s} by meaning alone, windows of | {' | '.join(POOLINGS)} | vectors |"]
    lines.append("|---" * (len(POOLINGS) + 2) + "|")
    for name, sizes in report.items():
        for size, each in sizes.items():
            cells = [f"{each[str(MEASURE)][pooling]:.3f}" for pooling in POOLINGS]
            lines.append(f"| {size} tokens, {name} | {' | '.join(cells)} | {each['vectors']:,} |")
    return "\n".join(lines)


def markdown(path: Path = RESULTS) -> str:
    """What is recorded."""
    return table(json.loads(path.read_text(encoding="utf-8")))
