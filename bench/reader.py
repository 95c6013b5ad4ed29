"""A library in a process of its own, asked for one file at a time: what kills it costs one file."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

MEMORY_BYTES = 2 << 30  # of address space
TIMEOUT_S = 30.0
_PEERS = Path(__file__).with_name("peers.py")


@dataclass(slots=True)
class Reader:
    """`python` is the interpreter that has the library. An answer has "error" where the file was not read."""

    library: str
    python: str = sys.executable
    timeout_s: float = TIMEOUT_S
    memory_bytes: int = MEMORY_BYTES
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, if there is one; it is started again when the next file is asked for."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def read(self, path: Path, *, password: str = "", text: bool = False) -> dict[str, Any]:
        """The answer of `peers.py` to one file; an error also where it took too long or the process ended."""
        process = self._running()
        assert process.stdin
        assert process.stdout
        request = json.dumps({"path": str(path.resolve()), "password": password, "text": text})
        try:
            process.stdin.write(request.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._ended()
        ready, _, _ = select.select([process.stdout], [], [], self.timeout_s)
        if not ready:
            self.close()
            return {"error": f"hangs: no answer in {self.timeout_s:.0f} s"}
        line = process.stdout.readline()  # an answer is written at once, so the rest of it follows
        if not line.endswith(b"\n"):
            return self._ended()
        return dict(json.loads(line))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            root = str(_PEERS.parent.parent)
            self._process = subprocess.Popen(
                [self.python, "-P", str(_PEERS), self.library, str(self.memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        return self._process

    def _ended(self) -> dict[str, Any]:
        assert self._process
        status = self._process.wait()
        self.close()
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        return {"error": f"dies: the process ended with {how}"}


def versions(python: str = sys.executable) -> dict[str, str]:
    """Every library that there is a reader for, and its version in that environment; "" where it is not installed."""
    command = [python, "-P", str(_PEERS), "--versions", "0"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
