"""Ways to die, drawn from all there are."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass

from vecstore import failpoints

TIER = {"failpoint": 60, "kill": 30, "power cut": 20, "error": 20, "full disk": 3}  # as CI runs it
SYSCALLS = ("fsync", "fdatasync", "pwrite64", "write", "openat", "rename", "ftruncate", "unlink", "mkdir")
ERRORS = ("ENOSPC", "EIO", "EMFILE", "ENOMEM")
_CALLS = 40  # of one kind and thread; one of these fails


@dataclass(frozen=True, slots=True)
class Point:
    """One way to die. `where` is a failpoint with its hit and error, a system call with its count and error, or ''."""

    kind: str
    seed: int
    where: str = ""
    syscall: bool = False

    @property
    def loses_power(self) -> bool:
        return self.kind == "power cut"

    @property
    def wants_volume(self) -> bool:
        return self.kind in ("power cut", "full disk")


def plan(points: int, *, seed: int) -> list[Point]:
    """So many points in the proportions of CI's, drawn with that seed; all failpoints before any comes twice."""
    rng = random.Random(seed)
    total = sum(TIER.values())
    counts = {kind: max(1, round(points * share / total)) for kind, share in TIER.items()}
    counts["failpoint"] += points - sum(counts.values())
    places = [f"{name}:{hit}" for hit in (1, 2, 3) for name in rng.sample(failpoints.names(), len(failpoints.names()))]
    made = [Point("failpoint", rng.randrange(1 << 30), places[i % len(places)]) for i in range(counts["failpoint"])]
    made += [Point("kill", rng.randrange(1 << 30)) for _ in range(counts["kill"])]
    for i in range(counts["power cut"]):
        where = rng.choice(places) if i % 2 else ""
        made.append(Point("power cut", rng.randrange(1 << 30), where))
    for i in range(counts["error"]):
        if i % 2 and shutil.which("strace"):
            call = f"{rng.choice(SYSCALLS)}:{rng.randrange(1, _CALLS)}:{rng.choice(ERRORS)}"
            made.append(Point("error", rng.randrange(1 << 30), call, syscall=True))
        else:
            made.append(Point("error", rng.randrange(1 << 30), f"{rng.choice(places)}:{rng.choice(ERRORS)}"))
    made += [Point("full disk", rng.randrange(1 << 30)) for _ in range(counts["full disk"])]
    rng.shuffle(made)
    return made
