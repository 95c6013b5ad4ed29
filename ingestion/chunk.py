"""Document + strategy -> chunks and the windows they are made of.

`static`: with size M and overlap O, the text is cut into consecutive blocks of O, M-2*O, O, M-2*O, ...
tokens. A chunk is a shared block, an own block and the next shared block, so neighbours share exactly
one block. Every block is divided into windows of at most `WINDOW_TOKENS`; a window lies in one block,
so overlapping chunks share whole windows and each is embedded once. `structure`: see there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ingestion import structure
from ingestion.cutter import Cutter
from ingestion.outline import Outline
from ingestion.types import (
    Chunked,
    ChunkingStrategy,
    Document,
    Passage,
    StaticStrategy,
    StructureStrategy,
    Window,
)


def chunk(document: Document, strategy: ChunkingStrategy) -> Chunked:
    """Chunks in reading order.

    They cover the text without a gap, begin and end later each time, and have at most as many tokens
    of their own as the strategy says. Text that fits makes one chunk, no text makes none. A chunk is
    only white space only where white space alone outgrows a chunk. Same input, same chunks.
    """
    if not document.text:
        return Chunked((), ())
    if isinstance(strategy, StructureStrategy):
        return structure.cut(document, strategy.target_chunk_size_tokens)
    return _cut_static(Cutter(document), strategy)


def passages(document: Document, windows: Sequence[Window]) -> tuple[Passage, ...]:
    """The windows cut where a section or a page begins, in reading order; a heading stays with what follows it."""
    outline = Outline(document)
    found = []
    for i, window in enumerate(windows):
        edges = [window.start, *outline.edges(window.start, window.end), window.end]
        for start, end in pairwise(edges):
            first, last = outline.first_word(start, end), outline.last_word(start, end)
            pages = outline.pages(first, first + 1)
            found.append(
                Passage(
                    start=start,
                    end=end,
                    window=i,
                    page=pages and pages[0],
                    lines=outline.lines(first, last + 1),
                    heading_path=outline.heading_path_at(last),
                    table_header=outline.table_header(start, end),
                )
            )
    return tuple(found)


def contexts(document: Document, windows: Sequence[Window], strategy: ChunkingStrategy) -> tuple[str, ...]:
    """What is embedded in front of each window, "" for nothing: the header of the table that it goes on with.

    With the strategy `structure` also the headings it stands under.
    """
    outline, headings = Outline(document), isinstance(strategy, StructureStrategy)
    return tuple(outline.context(window.start, window.end, headings=headings) for window in windows)


def _cut_static(cutter: Cutter, strategy: StaticStrategy) -> Chunked:
    start, first_window, cuts = 0, 0, [0]
    while not _fits(cutter, start, strategy.max_chunk_size_tokens):
        cuts = _cut(cutter, cuts, strategy)
        for block_start, block_end in pairwise(cuts):
            if not cutter.windows or block_start >= cutter.windows[-1].end:
                shared_window = len(cutter.windows)
                cutter.divide(block_start, block_end)
        cutter.emit(start, cuts[-1], first_window)
        if strategy.chunk_overlap_tokens:
            start, first_window, cuts = cuts[-2], shared_window, cuts[-2:]
        else:
            start, first_window, cuts = cuts[-1], len(cutter.windows), cuts[-1:]
    cutter.divide(cuts[-1], len(cutter.text))
    cutter.emit(start, len(cutter.text), first_window)
    return cutter.chunked()


def _fits(cutter: Cutter, start: int, size: int) -> bool:
    """Whether all that is left from `start` is one chunk."""
    # Cut out of its surroundings, text may also have a few tokens less than it had in them.
    near = len(cutter.ends) - cutter.tokens_before(start) <= size + 8
    return near and cutter.count(start, len(cutter.text)) <= size


def _cut(cutter: Cutter, cuts: list[int], strategy: StaticStrategy) -> list[int]:
    """The chunk's block boundaries; `cuts` are those already made: its start, and the end of its shared block."""
    size, overlap = strategy.max_chunk_size_tokens, strategy.chunk_overlap_tokens
    lengths = [length for length in (overlap, size - 2 * overlap, overlap) if length]
    lengths = lengths[len(cuts) - 1 :]
    while True:
        made = list(cuts)
        for length in lengths:
            made.append(cutter.piece_end(made[-1], length))
        excess = cutter.count(made[0], made[-1]) - size
        if excess <= 0 or lengths == [1] * len(lengths):
            return made
        lengths = _shortened(lengths, excess)


def _shortened(lengths: list[int], excess: int) -> list[int]:
    """The block lengths with `excess` tokens taken off the first that has them to spare, down to 1 each."""
    shorter = []
    for length in lengths:
        taken = min(excess, length - 1)
        shorter.append(length - taken)
        excess -= taken
    return shorter
