"""What tests of `vecstore serve` as a process share: its start, its log, its end."""

import json
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

READY_S = 60


class Serving:
    def __init__(self, process, log):
        self.process, self._log = process, log
        self.url = self._await(r"Listening on (http://\S+)/v1;")

    def log(self):
        return self._log.read_text()

    def lines(self):
        """What was logged: nothing but JSON, a line each."""
        return [json.loads(line) for line in self.log().splitlines()]

    def ready(self):
        for _ in range(READY_S * 20):
            if httpx.get(f"{self.url}/readyz").status_code == 200:
                return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def stop(self, number=signal.SIGTERM):
        """The exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def _await(self, pattern):
        for _ in range(READY_S * 20):
            if found := re.search(pattern, self.log()):
                return found[1]
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)
        raise AssertionError(self.log())


@pytest.fixture
def environment(tmp_path, embeddings_url):
    return {
        "PATH": "/usr/bin:/bin",
        "VECSTORE_ROOT": str(tmp_path / "kb"),
        "VECSTORE_EMBEDDER": "hashing",
        "VECSTORE_EMBEDDER_URL": embeddings_url,
    }


@pytest.fixture
def run(environment):
    """`run("serve", "--port", "x", status=2)`: the verb to its end; what it printed on stderr."""

    def to_its_end(*arguments, status=0, env=None):
        command = [sys.executable, "-m", "vecstore", *arguments]
        done = subprocess.run(
            command, env=environment | (env or {}), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    return to_its_end


@pytest.fixture
def start(environment, tmp_path):
    """`start("--require-key", env={...})`: a server on a free port."""
    started = []

    def begin(*arguments, env=None):
        log = tmp_path / f"log{len(started)}"
        command = [sys.executable, "-m", "vecstore", "serve", "--port", "0", *arguments]
        with log.open("wb") as output:
            started.append(subprocess.Popen(command, env=environment | (env or {}), stderr=output, stdout=output))
        return Serving(started[-1], log)

    yield begin
    for process in started:
        process.kill()
        process.wait()
