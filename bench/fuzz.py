"""Damaged copies of our own samples, thrown at one parser: what crashes, hangs, or breaks a promise is kept."""

from __future__ import annotations

import hashlib
import os
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

from bench import child, promises
from bench.minimise import minimised
from bench.mutate import mutated
from ingestion import SUPPORTED, IngestionError, Span, media_type, parse
from ingestion.detect import parser_of
from ingestion.media_types import ENCRYPTED
from ingestion.parsers.clean import clean
from ingestion.types import Document, SpanKind

_ROOT = Path(__file__).parent.parent
SEED_FOLDERS = (_ROOT / "tests" / "documents", _ROOT / "data" / "samples")
TARGETS = ("chunk", "detect", *sorted({parser_of(kind) for kind in SUPPORTED.values()} | {"encrypted"}))
MEMORY_BYTES = 2 << 30  # of address space
HANG_S = 20.0
BATCH_S = 5.0  # a child is replaced after so long, so that what it leaks stays small
MINIMISE_S = 30.0
MAX_SEED_BYTES = 1 << 20
MAX_CHUNK_SEED_BYTES = 10_000

_TYPES = {*SUPPORTED.values(), ENCRYPTED}
_PLAIN_TEXTS = frozenset("markdown source tex text".split())
_WHOLE: tuple[SpanKind, ...] = ("page", "slide", "sheet", "part")
_INNER: tuple[SpanKind, ...] = ("table", "list", "code", "symbol")
_LINE_END = re.compile("\n")
_NUMBER = re.compile(r"(?<!\.py:)\b\d+\b")
_QUOTATION = re.compile(r"['\"]")


@dataclass(frozen=True, slots=True)
class Seed:
    name: str
    data: bytes


@dataclass(slots=True)
class Result:
    """`caught` counts what parse() itself had to turn into a sentence, by exception and place: not wrong, not nice."""

    target: str
    cases: int = 0
    seconds: float = 0.0
    findings: list[dict[str, Any]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)


def seeds_of(target: str, folders: Iterable[Path] = SEED_FOLDERS) -> list[Seed]:
    """The real samples that this target reads, in the order of their names; detect: all, chunk: those of plain text."""
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    seeds = [Seed(path.name, path.read_bytes()) for path in paths if path.stat().st_size <= MAX_SEED_BYTES]
    if target == "chunk":
        return [seed for seed in seeds if _read_by(seed) in _PLAIN_TEXTS and len(seed.data) <= MAX_CHUNK_SEED_BYTES]
    return [seed for seed in seeds if target == "detect" or _read_by(seed) == target]


def case(target: str, seeds: Sequence[Seed], seed: str) -> Seed:
    """The same case for the same seed: a damaged copy, under a sample's name."""
    rng = random.Random(seed)
    chosen = rng.choice(seeds)
    alike = [each.data for each in seeds if PurePath(each.name).suffix == PurePath(chosen.name).suffix]
    name = rng.choice(seeds).name if target == "detect" else chosen.name
    return Seed(f"fuzz{PurePath(name).suffix}", mutated(rng, alike, target if target != "detect" else _read_by(chosen)))


def check(target: str, made: Seed) -> tuple[str, str]:
    """Which promise is broken, and the exception that only parse() itself turned into a sentence; "" for none."""
    if target == "chunk":
        document = document_of(made.data)
        return (promises.of_chunks(document, promises.STRATEGIES) if document.text.strip() else ""), ""
    try:
        if target == "detect":
            found = media_type(made.data, made.name)
            return ("" if found in _TYPES else f"the type {found!r} is not in the table"), ""
        document = parse(made.data, made.name, ocr=False)
    except IngestionError as error:
        return promises.of_error(error, made.name), _last_resort(error)
    return promises.of_document(document) or promises.of_chunks(document), ""


