"""One file in: bytes to chunks to vectors to a row that can be committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ingestion import Chunked, Document, StaticStrategy, Window, chunk, parse, passages
from vecstore.catalog import PreparedFile
from vecstore.embed import Embedder, embed_checked
from vecstore.types import AttributeMap, File, FloatArray, LastError
from vecstore.usage import usage_bytes

EMBED_AT_ONCE = 32  # windows; under a second on a CPU, so that progress and Ctrl-C are felt


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file parsed and chunked, not embedded yet; every window fits the embedder."""

    file: File
    attributes: AttributeMap
    strategy: StaticStrategy
    document: Document
    chunked: Chunked
    new: bool = False
    source: str | None = None

    def texts(self) -> list[str]:
        """What is to be embedded, a text a window."""
        return [self.document.text[window.start : window.end] for window in self.chunked.windows]


def read(
    file: File, data: bytes, *, attributes: AttributeMap, strategy: StaticStrategy, embedder: Embedder
) -> ReadFile:
    """Parses and chunks. Raises ingestion's UnsupportedFileError and InvalidFileError."""
    document = parse(data, file.filename)
    chunked = fit_windows(chunk(document, strategy), document.text, embedder)
    return ReadFile(file, attributes, strategy, document, chunked)


def embed(
    files: Sequence[ReadFile], embedder: Embedder, *, on_share: Callable[[float], None] | None = None
) -> list[PreparedFile]:
    """All windows of all files, equal texts once; `on_share` hears the share of the work just done, 1 in sum.

    Raises EmbeddingError; then none of them is prepared.
    """
    texts = [file.texts() for file in files]
    vectors = _embed_each_once([text for some in texts for text in some], embedder, on_share)
    ends = np.cumsum([len(some) for some in texts])[:-1]
    return [_prepared(file, part) for file, part in zip(files, np.split(vectors, ends), strict=True)]


def failed(file: File, error: LastError, *, attributes: AttributeMap, strategy: StaticStrategy) -> PreparedFile:
    """A file that could not be read, with the reason."""
    none = np.empty((0, 0), np.float16)
    return PreparedFile(file, attributes, strategy, "", (), (), (), (), none, usage_bytes=0, error=error)


def fit_windows(chunked: Chunked, text: str, embedder: Embedder) -> Chunked:
    """The same chunks over windows of which the embedder reads each one whole: those too long are halved."""
    windows = list(chunked.windows)
    fits = embedder.fits([text[window.start : window.end] for window in windows])
    if all(fits):
        return chunked
    pieces = [
        [window] if fit else list(_halved(window, text, embedder)) for window, fit in zip(windows, fits, strict=True)
    ]
    first = np.concatenate([[0], np.cumsum([len(some) for some in pieces])]).tolist()
    chunks = tuple(replace(each, windows=(first[each.windows[0]], first[each.windows[1]])) for each in chunked.chunks)
    return Chunked(chunks, tuple(piece for some in pieces for piece in some))


def _halved(window: Window, text: str, embedder: Embedder) -> Iterator[Window]:
    if window.end - window.start <= 1 or embedder.fits([text[window.start : window.end]])[0]:
        yield window
        return
    middle = (window.start + window.end) // 2
    space = text.rfind(" ", window.start + 1, middle)  # between words, unless there is but one
    cut = space if space > (window.start + middle) // 2 else middle
    yield from _halved(replace(window, end=cut), text, embedder)
    yield from _halved(replace(window, start=cut), text, embedder)


def _embed_each_once(texts: Sequence[str], embedder: Embedder, on_share: Callable[[float], None] | None) -> FloatArray:
    distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    todo = list(distinct)
    vectors = []
    for i in range(0, len(todo), EMBED_AT_ONCE):
        vectors.append(embed_checked(embedder, todo[i : i + EMBED_AT_ONCE]))
        if on_share is not None:
            on_share(len(vectors[-1]) / len(todo))
    return np.concatenate(vectors)[[distinct[text] for text in texts]]


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
        new=file.new,
        source=file.source,
    )
