"""Files made to break their readers, read as the product reads them: nothing gets out, hangs or reaches out."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from bench import manifest
from bench.documents import BROKE
from ingestion import deadline
from ingestion.types import IngestionError
from ingestion.worker import Workers

COLUMNS = """\
DIR/MANIFEST.tsv has a header line, then a line a file with the columns file, attack and expected, separated by
tabs. expected: 'rejected...' or 'error...' is an error; 'ok...' is a text; where both words stand, either will do.
Words in double quotes after 'ok' stand in the text; 'ok: empty' may also be an error that says no text."""

PORT = 9  # where such files point: the discard service
_POLL_S = 0.01
_GRACE_S = 5.0  # a new worker may have to start
_OK, _NO = re.compile(r"\bok\b"), re.compile(r"\b(?:rejected|error)\b")
_QUOTED = re.compile(r'"([^"]+)"')
_DROPPED = re.compile(r"parse-evil")  # what such files try to write


@dataclass(frozen=True, slots=True)
class Finding:
    """One file: `peak_bytes` is 0 where the system does not tell it, `wrong` is "" where nothing is."""

    file: str
    attack: str
    expected: str
    wall_s: float
    peak_bytes: int
    outcome: str
    ended: bool
    wrong: str


def run(
    folder: Path, *, canary: str = "", port: int = PORT, ocr: bool = False, accepted: Collection[str] = ()
) -> dict[str, Any]:
    """Every file of the manifest, one after the other, in one worker at a time.

    accepted: files that may come out otherwise than the manifest says; it is told, and not counted as wrong.
    """
    before = _dropped()
    with _Listener(port) as listener, Workers(count=1) as workers:
        read = partial(_read, workers, folder, canary=canary, ocr=ocr)
        findings = [read(line, accepted=line["file"] in accepted) for line in manifest.lines(folder)]
        sandbox = str(workers.sandbox())
    dropped = sorted(_dropped() - before)
    outside = [f"{listener.connections} connections were made to port {port}"] if listener.connections else []
    outside += [f"{name} was written" for name in dropped]
    return {
        "folder": folder.name,
        "sandbox": sandbox,
        "listener": listener.said,
        "findings": [asdict(finding) for finding in findings],
        "outside": outside,
        "wrong": sum(bool(finding.wrong) for finding in findings) + len(outside),
    }


def table(report: dict[str, Any]) -> str:
    """A line a file, the slowest first, and what is wrong."""
    findings = sorted(report["findings"], key=lambda finding: (-finding["wall_s"], finding["file"]))
    lines = [
        f"{report['folder']}: {len(findings)} hostile files; sandbox {report['sandbox']}; {report['listener']}",
        f"{'file':28}{'s':>7}{'MiB':>7}  outcome",
    ]
    for each in findings:
        mark = "WRONG: " + each["wrong"] + " | " if each["wrong"] else "worker ended: " if each["ended"] else ""
        memory = f"{each['peak_bytes'] >> 20:7,}" if each["peak_bytes"] else f"{'?':>7}"
        lines.append(f"{each['file']:28}{each['wall_s']:7.2f}{memory}  {mark}{each['outcome'][:150]}")
    ended = [each["file"] for each in findings if each["ended"]]
    if ended:
        lines.append(f"{len(ended)} ended their worker, which the product survives: {', '.join(ended)}")
    lines += [f"WRONG: {said}" for said in report["outside"]]
    return "\n".join([*lines, f"{report['wrong']} wrong"])


def contradiction(expected: str, text: str | None, error: str) -> str:
    """What the manifest's expectation says against a text or an error; "" where it allows it."""
    ok, no = _OK.search(expected), _NO.search(expected)
    if text is None:
        empty = expected.startswith("ok: empty") and ("no text" in error or "ocr" in error.lower())
        return "" if no or not ok or empty else f"expected '{expected}'"
    if no and not ok:
        return f"expected '{expected}', not a text"
    held = manifest.words(text)
    absent = [quoted for quoted in _QUOTED.findall(expected) if manifest.words(quoted) not in held]
    return f"not in the text: {', '.join(absent)}" if absent else ""


def _read(workers: Workers, folder: Path, line: dict[str, str], *, canary: str, ocr: bool, accepted: bool) -> Finding:
    path, text, error, crash = folder / line["file"], None, "", ""
    with _peak_memory() as peak, path.open("rb") as file:
        began = time.monotonic()
        try:
            document = workers.parse(file, path.name, ocr=ocr)
            text = document.text
        except IngestionError as refused:
            error = str(refused)
        except Exception as raised:  # noqa: BLE001 - that is what is looked for
            crash = f"{type(raised).__name__} came out: {raised}"
        wall_s = time.monotonic() - began
    allowed_s = deadline.cpu_seconds(path.stat().st_size) * deadline.WALL_FACTOR + _GRACE_S
    differs = contradiction(line["expected"], text, error)
    wrong = crash or ("" if accepted else differs)
    if wall_s > allowed_s:
        wrong = f"took {wall_s:.0f} s, its deadline is {allowed_s:.0f} s"
    if canary and text and canary in text:
        wrong = "the canary's text came out"
    outcome = f"text of {len(text):,} characters: {text[:60]!r}" if text is not None else error or crash
    return Finding(
        file=line["file"],
        attack=line["attack"],
        expected=line["expected"],
        wall_s=wall_s,
        peak_bytes=peak.highest,
        outcome=f"accepted, though {differs}: {outcome}" if differs and accepted else outcome,
        ended=any(phrase in error for phrase in BROKE),
        wrong=wrong,
    )


def _dropped() -> set[str]:
    with suppress(OSError):
        return {path.name for path in Path("/tmp").iterdir() if _DROPPED.match(path.name)}
    return set()


@dataclass(slots=True)
class _Peak:
    highest: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def _peak_memory() -> Iterator[_Peak]:
    """The most memory that a grandchild of this process (a worker) holds meanwhile, as Linux tells it."""
    peak = _Peak()
    for pid in _workers():
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # begins its high-water mark anew
    watcher = threading.Thread(target=_watch, args=(peak,))
    watcher.start()
    try:
        yield peak
    finally:
        peak.stopped.set()
        watcher.join()


def _watch(peak: _Peak) -> None:
    last = False
    while not last:
        last = peak.stopped.wait(_POLL_S)
        for pid in _workers():
            with suppress(OSError, IndexError, ValueError):
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
                peak.highest = max(peak.highest, int(status.partition("VmHWM:")[2].split()[0]) * 1024)


def _workers() -> list[str]:
    return [worker for nursery in _children(str(os.getpid())) for worker in _children(nursery)]


def _children(pid: str) -> list[str]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += (task / "children").read_text(encoding="ascii").split()
    return found


LAST_MOMENT_S = 0.2


class _Listener:
    """Counts connections to the port that the files point to; `said` tells where it could not be opened."""

    def __init__(self, port: int) -> None:
        self.connections, self.said = 0, f"listening on 127.0.0.1:{port}"
        self._socket = socket.socket()
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen()
        except OSError as error:
            self.said = f"no listener on 127.0.0.1:{port}, so connections would not be seen ({error.strerror})"
            self._socket.close()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(LAST_MOMENT_S)  # for what is still on its way
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _count(self) -> None:
        with suppress(OSError):
            while True:
                self._socket.accept()[0].close()
                self.connections += 1
