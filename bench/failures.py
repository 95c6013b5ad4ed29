"""Each question with what was found for it and why, for looking at failures."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vecstore import search
from vecstore.rank import NEIGHBOUR_WEIGHT
from vecstore.types import FileChunk

EXPLAINED = 5  # results of a question

Ranking = tuple[search.Ranked, list[search.Kept]]


def told(
    ranking: Ranking, words: Sequence[str], answers: Callable[[FileChunk], bool], documents: Mapping[str, str]
) -> dict[str, str]:
    """The first results, and the first of those that are judged to answer where it comes after them."""
    _, kept = ranking
    marked = [answers(chunk) for _, (chunk, _) in kept]
    first = [_line(ranking, rank, words, marked, documents) for rank in range(min(EXPLAINED, len(kept)))]
    missed = ""
    if not any(marked[:EXPLAINED]):
        missed = _line(ranking, marked.index(True), words, marked, documents) if any(marked) else "not found"
    return {"first results": "; ".join(first), "missed": missed}


def _line(
    ranking: Ranking, rank: int, words: Sequence[str], marked: Sequence[bool], documents: Mapping[str, str]
) -> str:
    """Which it is, whether it answers, its raw score, and what made it: each leg's score and rank, and re-ranking."""
    found, kept = ranking
    i, (chunk, _) = kept[rank]
    name = documents.get(chunk.filename, f"{chunk.filename} {chunk.start}-{chunk.end}")
    meaning = f"meaning {found.fused.embedding[i]:.2f} ({found.found.embedding_ranks[i] or '-'})"
    said = f"words {found.fused.text[i]:.2f} ({found.found.text_ranks[i] or '-'})"
    by = "neighbours" if found.rerank_weight == NEIGHBOUR_WEIGHT else "reranker"
    again = f", {by} {found.reranked[i]:.2f}" if i in found.reranked else ""
    matched = " ".join(search.matched_terms(words, chunk))
    return f"{rank + 1}. {name}{'*' * marked[rank]} {found.scores[i]:.2f}: {meaning}, {said}{again} [{matched}]"


def write(report: Mapping[str, Any], path: Path, *, leg: str, baseline: Mapping[str, Any], baseline_leg: str) -> None:
    """A line a collection, question and measure: each leg's value, the baseline's, which is better, and why so."""
    legs = list(dict.fromkeys(each for scores in report.values() for each in scores["legs"]))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        heads = ["baseline", "difference", "outcome", "first results", "missed"]
        writer.writerow(["collection", "question", "text", "measure", *legs, *heads])
        for name, scores in report.items():
            before = baseline.get(name, {}).get("legs", {}).get(baseline_leg, {})
            for measure, values in scores["legs"][leg].items():
                for question, value in values.items():
                    row = [scores["legs"].get(each, {}).get(measure, {}).get(question, "") for each in legs]
                    why = scores["failures"][question]
                    outcome = _outcome(value, before.get(measure, {}).get(question))
                    told_of = [*outcome, why["first results"], why["missed"]]
                    writer.writerow([name, question, scores["texts"][question], measure, *row, *told_of])


def _outcome(value: float, before: float | None) -> Sequence[object]:
    """What it was, the difference, and a word for that."""
    if before is None:
        return "", "", ""
    return before, value - before, "tie" if value == before else "win" if value > before else "loss"
