"""Documents one after the other as one: a mail and its attachments, a notebook's cells, a book's title and chapters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ingestion.types import Document, Span


def join(documents: Iterable[Document], media_type: str, warnings: Iterable[str] = ()) -> Document:
    """The texts with a blank line between them, each with its spans; what has no text is left out."""
    texts: list[str] = []
    spans: list[Span] = []
    said = list(warnings)
    length = 0
    for document in documents:
        said += document.warnings
        text = document.text.rstrip("\n")
        if not text.strip():
            continue
        if texts:
            texts.append("\n\n")
            length += 2
        for span in document.spans:
            start, end = min(span.start, len(text)), min(span.end, len(text))
            if start < end:
                spans.append(replace(span, start=length + start, end=length + end))
        texts.append(text)
        length += len(text)
    if texts:
        texts.append("\n")
    return Document("".join(texts), media_type, tuple(spans), tuple(said))
