"""SIGKILL in the middle of batches: each goes on by itself, does nothing twice, and loses nothing."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

import vecstore
from vecstore import HashingEmbedder

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill -9")

FILES = 60
WAIT_S = 120

# Begins two batches in two stores once, or goes on with them; prints what is told of them, and waits for their end.
SCRIPT = """
import json, sys, time
import vecstore
from vecstore import HashingEmbedder, runner

class Slow(HashingEmbedder):
    def embed(self, texts):
        time.sleep(0.02)
        return super().embed(texts)

runner.ROUND_WINDOWS = 8
engine = vecstore.open(sys.argv[1], embedder=Slow())
if not engine.batches():
    for name in "ab":
        store = engine.create(name)
        texts = [(f"{i}.txt", f"common words and {name}{i}".encode()) for i in range(int(sys.argv[2]))]
        batch = store.batch([*texts, ("bad.pdf", b"%PDF-1.7 nothing")])
        print(json.dumps(["begun", batch.id]), flush=True)
told = {}
while True:
    for info in engine.batches():
        done = sorted(file.filename for file in engine.batch(info.id).files() if file.status == "completed")
        counts = info.file_counts
        print(json.dumps(["told", info.id, counts.total, counts.in_progress, done]), flush=True)
    if all(info.status != "in_progress" for info in engine.batches()):
        break
    time.sleep(0.01)
engine.close()
print(json.dumps(["closed"]), flush=True)
"""


def run(folder, seconds):
    """Runs the script and kills it after so long; the lines that it had printed by then."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(FILES)], stdout=subprocess.PIPE, text=True
    )
    if seconds is not None:
        first = process.stdout.readline()
        time.sleep(seconds)
        process.kill()
    else:
        first = ""
    out, _ = process.communicate(timeout=WAIT_S)
    return [json.loads(line) for line in (first + out).splitlines() if line.endswith("]")]


def assert_whole(folder, lines):
    """Counts add up, what was told to be done is done, and nothing contradicts anything."""
    with vecstore.open(folder, embedder=HashingEmbedder(), resume=False) as engine:
        infos = {info.id: info for info in engine.batches()}
        for what, *rest in lines:
            if what == "begun":
                assert rest[0] in infos
            if what == "told":
                batch_id, total, _, done = rest
                assert total == infos[batch_id].file_counts.total == FILES + 1
                held = {file.filename for file in engine.batch(batch_id).files() if file.status == "completed"}
                assert set(done) <= held
        for info in infos.values():
            assert engine.get(info.vector_store_id).info().file_counts.total == FILES + 1
        assert {problem.kind for problem in engine.check()} <= {"stray content", "idle batch"}
        return infos


def test_batches_go_on_after_kills_at_random_and_end_whole(tmp_path):
    chance = random.Random(4)
    lines = []
    for _ in range(8):
        lines += run(tmp_path / "kb", chance.uniform(0.2, 1.5))
        assert_whole(tmp_path / "kb", lines)
    lines += run(tmp_path / "kb", None)
    assert lines[-1] == ["closed"]
    infos = assert_whole(tmp_path / "kb", lines)
    with vecstore.open(tmp_path / "kb", embedder=HashingEmbedder()) as engine:
        for info in infos.values():
            errors = [file.last_error for file in engine.batch(info.id).files() if file.last_error]
            assert [error.message for error in errors if "bad.pdf" not in error.message] == []
            assert (info.status, info.file_counts.completed, info.file_counts.failed) == ("completed", FILES, 1)
            store = engine.get(info.vector_store_id)
            names = [file.filename for file in store.list()]
            assert sorted(names) == sorted([*(f"{i}.txt" for i in range(FILES)), "bad.pdf"])
            assert store.info().usage_bytes == sum(
                len(chunk.text.encode()) + 4 * 64
                for file in store.list()
                if file.status == "completed"
                for chunk in store.content(file.id)
            )
        assert engine.check(fix=True) is not None
        assert engine.check() == []


@pytest.mark.parametrize("step", ["add", "tasks", "commit", "cancel"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_each_step_leaves_a_batch_that_goes_on(tmp_path, step, when):
    code = f"""
import os, signal, sys
import vecstore
from vecstore import HashingEmbedder
from vecstore.catalog.batches import Batches

step = Batches.{step}
def killed(*args, **keywords):
    if {when!r} == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    step(*args, **keywords)
    os.kill(os.getpid(), signal.SIGKILL)
Batches.{step} = killed
engine = vecstore.open(sys.argv[1], embedder=HashingEmbedder(), resume={step != "cancel"})
if {step == "cancel"}:
    engine._runner.stop()
batch = engine.create("s").batch([(f"{{i}}.txt", f"words {{i}}".encode()) for i in range(5)])
batch.cancel() if {step == "cancel"} else batch.wait()
"""
    process = subprocess.run([sys.executable, "-c", code, str(tmp_path / "kb")], timeout=WAIT_S, check=False)
    assert process.returncode == -signal.SIGKILL
    with vecstore.open(tmp_path / "kb", embedder=HashingEmbedder()) as engine:
        store = engine.get("s")
        ended = [engine.batch(info.id).wait(timeout_s=WAIT_S) for info in engine.batches()]
        if (step, when) == ("add", "before"):
            assert (ended, store.list()) == ([], [])
        else:
            cancelled = (step, when) == ("cancel", "after")
            assert [info.status for info in ended] == ["cancelled" if cancelled else "completed"]
            assert [file.status for file in store.list()] == ["cancelled" if cancelled else "completed"] * 5
        assert [problem for problem in engine.check() if problem.kind != "stray content"] == []


def test_a_file_that_ends_the_whole_process_is_given_up_after_the_third_time(tmp_path):
    code = """
import os, signal, sys, time
import vecstore
from vecstore import HashingEmbedder, Workers
from vecstore.reading import Reader

read = Reader.read
def deadly(self, store, file, content, **options):
    if file.filename == "deadly.txt":
        time.sleep(0.3)  # those beside it have ended
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, store, file, content, **options)
Reader.read = deadly
engine = vecstore.open(sys.argv[1], embedder=HashingEmbedder())
if not engine.batches():
    engine.create("s").batch([("deadly.txt", b"words"), *((f"{i}.txt", f"words {i}".encode()) for i in range(5))])
engine.batch(engine.batches()[0].id).wait()
engine.close()
"""
    for _ in range(3):
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "kb")], timeout=WAIT_S, check=False)
        assert killed.returncode == -signal.SIGKILL
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "kb")], timeout=WAIT_S, check=False)
    assert ended.returncode == 0
    with vecstore.open(tmp_path / "kb", embedder=HashingEmbedder()) as engine:
        [info] = engine.batches()
        assert (info.status, info.file_counts.completed, info.file_counts.failed) == ("completed", 5, 1)
        [failed] = [file for file in engine.batch(info.id).files() if file.last_error]
        assert failed.filename == "deadly.txt"
        assert "3 times" in failed.last_error.message
        assert engine.check() == []
