"""More of a file than one chunk: the chunks beside it, or the whole section it stands in."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion import Passage
from vecstore.catalog import Catalog
from vecstore.errors import InvalidRequestError, NotFoundError
from vecstore.query import MAX_NEIGHBOURS
from vecstore.types import Excerpt, FileChunk, SearchResult

MAX_SECTION_CHARS = 20_000


def neighbours(
    catalog: Catalog, store_id: str, result: SearchResult | FileChunk, *, before: int, after: int
) -> Excerpt:
    """The chunk with so many before and after it, each character once. Raises NotFoundError."""
    for name, value in (("before", before), ("after", after)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NEIGHBOURS:
            raise InvalidRequestError(name, f"must be a whole number from 0 to {MAX_NEIGHBOURS}, not {value!r}")
    places = catalog.chunk_places(store_id, result.file_id)
    at = next((i for i, place in enumerate(places) if place == (result.start, result.end)), None)
    if at is None:
        raise _gone(result)
    near = places[max(at - before, 0) : at + after + 1]
    stretch = near[0][0], near[-1][1]
    return _excerpt(catalog, store_id, result, stretch=stretch, heading_path=result.heading_path)


def section(
    catalog: Catalog, store_id: str, result: SearchResult | FileChunk, *, max_chars: int = MAX_SECTION_CHARS
) -> Excerpt:
    """The section that the result's passage, or the chunk's beginning, stands in, with the sections inside it.

    Where it has more than `max_chars` characters, as much of it around that place as fits, in whole
    passages. Without headings the section is the document. Raises NotFoundError.
    """
    if isinstance(max_chars, bool) or not isinstance(max_chars, int) or max_chars < 1:
        raise InvalidRequestError("max_chars", f"must be a whole number above 0, not {max_chars!r}")
    passage = result.passage if isinstance(result, SearchResult) else None
    path = passage.heading_path if passage else result.heading_path
    found = catalog.file_passages(store_id, result.file_id)
    place = passage.start if passage else result.start
    at = next((i for i, each in enumerate(found) if each.start <= place < each.end), None)
    if at is None:
        raise _gone(result)
    first, last = _grown(found, at, path, max_chars)
    return _excerpt(catalog, store_id, result, stretch=(found[first].start, found[last].end), heading_path=path)


def _gone(result: SearchResult | FileChunk) -> NotFoundError:
    return NotFoundError(f"the file {result.filename!r} ({result.file_id}) has changed: search again")


def _grown(found: Sequence[Passage], at: int, path: tuple[str, ...], max_chars: int) -> tuple[int, int]:
    """From passage number `at` to both sides, forward first, while they are in the section and fit."""
    first = last = at

    def fits(i: int) -> bool:
        within = 0 <= i < len(found) and found[i].heading_path[: len(path)] == path
        return within and max(found[i].end, found[last].end) - min(found[i].start, found[first].start) <= max_chars

    while True:
        if fits(last + 1):
            last += 1
        elif fits(first - 1):
            first -= 1
        else:
            return first, last


def _excerpt(
    catalog: Catalog,
    store_id: str,
    result: SearchResult | FileChunk,
    *,
    stretch: tuple[int, int],
    heading_path: tuple[str, ...],
) -> Excerpt:
    start, end = stretch
    inside = [each for each in catalog.file_passages(store_id, result.file_id) if start < each.end and each.start < end]
    pages = [each.page for each in inside if each.page is not None]
    lines = [line for each in inside if each.lines for line in each.lines]
    return Excerpt(
        file_id=result.file_id,
        filename=result.filename,
        text=catalog.text(store_id, result.file_id, start, end),
        start=start,
        end=end,
        pages=(pages[0], pages[-1]) if pages else None,
        lines=(lines[0], lines[-1]) if lines else None,
        heading_path=heading_path,
        table_header=inside[0].table_header if inside else "",
    )
