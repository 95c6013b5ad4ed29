"""Work in a forked child with limits, which says lines of JSON until it is done or dies of it."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

Say = Callable[[dict[str, Any]], None]


def run(work: Callable[[Say], None], *, memory_bytes: int) -> Iterator[dict[str, Any]]:
    """What the child says, then `{"ended": how}`: "" where it came to its end, else the signal's name or the status."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            _limit(memory_bytes)
            work(lambda said: _write(writer, said))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield json.loads(line)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    yield {"ended": "" if not code else signal.Signals(-code).name if code < 0 else f"status {code}"}


def within(seconds: float) -> None:
    """This process is killed by SIGALRM after so long, also inside C code; 0 takes that back."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit(memory_bytes: int) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS has no limit of the address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _write(writer: int, said: dict[str, Any]) -> None:
    line = json.dumps(said).encode() + b"\n"
    while line:
        line = line[os.write(writer, line) :]
