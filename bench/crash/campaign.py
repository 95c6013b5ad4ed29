"""Many deaths of the workload, each followed by the checker; what became of them."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from bench.crash import checker, migration, workload
from bench.crash.points import Point
from bench.crash.tally import Outcome, Tally
from bench.crash.volume import FILLER, NoVolumeError, Volume
from vecstore import failpoints

_RUN_S, _CHECK_S = 120, 180  # after which it hangs
_FRESH_AFTER = 6  # deaths of one data folder
_LONGEST_S = 2.5  # before a random kill

_processes = multiprocessing.get_context("forkserver")


def run(points: Sequence[Point], *, at_once: int, keep: Path | None, on_done: Callable[[Outcome], None]) -> Tally:
    """All points, so many at a time; each is told when it is done. keep: where folders with failures are copied to."""
    _processes.set_forkserver_preload(["bench.crash.workload", "bench.crash.checker"])
    tally, started = Tally(), time.monotonic()
    with ExitStack() as stack:
        slots: SimpleQueue[_Slot] = SimpleQueue()
        try:
            made = [stack.enter_context(_Slot(volume=True)) for _ in range(at_once)]
        except NoVolumeError as error:
            made = [stack.enter_context(_Slot(volume=False)) for _ in range(at_once)]
            tally.left_out = dict.fromkeys(("power cut", "full disk"), f"no file system can be mounted: {error}")
        for slot in made:
            slots.put(slot)

        def one(point: Point) -> None:
            slot = slots.get()
            try:
                outcome = slot.run(point, keep)
            finally:
                slots.put(slot)
            tally.outcomes.append(outcome)
            on_done(outcome)

        wanted = [point for point in points if point.kind not in tally.left_out]
        with ThreadPoolExecutor(at_once) as executor:
            for future in [executor.submit(one, point) for point in wanted]:
                future.result()
    tally.seconds = time.monotonic() - started
    return tally


class _Slot:
    """A place for one death at a time, with a folder that is kept over several of them."""

    def __init__(self, *, volume: bool) -> None:
        self._stack = ExitStack()
        self._work = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vecstore-crash-")))
        self._volume = Volume(self._work) if volume else None
        self._deaths: Counter[str] = Counter()

    def __enter__(self) -> Self:
        if self._volume is not None:
            try:
                self._stack.enter_context(self._volume.mounted())
            except NoVolumeError:
                self._stack.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, point: Point, keep: Path | None) -> Outcome:
        if point.where.startswith("migration."):
            return self._migrate(point)
        root = self._volume.root if point.wants_volume and self._volume is not None else self._work
        folder, journal = root / "kb", self._work / f"journal-{root.name}"
        self._deaths[root.name] += 1
        if self._deaths[root.name] > _FRESH_AFTER:
            self._forget(root.name, folder, journal)
        before = journal.stat().st_size if journal.exists() else 0
        ended = self._die(point, folder, journal)
        refused = _said(journal, before).count(b'"kind": "refused"')
        if point.loses_power and self._volume is not None:
            self._volume.power_cut()
        (root / FILLER).unlink(missing_ok=True)
        broken = _in_a_process(checker.check, folder, journal) if ended != "hangs" else ["the workload hangs"]
        if broken:
            if keep is not None:
                kept = keep / f"{point.kind.replace(' ', '-')}-{point.seed}"
                shutil.copytree(folder, kept / "kb", dirs_exist_ok=True)
                shutil.copy(journal, kept / "journal")
            self._forget(root.name, folder, journal)
        return Outcome(point, ended, refused, broken)

    def _migrate(self, point: Point) -> Outcome:
        """Each time with a folder of its own."""
        root = self._volume.root if point.wants_volume and self._volume is not None else self._work
        unpacked = root / "past"
        shutil.rmtree(unpacked, ignore_errors=True)
        migration.unpack(point.seed, unpacked)
        os.sync()  # it lay there before
        process = _processes.Process(target=_open_once, args=(unpacked / "kb", point.where))
        process.start()
        process.join(_RUN_S)
        hangs = process.is_alive()
        _end(process)
        if point.loses_power and self._volume is not None:
            self._volume.power_cut()
        broken = ["opening hangs"] if hangs else _in_a_process(migration.check, unpacked)
        return Outcome(point, "hangs" if hangs else _how(process.exitcode), 0, broken)

    def _forget(self, name: str, folder: Path, journal: Path) -> None:
        for path in (folder, workload.backups_of(folder), folder.with_name("restored")):
            shutil.rmtree(path, ignore_errors=True)
        journal.unlink(missing_ok=True)
        self._deaths[name] = 0

    def _die(self, point: Point, folder: Path, journal: Path) -> str:
        rng = random.Random(point.seed)
        filler = None
        if point.kind == "full disk" and self._volume is not None:
            filler = self._volume.fill(rng.randrange(64 << 10, 4 << 20))
        size = journal.stat().st_size if journal.exists() else 0
        process = _processes.Process(target=_work, args=(point, folder, journal, filler))
        process.start()
        if point.kind in ("failpoint", "error", "full disk") or point.where:
            with _failing_calls(point, process, journal, size):
                process.join(_RUN_S)
            hangs = process.is_alive()
        else:
            _wait_for(process, journal, size)
            process.join(rng.uniform(0, _LONGEST_S))
            hangs = False
        _end(process)
        return "hangs" if hangs else _how(process.exitcode)


def _open_once(folder: Path, where: str) -> None:
    _quiet()
    migration.open_once(folder, where)


def _work(point: Point, folder: Path, journal: Path, filler: Path | None) -> None:
    os.setsid()  # what parses dies with it
    _quiet()
    if point.where and not point.syscall:
        failpoints.switch_on(point.where)
    faults = ["--faults"] if point.kind in ("error", "full disk") else []
    filled = ["--filler", str(filler)] if filler else []
    sys.exit(workload.main([str(folder), str(journal), str(point.seed), *faults, *filled]))


@contextmanager
def _failing_calls(point: Point, process: Any, journal: Path, size: int) -> Iterator[None]:
    """Meanwhile the N-th such call of each thread fails, counted from the first operation on."""
    if not point.syscall:
        yield
        return
    _wait_for(process, journal, size)
    if not process.is_alive():
        yield
        return
    call, count, error = point.where.split(":")
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={count}"]
    strace = subprocess.Popen(["strace", "-f", "-qq", "-o", os.devnull, *inject, "-p", str(process.pid)])
    try:
        yield
    finally:
        strace.kill()
        strace.wait()


def _wait_for(process: Any, journal: Path, size: int) -> None:
    """Until the workload has begun with its first operation."""
    until = time.monotonic() + _RUN_S
    while process.is_alive() and time.monotonic() < until:
        if journal.exists() and b'"begin"' in _said(journal, size):
            return
        time.sleep(0.005)


def _said(journal: Path, start: int) -> bytes:
    if not journal.exists():
        return b""
    with journal.open("rb") as file:
        file.seek(start)
        return file.read()


def _end(process: Any) -> None:
    for kill in (lambda: os.killpg(process.pid, signal.SIGKILL), process.kill):
        with suppress(ProcessLookupError):
            kill()
    process.join()


def _how(status: int | None) -> str:
    if status == 0:
        return "finished"
    return "killed" if status == -signal.SIGKILL else f"status {status}"


def _in_a_process(check: Callable[..., list[str]], *arguments: Path) -> list[str]:
    """What the check says, in a process of its own: what it opens may be worse than it should be."""
    receiver, sender = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_say, args=(sender, check, *arguments))
    process.start()
    sender.close()
    try:
        said: list[str] = receiver.recv() if receiver.poll(_CHECK_S) else ["the checker hangs"]
    except EOFError:
        process.join()
        said = [f"the checker ended with {_how(process.exitcode)}"]
    _end(process)
    return said


def _say(sender: Any, check: Callable[..., list[str]], *arguments: Path) -> None:
    os.setsid()
    _quiet()
    try:
        sender.send(check(*arguments))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the data cannot be opened or read
        sender.send([f"{type(error).__name__}: {error}"])


def _quiet() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
