"""Smaller files that still do what a file did, roughly."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.mutate import unpacked

Holds = Callable[[bytes], bool]


def minimised(data: bytes, holds: Holds, *, seconds: float) -> bytes:
    """Bytes for which `holds` is still true: pieces taken out, in a container out of its largest member."""
    until = time.monotonic() + seconds
    opened = unpacked(data)
    if opened is None or not opened[0]:
        return _shortened(data, holds, until)
    members, pack = opened
    if not holds(pack(members)):
        return _shortened(data, holds, until)
    for name in sorted(members):
        rest = {other: content for other, content in members.items() if other != name}
        if rest and time.monotonic() < until and holds(pack(rest)):
            members = rest
    largest = max(members, key=lambda name: len(members[name]))
    members[largest] = _shortened(members[largest], lambda content: holds(pack(members | {largest: content})), until)
    return pack(members)


def _shortened(data: bytes, holds: Holds, until: float) -> bytes:
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            if holds(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
