"""`python -m bench.crash.workload FOLDER JOURNAL SEED`: everything that the library can do, in a random order."""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy.random  # noqa: F401 - before any fault

import vecstore
from bench.crash.journal import DAY_S, FILE_S, Effects, Journal, Promised, is_mortal
from ingestion import tokens
from vecstore import (
    Engine,
    FileFailedError,
    HashingEmbedder,
    HybridSearch,
    Source,
    StorageError,
    VectorStore,
    Workers,
    jobs,
    runner,
    shards,
)
from vecstore.files import TEMPORARY_MARK, remove

DIMENSIONS = 16
WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)
KEPT_BACKUPS = 3
BATCH_S = 10.0  # that a batch is waited for
HONEST = (StorageError, FileFailedError, OSError)  # what the disk's failures may become
MORTAL_STORE = {"anchor": "last_active_at", "days": 1}
MORTAL_FILE = {"anchor": "created_at", "seconds": FILE_S}


def text_of(name: str) -> str:
    """What the file of that name says: a word that no other one has, at the end of filler of some length."""
    rng = random.Random(name)
    filler = [f"filler{rng.randrange(200)}" for _ in range(rng.choice([5, 50, 300, 1_200]))]
    return " ".join([*filler, word_of(name)])


def word_of(name: str) -> str:
    """One term to the analyser: letters only, another one for each name."""
    return "zq" + name.removesuffix(".txt").translate(str.maketrans("0123456789_", "bcdfghjklmn"))


def backups_of(folder: Path) -> Path:
    """Where the workload backs up to: on the same file system, which loses power with it."""
    return folder.with_name("backups")


def sha256_of(name: str) -> str:
    return hashlib.sha256(text_of(name).encode()).hexdigest()


def open_engine(folder: Path, promised: Promised, workers: Workers) -> Engine:
    """With small groups, frequent checkpoints and short pauses, so that every step comes often."""
    jobs.GROUP_FILES, shards.CHECKPOINT_EVERY = 3, 4
    runner.FIRST_PAUSE_S, runner.LONGEST_PAUSE_S, runner.GLANCE_S = 0.05, 0.2, 0.02
    embedder = HashingEmbedder(DIMENSIONS)
    return vecstore.open(folder, embedder=embedder, workers=workers, now=lambda: promised.clock)


class _NoStoreError(Exception):
    """There is no vector store to do something with, nor can one be made."""


