"""One query out: embed, two legs, fuse, rerank, threshold, one result a passage, cite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ingestion.types import Passage
from vecstore.catalog import Catalog
from vecstore.changes import header_of
from vecstore.embed import Embedder, embed_query_checked, share_read
from vecstore.errors import InvalidRequestError
from vecstore.filters import Filter, parse_filter
from vecstore.index import BM25_K1, Candidates, Shard, Token, analyze, terms
from vecstore.rank import (
    NEIGHBOUR_WEIGHT,
    RERANK_DEPTH,
    RERANK_WEIGHT,
    Fused,
    Reranker,
    best_around,
    blend,
    fuse,
    rerank,
)
from vecstore.types import (
    AttributeMap,
    Explanation,
    FileChunk,
    FloatArray,
    HybridSearch,
    IntArray,
    LegScore,
    ScoreArray,
    SearchResult,
)

DEFAULT_RESULTS = 10  # OpenAI's search endpoint
MAX_RESULTS = 50
MAX_QUERIES = 20
MAX_QUERY_BYTES = 16_384
MAX_TERMS = 64
DEPTH = 100  # candidates a leg; 20 give the nDCG@10 of 1,000, 100 are enough for recall
MAX_WEIGHT = 1_000_000  # only the ratio matters
MAX_OVERLAP = 0.3  # of the shorter one; beyond it two chunks of a file say the same
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
    reranked: bool
    explain: bool


def checked_query(
    text: str,
    *,
    max_num_results: int,
    filters: Mapping[str, object] | None,
    score_threshold: float,
    hybrid_search: HybridSearch | Mapping[str, float] | None,
    ranker: str,
    explain: bool,
) -> Query:
    """Raises InvalidRequestError that names the argument, its value and the limit."""
    text = checked_text(text)
    if isinstance(max_num_results, bool) or not isinstance(max_num_results, int):
        raise InvalidRequestError("max_num_results", f"must be a whole number, not {max_num_results!r}")
    if not 1 <= max_num_results <= MAX_RESULTS:
        raise InvalidRequestError("max_num_results", f"must be 1 to {MAX_RESULTS}, not {max_num_results}")
    if not isinstance(score_threshold, int | float) or not 0 <= score_threshold <= 1:
        raise InvalidRequestError("score_threshold", f"must be 0 to 1, not {score_threshold!r}")
    if ranker not in RANKERS:
        raise InvalidRequestError("ranker", f"must be one of {', '.join(RANKERS)}, not {ranker!r}")
    return Query(
        text=text,
        max_num_results=max_num_results,
        filter=None if filters is None else parse_filter(filters),
        score_threshold=float(score_threshold),
        embedding_weight=_embedding_weight(hybrid_search),
        weighted=hybrid_search is not None,
        reranked=ranker != "none",
        explain=explain,
    )


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
        raise InvalidRequestError("query", f"must be {wanted}, not {query!r:.80}")
    for text in query:
        if not isinstance(text, str):
            raise InvalidRequestError("query", f"must be a list of texts, and has {text!r:.80}")
    return list(dict.fromkeys(query))


def merged(found: Sequence[list[SearchResult]], max_num_results: int) -> list[SearchResult]:
    """What several searches found as one list: each chunk with its best score, no passage twice."""
    if len(found) == 1:
        return found[0]
    every = sorted((each for some in found for each in some), key=lambda each: -each.score)  # stable
    kept: list[SearchResult] = []
    for each in every:
        if len(kept) < max_num_results and not any(_same_passage(each, better) for better in kept):
            kept.append(each)
    return kept


def weighted_for(query: Query, embedder: Embedder) -> Query:
    """By our own weights, meaning counts as far as the embedder can read the question; given weights stay."""
    if query.weighted:
        return query
    return replace(query, embedding_weight=query.embedding_weight * share_read(embedder, query.text))


def embedded(query: Query, embedder: Embedder) -> FloatArray | None:
    """(d,) float32, unit norm; None where meaning has no weight. Raises EmbeddingError."""
    return embed_query_checked(embedder, query.text) if query.embedding_weight > 0 else None


def search(
    query: Query,
    vector: FloatArray | None,
    *,
    store_id: str,
    catalog: Catalog,
    shard: Shard,
    reranker: Reranker | None,
) -> list[SearchResult] | None:
    """Best first, ties by chunk number; short only when nothing more matches.

    None says that the indexes named chunks which the catalogue has no longer: bring them up to date and ask again.
    """
    members = None if query.filter is None else catalog.allowed_members(store_id, query.filter.matches)
    if members is not None and not len(members):
        return []
    words = query_words(query.text) if query.embedding_weight < 1 else []
    ranking = rank(query, vector, words, catalog=catalog, shard=shard, reranker=reranker, members=members)
    if ranking is None:
        return None
    ranked, kept = ranking
    return _cited(kept, _Citing(query, store_id, ranked, vector, words, shard), catalog)


def rank(
    query: Query,
    vector: FloatArray | None,
    words: Sequence[str],
    *,
    catalog: Catalog,
    shard: Shard,
    reranker: Reranker | None,
    members: IntArray | None = None,
) -> tuple[Ranked, list[Kept]] | None:
    """The chunks that `search` cites, best first, and what they were chosen from. None as there."""
    depth = max(DEPTH, 2 * query.max_num_results)
    while True:
        found = shard.candidates(vector, words, depth=depth, members=members)
        ranked = _ranked(query, found, catalog, reranker)
        kept = _kept(query, ranked, catalog)
        if kept is None:
            return None
        if len(kept) == query.max_num_results or found.exhausted or _nothing_deeper(query, found):
            return ranked, kept
        depth *= 2


Kept: TypeAlias = tuple[int, tuple[FileChunk, AttributeMap]]  # a result's position among the candidates, and its chunk


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates in their final order: `order` are positions in the candidates' arrays, best first."""

    found: Candidates
    fused: Fused
    scores: ScoreArray
    reranked: Mapping[int, float]
    rerank_weight: float
    order: IntArray


