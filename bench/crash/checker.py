"""`python -m bench.crash.checker FOLDER JOURNAL`: opens what a crash has left and holds it to what was promised."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import vecstore
from bench.crash.journal import EXPIRED, Effects, Journal, Promised, Value, is_mortal
from bench.crash.workload import DIMENSIONS, KEPT_BACKUPS, WORDS_ONLY, backups_of, open_engine, text_of, word_of
from ingestion import AUTO, chunk, parse
from vecstore import Engine, HybridSearch, NotFoundError, VectorStore, Workers
from vecstore.files import remove
from vecstore.usage import usage_bytes

MEANING_ONLY = HybridSearch(embedding_weight=1, text_weight=0)
BATCH_S = 60.0  # that is waited for the batches that go on
STRAYS = ("stray content", "stray index", "stray file")


def violations(engine: Engine, folder: Path, promised: Promised, workers: Workers) -> Iterator[str]:
    """Each promise that is broken, in a sentence. Batches that go on are waited for first."""
    yield from promised.violations
    yield from _unfinished(engine)
    found = observed(engine)
    yield from _values(found, promised)
    yield from _contents(engine)
    yield from _searches(engine, found, promised)
    if not promised.doubts and all(len(values) == 1 for values in promised.possible.values()):
        yield from _metered(engine, promised)
    yield from _backed_up(folder, promised, workers)
    for problem in engine.check():
        if problem.kind not in STRAYS:
            yield f"check: {problem.kind} {problem.where}: {problem.message}"
    yield from (f"check after a fix: {each}" for each in engine.check(fix=True) if not each.fixed)
    yield from (f"check again: {each}" for each in engine.check())


def _unfinished(engine: Engine) -> Iterator[str]:
    """Waits for the batches that go on; those that do not."""
    for info in engine.batches():
        with contextlib.suppress(NotFoundError):
            if engine.batch(info.id).wait(timeout_s=BATCH_S).status == "in_progress":
                yield f"batch {info.id} is in progress and nobody works on it"


def observed(engine: Engine) -> dict[str, Value]:
    """What is there, as the journal's keys."""
    files = Counter(file.filename for file in engine.files())
    found: dict[str, Value] = {f"file/{file.filename}": file.sha256 for file in engine.files()}
    found |= {f"file/{name}": f"{n} times" for name, n in files.items() if n > 1}
    for info in engine.list():
        key = f"store/{info.name}"
        found[key] = "twice" if key in found else EXPIRED if info.status == EXPIRED else info.metadata["says"]
        for file in engine.get(info.id).list():
            known = file.status == "completed" and file.attributes is not None
            year = file.attributes.get("year") if known else None
            if file.status not in ("completed", "cancelled"):
                found[f"member/{info.name}/{file.filename}"] = f"{file.status}: {file.last_error}"
            elif year is not None:
                found[f"member/{info.name}/{file.filename}"] = int(year)
    return found


def _values(found: Effects, promised: Promised) -> Iterator[str]:
    for key in sorted(promised.possible.keys() | found.keys()):
        allowed, value = promised.possible.get(key, {None}), found.get(key)
        if value not in allowed:
            yield f"{key} is {value!r}, and was promised to be {' or '.join(map(repr, allowed))}"
    for before, sets in promised.doubts:
        done = [found.get(key) == value for key, value in sets.items()]
        undone = [found.get(key) in before[key] for key in sets]
        if not all(done) and not all(undone):
            yield f"half of an operation is there: {dict(sets)}"


def _contents(engine: Engine) -> Iterator[str]:
    for file in engine.files():
        if engine.file_content(file.id).decode() != text_of(file.filename):
            yield f"the content of {file.filename} is not what was uploaded"
    for store in _live(engine):
        for member in store.list():
            if member.status == "completed" and store.text(member.id) != text_of(member.filename):
                yield f"the text of {member.filename} in {store.info().name} is not what was uploaded"