class Workload:
    """Operations on one data folder, each announced in the journal.

    faults: the disk may fail, and then so may an operation, in a sentence and with nothing half done. filler: a file
    that fills the disk; it is removed once writing was refused several times, and then must go on.
    """

    def __init__(self, folder: Path, journal: Journal, seed: int, *, faults: bool, filler: Path | None) -> None:
        self._folder, self._journal, self._faults, self._filler = folder, journal, faults, filler
        self._rng = random.Random(seed)
        self._refused, self._names = 0, 0
        self._workers = Workers(sandbox="off")  # what is parsed is known; one process for all that are opened
        self._engine = open_engine(folder, journal.promised, self._workers)

    def run(self, rounds: int) -> None:
        """Every operation in a random order, so many times over; then the engine is closed."""
        for _ in range(rounds):
            operations = list(self._operations())
            self._rng.shuffle(operations)
            for operation in [self._add, self._add, *operations]:
                with suppress(_NoStoreError):
                    operation()
        self._engine.close()
        self._workers.close()
        self._journal.say("closed")

    def _operations(self) -> Iterator[Callable[[], object]]:
        yield from (self._upload, self._upload_in_parts, self._cancel_upload, self._leave_upload, self._delete_file)
        yield from (self._create, self._change, self._delete_store, self._mortal)
        yield from (self._add, self._add_many, self._attach, self._detach, self._set_attribute)
        yield from (self._batch, self._batch, self._cancel_batch, self._search, self._usage, self._damage, self._reopen)
        yield from (self._back_up, self._back_up, self._restore, self._move)

    # Inside ------------------------------------------------------------------------------------

    @contextmanager
    def _promise(self, operation: str, sets: Effects, *, atomic: bool = True, certain: bool = True) -> Iterator[None]:
        """Announced before, told to be done after, if it is `certain` then; what is refused stays in doubt."""
        number = self._journal.begin(operation, sets, atomic=atomic)
        try:
            yield
        except Exception as error:
            if not (self._faults and isinstance(error, HONEST)):
                self._journal.say("violation", what=f"{operation} raised {type(error).__name__}: {error}")
                raise
            self._journal.say("refused", id=number, error=f"{type(error).__name__}: {error}")
            self._refused_once(operation, error)
        else:
            if certain:
                self._journal.say("done", id=number)

    def _refused_once(self, operation: str, error: Exception) -> None:
        self._refused += 1
        if self._filler is not None and self._refused == 3:
            self._filler.unlink()
        elif self._filler is not None and self._refused > 3:
            self._journal.say("violation", what=f"{operation} was refused though there is room again: {error}")
        try:
            self._engine.files()
            for store in self._stores():
                store.search("filler7")
        except Exception as failure:
            mortal = any(is_mortal(key.split("/")[1]) for key in self._journal.promised.possible)
            if mortal and isinstance(failure, StorageError) and failure.code in ("full", "stopped"):
                return  # what has expired cannot be taken out, and nobody is shown it
            what = f"after {operation} had failed ({error}), reading did: {type(failure).__name__}: {failure}"
            self._journal.say("violation", what=what)
            raise

    def _new_name(self, *, mortal: bool = False) -> str:
        self._names += 1
        return f"{'x' if mortal else 'f'}{self._journal.promised.said}_{self._names}.txt"

    def _certain(self, prefix: str) -> list[str]:
        return [key.removeprefix(prefix) for key in self._journal.promised.certain(prefix)]

    def _store_name(self) -> str:
        """One that does not expire; made if there is none. Raises _NoStoreError where that is refused."""
        if not self._some("store/"):
            self._create()
        for name in self._some("store/"):
            return name
        raise _NoStoreError

    def _stores(self) -> list[VectorStore]:
        return [self._engine.get(name) for name in self._certain("store/") if not is_mortal(name)]

    def _file_id(self, name: str) -> str:
        [found] = [file.id for file in self._engine.files() if file.filename == name]
        return found

    def _some(self, prefix: str, most: int = 1) -> list[str]:
        names = [name for name in self._certain(prefix) if not is_mortal(name)]
        return self._rng.sample(names, min(most, len(names)))

    # Files and uploads ---------------------------------------------------------------------------

    def _upload(self) -> None:
        for mortal in (False, True):
            name = self._new_name(mortal=mortal)
            with self._promise("upload", {f"file/{name}": sha256_of(name)}):
                self._engine.upload((name, text_of(name).encode()), expires_after=MORTAL_FILE if mortal else None)

    def _upload_in_parts(self) -> None:
        name = self._new_name()
        content = text_of(name).encode()
        with self._promise("upload in parts", {f"file/{name}": sha256_of(name)}):
            upload = self._engine.create_upload(name, bytes=len(content))
            half = len(content) // 2
            parts = [self._engine.add_part(upload.id, piece) for piece in (content[:half], content[half:])]
            self._engine.complete_upload(upload.id, [part.id for part in parts])

    def _cancel_upload(self) -> None:
        with self._promise("cancel upload", {}):
            upload = self._engine.create_upload("never.txt", bytes=10)
            self._engine.add_part(upload.id, b"never")
            self._engine.cancel_upload(upload.id)

    def _leave_upload(self) -> None:
        with self._promise("leave upload", {}):
            self._engine.add_part(self._engine.create_upload("never.txt", bytes=10).id, b"never")

    def _delete_file(self) -> None:
        for name in self._some("file/"):
            held = [key for key in self._journal.promised.possible if key.endswith(f"/{name}")]
            with self._promise("delete file", dict.fromkeys(held)):
                self._engine.delete_file(self._file_id(name))

    # Vector stores -------------------------------------------------------------------------------

    def _create(self, *, mortal: bool = False) -> str:
        name = self._new_name(mortal=mortal).removesuffix(".txt")
        with self._promise("create", {f"store/{name}": "new"}):
            policy = MORTAL_STORE if mortal else None
            self._engine.create(name, metadata={"says": "new"}, expires_after=policy)
        return name

    def _change(self) -> None:
        name, value = self._store_name(), f"v{self._journal.promised.said}"
        with self._promise("change", {f"store/{name}": value}):
            self._engine.get(name).set(metadata={"says": value})

    def _delete_store(self) -> None:
        stores = self._some("store/", 9)
        if len(stores) > 3:
            held = [key for key in self._journal.promised.possible if key.startswith(f"member/{stores[0]}/")]
            with self._promise("delete store", dict.fromkeys([f"store/{stores[0]}", *held])):
                self._engine.get(stores[0]).delete()

    def _mortal(self) -> None:
        """A store that is gone a day later, with a file in it."""
        store = self._create(mortal=True)
        if store in self._certain("store/"):
            self._add(store)

    # Members -------------------------------------------------------------------------------------

    def _add(self, store: str = "") -> None:
        store, name, year = store or self._store_name(), self._new_name(), self._rng.randrange(100)
        with self._promise("add", {f"file/{name}": sha256_of(name), f"member/{store}/{name}": year}):
            self._engine.get(store).add((name, text_of(name).encode()), attributes={"year": year})

    def _add_many(self) -> None:
        store, names = self._store_name(), [self._new_name() for _ in range(5)]
        sets = {key: value for name in names for key, value in self._added(store, name).items()}
        with self._promise("add many", sets, atomic=False):
            sources = [Source(name, text_of(name).encode(), attributes={"year": 1}) for name in names]
            for added in self._engine.get(store).add_many(sources):
                assert added.outcome == "added", added

    def _added(self, store: str, name: str) -> dict[str, str | int]:
        return {f"file/{name}": sha256_of(name), f"member/{store}/{name}": 1}

    def _attach(self) -> None:
        store = self._store_name()
        for name in self._some("file/"):
            with self._promise("attach", {f"member/{store}/{name}": 2}):
                self._engine.get(store).attach(self._file_id(name), attributes={"year": 2})

    def _detach(self) -> None:
        for member in self._some("member/"):
            store, name = member.split("/")
            with self._promise("detach", {f"member/{member}": None}):
                self._engine.get(store).detach(self._file_id(name))

    def _set_attribute(self) -> None:
        for member in self._some("member/"):
            store, name = member.split("/")
            year = self._journal.promised.said
            with self._promise("set attribute", {f"member/{member}": year}):
                self._engine.get(store).update(self._file_id(name), attributes={"year": year})

    # Batches -------------------------------------------------------------------------------------

    def _batch(self) -> None:
        store, names = self._store_name(), self._some("file/", 4)
        if names:
            sets = {f"member/{store}/{name}": 3 for name in names}
            with self._promise("batch", sets, atomic=False):
                ids = [self._file_id(name) for name in names]
                info = self._engine.get(store).batch(ids, attributes={"year": 3}).wait(timeout_s=BATCH_S)
                if info.status == "in_progress":
                    raise StorageError("the batch has not ended")
                assert info.file_counts.completed == len(ids), info

    def _cancel_batch(self) -> None:
        """What became of each file is not known, whatever happens."""
        store, names = self._store_name(), self._some("file/", 4)
        if names:
            sets = {f"member/{store}/{name}": 4 for name in names}
            with self._promise("cancel batch", sets, atomic=False, certain=False):
                batch = self._engine.get(store).batch([self._file_id(n) for n in names], attributes={"year": 4})
                batch.cancel()

    # Backups and archives ------------------------------------------------------------------------

    def _back_up(self) -> None:
        with self._promise("back up", {}):
            report = self._engine.backup(backups_of(self._folder), keep=KEPT_BACKUPS)
            self._journal.say("backup", name=report.snapshot.name)

    def _restore(self) -> None:
        """As what it was is the checker's to say; here it is only whether it can be done, half done or not."""
        backups, target = backups_of(self._folder), self._folder.with_name("restored")
        if self._journal.promised.backups:
            with self._promise("restore", {}):
                remove(target)
                vecstore.restore(backups, target)
                remove(target)

    def _move(self) -> None:
        """A store goes into an archive, away with its files, and comes back."""
        store, archive = self._create(), self._folder.with_name("store.tar")
        for _ in range(2):
            if store in self._certain("store/"):
                self._add(store)
        certain = self._journal.promised.certain
        held = {**certain(f"store/{store}"), **certain(f"member/{store}/")}
        held |= {f"file/{key.split('/')[-1]}": sha256_of(key.split("/")[-1]) for key in certain(f"member/{store}/")}
        archive.unlink(missing_ok=True)
        if len(held) == 5:
            with self._promise("export", {}):
                self._engine.get(store).export(archive)
        if archive.exists():
            with self._promise("delete with files", dict.fromkeys(held)):
                self._engine.get(store).delete(with_files=True)
        if archive.exists() and all(self._journal.promised.possible[key] == {None} for key in held):
            with self._promise("import", held):
                self._engine.import_store(archive)

    # The whole -----------------------------------------------------------------------------------

    def _search(self) -> None:
        for store in self._stores():
            with self._promise("search", {}):
                store.search("filler1 filler2", hybrid_search=WORDS_ONLY)
                self._engine.search_calls(vecstore.BucketQuery(self._journal.promised.clock - DAY_S))

    def _usage(self) -> None:
        with self._promise("usage", {}):
            self._engine.usage(0, self._journal.promised.clock, by="store")

    def _damage(self) -> None:
        """A flipped byte in an index file is found and the index made anew."""
        with self._promise("damage", {}):
            for store in self._stores():
                folder = self._folder / "stores" / store.id
                for path in sorted(folder.glob("checkpoint-*/dense.rows.npy")):
                    if TEMPORARY_MARK in path.parent.name:
                        continue  # a batch is writing it, and nobody has vouched for it yet
                    content = bytearray(path.read_bytes())
                    content[-1] ^= 1
                    path.write_bytes(content)
                    store.check(fix=True)
                    return

    def _reopen(self) -> None:
        """Where that is refused, it works the second time: the disk fails once, and a closed engine is no use."""
        try:
            self._engine.close()
            self._engine = open_engine(self._folder, self._journal.promised, self._workers)
        except HONEST:
            if not self._faults:
                raise
            self._engine = open_engine(self._folder, self._journal.promised, self._workers)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--filler", type=Path)
    given = parser.parse_args(arguments)
    tokens.encoding()  # loaded before any fault
    journal = Journal(given.journal)
    jump = random.Random(given.seed).choice([60, FILE_S + 60, 2 * DAY_S])
    journal.say("clock", now=journal.promised.clock + jump)
    Workload(given.folder, journal, given.seed, faults=given.faults, filler=given.filler).run(given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
