"""What a search found, as clients get it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ingestion.types import Passage
from vecstore import types
from vecstore.server.wire.objects import Object, given
from vecstore.server.wire.stores import Text


class PassageObject(Object):
    start: int
    end: int
    page: int | None
    lines: tuple[int, int] | None
    heading_path: list[str]

    @classmethod
    def of(cls, passage: Passage) -> PassageObject:
        return cls(
            start=passage.start,
            end=passage.end,
            page=passage.page,
            lines=passage.lines,
            heading_path=list(passage.heading_path),
        )


class Leg(Object):
    rank: int | None
    score: float
    raw: float
    weight: float

    @classmethod
    def of(cls, leg: types.LegScore) -> Leg:
        return cls(rank=leg.rank, score=leg.score, raw=leg.raw, weight=leg.weight)


class Explanation(Object):
    embedding: Leg
    text: Leg
    closeness: float
    reranker_score: float | None
    reranker_weight: float
    raw_score: float
    best_raw_score: float
    unread: float
    matched_terms: list[str]

    @classmethod
    def of(cls, explanation: types.Explanation) -> Explanation:
        return cls(
            embedding=Leg.of(explanation.embedding),
            text=Leg.of(explanation.text),
            closeness=explanation.closeness,
            reranker_score=explanation.reranker_score,
            reranker_weight=explanation.reranker_weight,
            raw_score=explanation.raw_score,
            best_raw_score=explanation.best_raw_score,
            unread=explanation.unread,
            matched_terms=list(explanation.matched_terms),
        )


class Surroundings(Object):
    text: str
    start: int
    end: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None

    @classmethod
    def of(cls, excerpt: types.Excerpt) -> Surroundings:
        return cls(text=excerpt.text, start=excerpt.start, end=excerpt.end, pages=excerpt.pages, lines=excerpt.lines)


class SearchResult(Object):
    """From `vector_store_id` on, ours: the file's title, where the chunk stands, where in `text` the query's words."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | bool | int | float] | None
    content: list[Text]
    vector_store_id: str
    chunk_id: str
    title: str
    start: int
    end: int
    pages: tuple[int, int] | None
    lines: tuple[int, int] | None
    heading_path: list[str]
    table_header: str
    passage: PassageObject
    highlights: list[tuple[int, int]]
    explanation: Explanation | None = None
    surroundings: Surroundings | None = None

    @classmethod
    def of(cls, result: types.SearchResult) -> SearchResult:
        why, around = result.explanation, result.surroundings
        return cls(
            file_id=result.file_id,
            filename=result.filename,
            score=result.score,
            attributes=dict(result.attributes),
            content=[Text(type="text", text=result.text)],
            vector_store_id=result.vector_store_id,
            chunk_id=result.chunk_id,
            title=result.title,
            start=result.start,
            end=result.end,
            pages=result.pages,
            lines=result.lines,
            heading_path=list(result.heading_path),
            table_header=result.table_header,
            passage=PassageObject.of(result.passage),
            highlights=list(result.highlights),
            **given(
                explanation=None if why is None else Explanation.of(why),
                surroundings=None if around is None else Surroundings.of(around),
            ),
        )


class SearchResults(Object):
    object: Literal["vector_store.search_results.page"]
    search_query: list[str]
    data: list[SearchResult]
    has_more: Literal[False]
    next_page: None

    @classmethod
    def of(cls, query: str | Sequence[str], results: Sequence[types.SearchResult]) -> SearchResults:
        return cls(
            object="vector_store.search_results.page",
            search_query=[query] if isinstance(query, str) else list(query),
            data=[SearchResult.of(result) for result in results],
            has_more=False,
            next_page=None,
        )