def _searches(engine: Engine, found: Effects, promised: Promised) -> Iterator[str]:
    names = {key.split("/")[-1] for key in promised.possible if not key.startswith("store/")}
    for store in _live(engine):
        if is_mortal(store.info().name):
            continue  # being searched would put off its end
        of_store = f"member/{store.info().name}/"
        held = {key.removeprefix(of_store) for key in found if key.startswith(of_store)}
        for name in sorted(names):
            said = {result.filename for result in store.search(word_of(name), hybrid_search=WORDS_ONLY)}
            if said != ({name} & held):
                yield f"the word of {name} finds {sorted(said)} in {store.info().name}"
        for name in sorted(held):
            near = store.search(text_of(name)[-4_000:], hybrid_search=MEANING_ONLY, max_num_results=50)
            if len(held) <= 25 and name not in {result.filename for result in near}:
                yield f"the meaning of {name} does not find it in {store.info().name}"


def _metered(engine: Engine, promised: Promised) -> Iterator[str]:
    """The byte-seconds of all stores by what was promised to be in them, and when."""
    held: dict[str, int] = {}
    total, since = 0, 0
    for at, key, there in sorted(promised.levels, key=lambda level: level[0]):
        total, since = total + sum(held.values()) * (at - since), at
        held[key] = bytes_of(key.split("/")[-1]) if there else 0
    total += sum(held.values()) * (promised.clock - since)
    said = engine.usage(0, promised.clock).total.byte_seconds
    if said != total:
        yield f"the meter says {said} byte-seconds, and what was there adds up to {total}"


def _backed_up(folder: Path, promised: Promised, workers: Workers) -> Iterator[str]:
    """The last backup is whole, and restored it holds what was certain when it was made."""
    if not promised.backups:
        return
    backups, restored = backups_of(folder), folder.with_name("restored")
    there = {snapshot.name for snapshot in vecstore.list_snapshots(backups)}
    last = [name for name in promised.backups if name in there][-1:]
    if not last and len(there) < KEPT_BACKUPS:  # others that were made and not told of push out those that were
        yield f"of the backups {sorted(promised.backups)} none is there"
    if not last:
        return
    name, held = last[0], promised.backups[last[0]]
    remove(restored)
    yield from (f"backup {name}: {problem.message}" for problem in vecstore.verify_backup(backups, snapshot=name))
    vecstore.restore(backups, restored, snapshot=name)
    with open_engine(restored, promised, workers) as engine:
        yield from _unfinished(engine)
        found = observed(engine)
        yield from (f"check of the restored folder: {problem}" for problem in engine.check())
    for key, value in held.items():
        if not is_mortal(key.split("/")[1]) and not is_mortal(key.split("/")[-1]) and found.get(key) != value:
            yield f"{key} is {found.get(key)!r} in what the backup {name} restores, and was {value!r}"
    remove(restored)


@cache
def bytes_of(name: str) -> int:
    """Logical bytes of the file of that name in a store."""
    chunked = chunk(parse(text_of(name).encode(), name), AUTO)
    return usage_bytes([each.text for each in chunked.chunks], DIMENSIONS)


def _live(engine: Engine) -> list[VectorStore]:
    return [engine.get(info.id) for info in engine.list() if info.status != EXPIRED]


def check(folder: Path, path: Path) -> list[str]:
    """Each broken promise; what was in doubt is written to the journal as it was found."""
    journal = Journal(path)
    with Workers(sandbox="off") as workers, open_engine(folder, journal.promised, workers) as engine:
        broken = list(violations(engine, folder, journal.promised, workers))
        found = observed(engine)
    doubtful = {key for key, values in journal.promised.possible.items() if len(values) > 1}
    journal.say("settled", sets={key: found.get(key) for key in sorted(doubtful)})
    return broken


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("journal", type=Path)
    given = parser.parse_args()
    broken = check(given.folder, given.journal)
    print("\n".join(broken))
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
