"""One query out: embed, two legs, fuse, rerank, threshold, one result a passage, cite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from ingestion.types import Passage
from vecstore.catalog import Catalog
from vecstore.changes import header_of
from vecstore.index import (
    BM25_K1,
    NATIVE,
    NEAR_SHARE,
    PHRASE,
    Candidates,
    Shard,
    Token,
    analyze,
    language_of,
    languages_of_query,
    native_terms,
    neighbours,
    terms,
)
from vecstore.query import Query
from vecstore.quoting import quoted
from vecstore.rank import (
    NEIGHBOUR_WEIGHT,
    RERANK_DEPTH,
    RERANK_WEIGHT,
    Fused,
    Reranker,
    above,
    best_around,
    blend,
    calibrated,
    fuse,
    rerank,
)
from vecstore.types import (
    AttributeMap,
    Explanation,
    FileChunk,
    FloatArray,
    IntArray,
    LegScore,
    ScoreArray,
    SearchResult,
)

MAX_TERMS = 64
MAX_PHRASES = 8
DEPTH = 100  # candidates a leg; 20 give the nDCG@10 of 1,000, 100 are enough for recall
MAX_OVERLAP = 0.3  # of the shorter one; beyond it two chunks of a file say the same


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
    members = None if query.filter is None else catalog.allowed_members(store_id, query.filter)
    if members is not None and not len(members):
        return []
    asked = query_words(query.text, shard.languages())
    words = asked if query.embedding_weight < 1 else []
    ranking = rank(query, vector, words, catalog=catalog, shard=shard, reranker=reranker, members=members)
    if ranking is None:
        return None
    ranked, kept = ranking
    citing = _Citing(query, store_id, ranked, words, frozenset(asked), ranked.likely)
    return _cited(kept, citing, vector, catalog=catalog, shard=shard)


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
        ranking = rank_candidates(query, found, chunks=catalog, reranker=reranker)
        if ranking is None:
            return None
        ranked, kept = ranking
        if len(kept) == query.max_num_results or found.exhausted or _nothing_deeper(query, ranked):
            return ranked, kept
        depth *= 2


class Chunks(Protocol):
    """Where the text of candidates is read: the catalogue, or what was read of it before."""

    def chunks(self, numbers: Sequence[int]) -> Mapping[int, tuple[FileChunk, AttributeMap]]:
        """Those of these numbers that still exist, each with its file's attributes."""


def rank_candidates(
    query: Query, found: Candidates, *, chunks: Chunks, reranker: Reranker | None
) -> tuple[Ranked, list[Kept]] | None:
    """What `rank` makes of these candidates, without looking for deeper ones."""
    ranked = _ranked(query, found, chunks, reranker)
    kept = _kept(query, ranked, chunks)
    return None if kept is None else (ranked, kept)