def document_of(data: bytes) -> Document:
    """These bytes as text with spans as a parser might make them, of whole lines; the same for the same bytes."""
    text = clean(data.decode("utf-8", "replace"))[: promises.MAX_CHUNKED_CHARS // 4]
    rng = random.Random(data)
    starts = [0, *(found.end() for found in _LINE_END.finditer(text)), len(text)]
    spans = [
        Span("heading", at, text.find("\n", at) % (len(text) + 1), f"h{at}", rng.randint(1, 6))
        for at in _some(rng, starts)
    ]
    whole = _some(rng, starts)
    kind = rng.choice(_WHOLE)
    spans += [Span(kind, *edges, f"{kind} {number}", number) for number, edges in enumerate(pairwise(whole), 1)]
    inner = _some(rng, starts)
    kind = rng.choice(_INNER)
    spans += [Span(kind, *edges, rng.choice(("", "a | b"))) for edges in zip(inner[::2], inner[1::2], strict=False)]
    spans.sort(key=lambda span: (span.start, -span.end))
    return Document(text, "text/plain", tuple(spans), verbatim=rng.random() < 0.5)


def _some(rng: random.Random, places: Sequence[int]) -> list[int]:
    return sorted(rng.sample(places, rng.randint(0, min(len(places), 30))))


def run(
    target: str,
    *,
    seconds: float,
    seed: int,
    out: Path,
    folders: Sequence[Path] = SEED_FOLDERS,
    most: int = sys.maxsize,
    minimise_s: float = MINIMISE_S,
) -> Result:
    """Cases until the time is up, or `most` of them; each kind of finding is minimised and saved to `out` once.

    Raises ValueError where no sample is read by the target.
    """
    seeds = seeds_of(target, folders)
    if not seeds:
        raise ValueError(f"no sample for {target} in {', '.join(map(str, folders))}")
    result = Result(target)
    check(target, min(seeds, key=lambda seed: len(seed.data)))  # loads the parser and the tokens here, for all children
    began = time.monotonic()
    while time.monotonic() - began < seconds and result.cases < most:
        work = partial(_cases, target, seeds, seed, range(result.cases, most), seconds=min(BATCH_S, seconds))
        for said in child.run(work, memory_bytes=MEMORY_BYTES):
            result.cases = said.get("case", result.cases - 1) + 1
            result.caught.update(filter(None, [said.get("caught")]))
            how = said.get("broken") or said.get("ended")
            if how:
                _keep(result, out, case(target, seeds, f"{seed}:{result.cases - 1}"), how, minimise_s=minimise_s)
    result.seconds = time.monotonic() - began
    return result


def repeat(target: str, path: Path) -> str:
    """What a saved file does, "" for nothing."""
    return _what(target, Seed(f"fuzz{path.suffix}", path.read_bytes()))


def table(result: Result) -> str:
    rate = result.cases / max(result.seconds, 1e-9)
    found = f"{len(result.findings)} findings"
    lines = [f"{result.target}: {result.cases:,} cases in {result.seconds:.0f} s ({rate:.0f}/s), {found}"]
    lines += [
        f"  {each['what']} ({result.seen[each['kind']]} times); repeat: {each['repeat']}" for each in result.findings
    ]
    lines += [
        f"  a sentence only by the last resort: {what}, {count} times" for what, count in result.caught.most_common(12)
    ]
    return "\n".join(lines)


def _cases(target: str, seeds: Sequence[Seed], seed: int, numbers: range, say: child.Say, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    for number in numbers:
        say({"case": number})
        _check_aloud(target, case(target, seeds, f"{seed}:{number}"), say)
        if time.monotonic() > until:
            return


def _check_aloud(target: str, made: Seed, say: child.Say) -> None:
    child.within(HANG_S)
    broken, caught = "", ""
    try:
        broken, caught = check(target, made)
    except MemoryError:
        broken = f"needs more than {MEMORY_BYTES >> 20:,} MiB of memory"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        broken = f"{_place(error)} came out: {error}"
    child.within(0)
    if broken or caught:
        say({"broken": broken[:500], "caught": caught})


def _what(target: str, made: Seed) -> str:
    """One case in a child of its own."""
    said = list(child.run(lambda say: _check_aloud(target, made, say), memory_bytes=MEMORY_BYTES))
    return next((str(each.get("broken") or each.get("ended")) for each in said if any(each.values())), "")


def _keep(result: Result, out: Path, made: Seed, how: str, *, minimise_s: float) -> None:
    how = f"hangs: more than {HANG_S:.0f} s" if how == "SIGALRM" else how
    kind = _kind(how)
    result.seen[kind] += 1
    if result.seen[kind] > 1:
        return
    data = made.data
    if not how.startswith("hangs"):  # each try would take as long
        data = minimised(data, lambda it: _kind(_what(result.target, Seed(made.name, it))) == kind, seconds=minimise_s)
    name = f"fuzz-{result.target}-{hashlib.sha256(data).hexdigest()[:10]}{PurePath(made.name).suffix}"
    out.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(data)
    repeat_with = f"python -m bench fuzz {result.target} --repeat {out / name}"
    result.findings.append({"what": how, "kind": kind, "bytes": len(data), "repeat": repeat_with})


def _kind(how: str) -> str:
    """The same for findings that are probably one: without quotations, and without numbers but those of lines."""
    return _NUMBER.sub("N", _QUOTATION.split(how, maxsplit=1)[0])[:100]


def _last_resort(error: IngestionError) -> str:
    cause = error.__cause__
    return _place(cause) if cause is not None and "cannot be read as" in str(error) else ""


def _place(error: BaseException) -> str:
    """The exception's name and the last line of ours that it came through."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}ingestion{os.sep}" in frame.filename
    ]
    where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where


def _read_by(seed: Seed) -> str:
    try:
        return parser_of(media_type(seed.data, seed.name))
    except IngestionError:
        return ""
