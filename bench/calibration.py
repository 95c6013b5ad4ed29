"""Whether a score says how likely a passage answers, and one threshold serves all collections and legs.

Each question of a collection is searched by words alone, by meaning alone, by both, and by both with a reranker (the
cosines of another model, multilingual-e5-small); so are questions of the other collections, which nothing there
answers. The first results are held against the judgments.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bench.collections import Collection, load
from bench.quality import LEGS, indexed, ranked
from vecstore import Embedder, MultilingualEmbedder
from vecstore.embed import floor_of
from vecstore.rank import above
from vecstore.rank.calibration import calibrated
from vecstore.types import FloatArray, HybridSearch

DOCUMENTS = 10  # of a question
FOREIGN = 0.25  # questions of other collections, as a share of a collection's own
THRESHOLDS = np.linspace(0, 1, 201)
BINS = np.linspace(0, 1, 11)
RESULTS = Path(__file__).parent / "results" / "calibration.json"
RERANKED = "with a reranker"
_LEGS = {**{leg: LEGS[leg][0] for leg in ("text", "embedding", "fused")}, RERANKED: None}
_HEADS = {"text": "words", "embedding": "meaning", "fused": "both", RERANKED: RERANKED}
BEGIN, END = "<!-- calibration:begin, by python -m bench readme -->\n", "<!-- calibration:end -->\n"

Key: TypeAlias = tuple[str, str]  # collection, leg


@dataclass(frozen=True, slots=True)
class Asked:
    """One question's first documents: raw scores, best first, whether each answers, and how many there are that do."""

    raw: np.ndarray
    unread: float
    answers: np.ndarray
    wanted: int


class Cosines:
    """Another model as a reranker; each passage is embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, FloatArray] = {}

    def scores(self, query: str, texts: Sequence[str]) -> FloatArray:
        """(n,) cosines above the model's floor."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            self._known.update(zip(new, _normalised(self._embedder.embed(new)), strict=True))
        asked = _normalised(self._embedder.embed_query(query)[None])[0]
        cosines = np.stack([self._known[text] for text in texts]) @ asked
        return np.clip(above(cosines, floor_of(self._embedder)), 0, 1)


