"""What a user would otherwise do with PDF files: pypdf, chunks of 800 tokens with 400 overlap, a vector each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.embed import default_model
from ingestion import tokens
from vecstore.types import FileChunk

CHUNK_TOKENS, OVERLAP_TOKENS = 800, 400


def search(folder: Path, questions: Sequence[str], depth: int) -> list[list[FileChunk]]:
    """The `depth` nearest chunks of each question, by the default model as sentence-transformers runs it.

    It reads the first 256 word pieces of a chunk.
    """
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(default_model()), device="cpu")
    chunks = [chunk for path in sorted(folder.glob("*.pdf")) for chunk in _chunks(path)]
    vectors = model.encode([chunk.text for chunk in chunks], normalize_embeddings=True)
    cosines = model.encode(list(questions), normalize_embeddings=True) @ vectors.T
    return [[chunks[i] for i in nearest[:depth]] for nearest in np.argsort(-cosines, axis=1, kind="stable")]


def _chunks(path: Path) -> Iterator[FileChunk]:
    from pypdf import PdfReader

    pages = [page.extract_text() for page in PdfReader(path).pages]
    starts = np.cumsum([0, *(len(page) + 1 for page in pages)]).tolist()
    text = "\n".join(pages)
    ends = tokens.token_ends(text).tolist()
    for i, first in enumerate(range(0, len(ends), CHUNK_TOKENS - OVERLAP_TOKENS)):
        start = ends[first - 1] if first else 0
        end = ends[min(first + CHUNK_TOKENS, len(ends)) - 1]
        on = bisect_right(starts, start), bisect_right(starts, max(end - 1, start))
        yield FileChunk(f"{path.name} {i}", path.name, path.name, i, text[start:end], start, end, 0, on, None, ())