def _ranked(query: Query, found: Candidates, catalog: Catalog, reranker: Reranker | None) -> Ranked:
    """By fusion, and by the reranker if there is one, else by what stands beside each chunk."""
    fused = fuse(found.cosines, found.bm25, found.highest_bm25, query.embedding_weight)
    order = np.lexsort((found.numbers, -fused.scores))
    if not query.reranked or not len(order):
        return Ranked(found, fused, fused.scores, {}, 0.0, order)
    if reranker is None:
        values, weight, best = best_around(fused.scores, found.numbers, found.members), NEIGHBOUR_WEIGHT, order.tolist()
    else:
        chunks = catalog.chunks(found.numbers[order[:RERANK_DEPTH]].tolist())
        best = [i for i in order[:RERANK_DEPTH].tolist() if int(found.numbers[i]) in chunks]
        # what the reranker was not shown keeps its order below; it counts as 0 there
        values, weight = np.zeros_like(fused.embedding), RERANK_WEIGHT
        values[best] = rerank(reranker, query.text, [chunks[int(found.numbers[i])][0].text for i in best])
    scores = blend(fused.scores, values, weight)
    reranked = dict(zip(best, values[best].tolist(), strict=True))
    return Ranked(found, fused, scores, reranked, weight, np.lexsort((found.numbers, -scores)))


def _kept(query: Query, ranked: Ranked, catalog: Catalog) -> list[Kept] | None:
    """The results' positions with their chunks: over the threshold, no two that say the same; None if one is gone."""
    kept: list[Kept] = []
    passing = [i for i in ranked.order.tolist() if ranked.scores[i] >= query.score_threshold]
    for some in _parts(passing, 2 * query.max_num_results):
        chunks = catalog.chunks([int(ranked.found.numbers[i]) for i in some])
        for i in some:
            chunk = chunks.get(int(ranked.found.numbers[i]))
            if chunk is None:
                return None
            if not any(_same_passage(chunk[0], better) for _, (better, _) in kept):
                kept.append((i, chunk))
            if len(kept) == query.max_num_results:
                return kept
    return kept


def _nothing_deeper(query: Query, found: Candidates) -> bool:
    """Whether a chunk that neither leg reached must be below the threshold: it is no better than each leg's last."""
    last = [_last(found.cosines, found.embedding_ranks), _last(found.bm25, found.text_ranks)]
    bound = fuse(np.array(last[:1]), np.array(last[1:]), found.highest_bm25, query.embedding_weight)
    return bool(bound.scores[0] < query.score_threshold)


def _last(scores: FloatArray, ranks: IntArray) -> np.float32:
    return scores[int(np.argmax(ranks))] if ranks.any() else np.float32(0)


def _same_passage(one: FileChunk | SearchResult, other: FileChunk | SearchResult) -> bool:
    if one.file_id != other.file_id:
        return False
    shared = min(one.end, other.end) - max(one.start, other.start)
    return shared > MAX_OVERLAP * min(one.end - one.start, other.end - other.start)


