"""The README is true: its Python runs, its commands run, and their output is what it says."""

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
VECSTORE = Path(sys.executable).with_name("vecstore")

AS_ON_A_TERMINAL = {**os.environ, "VECSTORE_LOG_FORMAT": "text"}

pytestmark = pytest.mark.model


def run_commands(example: Example) -> None:
    """Every `$ vecstore ...` of a console block; `...` in its output stands for anything, `&` leaves it running."""
    for block in re.split(r"^\$ ", str(example.parsed), flags=re.MULTILINE)[1:]:
        command, _, expected = block.partition("\n")
        program, *arguments = shlex.split(command)
        assert program == "vecstore"
        if arguments[-1] == "&":
            start(arguments[:-1], expected)
            continue
        done = subprocess.run([VECSTORE, *arguments], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        said, wanted = shown(done.stderr + done.stdout), shown(expected)
        pattern = re.escape(wanted).replace(re.escape("..."), r"[\s\S]*?")
        assert re.fullmatch(rf"[\s\S]*?^{pattern}[\s\S]*", said, flags=re.MULTILINE), f"$ {command}\n{said}"


def start(arguments: list[str], expected: str) -> None:
    """Leaves a server running that has said what it should, and is ready."""
    server = subprocess.Popen([VECSTORE, *arguments], stderr=subprocess.PIPE, text=True, env=AS_ON_A_TERMINAL)
    started.append(server)
    assert server.stderr is not None
    assert server.stderr.readline().strip() == expected.strip()
    ready = expected.split()[2].split("/v1", maxsplit=1)[0] + "/readyz"
    for _ in range(600):
        with suppress(httpx.ConnectError):
            if httpx.get(ready).status_code == 200:
                return
        assert server.poll() is None
        time.sleep(0.1)
    raise AssertionError(f"{ready} never was")


started: list[subprocess.Popen[str]] = []


def shown(output: str) -> str:
    """The lines that are not empty, without blanks at their ends."""
    return "\n".join(line.rstrip() for line in output.splitlines() if line.strip())


def test_what_the_readme_says_is_what_happens(tmp_path, monkeypatch):
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    parsers = PythonCodeBlockParser(), CodeBlockParser("console", run_commands)
    examples = list(Document.parse(str(README), *parsers).examples())
    assert len(examples) >= 6
    try:
        for example in examples:
            example.evaluate()
    finally:
        for server in started:
            server.terminate()
            server.communicate()
    assert [server.returncode for server in started] == [0]


def test_the_commands_that_set_up_are_there_and_continuous_integration_calls_the_same():
    commands = re.findall(r"^sh (\S+)", README.read_text(), flags=re.MULTILINE)
    assert commands == ["data/demo.sh", "tests/run.sh"]
    assert all((ROOT / command).exists() for command in commands)
    assert "sh tests/run.sh" in (ROOT / ".ci/run").read_text()
