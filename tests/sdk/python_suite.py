"""The official Python client's own tests, from its source distribution, against `vecstore serve`."""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from placeholders import passing_on
from processes import DOWNLOADS, FailedError, call, environment, install, say, serving

VERSION = "3.54.0"
PASSED = {"3.54.0": 552, "2.54.0": 558, "1.109.1": 556}  # tests; three more skip themselves: they mock their answers
SKIPPED = 3
TESTS = [
    f"tests/api_resources/{name}"
    for name in ("test_files.py", "test_uploads.py", "uploads", "test_vector_stores.py", "vector_stores")
]
NEEDED = ["pytest>=9,<10", "pytest-asyncio>=1.4,<2", "pytest-xdist>=3.6,<4", "rich>=13.7", "inline-snapshot>=0.28"]
NEEDED_BEFORE_3 = ["respx", "httpx-aiohttp", "nest_asyncio", "dirty-equals", "time-machine"]
SUITE_S = 900


def run(version: str = VERSION) -> None:
    """Ends with pytest's closing line. Raises FailedError, with pytest's exit status where it has one."""
    with tempfile.TemporaryDirectory(prefix="vecstore-sdk-") as made:
        folder = Path(made)
        python, sources = _installed(folder, version)
        with serving(folder, "--batch-object", "vector_store.files_batch") as server, passing_on(server) as proxy:
            report = folder / "report.xml"
            _run_tests(python, sources, f"{proxy.url}/v1", report, warnings_fail=not _before_3(version))
            _check_counts(report, version)
            if proxy.refused:
                raise FailedError("the server refused what it should answer:\n" + "\n".join(proxy.refused))


def _before_3(version: str) -> bool:
    return int(version.partition(".")[0]) < 3


def _installed(folder: Path, version: str) -> tuple[Path, Path]:
    """The Python of a new environment with this client, and the folder with its sources and tests."""
    python = folder / "venv/bin/python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    say(f"Installing openai {version} and its tests")
    install([sys.executable, "-m", "venv", folder / "venv"])
    needed = NEEDED + NEEDED_BEFORE_3 * _before_3(version)
    install([*pip, "install", f"openai[aiohttp]=={version}", *needed])
    archive = DOWNLOADS / f"openai-{version}.tar.gz"
    if not archive.exists():
        install([*pip, "download", "--no-deps", "--no-binary", "openai", "--dest", DOWNLOADS, f"openai=={version}"])
    with tarfile.open(archive) as sources:
        sources.extractall(folder, filter="data")
    return python, folder / f"openai-{version}"


def _run_tests(python: Path, sources: Path, url: str, report: Path, *, warnings_fail: bool) -> None:
    options = [
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "--inline-snapshot=disable",
        f"--junitxml={report}",
    ]
    if not warnings_fail:  # those of today's libraries, which came after it
        options += ["-o", "filterwarnings=default"]
    env = environment(TEST_API_BASE_URL=url)
    status = call([python, "-m", "pytest", *options, *TESTS], within_s=SUITE_S, cwd=sources, env=env)
    if status:
        raise FailedError(f"pytest ended with exit status {status}", status)


def _check_counts(report: Path, version: str) -> None:
    """None may be missing: tests that are not collected do not fail."""
    suite = ET.parse(report).getroot()[0]
    tests, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    passed = tests - skipped
    expected = PASSED.get(version)
    if expected is not None and (passed, skipped) != (expected, SKIPPED):
        raise FailedError(f"openai {version}: {expected} should pass and {SKIPPED} skip, not {passed} and {skipped}")
    if not passed:
        raise FailedError(f"openai {version}: no test passed")