Kept: TypeAlias = tuple[int, tuple[FileChunk, AttributeMap]]  # a result's position among the candidates, and its chunk


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates in their final order: `order` are positions in the candidates' arrays, best first.

    `scores` are fused and re-ranked, `likely` what is told of them.
    """

    found: Candidates
    unread: float
    fused: Fused
    scores: ScoreArray
    reranked: Mapping[int, float]
    rerank_weight: float
    order: IntArray

    @property
    def best(self) -> float:
        return float(self.scores[self.order[0]]) if len(self.order) else 0.0

    @property
    def likely(self) -> ScoreArray:
        return calibrated(self.scores, self.best, self.unread)


def _ranked(query: Query, found: Candidates, source: Chunks, reranker: Reranker | None) -> Ranked:
    """By fusion, and by the reranker if there is one, else by what stands beside each chunk."""
    fused = fuse(found.cosines, found.bm25, found.highest_bm25, query.embedding_weight, query.floor)
    near = found.cosines * (query.embedding_weight > 0)  # all that tells those below the floor apart
    order = np.lexsort((found.numbers, -near, -fused.scores))
    if not query.reranked or not len(order):
        return Ranked(found, query.unread, fused, fused.scores, {}, 0.0, order)
    if reranker is None:
        values, weight, best = best_around(fused.scores, found.numbers, found.members), NEIGHBOUR_WEIGHT, order.tolist()
    else:
        chunks = source.chunks(found.numbers[order[:RERANK_DEPTH]].tolist())
        best = [i for i in order[:RERANK_DEPTH].tolist() if int(found.numbers[i]) in chunks]
        # what the reranker was not shown keeps its order below; it counts as 0 there
        values, weight = np.zeros_like(fused.embedding), RERANK_WEIGHT
        values[best] = rerank(reranker, query.text, [chunks[int(found.numbers[i])][0].text for i in best])
    scores = blend(fused.scores, values, weight)
    reranked = dict(zip(best, values[best].tolist(), strict=True))
    order = np.lexsort((found.numbers, -near, -scores))
    return Ranked(found, query.unread, fused, scores, reranked, weight, order)


def _kept(query: Query, ranked: Ranked, source: Chunks) -> list[Kept] | None:
    """The results' positions with their chunks; None if one is gone.

    They are over the threshold, no two say the same, and no file has more than its share.
    """
    kept: list[Kept] = []
    share, taken = query.max_per_file or query.max_num_results, Counter[int]()
    members = ranked.found.members.tolist()
    passing = ranked.order[ranked.likely[ranked.order] >= query.score_threshold].tolist()
    for some in _parts(passing, query.max_num_results):
        wanted = [i for i in some if taken[members[i]] < share]
        chunks = source.chunks([int(ranked.found.numbers[i]) for i in wanted])
        for i in wanted:
            chunk = chunks.get(int(ranked.found.numbers[i]))
            if chunk is None:
                return None
            if taken[members[i]] < share and not any(same_passage(chunk[0], better) for _, (better, _) in kept):
                kept.append((i, chunk))
                taken[members[i]] += 1
            if len(kept) == query.max_num_results:
                return kept
    return kept


def _nothing_deeper(query: Query, ranked: Ranked) -> bool:
    """Whether a chunk that neither leg reached must be below the threshold: it is no better than each leg's last."""
    found = ranked.found
    last = [_last(found.cosines, found.embedding_ranks), (1 + NEAR_SHARE) * _last(found.bm25, found.text_ranks)]
    bound = fuse(np.array(last[:1]), np.array(last[1:]), found.highest_bm25, query.embedding_weight, query.floor)
    return bool(calibrated(bound.scores, ranked.best, query.unread)[0] < query.score_threshold)


def _last(scores: FloatArray, ranks: IntArray) -> np.float32:
    return scores[int(np.argmax(ranks))] if ranks.any() else np.float32(0)


def same_passage(one: FileChunk | SearchResult, other: FileChunk | SearchResult) -> bool:
    """Whether so much of one is in the other that they are one result."""
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
    words: Sequence[str]
    highlighted: frozenset[str]
    likely: ScoreArray

    def result(
        self, i: int, chunk: FileChunk, attributes: AttributeMap, passages: Sequence[Passage], windows: FloatArray
    ) -> SearchResult:
        """windows: the cosine of each of the chunk's."""
        tokens = analyze(chunk.text, only=self.highlighted)
        result = SearchResult(
            score=float(self.likely[i]),
            raw_score=float(self.ranked.scores[i]),
            vector_store_id=self.store_id,
            chunk_id=chunk.chunk_id,
            file_id=chunk.file_id,
            filename=chunk.filename,
            title=chunk.title,
            text=chunk.text,
            start=chunk.start,
            end=chunk.end,
            pages=chunk.pages,
            lines=chunk.lines,
            heading_path=chunk.heading_path,
            table_header=chunk.table_header,
            attributes=attributes,
            passage=self._passage(chunk, tokens, passages, windows),
            highlights=_joined([(token.start, token.end) for token in tokens]),
            query=self.query.text,
        )
        if not self.query.explain:
            return result
        return replace(result, explanation=self._explanation(i, matched_terms(self.words, chunk)))

    def _passage(
        self, chunk: FileChunk, tokens: Sequence[Token], passages: Sequence[Passage], windows: FloatArray
    ) -> Passage:
        """The passage that scores best by what chunks are ranked by: its window's vector and its own words.

        Of equals the longest, then the first.
        """
        weight, highest = self.query.embedding_weight, dict(zip(self.words, self.ranked.found.highest, strict=True))
        cosines = above(windows, self.query.floor)
        phrases = {word: each for word, each in highest.items() if PHRASE in word and each}
        first, whole = passages[0].window, self.ranked.found.highest_bm25 or 1.0
        scores = []
        for each in passages:
            near = float(cosines[each.window - first]) if each.window - first < len(cosines) else 0.0
            inside = Counter(token.term for token in tokens if each.start <= chunk.start + token.start < each.end)
            if phrases:
                inside.update(_phrases_in(chunk.text[each.start - chunk.start : each.end - chunk.start], phrases))
            said = sum(highest.get(term, 0.0) * n / (n + BM25_K1) for term, n in inside.items())
            scores.append((weight * near + (1 - weight) * said / whole, each.end - each.start))
        return passages[max(range(len(passages)), key=lambda i: (*scores[i], -i))]

    def _explanation(self, i: int, matched: tuple[str, ...]) -> Explanation:
        found, fused, weight = self.ranked.found, self.ranked.fused, self.query.embedding_weight
        near, said = int(found.embedding_ranks[i]) or None, int(found.text_ranks[i]) or None
        return Explanation(
            embedding=LegScore(near, float(fused.embedding[i]), float(found.cosines[i]), weight),
            text=LegScore(said, float(fused.text[i]), float(found.bm25[i]), 1 - weight),
            closeness=float(found.closeness[i]),
            reranker_score=self.ranked.reranked.get(i),
            reranker_weight=self.ranked.rerank_weight,
            raw_score=float(self.ranked.scores[i]),
            best_raw_score=self.ranked.best,
            unread=self.ranked.unread,
            matched_terms=matched,
        )


