"""Fits the weights of the two legs to questions of a vector store's users, and tells what that gains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ingestion.types import ChunkingStrategy
from vecstore import search
from vecstore.chunking import sized_strategy
from vecstore.errors import IndexFailedError, InvalidRequestError
from vecstore.index import Candidates, language_of_query
from vecstore.parts import Parts
from vecstore.query import DEFAULT_EMBEDDING_WEIGHT, DEFAULT_RESULTS, Query, checked_query, weighted_for, yielding
from vecstore.questions import Asked, Place, Question, asked_of, checked_question, places_of
from vecstore.rank import Reranker, rerank
from vecstore.rank.fitting import best_column, cross_validated, distinct, interval, mean, ndcg
from vecstore.recutting import recut
from vecstore.types import AttributeMap, FileChunk, FloatArray, ScoreArray, VectorStoreInfo

MIN_QUESTIONS = 10  # of fewer, a fold has one, and chance decides
GRID = tuple(i / 10 for i in range(11))  # embedding weights; finer ones differ by less than chance
MAX_CHUNK_SIZES = 10

OnProgress = Callable[[str, float, float], None]  # what is done, how much of it, and of how much


@dataclass(frozen=True, slots=True)
class Cut:
    """What one cutting of the files is worth, with the weight that fits it.

    `chunk_size` in tokens, None for the files as they are cut. `ndcg` is cross-validated; `gain` is what that is
    more than with the files as they are, with fitted weights there, too. Intervals are of 95 %.
    """

    chunk_size: int | None
    chunks: int
    embedding_weight: float
    ndcg: float
    ndcg_interval: tuple[float, float]
    gain: float
    gain_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What fitting the weights to questions brings.

    `embedding_weight` fits best, the words have the rest; `weight_before` is what searches took so far. nDCG@10 is of
    what ten results hold: `ndcg_after` cross-validated, each question by a weight that the other folds chose.
    `gain_interval` is of 95 %, by bootstrap of the paired differences. `ndcg_by_weight` has every weight
    that was tried, on all questions. `why_not` is a sentence where they were not stored, else None.

    `cuts` are the files as they are, then each chunk size that was tried. `chunk_size` is the best of these, None for
    as they are; `chunk_size_gain` what choosing a cut and its weight brings over fitted weights alone, cross-validated.
    `chunk_size_stored` says that files to come are cut so.
    """

    questions: int
    embedding_weight: float
    weight_before: float
    ndcg_before: float
    ndcg_after: float
    gain: float
    gain_interval: tuple[float, float]
    ndcg_by_weight: tuple[tuple[float, float], ...]
    stored: bool
    why_not: str | None
    cuts: tuple[Cut, ...] = ()
    chunk_size: int | None = None
    chunk_size_gain: float = 0.0
    chunk_size_gain_interval: tuple[float, float] = (0.0, 0.0)
    chunk_size_stored: bool = False


def tune(
    parts: Parts,
    store_id: str,
    questions: Iterable[Question | Mapping[str, object]],
    *,
    chunk_sizes: Sequence[int],
    force: bool,
    dry_run: bool,
    on_progress: OnProgress,
) -> Tuning:
    """As `VectorStore.tune`."""
    strategies = _strategies(chunk_sizes)
    store = parts.usable_store(store_id)
    asked = asked_of(parts.catalog, store, _checked(questions))
    if len(asked) < MIN_QUESTIONS:
        raise InvalidRequestError("questions", f"must be {MIN_QUESTIONS} or more that differ, not {len(asked)}")
    before = DEFAULT_EMBEDDING_WEIGHT if store.embedding_weight is None else store.embedding_weight
    fit = _Fit(tuple(sorted({*GRID, before})), before, asked, on_progress)
    values = fit.values(parts, store, "asking")
    tuning = _told(fit, values)
    if strategies:
        tuning = _with_cuts(tuning, fit, values, parts=parts, store=store, strategies=strategies)
    why_not = _why_not(tuning, force=force, dry_run=dry_run)
    sized = tuning.chunk_size is not None and tuning.chunk_size_gain_interval[0] > 0 and not dry_run
    changed: dict[str, float] = {} if why_not else {"embedding_weight": tuning.embedding_weight}
    if tuning.chunk_size is not None and sized:
        changed["chunk_size"] = tuning.chunk_size
    if changed:
        parts.catalog.update_vector_store(store.id, changed, now=parts.now())
    return replace(tuning, stored=why_not is None, why_not=why_not, chunk_size_stored=sized)


