"""How long a file may take: seconds by its size, and more where a parser knows of slow work ahead."""

from __future__ import annotations

from collections.abc import Callable

BASE_S = 60.0
BYTES_PER_S = 2 << 20  # a second more for each 2 MB
WALL_FACTOR = 2  # of CPU seconds: other processes want the cores too
MAX_WALL_S = 3600.0  # whatever is asked for

_listeners: list[Callable[[float], None]] = []


def cpu_seconds(file_bytes: int) -> float:
    """The CPU time that reading a file of this size may take."""
    return BASE_S + file_bytes / BYTES_PER_S


def extend(cpu_s: float) -> None:
    """Asks for more CPU seconds, before slow work such as reading a scanned page; nothing outside a worker."""
    for listener in _listeners:
        listener(cpu_s)


def on_extension(listener: Callable[[float], None]) -> None:
    """Who hears of it: the worker, once."""
    _listeners[:] = [listener]
