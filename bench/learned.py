"""Whether a ranker that learns from judged questions would rank better than what is built in.

Candidates of each question are described by the legs' scores and ranks, how they stand among the others, the best and
the second window, neighbours; by how much of the question they say, weighted by how rare its words are, how close
together, in their titles and headings, of its numbers and codes; by their length and the question's, and how much of it
the embedder reads. A linear ranker (logistic regression on pairs) and boosted trees are trained on all collections but
one and measured on that one, each in turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import nDCG

from bench.collections import Collection
from bench.quality import indexed, ranked
from vecstore import search
from vecstore.changes import header_of
from vecstore.embed import share_read
from vecstore.index import BM25_K1, NATIVE, NEAR, PHRASE, terms
from vecstore.query import MAX_RESULTS
from vecstore.rank import best_around
from vecstore.search import Kept, Ranked
from vecstore.types import FileChunk

RESULTS = Path(__file__).parent / "results" / "learned.json"
BEGIN, END = "<!-- learned:begin, by python -m bench readme -->\n", "<!-- learned:end -->\n"
DEPTH = 2 * MAX_RESULTS  # documents of a question
MEASURE = nDCG @ 10
_PAIRS = 20  # of a question: one that answers, one that does not
_FAR = 200  # the rank of what a leg did not reach
_CLOSE = 3  # terms apart, at most, that two neighbouring words of a question are said
_LONG = 800  # terms of a chunk that count as 1


@dataclass(frozen=True, slots=True)
class Described:
    """One question's documents: (m, f) features of each one's best chunk, the built-in scores, and grades."""

    documents: list[str]
    features: np.ndarray
    built_in: np.ndarray
    grades: np.ndarray


Ranker = Callable[[np.ndarray], np.ndarray]  # (m, f) features to (m,) scores


def describe(collection: Collection, work: Path, on_progress: Callable[[str], None]) -> dict[str, Described]:
    """What a search finds for each question."""
    described: dict[str, Described] = {}
    with indexed(collection, {"type": "auto"}, work, on_progress=on_progress) as (engine, store):
        parts = engine._parts  # noqa: SLF001 - what a ranker inside would have at hand
        shard = parts.shards.get(store.id)
        said = _Saying()
        for question in collection.questions:
            on_progress(f"{collection.name}: {len(described)} questions")
            found, kept = ranked(engine, store.id, question.text, weights=None, ranker="auto", depth=DEPTH)
            best: dict[str, int] = {}
            for i, (chunk, _) in kept:
                best.setdefault(collection.documents[chunk.filename], i)
            grades = [collection.qrels[question.id].get(document, 0) for document in best]
            rows = list(best.values())
            by_scores = _features(found, len(question.text.split()))[rows].reshape(len(rows), -1)
            by_words = said.features(search.query_words(question.text, shard.languages()), found, kept, rows)
            read = share_read(parts.embedder, question.text)
            second = np.zeros(len(rows))
            if read:
                vector = parts.recent_queries.vector(question.text)
                windows = shard.windows(vector, found.found.numbers[np.array(rows, np.int64)])
                second = np.array([np.sort(each)[-2] if len(each) > 1 else 0.0 for each in windows])
            features = np.column_stack([by_scores, by_words, second, np.full(len(rows), read)])
            described[question.id] = Described(list(best), features, found.scores[rows], np.array(grades))
    return described


def _features(found: Ranked, words: int) -> np.ndarray:
    """(m, f), about 0 to 1."""
    fused, candidates = found.fused, found.found
    near = np.where(candidates.embedding_ranks > 0, candidates.embedding_ranks, _FAR)
    said = np.where(candidates.text_ranks > 0, candidates.text_ranks, _FAR)
    most = max(float(fused.text.max(initial=0)), 1e-6)
    columns = [
        fused.embedding,
        fused.text,
        fused.scores,
        best_around(fused.scores, candidates.numbers, candidates.members),
        fused.embedding * fused.text,
        fused.embedding - fused.embedding.max(initial=0),
        fused.text / most,
        10 / (10 + near),
        10 / (10 + said),
        np.full(len(near), words / 20),
    ]
    return np.stack(columns, axis=1)


class _Saying:
    """How much of a question's words a chunk says, and how; the terms of each chunk are found once."""

    def __init__(self) -> None:
        self._terms: dict[str, tuple[dict[str, list[int]], set[str], int]] = {}

    def features(self, words: Sequence[str], found: Ranked, kept: Sequence[Kept], rows: Sequence[int]) -> np.ndarray:
        """(m, 6): coverage by what it says and by what names it, closeness, numbers and codes, whole, length."""
        rarity = {
            word: float(highest) / (BM25_K1 + 1)
            for word, highest in zip(words, found.found.highest, strict=True)
            if not any(mark in word for mark in (NATIVE, PHRASE, NEAR))
        }
        chunks = {i: chunk for i, (chunk, _) in kept}
        described = [self._of_chunk(rarity, chunks[i]) for i in rows]
        return np.array(described).reshape(len(rows), 6)

    def _of_chunk(self, rarity: Mapping[str, float], chunk: FileChunk) -> tuple[float, ...]:
        places, naming, length = self._known(chunk)
        codes = {word: each for word, each in rarity.items() if any(map(str.isdigit, word))}
        asked = list(rarity)
        pairs = {(a, b): min(rarity[a], rarity[b]) for a, b in pairwise(asked)}
        close = {pair: each for pair, each in pairs.items() if _close(places.get(pair[0], ()), places.get(pair[1], ()))}
        covered = _share(rarity, places)
        return (
            covered,
            _share(rarity, naming),
            sum(close.values()) / (sum(pairs.values()) or 1.0),
            _share(codes, places),
            float(covered > 0.999),
            min(1.0, length / _LONG),
        )

    def _known(self, chunk: FileChunk) -> tuple[dict[str, list[int]], set[str], int]:
        if chunk.chunk_id not in self._terms:
            places: dict[str, list[int]] = {}
            said = terms(chunk.text)
            for at, term in enumerate(said):
                places.setdefault(term, []).append(at)
            naming = set(terms(header_of(chunk.filename, chunk.title, chunk.heading_path, chunk.table_header)))
            self._terms[chunk.chunk_id] = places, naming, len(said)
        return self._terms[chunk.chunk_id]