@dataclass(frozen=True, slots=True)
class _Citing:
    """Turns ranked chunks into results."""

    query: Query
    store_id: str
    ranked: Ranked
    vector: FloatArray | None
    words: Sequence[str]
    shard: Shard

    def result(self, i: int, chunk: FileChunk, attributes: AttributeMap, passages: Sequence[Passage]) -> SearchResult:
        tokens = analyze(chunk.text, only=set(self.words or query_words(self.query.text)))
        result = SearchResult(
            score=float(self.ranked.scores[i]),
            vector_store_id=self.store_id,
            chunk_id=chunk.chunk_id,
            file_id=chunk.file_id,
            filename=chunk.filename,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            pages=chunk.pages,
            lines=chunk.lines,
            heading_path=chunk.heading_path,
            table_header=chunk.table_header,
            attributes=attributes,
            passage=self._passage(int(self.ranked.found.numbers[i]), chunk, tokens, passages),
            highlights=_joined([(token.start, token.end) for token in tokens]),
            query=self.query.text,
        )
        if not self.query.explain:
            return result
        header = terms(header_of(chunk.filename, chunk.heading_path, chunk.table_header))
        said = {*header, *(token.term for token in tokens)}
        matched = tuple(word for word in self.words if word in said)
        return replace(result, explanation=self._explanation(i, matched))

    def _passage(self, number: int, chunk: FileChunk, tokens: Sequence[Token], passages: Sequence[Passage]) -> Passage:
        """The passage that scores best by what chunks are ranked by: its window's vector and its own words.

        Of equals the longest, then the first.
        """
        weight, highest = self.query.embedding_weight, dict(zip(self.words, self.ranked.found.highest, strict=True))
        cosines = np.zeros(0) if self.vector is None else self.shard.windows(self.vector, number)
        first, whole = passages[0].window, self.ranked.found.highest_bm25 or 1.0
        scores = []
        for each in passages:
            near = float(cosines[each.window - first]) if each.window - first < len(cosines) else 0.0
            inside = Counter(token.term for token in tokens if each.start <= chunk.start + token.start < each.end)
            said = sum(highest.get(term, 0.0) * n / (n + BM25_K1) for term, n in inside.items())
            scores.append((weight * near + (1 - weight) * said / whole, each.end - each.start))
        return passages[max(range(len(passages)), key=lambda i: (*scores[i], -i))]

    def _explanation(self, i: int, matched: tuple[str, ...]) -> Explanation:
        found, fused, weight = self.ranked.found, self.ranked.fused, self.query.embedding_weight
        near, said = int(found.embedding_ranks[i]) or None, int(found.text_ranks[i]) or None
        return Explanation(
            embedding=LegScore(near, float(fused.embedding[i]), float(found.cosines[i]), weight),
            text=LegScore(said, float(fused.text[i]), float(found.bm25[i]), 1 - weight),
            reranker_score=self.ranked.reranked.get(i),
            reranker_weight=self.ranked.rerank_weight,
            matched_terms=matched,
        )


def _cited(kept: Sequence[Kept], citing: _Citing, catalog: Catalog) -> list[SearchResult] | None:
    numbers = [int(citing.ranked.found.numbers[i]) for i, _ in kept]
    passages = catalog.passages(numbers)
    if len(passages) < len(numbers):
        return None
    return [
        citing.result(i, chunk, attributes, passages[number])
        for number, (i, (chunk, attributes)) in zip(numbers, kept, strict=True)
    ]


def query_words(text: str) -> list[str]:
    """The query's distinct terms, the first MAX_TERMS of them."""
    return list(dict.fromkeys(terms(text)))[:MAX_TERMS]


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same characters as disjoint spans, ascending."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


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
        raise InvalidRequestError("hybrid_search", f"must have embedding_weight and text_weight, not {weights!r:.100}")
    both = weights.embedding_weight, weights.text_weight
    if not all(isinstance(weight, int | float) and 0 <= weight <= MAX_WEIGHT for weight in both):
        raise InvalidRequestError(
            "hybrid_search", f"weights must be 0 to {MAX_WEIGHT}, not {both[0]!r:.40} and {both[1]!r:.40}"
        )
    if sum(both) == 0:
        raise InvalidRequestError("hybrid_search", "must have at least one weight above 0")
    return both[0] / sum(both)


def _parts(positions: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (positions[i : i + size] for i in range(0, len(positions), size))