def _checked(questions: Iterable[Question | Mapping[str, object]]) -> list[Question]:
    if isinstance(questions, str | bytes | Mapping) or not isinstance(questions, Iterable):
        raise InvalidRequestError("questions", f"must be a list of questions, not {questions!r:.80}")
    return [
        each if isinstance(each, Question) else checked_question(each, f"question {i}:")
        for i, each in enumerate(questions, 1)
    ]


def _strategies(sizes: Sequence[int]) -> dict[int, ChunkingStrategy]:
    if not isinstance(sizes, list | tuple) or len(sizes) > MAX_CHUNK_SIZES:
        raise InvalidRequestError("chunk_sizes", f"must be a list of up to {MAX_CHUNK_SIZES} sizes, not {sizes!r:.80}")
    checked = [sized_strategy(size) for size in sizes]
    return dict(zip(sizes, checked, strict=True))


def _why_not(tuning: Tuning, *, force: bool, dry_run: bool) -> str | None:
    if dry_run:
        besides = _why_not(tuning, force=force, dry_run=False)
        return "it was only tried, " + ("and would be stored" if besides is None else f"and {besides}")
    if force:
        return None
    if tuning.embedding_weight == tuning.weight_before:
        return "the weights in use fit best"
    if tuning.gain <= 0:
        return f"what fits some of the questions is no better for the others: {tuning.gain:+.3f}"
    if tuning.gain_interval[0] <= 0:
        return f"the gain may be chance, since its interval begins at {tuning.gain_interval[0]:+.3f}"
    return None


def _told(fit: _Fit, values: ScoreArray) -> Tuning:
    present = fit.weights.index(fit.before)
    after = cross_validated(values, present)
    return Tuning(
        questions=len(values),
        embedding_weight=fit.weights[best_column(values, present)],
        weight_before=fit.before,
        ndcg_before=mean(values[:, present]),
        ndcg_after=mean(after),
        gain=mean(after - values[:, present]),
        gain_interval=interval(after - values[:, present]),
        ndcg_by_weight=tuple((weight, mean(values[:, i])) for i, weight in enumerate(fit.weights)),
        stored=False,
        why_not=None,
    )


def _with_cuts(
    tuning: Tuning,
    fit: _Fit,
    values: ScoreArray,
    *,
    parts: Parts,
    store: VectorStoreInfo,
    strategies: Mapping[int, ChunkingStrategy],
) -> Tuning:
    """With the files as they are and cut by each strategy, unless they are cut so already; and the best of them."""
    before = fit.weights.index(fit.before)
    as_it_is = cross_validated(values, before)
    present = {member.chunking_strategy for member in parts.catalog.members(store.id) if member.chunks}
    cuts = [_cut(fit, parts, store, values, chunk_size=None, as_it_is=as_it_is)]
    tried: list[tuple[int | None, ScoreArray]] = [(None, values)]
    for size, strategy in strategies.items():
        if present == {strategy}:
            cuts.append(replace(cuts[0], chunk_size=size))
            continue
        with recut(parts, store, strategy, fit.on_share(f"cutting at {size} tokens")) as anew:
            found = fit.values(anew, store, f"asking at {size} tokens")
            cuts.append(_cut(fit, anew, store, found, chunk_size=size, as_it_is=as_it_is))
            tried.append((size, found))
    every = np.concatenate([found for _, found in tried], axis=1)  # a column a cut and weight
    gains = cross_validated(every, before) - as_it_is
    best = best_column(every, before) // len(fit.weights)
    return replace(
        tuning,
        cuts=tuple(cuts),
        chunk_size=tried[best][0],
        chunk_size_gain=mean(gains),
        chunk_size_gain_interval=interval(gains),
    )


