"""The sections that a place of a document stands in: sheets and parts, headings, symbols, one in the other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingestion.types import Span, SpanKind

# A section by where it begins, what it is, and its name: two of one name are two.
Step = tuple[int, SpanKind, str]

# They end where their span ends; a heading's section does not.
_SCOPES = frozenset({"slide", "sheet", "part", "symbol"})


@dataclass(slots=True)
class _Scope:
    """An open slide, sheet, part or symbol, and the headings open in it."""

    step: Step | None
    end: int
    headings: list[Span] = field(default_factory=list)

    def steps(self) -> list[Step]:
        own = [self.step] if self.step else []
        return [*own, *((span.start, "heading", span.label) for span in self.headings)]


class Sections:
    """Answers in logarithmic time; built once a document."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._starts: list[int] = [0]
        self._chains: list[tuple[Step, ...]] = [()]
        self._open = [_Scope(None, -1)]
        for span in spans:
            if span.kind in _SCOPES:
                self._close(span.start)
                self._open.append(_Scope((span.start, span.kind, span.label), span.end))
                self._note(span.start)
            elif span.kind == "heading":
                self._close(span.start)
                headings = self._open[-1].headings
                while headings and headings[-1].level >= span.level:
                    headings.pop()
                headings.append(span)
                self._note(span.start)
        self._close(None)
        self._paths = [_path(chain) for chain in self._chains]

    def path(self, place: int) -> tuple[str, ...]:
        """The names of the sections around `place`, outermost first; of symbols only the innermost."""
        return self._paths[bisect_right(self._starts, place) - 1]

    def begun(self, place: int) -> int:
        """Where the innermost section around `place` begins."""
        chain = self._chains[bisect_right(self._starts, place) - 1]
        return chain[-1][0] if chain else 0

    def breaks(self, start: int, end: int) -> list[tuple[int, int]]:
        """Where in between another section begins or goes on, and how many sections still go on around both."""
        first, last = bisect_right(self._starts, start), bisect_left(self._starts, end)
        return [(self._starts[at], _shared(self._chains[at - 1], self._chains[at])) for at in range(first, last)]

    def _close(self, place: int | None) -> None:
        """Ends the scopes that end at `place` or before it; all of them for None."""
        while len(self._open) > 1 and (place is None or self._open[-1].end <= place):
            self._note(self._open.pop().end)

    def _note(self, place: int) -> None:
        chain = tuple(step for scope in self._open for step in scope.steps())
        if place <= self._starts[-1]:  # of several changes in one place the last counts
            self._chains[-1] = chain
        else:
            self._starts.append(place)
            self._chains.append(chain)


def _path(chain: tuple[Step, ...]) -> tuple[str, ...]:
    named = [step for step in chain if step[2] and step[1] != "slide"]
    return tuple(name for at, (_, kind, name) in enumerate(named) if kind != "symbol" or at == len(named) - 1)


def _shared(one: tuple[Step, ...], other: tuple[Step, ...]) -> int:
    """How many steps both begin with."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))
