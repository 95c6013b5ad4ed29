"""One file in: bytes to chunks to vectors to a row that can be committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ingestion import Chunked, ChunkingStrategy, Document, Window, contexts, passages
from vecstore.catalog import PreparedFile
from vecstore.disk import refusals
from vecstore.embed import Embedder, embed_checked, texts_at_once
from vecstore.failpoints import reach
from vecstore.index import load_for
from vecstore.types import AttributeMap, File, FloatArray, LastError
from vecstore.usage import usage_bytes

MIN_TEXT_SHARE = 2  # of its context, in characters; a shorter text that does not fit with it goes without


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file parsed and chunked, not embedded yet.

    `parsed_by`: see PreparedFile; "" keeps it from being shared. `copied` says that another file with
    the same content was read shortly before, so its vectors may be there soon.
    """

    file: File
    attributes: AttributeMap
    strategy: ChunkingStrategy
    document: Document
    chunked: Chunked
    parsed_by: str = ""
    copied: bool = False
    new: bool = False
    source: str | None = None


@dataclass(slots=True)
class Embedding:
    """A file on its way to vectors, some windows at a time."""

    file: ReadFile
    texts: Sequence[str]
    done: int = 0
    vectors: list[FloatArray] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many windows have no vector yet."""
        return len(self.texts) - self.done

    def prepared(self) -> PreparedFile:
        """Once there is nothing left."""
        return _prepared(self.file, np.concatenate(self.vectors))


def begin(file: ReadFile, embedder: Embedder) -> Embedding:
    """The file with windows that the embedder reads whole. Raises EmbeddingError."""
    load_for(chunk.text for chunk in file.chunked.chunks)
    return Embedding(*fit_windows(file, embedder))


def embed_some(
    shares: Sequence[tuple[Embedding, int]], embedder: Embedder, on_share: Callable[[float], None] | None = None
) -> None:
    """The vectors of the next so many windows of each, equal texts once.

    `on_share` hears the share of the work just done, 1 in sum. Raises EmbeddingError; then none has moved on.
    """
    texts = [each.texts[each.done : each.done + n] for each, n in shares]
    vectors = _embed_each_once([text for some in texts for text in some], embedder, on_share)
    with refusals("the vectors could not be kept"):
        reach("read.embedded")
        ends = np.cumsum([len(some) for some in texts])[:-1]
        for (each, _), part in zip(shares, np.split(vectors, ends), strict=True):
            each.vectors.append(part)
            each.done += len(part)


def embed(
    files: Sequence[ReadFile | PreparedFile],
    embedder: Embedder,
    *,
    on_share: Callable[[float], None] | None = None,
) -> list[PreparedFile]:
    """All windows of all files that have no vectors yet; in the same order. As `embed_some`."""
    begun = [begin(file, embedder) if isinstance(file, ReadFile) else file for file in files]
    todo = [(each, each.left) for each in begun if isinstance(each, Embedding)]
    if todo:
        embed_some(todo, embedder, on_share)
    return [each.prepared() if isinstance(each, Embedding) else each for each in begun]


def failed(file: File, error: LastError, *, attributes: AttributeMap, strategy: ChunkingStrategy) -> PreparedFile:
    """A file that could not be read, with the reason."""
    none = np.empty((0, 0), np.float16)
    return PreparedFile(file, attributes, strategy, "", (), (), (), (), none, usage_bytes=0, error=error)


def fit_windows(file: ReadFile, embedder: Embedder) -> tuple[ReadFile, list[str]]:
    """The same chunks over windows of which the embedder reads each one whole, and each window's text for it.

    In front of the text stands its table's header, or the headings above it, where there is room: a
    window that is too long with them is halved, or goes without where they are most of it.
    """
    while True:
        windows = file.chunked.windows
        plain = [file.document.text[window.start : window.end] for window in windows]
        above = contexts(file.document, windows, file.strategy)
        texts = [f"{context}\n{text}" if context else text for context, text in zip(above, plain, strict=True)]
        long = [i for i, fit in enumerate(embedder.fits(texts)) if not fit]
        for i in long:
            if len(plain[i]) < MIN_TEXT_SHARE * len(above[i]):
                texts[i] = plain[i]
        fits = embedder.fits([texts[i] for i in long])
        split = {i for i, fit in zip(long, fits, strict=True) if not fit and len(plain[i]) > 1}
        if not split:
            return file, texts
        file = _split(file, split)


def _split(file: ReadFile, wanted: set[int]) -> ReadFile:
    """The windows of these numbers halved."""
    text, windows = file.document.text, file.chunked.windows
    pieces = [_halves(window, text) if i in wanted else [window] for i, window in enumerate(windows)]
    first = np.concatenate([[0], np.cumsum([len(some) for some in pieces])]).tolist()
    chunks = tuple(
        replace(each, windows=(first[each.windows[0]], first[each.windows[1]])) for each in file.chunked.chunks
    )
    return replace(file, chunked=Chunked(chunks, tuple(piece for some in pieces for piece in some)))


def _halves(window: Window, text: str) -> list[Window]:
    middle = (window.start + window.end) // 2
    space = text.rfind(" ", window.start + 1, middle)  # between words, unless there is but one
    cut = space if space > (window.start + middle) // 2 else middle
    return [replace(window, end=cut), replace(window, start=cut)]


def _embed_each_once(texts: Sequence[str], embedder: Embedder, on_share: Callable[[float], None] | None) -> FloatArray:
    todo = sorted(dict.fromkeys(texts), key=len, reverse=True)  # alike in length, so that a batch has little padding
    places = {text: i for i, text in enumerate(todo)}
    vectors, at_once = [], texts_at_once(embedder)
    for i in range(0, len(todo), at_once):
        vectors.append(embed_checked(embedder, todo[i : i + at_once]))
        if on_share is not None:
            on_share(len(vectors[-1]) / len(todo))
    return np.concatenate(vectors)[[places[text] for text in texts]]


def _prepared(file: ReadFile, vectors: FloatArray) -> PreparedFile:
    return PreparedFile(
        file=file.file,
        attributes=file.attributes,
        strategy=file.strategy,
        media_type=file.document.media_type,
        warnings=file.document.warnings,
        chunks=file.chunked.chunks,
        windows=file.chunked.windows,
        passages=passages(file.document, file.chunked.windows),
        vectors=vectors.astype(np.float16),
        usage_bytes=usage_bytes((each.text for each in file.chunked.chunks), vectors.shape[1]),
        title=file.document.title,
        parsed_by=file.parsed_by,
        new=file.new,
        source=file.source,
    )
