"""What is asked of a search, checked: every value is within its bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vecstore.embed import Embedder, floor_of, knows, share_read
from vecstore.errors import InvalidRequestError, shown
from vecstore.filters import Filter, parse_filter
from vecstore.types import HybridSearch

DEFAULT_RESULTS = 10  # OpenAI's search endpoint
DEFAULT_EMBEDDING_WEIGHT = 0.5  # of HybridSearch(), too
FOREIGN_SHARE = 0.6  # of it, in a language the embedder was not trained on; on xquad-zh the most that costs nothing
MAX_RESULTS = 50
MAX_NEIGHBOURS = 50
MAX_QUERIES = 20
MAX_QUERY_BYTES = 16_384
MAX_WEIGHT = 1_000_000  # only the ratio matters
RANKERS = ("auto", "none", "default-2024-11-15", "default-2024-08-21", "default_2024_08_21")


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query: every value is within its bounds."""

    text: str
    max_num_results: int
    filter: Filter | None
    score_threshold: float
    embedding_weight: float
    weighted: bool  # by who asks
    unread: float  # how much of a score comes from letters that the embedder does not read, 0 to 1
    floor: float  # the cosine that says nothing
    reranked: bool
    max_per_file: int | None
    diversity: float
    neighbours: int  # given with each result, before and after it
    explain: bool


def checked_query(
    text: str,
    *,
    max_num_results: int,
    filters: Mapping[str, object] | None,
    score_threshold: float,
    hybrid_search: HybridSearch | Mapping[str, float] | None,
    ranker: str,
    max_per_file: int | None,
    diversity: float,
    explain: bool,
    neighbours: int = 0,
) -> Query:
    """Raises InvalidRequestError that names the argument, its value and the limit."""
    text = checked_text(text)
    _check_whole("max_num_results", max_num_results, MAX_RESULTS)
    if (
        isinstance(score_threshold, bool)
        or not isinstance(score_threshold, int | float)
        or not 0 <= score_threshold <= 1
    ):
        raise InvalidRequestError("score_threshold", f"must be 0 to 1, not {shown(score_threshold)}")
    if ranker not in RANKERS:
        raise InvalidRequestError("ranker", f"must be one of {', '.join(RANKERS)}, not {shown(ranker)}")
    if not isinstance(explain, bool):
        raise InvalidRequestError("explain", f"must be True or False, not {shown(explain)}")
    if max_per_file is not None:
        _check_whole("max_per_file", max_per_file, MAX_RESULTS)
    if isinstance(diversity, bool) or not isinstance(diversity, int | float) or not 0 <= diversity <= 1:
        raise InvalidRequestError("diversity", f"must be 0 to 1, not {shown(diversity)}")
    _check_whole("neighbours", neighbours, MAX_NEIGHBOURS, least=0)
    return Query(
        text=text,
        max_num_results=max_num_results,
        filter=None if filters is None else parse_filter(filters),
        score_threshold=float(score_threshold),
        embedding_weight=_embedding_weight(hybrid_search),
        weighted=hybrid_search is not None,
        unread=0.0,
        floor=0.0,
        reranked=ranker != "none",
        max_per_file=max_per_file,
        diversity=float(diversity),
        neighbours=neighbours,
        explain=explain,
    )


def checked_queries(query: str | Sequence[str], **options: Any) -> list[Query]:
    """One of each text, with the options of `checked_query`. Raises InvalidRequestError."""
    checked = [checked_query(text, **options) for text in checked_texts(query)]
    return list({each.text: each for each in checked}.values())  # without a code, characters become the same one


def _check_whole(name: str, value: int, limit: int, *, least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequestError(name, f"must be a whole number, not {shown(value)}")
    if not least <= value <= limit:
        raise InvalidRequestError(name, f"must be {least} to {limit}, not {shown(value)}")


def checked_text(text: str) -> str:
    """A query's text, in which every character has a code in UTF-8. Raises InvalidRequestError."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidRequestError("query", "must be a text that is not empty")
    encoded = text.encode(errors="replace")  # lone surrogates have none
    if len(encoded) > MAX_QUERY_BYTES:
        raise InvalidRequestError("query", f"may have {MAX_QUERY_BYTES} bytes, not {len(encoded)}")
    return encoded.decode()


def checked_texts(query: str | Sequence[str]) -> list[str]:
    """The queries of one search, each once. Raises InvalidRequestError."""
    if isinstance(query, str):
        return [query]
    if not isinstance(query, list | tuple) or not 1 <= len(query) <= MAX_QUERIES:
        wanted = f"a text that is not empty, or a list of 1 to {MAX_QUERIES} such texts"
        raise InvalidRequestError("query", f"must be {wanted}, not {shown(query)}")
    for text in query:
        if not isinstance(text, str):
            raise InvalidRequestError("query", f"must be a list of texts, and has {shown(text)}")
    return list(dict.fromkeys(query))


def weighted_for(query: Query, embedder: Embedder, stored: float | None = None) -> Query:
    """By our own weights, meaning counts as far as the embedder can read the question; given weights stay.

    stored: the embedding weight of the vector store, which takes the place of the usual one half.
    Cosines count from the embedder's floor.
    """
    read = share_read(embedder, query.text)
    query = replace(query, floor=floor_of(embedder))
    if query.weighted:
        return replace(query, unread=query.embedding_weight**2 * (1 - read))
    weight = DEFAULT_EMBEDDING_WEIGHT if stored is None else stored
    return replace(query, embedding_weight=weight * read)


def yielding(query: Query, embedder: Embedder, language: str | None) -> Query:
    """By our own weights, meaning counts for less in a language that the embedder was not trained on.

    language: the one that the question is surely in, and some chunks of the vector store; None for English.
    """
    if query.weighted or language is None or knows(embedder, language):
        return query
    return replace(query, embedding_weight=FOREIGN_SHARE * query.embedding_weight)


def _embedding_weight(weights: HybridSearch | Mapping[str, float] | None) -> float:
    """The share of the embedding leg, 0 to 1; halves if nothing is said."""
    if weights is None:
        weights = HybridSearch()
    if isinstance(weights, Mapping):
        if set(weights) != {"embedding_weight", "text_weight"}:
            raise InvalidRequestError(
                "hybrid_search", f"must have embedding_weight and text_weight, not {dict(weights)}"
            )
        weights = HybridSearch(weights["embedding_weight"], weights["text_weight"])
    if not isinstance(weights, HybridSearch):
        raise InvalidRequestError("hybrid_search", f"must have embedding_weight and text_weight, not {shown(weights)}")
    both = weights.embedding_weight, weights.text_weight
    if not all(
        isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight <= MAX_WEIGHT
        for weight in both
    ):
        raise InvalidRequestError(
            "hybrid_search", f"weights must be 0 to {MAX_WEIGHT}, not {shown(both[0])} and {shown(both[1])}"
        )
    if sum(both) == 0:
        raise InvalidRequestError("hybrid_search", "must have at least one weight above 0")
    return both[0] / sum(both)
