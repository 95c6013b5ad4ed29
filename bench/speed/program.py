"""One engine in a process of its own: `python -m bench.speed.program ENGINE CORPUS FOLDER`.

A line of JSON says what to do, the answer is another. It needs the engine's library and numpy alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.speed import given
from bench.speed.engines import Engine, engine
from bench.speed.given import RESULTS, Chunk, Filter, NoSuchLegError, Question


class Program:
    def __init__(self, name: str, corpus: Path, folder: Path) -> None:
        self._corpus = corpus
        self._texts, self._vectors, _ = given.questions(corpus)
        self._extras = given.extras(corpus)
        self._before = _resident_bytes()
        self._engine: Engine = engine(name, corpus, folder)

    def ingest(self) -> dict[str, Any]:
        chunks = given.chunks(self._corpus)
        return _timed(lambda: self._engine.ingest(chunks))[1]

    def open(self) -> dict[str, Any]:
        """Up to the first answer."""
        question = self._question("dense", 0, None)

        def first() -> Sequence[int | str]:
            self._engine.open()
            return self._engine.search(question)

        return _timed(first)[1]

    def search(self, leg: given.Leg, number: int, wanted: list[Any] | None) -> dict[str, Any]:
        question = self._question(leg, number, Filter(*wanted) if wanted else None)
        try:
            found, taken = _timed(lambda: self._engine.search(question))
        except NoSuchLegError:
            return {"missing": leg}
        return {"found": list(found), **taken}

    def add(self, number: int, extra: int) -> dict[str, Any]:
        """Until it is the first that is found."""
        texts, vectors = self._extras
        chunk = Chunk(number, texts[extra], vectors[extra], part=0, topic=0)
        found, taken = _timed(lambda: self._changed(lambda: self._engine.add(chunk), chunk))
        if not _is_among(number, found):
            raise RuntimeError(f"chunk {number} was added and is not among the first {RESULTS}")
        return taken

    def delete(self, number: int, extra: int) -> dict[str, Any]:
        """Until it is not found."""
        texts, vectors = self._extras
        chunk = Chunk(number, texts[extra], vectors[extra], part=0, topic=0)
        found, taken = _timed(lambda: self._changed(lambda: self._engine.delete(number), chunk))
        if _is_among(number, found):
            raise RuntimeError(f"chunk {number} was deleted and is still found")
        return taken

    def resident(self) -> dict[str, Any]:
        """What the library and the index came to take, above an empty process."""
        return {"bytes": _resident_bytes() - self._before}

    def close(self) -> dict[str, Any]:
        self._engine.close()
        return {}

    def _question(self, leg: given.Leg, number: int, filter_: Filter | None) -> Question:
        return Question(self._texts[number], self._vectors[number], leg, filter_)

    def _changed(self, change: Callable[[], None], chunk: Chunk) -> Sequence[int | str]:
        change()
        return self._engine.search(Question(chunk.text, chunk.vector, "dense"))


def _is_among(number: int, found: Sequence[int | str]) -> bool:
    return number in found or f"{number}.txt:0" in found


def _timed(work: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """CPU seconds are those of all threads, and of processes that were made and ended meanwhile."""
    cpu, began = _cpu_s(), time.perf_counter()
    made = work()
    wall = time.perf_counter() - began
    return made, {"cpu_s": _cpu_s() - cpu, "wall_s": wall}


def _cpu_s() -> float:
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def _resident_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024
    except OSError:  # elsewhere the most that it ever was
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def main() -> None:
    name, corpus, folder = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # what a library prints is no answer
    os.dup2(nothing, 2)
    program: Program | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            program = program or Program(name, Path(corpus), Path(folder))
            answer = getattr(program, request.pop("do"))(**request)
        except BaseException as error:  # noqa: BLE001 - a library raises whatever it likes, panics included
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
