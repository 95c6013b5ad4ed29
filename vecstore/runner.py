"""The job loop: the files of all batches, parsed on every core, embedded by turns, committed in groups."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ingestion import IngestionError
from ingestion.worker import WorkersError
from vecstore import indexing
from vecstore.catalog import PreparedFile
from vecstore.errors import ExpiredError, NotFoundError, StorageError
from vecstore.indexing import Embedding, ReadFile
from vecstore.jobs import READ_AHEAD_BYTES, READ_AHEAD_FILES, READERS
from vecstore.parts import Parts
from vecstore.types import FileProgress, LastError, Stage, Task, VectorStoreInfo

ROUND_WINDOWS = 64  # embedded at a time: a second or two; then other batches have their turn, and cancelling is felt
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
            self._parts.waking.clear()
            if self._stopping.is_set():
                return
            rounds = _Rounds(self._parts, self._stopping, outage)
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
class _Queue:
    """What is left of one batch: tasks to be parsed, and files that are parsed."""

    number: int
    reached: int = 0  # the last task that was taken
    suspected: int = 0  # and the last of those that a process died of
    ready: deque[tuple[Task, Embedding]] = field(default_factory=deque)


@dataclass(slots=True)
class _Rounds:
    """The loop's memory, from the first thing to do until nothing is left."""

    parts: Parts
    stopping: threading.Event
    outage: _Outage
    committed: bool = False
    queues: OrderedDict[int, _Queue] = field(default_factory=OrderedDict)
    parsing: dict[Future[ReadFile | PreparedFile], Task] = field(default_factory=dict)
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READERS, "vecstore-parse"))
    committer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "vecstore-commit"))
    committing: Future[None] | None = None  # what the round before has made, while this one is embedded

    def go_on(self) -> bool:
        """One round; whether there is another."""
        if self.stopping.is_set():
            return False
        self.parts.begin()
        self._look()
        if not self.queues:
            return False
        done = self._collected()
        done += self._submit()
        done += self._embedded()
        if done:
            self._settle()
            self.committing = self.committer.submit(self._commit, done)
        elif not self.parsing and not any(queue.ready for queue in self.queues.values()):
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
        for queue in self.queues.values():
            queue.reached = queue.suspected = 0
        self.stopping.wait(GLANCE_S)

    def end(self) -> None:
        """Nothing of this goes on; files that were being parsed are as if they had not begun."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.committer.shutdown(wait=True)
        for number in self.queues:
            self.parts.board.clear(number)

    def _look(self) -> None:
        """Batches that are new are taken on, and those that were cancelled or deleted are dropped."""
        unfinished: set[int] = set(self.parts.catalog.batches.unfinished())
        for number in [number for number in self.queues if number not in unfinished]:
            del self.queues[number]
            self.parts.board.clear(number)
        for number in sorted(unfinished - set(self.queues)):
            self.queues[number] = _Queue(number)
            self.parts.board.begin(number, self.parts.catalog.batches.done_bytes(number))

    # Parsing -----------------------------------------------------------------------------------

    def _submit(self) -> list[tuple[Task, PreparedFile]]:
        """Hands files to the parsers, some of each batch by turns; those that are given up on come back."""
        chosen = self._next_tasks()
        for task in chosen:
            if task.deaths < MAX_DEATHS:
                self._show(task, "parsing", 0.0)
                self.parsing[self.executor.submit(self._parse, task)] = task
        return [(task, _given_up(task)) for task in chosen if task.deaths >= MAX_DEATHS]

    def _next_tasks(self) -> list[Task]:
        """As many as there is room for; those that a process died of come last, and each alone."""
        chosen: list[Task] = []
        if any(task.deaths for task in self.parsing.values()):
            return chosen
        waiting = deque(self.queues.values())
        while waiting:
            queue = waiting.popleft()
            some = self.parts.catalog.batches.tasks(queue.number, after=queue.reached, limit=_turn(len(self.queues)))
            for task in some:
                if not self._has_room(chosen):
                    return chosen
                queue.reached = task.number
                chosen.append(task)
            if some:
                waiting.append(queue)
        if chosen or self.parsing:
            return chosen
        for queue in self.queues.values():
            suspects = self.parts.catalog.batches.tasks(queue.number, after=queue.suspected, limit=1, suspects=True)
            for task in suspects:
                queue.suspected = task.number
                return [task]
        return chosen

    def _has_room(self, chosen: Sequence[Task]) -> bool:
        """Whether one more file may be parsed before those that are here are embedded."""
        held = [task for queue in self.queues.values() for task, _ in queue.ready]
        ahead = [*held, *chosen, *self.parsing.values()]
        size = sum(task.file.bytes for task in ahead)
        return len(ahead) < READ_AHEAD_FILES and (size < READ_AHEAD_BYTES or len(ahead) < READERS)

    def _parse(self, task: Task) -> ReadFile | PreparedFile:
        store = self.parts.catalog.vector_store(task.vector_store_id)
        self.parts.reader.warm()
        with self.parts.folder.parsing(task.number), self.parts.blobs.open(task.file.sha256) as content:
            return self.parts.reader.read(store, task.file, content, attributes=task.attributes, strategy=task.strategy)

    def _collected(self) -> list[tuple[Task, PreparedFile]]:
        """What the parsers have finished: to be embedded, or done already. Waits a little for a round to fill."""
        done: list[tuple[Task, PreparedFile]] = []
        until = time.monotonic() + GLANCE_S
        while self.parsing and self._ready_windows() < ROUND_WINDOWS and (left := until - time.monotonic()) > 0:
            wait(self.parsing, timeout=left, return_when=FIRST_COMPLETED)
            done += self._taken()
        return done + self._taken()

    def _ready_windows(self) -> int:
        return sum(each.left for queue in self.queues.values() for _, each in queue.ready)

    def _taken(self) -> list[tuple[Task, PreparedFile]]:
        """Of what is parsed by now, that which is done already; the rest waits to be embedded."""
        done = []
        for future in [future for future in self.parsing if future.done()]:
            task = self.parsing.pop(future)
            outcome = self._outcome(task, future)
            if isinstance(outcome, PreparedFile):
                done.append((task, outcome))
            elif task.batch in self.queues:
                self.queues[task.batch].ready.append((task, outcome))
                self._show(task, "waiting to be embedded", 0.0)
        return done

    def _outcome(self, task: Task, future: Future[ReadFile | PreparedFile]) -> Embedding | PreparedFile:
        try:
            read = future.result()
            return indexing.begin(read, self.parts.embedder) if isinstance(read, ReadFile) else read
        except IngestionError as error:
            return _failed(task, error.code, str(error))
        except StorageError:
            raise
        except Exception as error:
            self.parts.check_open()
            if isinstance(error, WorkersError) and self.outage.passes():
                raise
            log.exception("%s could not be read", task.file.id)
            return _failed(task, "server_error", f"{task.file.filename!r} could not be read: {error}")

    # Embedding ---------------------------------------------------------------------------------

    def _embedded(self) -> list[tuple[Task, PreparedFile]]:
        """Embeds one round, each batch's share of it; the files that are through."""
        shares = list(self._shares())
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
        ended = {task.number for task, _ in done}
        for queue in self.queues.values():
            queue.ready = deque((task, each) for task, each in queue.ready if task.number not in ended)
        self.queues = OrderedDict([*list(self.queues.items())[1:], *list(self.queues.items())[:1]])
        return done

    def _shares(self) -> Iterator[tuple[Task, Embedding, int]]:
        """Some windows of each batch, up to a round's; a batch that has less leaves its share to the next."""
        left, ready = ROUND_WINDOWS, [queue for queue in self.queues.values() if queue.ready]
        for i, queue in enumerate(ready):
            share = -(-left // (len(ready) - i))
            for task, each in queue.ready:
                n = min(each.left, share)
                if n <= 0:
                    break
                yield task, each, n
                share, left = share - n, left - n

    def _copies(self, shares: Iterable[tuple[Task, Embedding, int]]) -> list[tuple[Task, PreparedFile]]:
        """Those whose content was committed under another name since they were parsed."""
        found = []
        for task, each, _ in shares:
            if each.done or not each.file.copied:
                continue
            self._settle()
            store = self._store(task)
            before = store and self.parts.reader.prepared_before(store, task.file, task.attributes, task.strategy)
            if before:
                found.append((task, before))
        return found

    def _store(self, task: Task) -> VectorStoreInfo | None:
        try:
            return self.parts.catalog.vector_store(task.vector_store_id)
        except NotFoundError:
            return None

    def _embed(self, shares: Sequence[tuple[Task, Embedding, int]]) -> list[tuple[Task, PreparedFile]]:
        """Together; where that fails each alone, so that one file's text does not fail the others.

        Where all of them fail, it is put down to the embedder, and tried again for a while.
        """
        try:
            if shares:
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


def _turn(batches: int) -> int:
    """How many files of one batch are taken before another one's."""
    return max(1, READ_AHEAD_FILES // (4 * batches))
