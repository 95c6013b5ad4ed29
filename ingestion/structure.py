"""The strategy `structure`: chunks are whole sections, or as much of one as the target allows, without overlap.

A stretch that is too long is cut where its outermost sections begin; neighbours are packed together
again while they fit; what has no sections left is cut into nearly equal pieces at paragraphs, rows
or sentences.
"""

from __future__ import annotations

from itertools import pairwise

from ingestion.cutter import Cutter
from ingestion.types import MAX_CHUNK_TOKENS, Chunked, Document

MAX_DEPTH = 64  # of sections in sections; deeper ones are cut like text without any


def cut(document: Document, target: int) -> Chunked:
    """Chunks of about `target` tokens at most, in reading order, together the whole text.

    A chunk is longer only by headings that stand in front of it, at most by half.
    """
    cutter = Cutter(document)
    for start, end in _pieces(cutter, target):
        first_window = len(cutter.windows)
        cutter.divide(start, end)
        cutter.emit(start, end, first_window)
    return cutter.chunked()


def _pieces(cutter: Cutter, target: int) -> list[tuple[int, int]]:
    """Stretches in order; depth first, without recursion."""
    done: list[tuple[int, int]] = []
    waiting = [(0, len(cutter.text), 0)]
    while waiting:
        start, end, depth = waiting.pop()
        if cutter.count(start, end) <= target:
            done.append((start, end))
            continue
        parts = _parts(cutter, start, end) if depth < MAX_DEPTH else []
        if parts:
            waiting += [(*part, depth + 1) for part in reversed(_packed(cutter, parts, target))]
        else:
            done += cutter.even_pieces(start, end, target)
    return _with_body(cutter, done, target)


def _parts(cutter: Cutter, start: int, end: int) -> list[tuple[int, int]]:
    """The stretch cut where its outermost sections begin; [] where there is nothing to cut at."""
    breaks = cutter.outline.section_breaks(start, end)
    if not breaks:
        return []
    outermost = min(shared for _, shared in breaks)
    places = [place for place, shared in breaks if shared == outermost]
    return list(pairwise([start, *places, end]))


def _packed(cutter: Cutter, parts: list[tuple[int, int]], target: int) -> list[tuple[int, int]]:
    """Neighbours together while they fit, but not all of them: together they are too long."""
    packed = [parts[0]]
    for start, end in parts[1:]:
        before = packed[-1][0]
        fits = cutter.tokens_before(end) - cutter.tokens_before(before) <= target
        if fits and (before, end) != (parts[0][0], parts[-1][1]):
            packed[-1] = (before, end)
        else:
            packed.append((start, end))
    return packed


def _with_body(cutter: Cutter, pieces: list[tuple[int, int]], target: int) -> list[tuple[int, int]]:
    """White space goes with the piece before it, headings alone with the one after them, while there is room."""
    kept: list[tuple[int, int]] = []
    lacks_body = False  # the last one kept
    for start, end in pieces:
        blank, body = cutter.outline.first_word(start, end) == end, cutter.outline.has_body(start, end)
        room = kept and cutter.tokens_before(end) - cutter.tokens_before(kept[-1][0]) < MAX_CHUNK_TOKENS
        if room and (blank or (lacks_body and _is_short(cutter, kept[-1], target))):
            kept[-1] = (kept[-1][0], end)
            lacks_body = lacks_body and not body
        else:
            kept.append((start, end))
            lacks_body = not body
    return kept


def _is_short(cutter: Cutter, piece: tuple[int, int], target: int) -> bool:
    return cutter.tokens_before(piece[1]) - cutter.tokens_before(piece[0]) <= target // 2
