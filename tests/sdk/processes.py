"""Programs that run for a while: none outlives the block that started it. Also the server that is tested."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import platformdirs

DOWNLOADS = platformdirs.user_cache_path("vecstore") / "sdk"  # what came from a package index, never a result
READY_S = 300  # the first start on a machine converts the model
STOP_S = 60  # the server gives requests under way 30 of them
CHECK_S = 300
LOG_LINES = 30  # shown of the server's log when something failed


class FailedError(Exception):
    """The client and the server do not agree; a sentence, and the exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def environment(**added: str) -> dict[str, str]:
    """Ours without what would change a client or the server, and with no proxy before this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "VECSTORE_"))}
    with suppress(KeyError):
        kept["VECSTORE_CACHE"] = os.environ["VECSTORE_CACHE"]
    return {**kept, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **added}


@contextmanager
def running(command: Sequence[str | Path], **given: object) -> Iterator[subprocess.Popen[bytes]]:
    """In a process group of its own, so that Ctrl-C reaches this program alone, which then ends the others in turn."""
    process = subprocess.Popen(command, start_new_session=True, **{"env": environment(), **given})
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def call(command: Sequence[str | Path], *, within_s: float, **given: object) -> int:
    """The exit status. Raises FailedError where it takes longer."""
    with running(command, **given) as process:
        try:
            return process.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise FailedError(f"{command[0]} was not done within {within_s:g} seconds") from error


def install(command: Sequence[str | Path], **given: object) -> None:
    """Runs a package manager; what it says goes to stderr."""
    if status := call(command, within_s=600, stdout=sys.stderr, **given):
        raise FailedError(f"{' '.join(map(str, command))} ended with exit status {status}")


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """The base URL of a `vecstore serve` over a fresh data folder; afterwards `vecstore check` must find nothing."""
    vecstore = [sys.executable, "-m", "vecstore", "--root", str(folder / "data")]
    log = folder / "server.log"
    try:
        with (
            log.open("wb") as output,
            running([*vecstore, "serve", "--port", "0", *options], stdout=output, stderr=output) as server,
        ):
            yield _ready(server, log)
        with log.open("ab") as output:
            if call([*vecstore, "check"], within_s=CHECK_S, stdout=output, stderr=output):
                raise FailedError("'vecstore check' found something")
    except FailedError:
        say("\n".join(["The server's log ends with:", *log.read_text("utf-8").splitlines()[-LOG_LINES:]]))
        raise


def _ready(server: subprocess.Popen[bytes], log: Path) -> str:
    """Its URL, once it answers and the model is loaded; the log tells on which port."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise FailedError(f"vecstore serve ended with exit status {server.returncode}")
        if told := re.search(r"http://127\.0\.0\.1:[1-9]\d*", log.read_text("utf-8")):
            with suppress(httpx.TransportError):
                if httpx.get(f"{told[0]}/readyz", trust_env=False).status_code == httpx.codes.OK:
                    return told[0]
        time.sleep(0.2)
    raise FailedError(f"vecstore serve was not ready within {READY_S} seconds")
