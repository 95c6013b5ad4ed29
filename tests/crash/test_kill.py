"""SIGKILL at any moment loses nothing that was told, doubles nothing, and leaves nothing to repair."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

import vecstore
from vecstore import HashingEmbedder, HybridSearch

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill -9")

FILES = 50
WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)

# Adds the files in small groups and prints each outcome once it is told; then detaches every fifth.
SCRIPT = """
import importlib, os, signal, sys
import vecstore
from vecstore import HashingEmbedder, Source, jobs, shards

jobs.GROUP_FILES = int(sys.argv[3])
shards.CHECKPOINT_EVERY = 4

def die_at(module, owner, name, when, left):
    owner = getattr(importlib.import_module(module), owner)
    step = getattr(owner, name)
    calls = iter(range(left))
    def killed(*args, **keywords):
        last = next(calls) == left - 1
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = step(*args, **keywords)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, killed)

if len(sys.argv) > 4:
    module, owner, name, when, nth = sys.argv[4].split()
    die_at(module, owner, name, when, int(nth))

engine = vecstore.open(sys.argv[1], embedder=HashingEmbedder())
stores = engine.list()
store = engine.get(stores[0].id) if stores else engine.create("kept")
print("open", flush=True)
words = [f"common words, and zq{chr(97 + i % 26)}{chr(97 + i // 26)}q" for i in range(int(sys.argv[2]))]
sources = [Source(f"{i}.txt", text.encode()) for i, text in enumerate(words)]
for added in store.add_many(sources):
    print(f"{added.outcome} {added.filename}\\n", end="", flush=True)  # in one write: never half a line
for file in [file for file in store.list() if int(file.filename.split(".")[0]) % 5 == 4]:
    store.detach(file.id)
    print(f"detached {file.filename}\\n", end="", flush=True)
engine.close()
print("closed", flush=True)
"""


def command(folder, group, *kill_point):
    return [sys.executable, "-c", SCRIPT, str(folder), str(FILES), str(group), *kill_point]


def start(folder, group, *kill_point):
    return subprocess.Popen(command(folder, group, *kill_point), stdout=subprocess.PIPE, text=True)


def run_until(folder, group, lines, *kill_point):
    """Runs the script, kills it after so many lines of output, and gives those that it had printed by then."""
    process = start(folder, group, *kill_point)
    told = []
    for line in process.stdout:
        told.append(line.split())
        if len(told) == lines:
            break
    process.kill()
    told += [line.split() for line in process.stdout]
    process.stdout.close()
    process.wait()
    return told


def run_for(folder, group, seconds):
    process = start(folder, group)
    time.sleep(seconds)
    process.kill()
    told = [line.split() for line in process.stdout]
    process.stdout.close()
    process.wait()
    return told


def word(i):
    return f"zq{chr(97 + i % 26)}{chr(97 + i // 26)}q"


def survivors(folder):
    """The files that are there, after checking that catalogue, indexes and search agree about them."""
    with vecstore.open(folder, embedder=HashingEmbedder()) as engine:
        if not engine.list():
            return Counter()
        store = engine.get("kept")
        names = Counter(file.filename for file in store.list())
        assert store.info().file_counts.completed == names.total()
        for i in range(FILES):
            found = {result.filename for result in store.search(word(i), hybrid_search=WORDS_ONLY)}
            assert found == ({f"{i}.txt"} if names[f"{i}.txt"] else set())
        problems = engine.check()
        assert {problem.kind for problem in problems} <= {"stray content"}
        assert all(problem.fixed for problem in engine.check(fix=True))
        assert engine.check() == []
        return names


def told_and_held(told, names):
    """What was told before the kill is there: added files are in, detached ones out, and none is in twice."""
    assert max(names.values(), default=0) <= 1
    detached = set()
    for what, *name in told:
        if what == "open":
            detached = set()  # this run adds them again
        elif what == "detached":
            detached.add(*name)
    assert all(names[name] == 0 for name in detached)
    added = {name[0] for what, *name in told if what in ("added", "unchanged")}
    assert all(names[name] == 1 for name in added if not fifth(name))


def fifth(name):
    return int(name.split(".")[0]) % 5 == 4


def finishes(folder, group):
    done = subprocess.run(command(folder, group), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("closed\n")
    names = survivors(folder)
    assert names == {f"{i}.txt": 1 for i in range(FILES) if not fifth(f"{i}.txt")}


@pytest.mark.parametrize(("lines", "group"), [(1, 8), (2, 1), (20, 3), (55, 8), (62, 64)])
def test_a_kill_after_the_nth_outcome_loses_nothing_that_was_told(tmp_path, lines, group):
    folder = tmp_path / "kb"
    told = run_until(folder, group, lines)
    assert len(told) >= min(lines, FILES + 12)
    told_and_held(told, survivors(folder))
    finishes(folder, group)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step",
    [
        "vecstore.blobs Blobs put {} 9",
        "vecstore.catalog Catalog commit {} 3",
        "vecstore.index.keyword KeywordIndex write {} 4",
        "vecstore.index.keyword KeywordIndex refresh {} 4",
        "vecstore.index.dense DenseIndex save {} 1",
        "vecstore.index.shard LocalShard checkpoint {} 2",
        "vecstore.catalog Catalog set_checkpoint {} 2",
        "vecstore.index.shard LocalShard discard_all_but {} 3",
        "vecstore.catalog Catalog remove_member {} 3",
    ],
)
def test_a_kill_before_and_after_each_step_of_a_commit(tmp_path, step, when):
    folder = tmp_path / "kb"
    told = run_until(folder, 3, 10_000, step.format(when))
    assert told[-1] != ["closed"]
    told_and_held(told, survivors(folder))
    finishes(folder, 3)


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_at_any_moment_loses_nothing_that_was_told(tmp_path, seed):
    rng = random.Random(seed)
    folder, group = tmp_path / "kb", rng.choice([1, 3, 8])
    told = []
    for _ in range(2):  # the second one kills what was repairing the first
        told += run_for(folder, group, rng.uniform(0.3, 2.0))
    if (folder / "catalog.db").exists():
        told_and_held(told, survivors(folder))
    finishes(folder, group)


@pytest.mark.parametrize("damage", ["live", "flip", "tear", "checkpoints"])
def test_what_a_kill_and_a_bad_disk_leave_is_rebuilt_by_itself(tmp_path, flip_byte, damage):
    folder = tmp_path / "kb"
    told = run_until(folder, 3, 30)
    [store_folder] = (folder / "stores").iterdir()
    [checkpoint] = store_folder.glob("checkpoint-*[0-9a-f]")
    indexes = [path for path in sorted(checkpoint.rglob("*")) if path.is_file()]
    assert (store_folder / "live").is_dir()
    if damage == "live":
        for path in (store_folder / "live").iterdir():
            path.unlink()
        (store_folder / "live").rmdir()
    for path in indexes:
        if damage == "flip":
            flip_byte(path)
        elif damage == "tear":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        elif damage == "checkpoints":
            path.unlink()
    told_and_held(told, survivors(folder))
    finishes(folder, 3)
