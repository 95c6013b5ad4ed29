"""A report of `bench quality` beside an earlier one, and its legs beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.quality import DEFAULT_LEG
from bench.significance import differences, half_width, mean, p_value


def compared(
    report: Mapping[str, Any], baseline: Mapping[str, Any], *, leg: str = DEFAULT_LEG, baseline_leg: str | None = None
) -> str:
    """The difference of means to an earlier report, or to another leg, with its 95 % interval and a paired test's p."""
    lines = []
    for name, scores in report.items():
        others = baseline.get(name, {}).get("legs", {}).get(baseline_leg or leg, {})
        for measure, values in scores["legs"][leg].items():
            if paired := differences(values, others.get(measure, {})):
                won, lost = (sum(each * sign > 0 for each in paired.values()) for sign in (1, -1))
                told = f"{mean(paired):+.4f} ±{half_width(paired):.4f}  p {p_value(paired):.3f}"
                lines.append(f"{name:20}{measure:>24}  {told}  better {won}, worse {lost}")
    if not lines:
        raise ValueError("the baseline has none of these collections and measures")
    return "\n".join(lines)


def against_legs(report: Mapping[str, Any]) -> str:
    """The default ranking beside each leg alone, by each collection's first measure."""
    lines = []
    for name, scores in report.items():
        legs = scores["legs"]
        measure = next(iter(legs[DEFAULT_LEG]))
        for leg in (each for each in legs if each != DEFAULT_LEG):
            paired = differences(legs[DEFAULT_LEG][measure], legs[leg].get(measure, {}))
            if paired:
                told = f"{mean(paired):+.4f} ±{half_width(paired):.4f}  p {p_value(paired):.3f}"
                lines.append(f"{name:20}{measure:>24}  {DEFAULT_LEG} and {leg:16}{told}")
    return "\n".join(lines)


def below_a_leg(report: Mapping[str, Any]) -> list[str]:
    """A line for each measure by which both legs together, re-ranked or not, are worse than one of them alone."""
    told = []
    for name, scores in report.items():
        for leg in ("fused", DEFAULT_LEG):
            for measure, values in scores["legs"][leg].items():
                alone = {each: mean(scores["legs"][each][measure]) for each in ("text", "embedding")}
                best = max(alone, key=lambda each: alone[each])
                if mean(values) < alone[best]:
                    told.append(f"{name}: {measure} is {mean(values):.4f} {leg}, {alone[best]:.4f} by {best} alone")
    return told