def _cited(
    kept: Sequence[Kept], citing: _Citing, vector: FloatArray | None, *, catalog: Catalog, shard: Shard
) -> list[SearchResult] | None:
    numbers = citing.ranked.found.numbers[np.array([i for i, _ in kept], np.int64)]
    passages = catalog.passages(numbers.tolist())
    if len(passages) < len(kept):
        return None
    windows = [np.zeros(0, np.float32)] * len(kept) if vector is None else shard.windows(vector, numbers)
    return [
        citing.result(i, chunk, attributes, passages[number], cosines)
        for number, (i, (chunk, attributes)), cosines in zip(numbers.tolist(), kept, windows, strict=True)
    ]


def query_words(text: str, languages: Sequence[str]) -> list[str]:
    """The query's distinct terms, the first MAX_TERMS of them, and as many stems of each language it may be in.

    What it quotes, up to MAX_PHRASES, is looked for as a phrase, too, and every two neighbours near each other.
    """
    words = list(dict.fromkeys(terms(text)))[:MAX_TERMS]
    words += list(dict.fromkeys(neighbours(text)))[:MAX_TERMS]
    words += list(dict.fromkeys(_phrases(text)))[:MAX_PHRASES]
    for language in languages_of_query(text, languages):
        words += list(dict.fromkeys(native_terms(text, language)))[:MAX_TERMS]
    return words


def matched_terms(words: Sequence[str], chunk: FileChunk) -> tuple[str, ...]:
    """Those of a query's words and phrases that the chunk says, or that name it, in their order."""
    native = {word.partition(NATIVE)[0] for word in words if NATIVE in word}
    native &= {language_of(chunk.text)} if native else set()
    there = {*terms(chunk.text), *terms(header_of(chunk.filename, chunk.title, chunk.heading_path, chunk.table_header))}
    there.update(*(native_terms(chunk.text, language) for language in native))
    there.update(_phrases_in(chunk.text, [word for word in words if PHRASE in word]))
    return tuple(word for word in words if word in there)


def _phrases_in(text: str, phrases: Collection[str]) -> list[str]:
    """Those that the text says."""
    if not phrases:
        return []
    in_order = f"{PHRASE}{PHRASE.join(terms(text))}{PHRASE}"
    return [phrase for phrase in phrases if f"{PHRASE}{phrase}{PHRASE}" in in_order]


def _phrases(text: str) -> Iterator[str]:
    for each in quoted(text):
        said = terms(each)[:MAX_TERMS]
        if len(said) > 1:
            yield PHRASE.join(said)


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same characters as disjoint spans, ascending."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def _parts(positions: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (positions[i : i + size] for i in range(0, len(positions), size))
