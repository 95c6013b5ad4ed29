"""What became of a campaign, as a table and as a line of bench/results/crash.jsonl."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.crash.points import TIER, Point


@dataclass(slots=True)
class Outcome:
    """What became of one point: how the workload ended, and each promise that was broken."""

    point: Point
    ended: str
    refused: int
    broken: list[str]


@dataclass(slots=True)
class Tally:
    outcomes: list[Outcome] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # kinds, and why
    seconds: float = 0.0

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.broken]

    def report(self) -> dict[str, Any]:
        kinds = {
            kind: {
                "points": sum(outcome.point.kind == kind for outcome in self.outcomes),
                "ended": dict(Counter(o.ended for o in self.outcomes if o.point.kind == kind)),
                "refusals": sum(outcome.refused for outcome in self.outcomes if outcome.point.kind == kind),
                "failures": sum(outcome.point.kind == kind for outcome in self.failures),
            }
            for kind in TIER
        }
        names = {o.point.where.split(":")[0] for o in self.outcomes if not o.point.syscall and o.point.where}
        return {
            "points": len(self.outcomes),
            "failures": len(self.failures),
            "failpoints": len(names),
            "kinds": kinds,
            "left_out": self.left_out,
            "seconds": round(self.seconds),
            "broken": [{**asdict(outcome.point), "broken": outcome.broken} for outcome in self.failures],
        }


def table(report: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{'':12}{'points':>8}{'killed':>8}{'finished':>10}{'refusals':>10}{'failures':>10}"]
    for kind, of_kind in report["kinds"].items():
        ended = of_kind["ended"]
        numbers = of_kind["points"], ended.get("killed", 0), ended.get("finished", 0)
        lines.append("{:12}{:8}{:8}{:10}{:10}{:10}".format(kind, *numbers, of_kind["refusals"], of_kind["failures"]))
    lines.append("")
    lines += [f"{kind}: left out, {why}" for kind, why in report["left_out"].items()]
    for failure in report["broken"]:
        lines.append(f"{failure['kind']} {failure['where']} (seed {failure['seed']}):")
        lines += [f"    {broken}" for broken in failure["broken"]]
    lines.append(
        f"{report['points']} points at {report['failpoints']} failpoints and elsewhere, {report['failures']} failures, "
        f"{report['seconds']} s, {report['machine']}"
    )
    return "\n".join(lines)
