"""Whose turn it is: what is left of each batch, to be parsed and to be embedded, a little of each at a time."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from vecstore.indexing import Embedding
from vecstore.jobs import READ_AHEAD_BYTES, READ_AHEAD_FILES, READERS
from vecstore.parts import Parts
from vecstore.types import Task


@dataclass(slots=True)
class _Queue:
    """What is left of one batch: tasks to be parsed, and files that are parsed."""

    number: int
    reached: int = 0  # the last task that was taken
    suspected: int = 0  # and the last of those that a process died of
    parsed: deque[tuple[Task, Embedding]] = field(default_factory=deque)


class Turns:
    """The batches that have something to do, first whose turn it is. What is here is lost with the process."""

    def __init__(self, parts: Parts) -> None:
        self._batches, self._board = parts.catalog.batches, parts.board
        self._queues: OrderedDict[int, _Queue] = OrderedDict()

    def look(self) -> bool:
        """New batches are taken on, those that were cancelled or deleted are dropped; whether any is left."""
        unfinished = set(self._batches.unfinished())
        for number in [number for number in self._queues if number not in unfinished]:
            del self._queues[number]
            self._board.clear(number)
        for number in sorted(unfinished - set(self._queues)):
            self._queues[number] = _Queue(number)
            self._board.begin(number, self._batches.done_bytes(number))
        return bool(self._queues)

    def begin_again(self) -> None:
        """From the first task of each batch that is still in progress."""
        for queue in self._queues.values():
            queue.reached = queue.suspected = 0

    def end(self) -> None:
        """Nothing of these goes on."""
        for number in self._queues:
            self._board.clear(number)

    # To be parsed ------------------------------------------------------------------------------

    def tasks_to_parse(self, parsing: Collection[Task]) -> list[Task]:
        """As many as there is room for besides `parsing`; those that a process died of come last, and each alone."""
        if any(task.deaths for task in parsing) or not self._has_room([], parsing):
            return []
        return self._by_turns(parsing) or ([] if parsing else self._one_suspect())

    def _by_turns(self, parsing: Collection[Task]) -> list[Task]:
        chosen: list[Task] = []
        at_once = max(1, READ_AHEAD_FILES // (4 * len(self._queues)))
        waiting = deque(self._queues.values())
        while waiting:
            queue = waiting.popleft()
            some = self._batches.tasks(queue.number, after=queue.reached, limit=at_once)
            for task in some:
                if not self._has_room(chosen, parsing):
                    return chosen
                queue.reached = task.number
                chosen.append(task)
            if some:
                waiting.append(queue)
        return chosen

    def _one_suspect(self) -> list[Task]:
        for queue in self._queues.values():
            for task in self._batches.tasks(queue.number, after=queue.suspected, limit=1, suspects=True):
                queue.suspected = task.number
                return [task]
        return []

    def _has_room(self, chosen: Collection[Task], parsing: Collection[Task]) -> bool:
        """Whether one more file may be parsed before those that are here are embedded."""
        ahead = [*(task for queue in self._queues.values() for task, _ in queue.parsed), *chosen, *parsing]
        size = sum(task.file.bytes for task in ahead)
        return len(ahead) < READ_AHEAD_FILES and (size < READ_AHEAD_BYTES or len(ahead) < READERS)

    # To be embedded ----------------------------------------------------------------------------

    def add(self, task: Task, parsed: Embedding) -> bool:
        """Queues a parsed file; false if its batch was dropped."""
        queue = self._queues.get(task.batch)
        if queue is not None:
            queue.parsed.append((task, parsed))
        return queue is not None

    @property
    def windows(self) -> int:
        """How many wait to be embedded."""
        return sum(each.left for queue in self._queues.values() for _, each in queue.parsed)

    @property
    def has_parsed(self) -> bool:
        return any(queue.parsed for queue in self._queues.values())

    def shares(self, windows: int) -> Iterator[tuple[Task, Embedding, int]]:
        """Some windows of each batch, up to so many; a batch that has less leaves its share to the next."""
        left, ready = windows, [queue for queue in self._queues.values() if queue.parsed]
        for i, queue in enumerate(ready):
            share = -(-left // (len(ready) - i))
            for task, each in queue.parsed:
                n = min(each.left, share)
                if n <= 0:
                    break
                yield task, each, n
                share, left = share - n, left - n

    def next_turn(self, ended: Collection[int]) -> None:
        """Drops the files of these tasks; another batch is first now."""
        for queue in self._queues.values():
            queue.parsed = deque((task, each) for task, each in queue.parsed if task.number not in ended)
        if self._queues:
            self._queues.move_to_end(next(iter(self._queues)))
