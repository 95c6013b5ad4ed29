"""What ingestion promises of any input, checked: by the fuzzer and by the tests."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from ingestion import AUTO, StructureStrategy, chunk, contexts, passages, tokens
from ingestion.types import Chunk, ChunkingStrategy, Document, IngestionError, StaticStrategy, Window

KINDS = frozenset("page slide sheet part heading table list code symbol".split())
STRATEGIES: tuple[ChunkingStrategy, ...] = (AUTO, StructureStrategy(), StaticStrategy(100, 0))
MAX_CHUNKED_CHARS = 200_000  # longer texts are not chunked here: it would take most of the time
SLACK_TOKENS = 8  # cut out of its surroundings, a text may have a few tokens more than it had in them

_NOT_CLEAN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]")


def of_error(error: IngestionError, filename: str) -> str:
    return "" if filename in str(error) else f"the error does not name the file: {error}"


def of_document(document: Document) -> str:
    """The first fault of the text, its spans or the warnings."""
    return next(_faults(document), "")


def _faults(document: Document) -> Iterator[str]:
    text = document.text
    if not text.strip():
        yield "a document without text"
    bad = _NOT_CLEAN.search(text)
    if bad:
        yield f"the text has U+{ord(bad[0]):04X} at {bad.start()}"
    if not unicodedata.is_normalized("NFC", text):
        yield "the text is not NFC"
    for span in document.spans:
        if not 0 <= span.start <= span.end <= len(text):
            yield f"{span.kind} span {span.start}:{span.end} is not in 0:{len(text)}"
        if span.kind not in KINDS or span.level < 0:
            yield f"a span of the kind {span.kind} and level {span.level}"
        if _NOT_CLEAN.search(span.label) or "\n" in span.label:
            yield f"the label of a {span.kind} is not clean: {span.label[:80]!r}"
    for one, other in pairwise(document.spans):
        if (one.start, -one.end) > (other.start, -other.end):
            yield f"spans are not sorted: {one} before {other}"
    if not all(isinstance(warning, str) and warning.strip() for warning in document.warnings):
        yield "a warning is not a sentence"


def of_chunks(document: Document, strategies: tuple[ChunkingStrategy, ...] = STRATEGIES[:2]) -> str:
    """Chunks of every strategy join back to the text; nothing is checked of a very long one."""
    if len(document.text) > MAX_CHUNKED_CHARS:
        return ""
    return next(filter(None, (_of_chunks(document, strategy) for strategy in strategies)), "")


def _of_chunks(document: Document, strategy: ChunkingStrategy) -> str:
    chunked, text = chunk(document, strategy), document.text
    at = 0
    for number, each in enumerate(chunked.chunks):
        if each.text != text[each.start : each.end] or each.start > at or each.end <= at:
            return f"{strategy}: chunk {number} {each.start}:{each.end} does not go on from {at}"
        counted, limit = _tokens(document, each, strategy)
        if counted > limit or each.tokens != tokens.count(each.text):
            return f"{strategy}: chunk {number} says {each.tokens} tokens, has {counted}, limit {limit}"
        windows = chunked.windows[slice(*each.windows)]
        if not windows or (windows[0].start, windows[-1].end) != (each.start, each.end):
            return f"{strategy}: the windows of chunk {number} are not the chunk"
        at = each.end
    if at != len(text):
        return f"{strategy}: the chunks end at {at}, the text at {len(text)}"
    if any(one.end != other.start for one, other in pairwise(chunked.windows)):
        return f"{strategy}: the windows do not join"
    return _of_passages(document, chunked.windows, strategy)


def _tokens(document: Document, piece: Chunk, strategy: ChunkingStrategy) -> tuple[int, int]:
    """Those that are counted against the limit, and the limit; `structure` lets headings stand in front of a chunk."""
    if isinstance(strategy, StaticStrategy):
        return piece.tokens, strategy.max_chunk_size_tokens
    at = piece.start
    for span in document.spans:
        if span.kind == "heading" and at < span.end and not document.text[at : max(at, span.start)].strip():
            at = min(span.end, piece.end)
    return tokens.count(document.text[at : piece.end].strip()), strategy.target_chunk_size_tokens + SLACK_TOKENS


def _of_passages(document: Document, windows: tuple[Window, ...], strategy: ChunkingStrategy) -> str:
    found = passages(document, windows)
    edges = [(one.start, one.end) for one in found]
    if any(one.end != other.start for one, other in pairwise(found)) or edges != sorted(edges):
        return f"{strategy}: the passages do not join"
    if {(windows[each.window].start <= each.start, each.end <= windows[each.window].end) for each in found} - {
        (True, True)
    }:
        return f"{strategy}: a passage is outside its window"
    return "" if len(contexts(document, windows, strategy)) == len(windows) else f"{strategy}: a window has no context"
