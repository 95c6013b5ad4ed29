"""Cleaning of the intake grates of Tarnvell Hydroworks: when the rake runs, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

MAX_HEAD_LOSS_MM = 120  # above this the turbine of the bay is throttled


# A bay is one opening of the intake, with a grate of its own.
# Its number is painted on the deck.
@dataclass(frozen=True)
class Bay:
    number: int
    upstream_mm: int
    downstream_mm: int

    @property
    def head_loss_mm(self) -> int:
        return self.upstream_mm - self.downstream_mm

    # Code GR-51 in the log.
    def is_clogged(self) -> bool:
        return self.head_loss_mm > MAX_HEAD_LOSS_MM


class Rake:
    """The travelling rake that serves all bays, one after the other."""

    def __init__(self, bays: list[Bay]) -> None:
        self.bays = bays

    @cached_property
    def order(self) -> list[int]:
        def urgency(bay: Bay) -> tuple[bool, int]:
            return (not bay.is_clogged(), -bay.head_loss_mm)

        return [bay.number for bay in sorted(self.bays, key=urgency)]

    async def sweep(self, *, dry: bool = False) -> str:
        return "GR-50 rehearsal" if dry else f"GR-52 swept bays {self.order}"


if __name__ == "__main__":
    print(Rake([Bay(1, 4210, 4180), Bay(2, 4215, 4021)]).order)
