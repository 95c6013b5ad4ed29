"""The job loop: the files of all batches, parsed on every core, embedded by turns, committed in groups."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ingestion import IngestionError
from ingestion.worker import WorkersError
from vecstore import indexing
from vecstore.catalog import PreparedFile
from vecstore.disk import check_not_exhausted
from vecstore.errors import ExpiredError, NotFoundError, StorageError
from vecstore.indexing import Embedding, ReadFile
from vecstore.jobs import READERS, Pace
from vecstore.parts import Parts
from vecstore.turns import Turns
from vecstore.types import FileProgress, LastError, Stage, Task, VectorStoreInfo

ROUND_WINDOWS = 64  # embedded at a time, to begin with: then other batches have their turn, and cancelling is felt
MAX_DEATHS = 3  # of processes that were parsing the same file
OUTAGE_S = 60.0  # that is waited for; then the files fail
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # after the disk said no
GLANCE_S = 0.25  # how long parsers are waited for before the batches are looked at again

log = logging.getLogger(__name__)


class Runner:
    """One thread an engine; it sleeps until `Parts.waking` is set.

    Every batch has its turn in every round, so a small one beside a huge one finishes soon. What is
    here in memory can be lost at any moment: the catalogue knows what is still to be done.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vecstore-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the round under way; nothing that was not committed is kept."""
        self._stopping.set()
        self._parts.waking.set()
        self._thread.join()

    def _run(self) -> None:
        pause, outage = FIRST_PAUSE_S, _Outage()
        while True:
            self._parts.waking.wait()
            self._parts.working.set()
            self._parts.waking.clear()
            if self._stopping.is_set():
                return
            rounds = _Rounds(self._parts, self._stopping, outage, Turns(self._parts))
            try:
                while rounds.go_on():
                    if rounds.committed:
                        pause = FIRST_PAUSE_S
            except Exception:
                if self._stopping.is_set():
                    return
                log.exception("batches pause for %s s", pause)
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                self._parts.waking.set()
            finally:
                rounds.end()
                self._parts.working.clear()


@dataclass(slots=True)
class _Outage:
    """Since when nothing could be embedded or parsed at all, whatever the file: perhaps it passes."""

    since: float | None = None

    def passes(self) -> bool:
        """Whether it is worth waiting; it is not, once it has lasted."""
        self.since = time.monotonic() if self.since is None else self.since
        return time.monotonic() - self.since < OUTAGE_S

    def over(self) -> None:
        self.since = None


@dataclass(slots=True)
class _Rounds:
    """The loop's memory, from the first thing to do until nothing is left."""

    parts: Parts
    stopping: threading.Event
    outage: _Outage
    turns: Turns
    committed: bool = False
    pace: Pace = field(default_factory=Pace)
    stores: dict[str, VectorStoreInfo] = field(default_factory=dict)
    parsing: dict[Future[ReadFile | PreparedFile], Task] = field(default_factory=dict)
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS, "vecstore-parse"))
    committer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "vecstore-commit"))
    committing: Future[None] | None = None  # what the round before has made, while this one is embedded

    def go_on(self) -> bool:
        """One round; whether there is another."""
        if self.stopping.is_set():
            return False
        self.parts.begin()
        if not self.turns.look():
            return False
        done = self._collected()
        done += self._submit()
        done += self._embedded()
        if done:
            self._settle()
            self.committing = self.committer.submit(self._commit, done)
        elif not self.parsing and not self.turns.has_parsed:
            self._settle() if self.committing else self._begin_again()
        return True

    def _settle(self) -> None:
        """Waits for the commit under way; raises what it raised."""
        committing, self.committing = self.committing, None
        if committing is not None:
            committing.result()
            self.committed = True

    def _begin_again(self) -> None:
        """Something is in progress and nobody works on it: a commit was refused, or rows changed meanwhile."""
        self.turns.begin_again()
        self.stopping.wait(GLANCE_S)

    def end(self) -> None:
        """Nothing of this goes on; files that were being parsed are as if they had not begun."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.committer.shutdown(wait=True)
        self.turns.end()

    @property
    def _round_windows(self) -> int:
        return self.pace.times * ROUND_WINDOWS

    # Parsing -----------------------------------------------------------------------------------

    def _submit(self) -> list[tuple[Task, PreparedFile]]:
        """Hands files to the parsers, some of each batch by turns; those that are given up on come back."""
        chosen = self.turns.tasks_to_parse(self.parsing.values())
        for task in chosen:
            if task.deaths < MAX_DEATHS:
                self._show(task, "parsing", 0.0)
                self.parsing[self.executor.submit(self._parse, task)] = task
        return [(task, _given_up(task)) for task in chosen if task.deaths >= MAX_DEATHS]

    def _parse(self, task: Task) -> ReadFile | PreparedFile:
        store = self._store(task.vector_store_id)
        self.parts.reader.warm()
        with self.parts.folder.parsing(task.number), self.parts.blobs.open(task.file.sha256) as content:
            return self.parts.reader.read(store, task.file, content, attributes=task.attributes, strategy=task.strategy)

    def _collected(self) -> list[tuple[Task, PreparedFile]]:
        """What the parsers have finished: to be embedded, or done already. Waits a little for a round to fill."""
        done: list[tuple[Task, PreparedFile]] = []
        until = time.monotonic() + GLANCE_S
        while self.parsing and self.turns.windows < self._round_windows and (left := until - time.monotonic()) > 0:
            wait(self.parsing, timeout=left, return_when=FIRST_COMPLETED)
            done += self._taken()
        return done + self._taken()

    def _taken(self) -> list[tuple[Task, PreparedFile]]:
        """Of what is parsed by now, that which is done already; the rest waits to be embedded."""
        done = []
        for future in [future for future in self.parsing if future.done()]:
            task = self.parsing.pop(future)
            outcome = self._outcome(task, future)
            if isinstance(outcome, PreparedFile):
                done.append((task, outcome))
            elif self.turns.add(task, outcome):
                self._show(task, "waiting to be embedded", 0.0)
        return done

    def _outcome(self, task: Task, future: Future[ReadFile | PreparedFile]) -> Embedding | PreparedFile:
        try:
            read = future.result()
            return indexing.begin(read, self.parts.embedder) if isinstance(read, ReadFile) else read
        except IngestionError as error:
            return _failed(task, error.code, str(error))
        except StorageError as error:
            if error.code != "damaged":
                raise
            return _failed(task, "server_error", f"{task.file.filename!r} could not be read: {error}")
        except NotFoundError as error:  # deleted meanwhile, or lost from the disk
            log.warning("%s: %s", task.file.id, error)
            return _failed(task, "server_error", f"{task.file.filename!r} could not be read: {error}")
        except Exception as error:
            self.parts.check_open()
            if isinstance(error, OSError):
                check_not_exhausted(f"{task.file.filename!r} could not be read", error)
            if isinstance(error, WorkersError) and self.outage.passes():
                raise
            log.exception("%s could not be read", task.file.id)
            return _failed(task, "server_error", f"{task.file.filename!r} could not be read: {error}")

    # Embedding ---------------------------------------------------------------------------------

    def _embedded(self) -> list[tuple[Task, PreparedFile]]:
        """Embeds one round, each batch's share of it; the files that are through."""
        shares = list(self.turns.shares(self._round_windows))
        if not shares:
            return []
        done = self._copies(shares)
        todo = [(task, each, n) for task, each, n in shares if task.number not in {other.number for other, _ in done}]
        done += self._embed(todo)
        for task, each, _ in todo:
            if each.left:
                self._show(task, "embedding", each.done / len(each.texts))
            elif task.number not in {other.number for other, _ in done}:
                done.append((task, each.prepared()))
        self.turns.next_turn({task.number for task, _ in done})
        return done

    def _copies(self, shares: Iterable[tuple[Task, Embedding, int]]) -> list[tuple[Task, PreparedFile]]:
        """Those whose content was committed under another name since they were parsed."""
        found = []
        for task, each, _ in shares:
            if each.done or not each.file.copied:
                continue
            self._settle()
            store = self._store(task.vector_store_id)
            before = self.parts.reader.prepared_before(store, task.file, task.attributes, task.strategy)
            if before:
                found.append((task, before))
        return found

    def _store(self, store_id: str) -> VectorStoreInfo:
        """As it was when first asked for; what matters here never changes. Raises NotFoundError."""
        if store_id not in self.stores:
            self.stores[store_id] = self.parts.catalog.vector_store(store_id)
        return self.stores[store_id]

    def _embed(self, shares: Sequence[tuple[Task, Embedding, int]]) -> list[tuple[Task, PreparedFile]]:
        """Together; where that fails each alone, so that one file's text does not fail the others.

        Where all of them fail, it is put down to the embedder, and tried again for a while.
        """
        try:
            if shares:
                with self.pace.embedding(full=sum(n for *_, n in shares) >= self._round_windows):
                    indexing.embed_some([(each, n) for _, each, n in shares], self.parts.embedder)
                self.outage.over()
        except Exception as error:
            failed = [self._embed_alone(*share) for share in shares] if len(shares) > 1 else [error]
            if all(failed) and self.outage.passes():
                raise
            return [
                (task, _failed(task, "server_error", f"{task.file.filename!r} could not be embedded: {why}"))
                for (task, _, _), why in zip(shares, failed, strict=True)
                if why is not None
            ]
        return []

    def _embed_alone(self, task: Task, each: Embedding, n: int) -> Exception | None:
        """What it failed with, if it did."""
        try:
            indexing.embed_some([(each, n)], self.parts.embedder)
        except Exception as error:
            log.exception("%s could not be embedded", task.file.id)
            return error
        return None

    # Committing --------------------------------------------------------------------------------

    def _commit(self, done: Sequence[tuple[Task, PreparedFile]]) -> None:
        """One transaction a store; two for a file that two batches have."""
        groups: dict[str, list[dict[str, tuple[Task, PreparedFile]]]] = {}
        for task, prepared in done:
            of_store = groups.setdefault(task.vector_store_id, [{}])
            if task.file.id in of_store[-1]:
                of_store.append({})
            of_store[-1][task.file.id] = (task, prepared)
        for store_id, some in groups.items():
            for group in some:
                self._commit_group(store_id, list(group.values()))

    def _commit_group(self, store_id: str, group: Sequence[tuple[Task, PreparedFile]]) -> None:
        parts = self.parts
        ready = {task.number: prepared for task, prepared in group}
        try:
            with parts.shards.writing(store_id):
                parts.catalog.batches.commit(store_id, ready, now=parts.now())
        except ExpiredError:
            parts.expire()  # which ends the store's batches
        except NotFoundError:
            log.info("vector store %s was deleted while files were added to it", store_id)
        for task, _ in group:
            self.parts.board.remove(task.batch, [task.number])

    def _show(self, task: Task, stage: Stage, done: float) -> None:
        self.parts.board.show(
            task.batch, task.number, FileProgress(task.file.id, task.file.filename, task.file.bytes, stage, done)
        )


def _failed(task: Task, code: str, sentence: str) -> PreparedFile:
    return indexing.failed(task.file, LastError(code, sentence), attributes=task.attributes, strategy=task.strategy)


def _given_up(task: Task) -> PreparedFile:
    sentence = f"{task.file.filename!r} was being parsed {task.deaths} times when the process ended; it is given up"
    return _failed(task, "invalid_file", sentence)
