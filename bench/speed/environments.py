"""A virtual environment for each peer, so that none has another's libraries; kept for the next run."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import platformdirs

PEERS = {
    "chroma": ("chromadb==1.5.9",),
    "lancedb": ("lancedb==0.40.0",),
    "qdrant-edge": ("qdrant-edge-py==0.9.0",),
    "sqlite": ("sqlite-vec==0.1.9", "pysqlite3==0.6.1"),  # many a Python's own SQLite loads no extensions
}
EXACT = "exact"  # needs no library
_VERSIONS = "import sys, numpy; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


def default_folder() -> Path:
    return platformdirs.user_cache_path("vecstore") / "bench"


def made(peers: Sequence[str], folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The Python of each peer, installed where it is not there yet; and of those that cannot be, why."""
    pythons, left_out = {}, {}
    for peer in peers:
        if peer == EXACT:
            pythons[peer] = sys.executable
            continue
        try:
            pythons[peer] = _python(PEERS[peer], folder)
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            left_out[peer] = f"cannot be installed: {said[-1]}"
    return pythons, left_out


def _python(packages: Sequence[str], folder: Path) -> str:
    """Raises OSError, CalledProcessError."""
    environment = folder / packages[0].replace("==", "-")
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not _has(python, packages):
        venv.create(environment, with_pip=True, clear=True)
        _said([str(python), "-m", "pip", "install", "-q", *packages, "numpy"])
    return str(python)


def _has(python: Path, packages: Sequence[str]) -> bool:
    names, versions = zip(*(package.split("==") for package in packages), strict=True)
    try:
        return _said([str(python), "-c", _VERSIONS, *names]).split() == list(versions)
    except (OSError, subprocess.CalledProcessError):
        return False


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
