"""What was measured: kept in bench/results, held against bench/expected.toml, and told in README.md."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import calibration, learned, scale, windows
from bench.quality import DEFAULT_LEG, LEGS, PLAIN
from bench.significance import differences, half_width, mean
from bench.speed import ratios

HERE = Path(__file__).parent
QUALITY = HERE / "results" / "quality.json"
EXPECTED = HERE / "expected.toml"
README = HERE.parent / "README.md"
TOLERANCE = 0.002  # of a score, between processors
_BEGIN, _END = "<!-- quality:begin, by python -m bench readme -->\n", "<!-- quality:end -->\n"
_TOLD = re.compile(r"recall|IoU, \d+ chunks|page@|file@|evidence@")  # of stretches and pages
_HEADS = {"text": "words", "embedding": "meaning", "fused": "both", "reranked": "re-ranked"}


def record(report: Mapping[str, Any], *, cut: str, path: Path = QUALITY) -> None:
    """Adds the means of a report of `bench quality`, with half the width of their 95 % intervals."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, scores in report.items():
        legs = {
            leg: {measure: [round(mean(each), 4), round(half_width(each), 4)] for measure, each in values.items()}
            for leg, values in scores["legs"].items()
        }
        counts = {count: scores[count] for count in ("questions", "files", "chunks")}
        kept[f"{name}, {cut}"] = {**counts, "legs": legs}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")


def below(report: Mapping[str, Any], *, cut: str, path: Path = EXPECTED) -> list[str]:
    """A sentence for each score that is lower than expected. Raises ValueError where nothing is expected of a set."""
    expected = tomllib.loads(path.read_text(encoding="utf-8"))
    told = []
    for name, scores in report.items():
        of_set = expected.get(f"{name}, {cut}")
        if of_set is None:
            raise ValueError(f"{path.name} expects nothing of {name}, {cut}")
        for measure, wanted in of_set["scores"].items():
            got = mean(scores["legs"][DEFAULT_LEG][measure])
            if not got >= wanted - TOLERANCE:  # nor is NaN expected
                told.append(f"{name}, {cut}: {measure} is {got:.4f}, expected {wanted}; {of_set['command']}")
        told += _below_the_better_leg(f"{name}, {cut}", scores["legs"])
    return told


def _below_the_better_leg(name: str, legs: Mapping[str, Any]) -> list[str]:
    """A sentence where a search by both legs is surely worse than by one, by what the set is measured by first."""
    measure = next(iter(legs[DEFAULT_LEG]))
    both = legs[DEFAULT_LEG][measure]
    better = max((legs[leg][measure] for leg in ("text", "embedding")), key=mean)
    paired = differences(both, better)
    worse = mean(paired) < -max(TOLERANCE, half_width(paired))
    return [f"{name}: {measure} is {mean(both):.4f} by both legs and {mean(better):.4f} by one"] if worse else []


def rewrite_readme(path: Path = README) -> bool:
    """Puts the tables of what is recorded where README.md has them; whether that changed anything."""
    text = path.read_text(encoding="utf-8")
    told = {
        (_BEGIN, _END): tables(),
        (ratios.BEGIN, ratios.END): ratios.markdown(),
        (scale.BEGIN, scale.END): scale.markdown(),
        (calibration.BEGIN, calibration.END): calibration.markdown(),
        (learned.BEGIN, learned.END): learned.markdown(),
        (windows.BEGIN, windows.END): windows.markdown(),
    }
    renewed = text
    for (begin, end), content in told.items():
        renewed = _between(renewed, begin, end, content)
    if renewed != text:
        path.write_text(renewed, encoding="utf-8")
    return renewed != text


def _between(text: str, begin: str, end: str, told: str) -> str:
    """The text with that in place of what stood between the two marks."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{told}\n{end}{after}"


def tables(recorded: Path = QUALITY, expected: Path = EXPECTED) -> str:
    """Markdown: ranked documents first, then stretches and pages."""
    of_sets = tomllib.loads(expected.read_text(encoding="utf-8"))
    results = json.loads(recorded.read_text(encoding="utf-8"))
    ranked = {name: each for name, each in results.items() if "nDCG@10" in each["legs"][DEFAULT_LEG]}
    others = {name: each for name, each in results.items() if name not in ranked}
    return "\n".join([*_ranked(ranked, of_sets), "", *_others(others, of_sets)]) + "\n"


def _ranked(results: Mapping[str, Any], of_sets: Mapping[str, Any]) -> Iterator[str]:
    heads = [f"{'nDCG@10, ' if leg == 'text' else ''}{head}" for leg, head in _HEADS.items()]
    yield f"| whole set | {' | '.join(heads)} | R@3 | R@10 | R@100 | MRR@10 |"
    yield "|---" * (len(heads) + 5) + "|"
    for name, each in results.items():
        legs = [_told(each, leg, "nDCG@10") for leg in LEGS]
        last = each["legs"][DEFAULT_LEG]
        more = [f"{last[measure][0]:.3f}" for measure in ("R@3", "R@10", "R@100", "RR@10")]
        yield f"| {_titled(name, of_sets)} | {' | '.join([*legs, *more])} |"


def _others(results: Mapping[str, Any], of_sets: Mapping[str, Any]) -> Iterator[str]:
    yield "| set and chunks | measure | words | meaning | both | re-ranked | plain pipeline |"
    yield "|---|---|---|---|---|---|---|"
    for name, each in results.items():
        for measure in filter(_TOLD.match, each["legs"][DEFAULT_LEG]):
            values = [_told(each, leg, measure) for leg in [*LEGS, PLAIN] if leg in each["legs"]]
            yield f"| {_titled(name, of_sets)} | {measure} | {' | '.join(values)} |{' |' * (PLAIN not in each['legs'])}"


def _told(scores: Mapping[str, Any], leg: str, measure: str) -> str:
    """A mean; with its 95 % interval where it is that of a search as it is by default."""
    average, half = scores["legs"][leg][measure]
    return f"{average:.3f} ±{half:.3f}" if leg == DEFAULT_LEG else f"{average:.3f}"


def _titled(name: str, of_sets: Mapping[str, Any]) -> str:
    if name not in of_sets:
        raise ValueError(
            f"{EXPECTED.name} has no entry for {name!r}, which is recorded in {QUALITY.name}: add it there"
        )
    short = name.replace(", auto", "")
    return f"{short} ({of_sets[name]['role']})"