def _normalised(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def run(
    folders: Sequence[Path],
    *,
    work: Path | None = None,
    embedder: Embedder | None = None,
    reranker: bool = True,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[Key, list[Asked]]:
    """What was found for each collection and leg, with a reranker as one of these if that is asked for.

    Raises ValueError for one collection, or one of another layout.
    """
    collections = [load(folder) for folder in folders]
    if len(collections) < 2 or any(each.layout != "documents" for each in collections):
        raise ValueError("calibration takes two or more collections in BEIR's layout, each asks the others' questions")
    with nullcontext(str(work)) if work else tempfile.TemporaryDirectory() as scratch:
        legs = {leg: weights for leg, weights in _LEGS.items() if reranker or leg != RERANKED}
        return _asked(collections, Path(scratch), embedder, legs, on_progress)


def _asked(
    collections: Sequence[Collection],
    work: Path,
    embedder: Embedder | None,
    legs: Mapping[str, HybridSearch | None],
    on_progress: Callable[[str], None],
) -> dict[Key, list[Asked]]:
    reranker = Cosines(MultilingualEmbedder())
    asked: dict[Key, list[Asked]] = {}
    for collection in collections:
        others = [question.text for other in collections if other is not collection for question in other.questions]
        count = min(len(others), round(FOREIGN * len(collection.questions)))
        foreign = [others[i] for i in np.random.default_rng(0).choice(len(others), count, replace=False)]
        questions = [(each.text, collection.qrels[each.id]) for each in collection.questions]
        for leg, weights in legs.items():
            found = asked.setdefault((collection.name, leg), [])
            with indexed(
                collection,
                {"type": "auto"},
                work,
                embedder=embedder,
                reranker=reranker if leg == RERANKED else None,
                on_progress=on_progress,
            ) as (engine, store):
                for text, grades in questions + [(text, {}) for text in foreign]:
                    on_progress(f"{collection.name}, {leg}: {len(found)}")
                    ranking = ranked(engine, store.id, text, weights=weights, ranker="auto", depth=50)
                    found.append(_held(collection, ranking, grades))
    return asked


def _held(collection: Collection, ranking: tuple[Any, Any], grades: Mapping[str, int]) -> Asked:
    found, kept = ranking
    best: dict[str, float] = {}
    for i, (chunk, _) in kept:
        best.setdefault(collection.documents[chunk.filename], float(found.scores[i]))
    first = dict(list(best.items())[:DOCUMENTS])
    answers = np.array([grades.get(document, 0) > 0 for document in first], bool)
    return Asked(np.array(list(first.values())), found.unread, answers, sum(grade > 0 for grade in grades.values()))


def fitted(asked: Mapping[Key, list[Asked]]) -> tuple[float, float, float, float]:
    """Slope, weight of what a score lacks to the best, offset, weight of what is unread; sets and legs count alike."""
    from sklearn.linear_model import LogisticRegression

    scores, answers, weights = [], [], []
    for some in asked.values():
        with_results = [each for each in some if len(each.raw)]
        rows = sum(len(each.raw) for each in with_results)
        scores += [
            np.stack([each.raw, each.raw - each.raw[0], np.full(len(each.raw), -each.unread)], axis=1)
            for each in with_results
        ]
        answers += [each.answers for each in with_results]
        weights.append(np.full(rows, 1_000 / rows))
    model = LogisticRegression(C=1e4, max_iter=1_000)
    model.fit(np.concatenate(scores), np.concatenate(answers), sample_weight=np.concatenate(weights))
    slope, lack, unread = map(float, model.coef_[0])
    return slope, lack, float(model.intercept_[0]), unread


def report(asked: Mapping[Key, list[Asked]], threshold: float | None = None) -> dict[str, Any]:
    """The share that answers by score, and what one threshold loses of each collection's own best F1.

    If none is given, it is the one that loses the least where it loses most, of searches by both legs, no reranker.
    """
    curves = {key: _f1(some) for key, some in asked.items()}
    kept = np.min([curve / curve.max() for (_, leg), curve in curves.items() if leg == "fused"], axis=0)
    common = int(kept.argmax() if threshold is None else np.abs(THRESHOLDS - threshold).argmin())
    return {
        "reliability": {
            leg: _reliability([each for key in asked if key[1] == leg for each in asked[key]])
            for leg in dict.fromkeys(leg for _, leg in asked)
        },
        "threshold": float(THRESHOLDS[common]),
        "F1": {
            f"{name} {leg}": {"at the threshold": float(curve[common]), "at its own": float(curve.max())}
            for (name, leg), curve in curves.items()
        },
    }


def _likely(each: Asked) -> np.ndarray:
    return calibrated(each.raw, float(each.raw[0]), each.unread) if len(each.raw) else each.raw


def _f1(asked: Sequence[Asked]) -> np.ndarray:
    """The mean over questions, at each threshold; 1 where nothing answers and nothing is found."""
    values = []
    for each in asked:
        passing = _likely(each)[:, None] >= THRESHOLDS
        hits, found = (passing & each.answers[:, None]).sum(axis=0), passing.sum(axis=0)
        values.append(np.where(found + each.wanted > 0, 2 * hits / np.maximum(found + each.wanted, 1), 1.0))
    return np.asarray(np.mean(values, axis=0))


def _reliability(asked: Sequence[Asked]) -> list[dict[str, float]]:
    scores = np.concatenate([_likely(each) for each in asked])
    answers = np.concatenate([each.answers for each in asked])
    which = np.clip(np.digitize(scores, BINS) - 1, 0, len(BINS) - 2)
    return [
        {
            "score": float(scores[which == i].mean()),
            "answers": float(answers[which == i].mean()),
            "n": int((which == i).sum()),
        }
        for i in range(len(BINS) - 1)
        if (which == i).any()
    ]


def table(told: Mapping[str, Any]) -> str:
    """Reliability a leg, then F1 a collection and leg."""
    lines = ["of results with a score around ... this share answers"]
    for leg, bins in told["reliability"].items():
        lines.append(f"{leg:12}" + "".join(f"{each['score']:>7.2f}: {each['answers']:.2f}" for each in bins))
    lines.append(f"\nF1 at the threshold {told['threshold']:.3f} for all, and at the best of each")
    for name, values in told["F1"].items():
        common, own = values["at the threshold"], values["at its own"]
        lines.append(f"{name:28}{common:8.3f}{own:8.3f}{100 * (common / own - 1):+8.1f} %")
    return "\n".join(lines)


def record(told: Mapping[str, Any], name: str, path: Path = RESULTS) -> None:
    """Keeps the report under that name, and the diagram beside it."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[name] = told
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
    plot(told, path.with_name(f"calibration-{name.replace(', ', '-')}.png"))


def markdown(path: Path = RESULTS) -> str:
    """A row a collection: what one threshold loses of the best F1 of each way to search; then how true scores are."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    heads = " | ".join(_HEADS.values())
    lines = [
        f"| F1 at {_threshold(kept)} beside that of the set's own best | {heads} |",
        "|---" * (len(_HEADS) + 1) + "|",
    ]
    for name, told in kept.items():
        sets = dict.fromkeys(
            key.removesuffix(f" {leg}") for key in told["F1"] for leg in _HEADS if key.endswith(f" {leg}")
        )
        for each in sets:
            cells = [_loss(told["F1"].get(f"{each} {leg}")) for leg in _HEADS]
            lines.append(f"| {each} ({name}) | {' | '.join(cells)} |")
    lines += ["", "| of results with a score of | answer, by words | by meaning | by both | with a reranker |"]
    lines.append("|---" * (len(_HEADS) + 1) + "|")
    bins = {leg: {int(10 * each["score"]): each for each in kept["dev"]["reliability"][leg]} for leg in _HEADS}
    for tenth in range(len(BINS) - 1):
        cells = [f"{bins[leg][tenth]['answers']:.2f}" if tenth in bins[leg] else "" for leg in _HEADS]
        if any(cells):
            lines.append(f"| {tenth / 10:.1f} to {(tenth + 1) / 10:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _threshold(kept: Mapping[str, Any]) -> str:
    """The one that all were held against. Raises ValueError where they differ."""
    used = {f"{told['threshold']:.2f}" for told in kept.values()}
    if len(used) > 1:
        raise ValueError(
            f"{RESULTS.name} has reports at different thresholds, {', '.join(sorted(used))}: record one anew"
        )
    return used.pop()


def _loss(values: Mapping[str, float] | None) -> str:
    if values is None:
        return ""
    common, own = values["at the threshold"], values["at its own"]
    return f"{common:.3f} of {own:.3f} ({100 * (common / own - 1):+.1f} %)"


def plot(told: Mapping[str, Any], path: Path) -> None:
    """The reliability diagram: the closer to the diagonal, the truer the scores."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for leg, bins in told["reliability"].items():
        axes.plot([each["score"] for each in bins], [each["answers"] for each in bins], marker="o", label=leg)
    axes.set(xlabel="score", ylabel="share that answers", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=100)
