"""Whether a ranker that learns from judged questions would rank better than what is built in.

Candidates of each question are described by what is there at no cost: the legs' scores and ranks, how they stand among
the others, neighbours, the question's length. A linear ranker (logistic regression on pairs) and boosted trees are
trained on all collections but one and measured on that one, each in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import nDCG

from bench.collections import Collection
from bench.quality import indexed, ranked
from vecstore.query import MAX_RESULTS
from vecstore.rank import best_around
from vecstore.search import Ranked

DEPTH = 2 * MAX_RESULTS  # documents of a question
MEASURE = nDCG @ 10
_PAIRS = 20  # of a question: one that answers, one that does not
_FAR = 200  # the rank of what a leg did not reach


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
        for question in collection.questions:
            on_progress(f"{collection.name}: {len(described)} questions")
            found, kept = ranked(engine, store.id, question.text, weights=None, ranker="auto", depth=DEPTH)
            best: dict[str, int] = {}
            for i, (chunk, _) in kept:
                best.setdefault(collection.documents[chunk.filename], i)
            grades = [collection.qrels[question.id].get(document, 0) for document in best]
            rows = list(best.values())
            features = _features(found, len(question.text.split()))[rows].reshape(len(rows), -1)
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


def table(told: Mapping[str, Any]) -> str:
    """A row a collection."""
    lines = [f"{MEASURE!s:20}{'built in':>12}{'linear':>20}{'boosted trees':>20}"]
    for name, values in told.items():
        learned = "".join(f"{values[way]:12.4f} ({values[way] - values['built in']:+.3f})" for way in list(values)[1:])
        lines.append(f"{name:20}{values['built in']:12.4f}{learned}")
    return "\n".join(lines)
