"""Every engine on the same corpus: ingestion one after another, then the same questions to all, turn by turn."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.speed import corpus as corpora
from bench.speed import given
from bench.speed.corpus import Corpus
from bench.speed.given import Filter, Leg

OURS, INDEXES = "vecstore", "vecstore-indexes"
_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 1_800  # of one answer
_OPENINGS = 3
_WARM_UP = 5  # questions of each kind
_THREADS = "OMP_NUM OPENBLAS_NUM MKL_NUM RAYON_NUM"  # one of tokio or Lance, and LanceDB waits for itself for ever
_ONE_THREAD = {f"{each}_THREADS": "1" for each in _THREADS.split()}

OnStep = Callable[[str], None]


class EngineError(RuntimeError):
    """An engine that failed, or says nothing any more."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to ask. below: the share of files that a filter on `part` lets through, in per cent; far: another topic."""

    leg: Leg
    below: int = 0
    far: bool = False

    @property
    def name(self) -> str:
        return self.leg + (f", {self.below} % allowed" if self.below else ", far topic" if self.far else "")

    def filter(self, far: int) -> Filter | None:
        if self.far:
            return Filter("topic", "eq", far)
        return Filter("part", "lt", self.below) if self.below else None


FILTERED = [
    Kind(leg, **wanted)
    for leg in ("hybrid", "dense")
    for wanted in ({"below": 1}, {"below": 10}, {"below": 50}, {"far": True})
]
KINDS = [Kind("hybrid"), Kind("dense"), Kind("keyword"), *FILTERED]


