"""Many threads at a few files: what each was told has one order in which it all makes sense (Herlihy and Wing, 1990)."""

import math
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import pytest

from vecstore import BatchFile, HybridSearch, NotFoundError, StaticStrategy

WRITERS, READERS, STORES = 8, 8, 4
WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)
ABSENT, WAITING, FAILED = "absent", "in progress", "failed"


@dataclass(frozen=True)
class Call:
    """What a thread did to one file of one store, between which moments, and what it was told."""

    begun: float
    ended: float
    what: str
    value: object
    told: object


def after(call, state):
    """The state that the call leaves, or None where it cannot have been told so in this state."""
    following, told = {
        "attach": (call.value, None),
        "begin batch": (WAITING if state in (ABSENT, FAILED) else state, None),  # what is searchable stays so
        "end batch": (call.value, None),
        "detach": (ABSENT, state != ABSENT),
        "update": (call.value if isinstance(state, int) else state, state != ABSENT),
        "look": (state, state),
        "search": (state, state if isinstance(state, int) else ABSENT),
    }[call.what]
    return following if call.told == told else None


def is_linearizable(calls):
    """Whether some order of the calls that respects who ended before whom began explains all that was told."""
    calls = sorted(calls, key=lambda call: call.begun)

    @lru_cache(None)
    def explained(done, state):
        left = [i for i in range(len(calls)) if not done >> i & 1]
        if not left:
            return True
        first_end = min(calls[i].ended for i in left)
        for i in left:
            if calls[i].begun > first_end:
                break
            following = after(calls[i], state)
            if following is not None and explained(done | 1 << i, following):
                return True
        return False

    return explained(0, ABSENT)


class History:
    """The calls on each file of each store."""

    def __init__(self):
        self.calls = {}
        self._guard = threading.Lock()

    def call(self, what, act, store, file_id, value=None):
        begun = time.monotonic()
        self.add(store, file_id, Call(begun, math.inf, what, value, act(store, file_id, value)))

    def add(self, store, file_id, call):
        with self._guard:
            self.calls.setdefault((store.id, file_id), []).append(
                replace(call, ended=min(call.ended, time.monotonic()))
            )


def attach(store, file_id, value):
    store.attach(file_id, attributes={"value": value})


def detach(store, file_id, _):
    return told_to_exist(store.detach, file_id)


def update(store, file_id, value):
    return told_to_exist(store.update, file_id, attributes={"value": value})


def told_to_exist(act, *args, **keywords):
    try:
        act(*args, **keywords)
    except NotFoundError:
        return False
    return True


def look(store, file_id, _):
    try:
        file = store.file(file_id)
    except NotFoundError:
        return ABSENT
    return {"in_progress": WAITING, "failed": FAILED}.get(file.status) or file.attributes["value"]


def search(store, file_id, word):
    found = [result for result in store.search(word, hybrid_search=WORDS_ONLY) if result.file_id == file_id]
    return found[0].attributes["value"] if found else ABSENT


@pytest.mark.parametrize("seed", range(3))
def test_every_file_of_every_store_has_one_history(engine, seed):
    stores = [engine.create(str(i)) for i in range(STORES)]
    files = [(engine.upload((f"{word}.txt", f"{word} in common words".encode())).id, word) for word in ("zqa", "zqb")]
    unreadable = engine.upload(("bad.pdf", b"%PDF-1.7 nothing")).id, "zqc"
    history, values = History(), iter(range(1_000_000))

    def write(number):
        rng = random.Random(f"{seed} writer {number}")
        for _ in range(14):
            store, (file_id, _) = rng.choice(stores), rng.choice([*files, unreadable])
            what = rng.choice([attach, detach, detach, update])
            if what is attach and file_id == unreadable[0]:
                history.call("attach", attach_unreadable, store, file_id, FAILED)
            else:
                history.call(what.__name__, what, store, file_id, next(values))

    def attach_unreadable(store, file_id, _):
        store.attach(file_id, attributes={"value": 0})

    def read(number):
        rng = random.Random(f"{seed} reader {number}")
        for _ in range(25):
            store, (file_id, word) = rng.choice(stores), rng.choice([*files, unreadable])
            history.call("look", look, store, file_id)
            history.call("search", search, store, file_id, word)

    run([write] * WRITERS + [read] * READERS)
    assert sum(map(len, history.calls.values())) == WRITERS * 14 + READERS * 50
    assert all(is_linearizable(calls) for calls in history.calls.values())
    assert engine.check() == []