def _share(rarity: Mapping[str, float], there: Container[str]) -> float:
    """Of all that the words weigh, what those weigh that are there; 0 where nothing is asked for."""
    return sum(each for word, each in rarity.items() if word in there) / (sum(rarity.values()) or 1.0)


def _close(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether the second word stands up to _CLOSE terms after the first."""
    places = set(second)
    return any(at + ahead in places for at in first for ahead in range(1, _CLOSE + 1))


def linear(training: Sequence[Mapping[str, Described]]) -> Ranker:
    """Logistic regression on differences between what answers and what does not; collections count alike."""
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    differences, weights = [], []
    for described in training:
        some = [_pairs(each, random) for each in described.values()]
        rows = np.concatenate([each for each in some if len(each)])
        differences.append(rows)
        weights.append(np.full(len(rows), 1_000 / len(rows)))
    rows, weight = np.concatenate(differences), np.concatenate(weights)
    signs = random.choice([-1, 1], len(rows))
    model = LogisticRegression(fit_intercept=False, max_iter=1_000)
    model.fit(rows * signs[:, None], signs, sample_weight=weight)
    return lambda features: features @ model.coef_[0]


def _pairs(each: Described, random: np.random.Generator) -> np.ndarray:
    answers, others = np.flatnonzero(each.grades > 0), np.flatnonzero(each.grades <= 0)
    if not len(answers) or not len(others):
        return np.empty((0, each.features.shape[1]))
    return np.asarray(each.features[random.choice(answers, _PAIRS)] - each.features[random.choice(others, _PAIRS)])


def boosted(training: Sequence[Mapping[str, Described]]) -> Ranker:
    """Gradient boosted trees that tell whether a document answers; collections count alike."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    features = [np.concatenate([each.features for each in described.values()]) for described in training]
    answers = [np.concatenate([each.grades > 0 for each in described.values()]) for described in training]
    weights = np.concatenate([np.full(len(each), 1_000 / len(each)) for each in answers])
    model = HistGradientBoostingClassifier(max_leaf_nodes=7, max_iter=150, learning_rate=0.05, random_state=0)
    model.fit(np.concatenate(features), np.concatenate(answers), sample_weight=weights)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])


def report(collections: Sequence[Collection], described: Sequence[Mapping[str, Described]]) -> dict[str, Any]:
    """nDCG@10 of each collection: as built in, and by rankers that were trained on the other ones."""
    told = {}
    for i, collection in enumerate(collections):
        others = [each for j, each in enumerate(described) if j != i]
        told[collection.name] = {"built in": _measured(collection, described[i], None)}
        for name, train in (("linear", linear), ("boosted trees", boosted)):
            told[collection.name][name] = _measured(collection, described[i], train(others))
    return told


def _measured(collection: Collection, described: Mapping[str, Described], ranker: Ranker | None) -> float:
    run = {}
    for question, each in described.items():
        scores = each.built_in if ranker is None or not len(each.features) else ranker(each.features)
        order = np.argsort(-scores, kind="stable")
        run[question] = {each.documents[i]: float(-rank) for rank, i in enumerate(order)}
    return float(ir_measures.calc_aggregate([MEASURE], collection.qrels, run)[MEASURE])


def record(told: Mapping[str, Any], path: Path = RESULTS) -> None:
    """In place of what was recorded before."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def markdown(path: Path = RESULTS) -> str:
    """A row a collection."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    ways = list(next(iter(kept.values())))
    lines = [f"| {MEASURE!s} of the set left out | {' | '.join(ways)} |", "|---" * (len(ways) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{values[way]:.3f}' for way in ways)} |" for name, values in kept.items()]
    return "\n".join(lines)


def table(told: Mapping[str, Any]) -> str:
    """A row a collection."""
    lines = [f"{MEASURE!s:20}{'built in':>12}{'linear':>20}{'boosted trees':>20}"]
    for name, values in told.items():
        learned = "".join(f"{values[way]:12.4f} ({values[way] - values['built in']:+.3f})" for way in list(values)[1:])
        lines.append(f"{name:20}{values['built in']:12.4f}{learned}")
    return "\n".join(lines)