class Process:
    """An engine's program: what is asked is answered before the next is."""

    def __init__(self, name: str, python: str, corpus: Path, folder: Path) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "bench.speed.program", name, str(corpus), str(folder)],
            cwd=_ROOT,
            env={**os.environ, **_ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Raises EngineError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"do": do, **what}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise EngineError(f"its process ended before it was to {do}") from None
        if not select.select([self._process.stdout], [], [], _TIMEOUT_S)[0]:
            raise EngineError(f"it did not {do} within {_TIMEOUT_S} s")
        line = self._process.stdout.readline()
        if not line:
            raise EngineError(f"its process ended while it was to {do}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer


def run(
    pythons: Mapping[str, str],
    *,
    chunks: int,
    tokens: int,
    questions: int,
    seed: int,
    on_step: OnStep,
    left_out: dict[str, str],
) -> dict[str, Any]:
    """The figures of vecstore and each of these peers, by its Python; one that fails goes to `left_out`."""
    with tempfile.TemporaryDirectory(prefix="vecstore-speed-") as work:
        on_step(f"making {chunks:,} chunks")
        corpus = corpora.make(Path(work) / "corpus", chunks=chunks, tokens=tokens, questions=questions, seed=seed)
        peers = {name: python for name, python in pythons.items() if name not in left_out}
        measured = _Measured({OURS: sys.executable, **peers}, corpus, Path(work), on_step, left_out)
        measured.ingest()
        shutil.copytree(measured.folder(OURS), measured.folder(INDEXES))
        measured.pythons[INDEXES] = sys.executable
        measured.ask(questions, random.Random(seed))
    texts = corpus.chunks.texts
    return {
        "chunks": len(texts),
        "characters a chunk": round(statistics.mean(map(len, texts))),
        "engines": {name: measured.figures[name] for name in measured.pythons},
    }


class _Measured:
    """What is known so far; an engine that fails is asked nothing more."""

    def __init__(
        self, pythons: dict[str, str], corpus: Corpus, work: Path, on_step: OnStep, left_out: dict[str, str]
    ) -> None:
        self.pythons, self._corpus, self._work = pythons, corpus, work
        self._on_step, self._left_out = on_step, left_out
        self.figures: dict[str, dict[str, Any]] = {}

    def folder(self, name: str) -> Path:
        return self._work / name

    def ingest(self) -> None:
        for name in list(self.pythons):
            self._on_step(f"{name} takes them")
            with self._process(name) as process:
                taken = self._asked(name, process, "ingest")
            if taken is not None:
                size = sum(path.stat().st_size for path in self.folder(name).rglob("*") if path.is_file())
                a_chunk = round(size / len(self._corpus.chunks.texts))
                self.figures[name] = {"ingestion": _rounded(taken), "bytes a chunk": a_chunk}

    def ask(self, questions: int, chance: random.Random) -> None:
        with ExitStack() as stack:
            processes = {name: self._opened(name, stack) for name in list(self.pythons)}
            for kind in KINDS:
                self._on_step(kind.name)
                self._ask_kind(kind, {name: processes[name] for name in self.pythons}, questions, chance)
            for name in list(self.pythons):
                self._on_step(f"{name} changes")
                self._change(name, processes[name])

    def _opened(self, name: str, stack: ExitStack) -> Process:
        """In new processes; the last one stays."""
        taken = []
        for i in range(_OPENINGS):
            last = i == _OPENINGS - 1
            with ExitStack() as once:
                process = (stack if last else once).enter_context(self._process(name))
                answer = self._asked(name, process, "open")
                if answer is None:
                    return process
                taken.append(answer)
                if not last:
                    self._asked(name, process, "close")
        self.figures.setdefault(name, {})["first answer"] = _medians(taken)
        return process

    def _ask_kind(self, kind: Kind, processes: Mapping[str, Process], questions: int, chance: random.Random) -> None:
        _, vectors, far = given.questions(self._corpus.folder)
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
        for number in [*range(min(_WARM_UP, questions)), *range(questions)]:
            wanted = kind.filter(far[number])
            for name in chance.sample(list(processes), len(processes)):
                if name in self.pythons:
                    asked = {"leg": kind.leg, "number": number, "wanted": wanted and _listed(wanted)}
                    answer = self._asked(name, processes[name], "search", **asked)
                    if answer and "missing" not in answer:
                        taken[name].append(answer)
        for name in self.pythons:
            if answers := taken[name][-questions:]:
                figures = _distribution(answers)
                if kind.leg == "dense":
                    figures["recall"] = self._recall(kind, vectors, far, answers)
                self.figures[name].setdefault("searches", {})[kind.name] = figures

    def _recall(
        self, kind: Kind, vectors: given.FloatArray, far: Sequence[int], answers: Sequence[Mapping[str, Any]]
    ) -> float:
        """The share of the exact results that are found; 1 where nothing is to be found."""
        shares = []
        for i, answer in enumerate(answers):
            [wanted] = self._corpus.nearest(vectors[i : i + 1], kind.filter(far[i]))
            found = {self._corpus.numbers.get(each, each) for each in answer["found"]}
            shares.append(len(wanted & found) / len(wanted) if wanted else 1.0)
        return round(statistics.mean(shares), 4)

    def _change(self, name: str, process: Process) -> None:
        resident = self._asked(name, process, "resident")
        if resident is None:
            return
        self.figures[name]["resident MB"] = round(resident["bytes"] / 2**20, 1)
        first = len(self._corpus.chunks.texts)
        if name == INDEXES:
            return
        for do in ("add", "delete"):
            answers = [self._asked(name, process, do, number=first + i, extra=i) for i in range(corpora.EXTRAS)]
            if name in self.pythons:
                self.figures[name][do] = _medians([answer for answer in answers if answer])
        self._asked(name, process, "close")

    def _process(self, name: str) -> Process:
        return Process(name, self.pythons[name], self._corpus.folder, self.folder(name))

    def _asked(self, name: str, process: Process, do: str, **what: Any) -> dict[str, Any] | None:
        """None where the engine fails, now or before. Ours must not: that raises EngineError."""
        if name not in self.pythons:
            return None
        try:
            return process.ask(do, **what)
        except EngineError as error:
            if name in (OURS, INDEXES):
                raise
            self._left_out[name] = f"failed to {do}: {error}"
            del self.pythons[name]
            return None


def _listed(wanted: Filter) -> list[Any]:
    return [wanted.key, wanted.operator, wanted.value]


def _rounded(taken: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in taken.items()}


def _medians(taken: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {f"{each} ms": _ms(statistics.median(one[f"{each}_s"] for one in taken)) for each in ("cpu", "wall")}


def _distribution(answers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    figures = {}
    for each in ("cpu", "wall"):
        seconds = sorted(answer[f"{each}_s"] for answer in answers)
        figures[f"{each} p50 ms"] = _ms(statistics.median(seconds))
        figures[f"{each} p99 ms"] = _ms(seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))])
    return figures


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