def test_files_of_a_batch_go_from_absent_to_in_progress_to_searchable_and_never_back(engine):
    stores = [engine.create(str(i)) for i in range(STORES)]
    words = [f"zq{letter}" for letter in "bcdfgh"]
    files = {word: engine.upload((f"{word}.txt", f"{word} in common words".encode())).id for word in words}
    history, ended = History(), threading.Event()

    def attach_all(number):
        store, begun = stores[number], time.monotonic()
        batch = store.batch([BatchFile(file_id, {"value": 1}) for file_id in files.values()])
        made = time.monotonic()
        batch.wait()
        for file_id in files.values():
            history.add(store, file_id, Call(begun, made, "begin batch", 1, None))
            history.add(store, file_id, Call(begun, math.inf, "end batch", 1, None))

    def read(number):
        rng = random.Random(number)
        while not ended.wait(0.002):
            store, word = rng.choice(stores), rng.choice(words)
            if len(history.calls.get((store.id, files[word]), ())) < 40:
                history.call("look", look, store, files[word])
                history.call("search", search, store, files[word], word)

    with ThreadPoolExecutor(STORES + READERS) as executor:
        readers = [executor.submit(read, number) for number in range(READERS)]
        for writer in [executor.submit(attach_all, number) for number in range(STORES)]:
            writer.result()
        ended.set()
        for reader in readers:
            reader.result()
    assert len(history.calls) == STORES * len(words)
    assert all(is_linearizable(calls) for calls in history.calls.values())
    seen = {call.told for calls in history.calls.values() for call in calls if call.what == "look"}
    assert {WAITING, 1} <= seen


def test_a_search_never_sees_half_a_file_nor_two_versions_of_it(store, tmp_path):
    """A search for a word that every chunk has finds all chunks of one version of the file, and no other."""
    path, ended, seen, chunks = tmp_path / "plan.txt", threading.Event(), [], {}

    def write(number):
        path.write_text(f"common v{number} " * (200 + 30 * number))
        file = store.add(path, chunking_strategy=StaticStrategy(100, 0))
        chunks[file.id] = len(store.content(file.id))

    def read():
        while not ended.is_set():
            found = store.search("common", hybrid_search=WORDS_ONLY, max_num_results=50)
            seen.append(Counter(result.file_id for result in found))

    write(0)
    with ThreadPoolExecutor(READERS) as executor:
        readers = [executor.submit(read) for _ in range(4)]
        for number in range(1, 9):
            write(number)
        ended.set()
        for reader in readers:
            reader.result()
    assert min(chunks.values()) > 5
    assert all(found in ({file_id: n} for file_id, n in chunks.items()) for found in seen)
    assert len({file_id for found in seen for file_id in found}) > 1


@pytest.mark.parametrize(
    ("told", "possible"),
    [
        ([("attach", 0, 1, 7, None), ("look", 2, 3, None, 7), ("search", 2, 3, None, 7)], True),
        ([("attach", 0, 1, 7, None), ("look", 2, 3, None, ABSENT)], False),  # lost
        ([("attach", 0, 5, 7, None), ("look", 2, 3, None, 7), ("look", 4, 5, None, ABSENT)], False),  # there, then not
        ([("attach", 0, 5, 7, None), ("look", 2, 3, None, ABSENT), ("look", 4, 5, None, 7)], True),
        ([("attach", 0, 1, 7, None), ("detach", 2, 3, None, True), ("search", 4, 5, None, 7)], False),  # came back
        (
            [("attach", 0, 9, 7, None), ("attach", 0, 9, 8, None), ("look", 4, 5, None, 7), ("look", 6, 7, None, 8)],
            True,
        ),
        ([("detach", 0, 1, None, True)], False),
    ],
)
def test_the_checker_tells_histories_that_make_sense_from_others(told, possible):
    assert is_linearizable([Call(begun, ended, what, value, answer) for what, begun, ended, value, answer in told]) is (
        possible
    )


def run(works):
    with ThreadPoolExecutor(len(works)) as executor:
        for done in [executor.submit(work, number) for number, work in enumerate(works)]:
            done.result()
