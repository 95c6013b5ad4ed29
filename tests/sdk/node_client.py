"""The official npm client, in a script as an application would have it, against `vecstore serve`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from processes import DOWNLOADS, FailedError, call, environment, install, say, serving

HERE = Path(__file__).parent / "node"
OLDEST_NODE = 20  # that the client in package.json runs on
NPM = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
SCRIPT_S = 300


def run() -> None:
    """Ends with the script's closing line, or with one that says why it was not run. Raises FailedError."""
    if reason := _why_not():
        say(f"The Node client was not run: {reason}")
        return
    folder = DOWNLOADS / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "client.mjs"):
        shutil.copy(HERE / name, folder)
    install(NPM, cwd=folder)
    with tempfile.TemporaryDirectory(prefix="vecstore-sdk-") as made, serving(Path(made)) as server:
        env = environment(OPENAI_BASE_URL=f"{server}/v1", OPENAI_API_KEY="none is asked for")
        if status := call(["node", "client.mjs"], within_s=SCRIPT_S, cwd=folder, env=env):
            raise FailedError(f"client.mjs ended with exit status {status}", status)


def _why_not() -> str | None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"there is no {program} on this machine"
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(told.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        return f"it needs Node {OLDEST_NODE} or newer, and this is {told}"
    return None