def _cut(
    fit: _Fit, parts: Parts, store: VectorStoreInfo, values: ScoreArray, *, chunk_size: int | None, as_it_is: ScoreArray
) -> Cut:
    present = fit.weights.index(fit.before)
    after = cross_validated(values, present)
    return Cut(
        chunk_size=chunk_size,
        chunks=sum(member.chunks for member in parts.catalog.members(store.id)),
        embedding_weight=fit.weights[best_column(values, present)],
        ndcg=mean(after),
        ndcg_interval=interval(after),
        gain=mean(after - as_it_is),
        gain_interval=interval(after - as_it_is),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """The questions, and the embedding weights that are tried, ascending; `before` is one of them."""

    weights: tuple[float, ...]
    before: float
    asked: Sequence[Asked]
    on_progress: OnProgress

    def on_share(self, what: str) -> Callable[[float], None]:
        """Told at once that it begins, as what follows may take a while."""
        self.on_progress(what, 0, 1)
        return lambda share: self.on_progress(what, share, 1)

    def values(self, parts: Parts, store: VectorStoreInfo, what: str) -> ScoreArray:
        """(questions, weights) nDCG@10 of what a search by each weight finds."""
        places = places_of(parts.catalog, store.id, self.asked)
        values = np.empty((len(self.asked), len(self.weights)))
        for i, each in enumerate(self.asked):
            self.on_progress(what, i, len(self.asked))
            rankings = rankings_by_weight(parts, store, each.query, self.weights)
            values[i] = [_ndcg(chunks, places[i]) for chunks in rankings]
        self.on_progress(what, len(self.asked), len(self.asked))
        return values


def _ndcg(chunks: Sequence[FileChunk], places: Sequence[Place]) -> float:
    held = [[i for i, place in enumerate(places) if place.held_by(chunk)] for chunk in chunks]
    return ndcg(distinct(held), len(places))


def rankings_by_weight(
    parts: Parts, store: VectorStoreInfo, text: str, weights: Sequence[float]
) -> list[list[FileChunk]]:
    """The chunks that a search finds by each of these stored weights, best first; the indexes are asked once.

    Raises EmbeddingError, IndexFailedError.
    """
    queries = [weighted_for(_query(text), parts.embedder, weight) for weight in weights]
    meant = any(query.embedding_weight > 0 for query in queries)
    vector = parts.recent_queries.vector(text) if meant else None
    known: dict[float, list[FileChunk]] = {}
    with parts.shards.alone(store.id):
        asking = _Asking(parts, store.id, vector, text)
        for query in queries:
            if query.embedding_weight not in known:
                known[query.embedding_weight] = asking.ranked(query)
    return [known[query.embedding_weight] for query in queries]


def _query(text: str) -> Query:
    return checked_query(
        text,
        max_num_results=DEFAULT_RESULTS,
        filters=None,
        score_threshold=0.0,
        hybrid_search=None,
        ranker="auto",
        max_per_file=None,
        diversity=0.0,
        explain=False,
    )


class _Asking:
    """One question's candidates with both legs' true scores, and what was read of them."""

    def __init__(self, parts: Parts, store_id: str, vector: FloatArray | None, text: str) -> None:
        sequence = parts.catalog.vector_store(store_id).sequence
        self._shard = parts.shards.get(store_id, sequence=sequence)
        languages = self._shard.languages()
        self._found = self._shard.candidates(vector, search.query_words(text, languages), depth=search.DEPTH)
        self._embedder, self._language = parts.embedder, language_of_query(text, languages)
        self._chunks = _Chunks(parts)
        self._reranker = None if parts.reranker is None else _Remembering(parts.reranker)

    def ranked(self, query: Query) -> list[FileChunk]:
        query = yielding(query, self._embedder, self._language)
        found = _by_legs(self._found, query.embedding_weight)
        ranking = search.rank_candidates(query, found, chunks=self._chunks, reranker=self._reranker)
        if ranking is None:
            raise IndexFailedError("the indexes name chunks that the catalogue does not have; 'check --fix' helps")
        return [chunk for _, (chunk, _) in ranking[1]]


def _by_legs(found: Candidates, weight: float) -> Candidates:
    """Those that a search by this weight reaches: where a leg has none, it is not asked."""
    if 0 < weight < 1:
        return found
    reached = (found.embedding_ranks if weight else found.text_ranks) > 0
    arrays = ("numbers", "members", "cosines", "embedding_ranks", "bm25", "text_ranks")
    return replace(found, **{name: getattr(found, name)[reached] for name in arrays})


@dataclass(slots=True)
class _Chunks:
    """The catalogue's chunks, each read once."""

    parts: Parts
    known: dict[int, tuple[FileChunk, AttributeMap]] = field(default_factory=dict)

    def chunks(self, numbers: Sequence[int]) -> dict[int, tuple[FileChunk, AttributeMap]]:
        if new := [number for number in numbers if number not in self.known]:
            self.known.update(self.parts.catalog.chunks(new))
        return {number: self.known[number] for number in numbers if number in self.known}


@dataclass(slots=True)
class _Remembering:
    """A reranker that is shown each text of a question once."""

    reranker: Reranker
    known: dict[str, float] = field(default_factory=dict)

    def scores(self, query: str, texts: Sequence[str]) -> FloatArray:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, rerank(self.reranker, query, new).tolist(), strict=True))
        return np.array([self.known[text] for text in texts], np.float32)
