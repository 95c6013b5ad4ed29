"""The meter through the public API: any history of adding, taking out, expiring, retrying, jumping clocks and closing.

The model knows for each vector store what it holds from which second on, and adds it up.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import vecstore
from vecstore import HashingEmbedder, Workers
from vecstore.expiry import DAY_S

DIMENSIONS = 8
START = 1_700_000_000
STORES = ("a", "b", "c")
JUMPS = st.sampled_from([0, 1, 59, 3_600, 40_000, DAY_S - 1, DAY_S, 3 * DAY_S, -1, -5_000, -2 * DAY_S])


class Held:
    """One vector store: its files' bytes, when it expires, and the level from each second on."""

    def __init__(self, now, days):
        self.files, self.days, self.active, self.expired = {}, days, now, False
        self.expires_at = None if days is None else now + days * DAY_S
        self.levels = []  # (second, bytes), seconds never falling

    def touch(self, now):
        if now > self.active:
            self.active = now
            if self.days is not None:
                self.expires_at = max(self.expires_at, now + self.days * DAY_S)

    def write(self, now):
        level = sum(self.files.values())
        if level != (self.levels[-1][1] if self.levels else 0):
            self.levels.append((max(now, self.levels[-1][0] if self.levels else now), level))

    def byte_seconds(self, start, end):
        total = 0
        for i, (at, level) in enumerate(self.levels):
            until = self.levels[i + 1][0] if i + 1 < len(self.levels) else end
            total += level * max(0, min(until, end) - max(at, start))
        return total


class MeteredStores(RuleBasedStateMachine):
    @initialize(days=st.lists(st.sampled_from([None, 1, 2]), min_size=3, max_size=3))
    def begin(self, days):
        self.folder = Path(tempfile.mkdtemp())
        self.workers = Workers(sandbox="off")
        self.now, self.names, self.sent = START, 0, []
        self.open()
        self.held = {}
        for name, each in zip(STORES, days, strict=True):
            policy = None if each is None else {"anchor": "last_active_at", "days": each}
            self.engine.create(name, expires_after=policy)
            self.held[name] = Held(self.now, each)

    def open(self):
        self.engine = vecstore.open(
            self.folder / "kb", embedder=HashingEmbedder(DIMENSIONS), workers=self.workers, now=lambda: self.now
        )

    def expire(self):
        for held in self.held.values():
            if not held.expired and held.expires_at is not None and held.expires_at <= self.now:
                held.expired = True
                held.files = {}
                held.write(held.expires_at)

    def live(self, name):
        self.expire()
        return not self.held[name].expired

    @rule(name=st.sampled_from(STORES), size=st.integers(1, 400))
    def add(self, name, size):
        if not self.live(name):
            return
        self.names += 1
        text = f"{self.names} ".encode() + b"x" * size
        file = self.engine.get(name).add((f"{self.names}.txt", text))
        self.sent.append((f"{self.names}.txt", text))
        held = self.held[name]
        held.files[file.id] = len(text) + 4 * DIMENSIONS
        held.touch(self.now)
        held.write(self.now)

    @precondition(lambda self: self.sent)
    @rule(name=st.sampled_from(STORES), data=st.data())
    def add_again(self, name, data):
        if not self.live(name):
            return
        file = data.draw(st.sampled_from(self.sent))
        known = {each.filename for each in self.engine.get(name).list()}
        member = self.engine.get(name).add(file)
        held = self.held[name]
        if file[0] not in known:  # a copy of what is elsewhere, or what was taken out, is billed by itself
            held.files[member.id] = len(file[1]) + 4 * DIMENSIONS
            held.touch(self.now)
            held.write(self.now)

    @rule(name=st.sampled_from(STORES), sizes=st.lists(st.integers(1, 300), min_size=1, max_size=3))
    def batch(self, name, sizes):
        if not self.live(name):
            return
        texts = []
        for size in sizes:
            self.names += 1
            texts.append((f"{self.names}.txt", f"{self.names} ".encode() + b"y" * size))
        batch = self.engine.get(name).batch([*texts, ("bad.pdf", b"%PDF-1.7 nothing")])
        assert batch.wait(timeout_s=60).file_counts.completed == len(texts)
        held = self.held[name]
        sizes = {name: len(text) + 4 * DIMENSIONS for name, text in texts}
        held.files |= {file.id: sizes[file.filename] for file in batch.files() if file.status == "completed"}
        held.files |= {file.id: 0 for file in batch.files() if file.status == "failed"}
        held.touch(self.now)
        held.write(self.now)

    @rule(name=st.sampled_from(STORES), data=st.data())
    def detach(self, name, data):
        if not self.live(name) or not self.held[name].files:
            return
        file_id = data.draw(st.sampled_from(sorted(self.held[name].files)))
        self.engine.get(name).detach(file_id)
        del self.held[name].files[file_id]
        self.held[name].write(self.now)

    @rule(data=st.data())
    def delete_a_file(self, data):
        self.expire()
        present = sorted({file_id for held in self.held.values() for file_id in held.files})
        if present:
            file_id = data.draw(st.sampled_from(present))
            self.engine.delete_file(file_id)
            for held in self.held.values():
                held.files.pop(file_id, None)
                held.write(self.now)

    @rule(name=st.sampled_from(STORES))
    def search(self, name):
        if self.live(name):
            self.engine.get(name).search("words")
            self.held[name].touch(self.now)

    @rule(seconds=JUMPS)
    def move_the_clock(self, seconds):
        self.now = max(START, self.now + seconds)

    @rule()
    def close_and_open(self):
        self.engine.close()
        self.open()

    @invariant()
    def the_meter_agrees_to_the_byte_second(self):
        if not hasattr(self, "held"):
            return
        self.expire()
        end = max([self.now, *(at for held in self.held.values() for at, _ in held.levels)]) + 1
        middle = START + (end - START) // 2
        meter = self.engine._parts.catalog.meter
        self.engine.expire()
        if end <= START:
            return
        names = {info.id: info.name for info in self.engine.list()}
        whole = {names[row.key]: row for row in meter.report(START, end, by="store").rows}
        for name, held in self.held.items():
            found = whole[name].byte_seconds if name in whole else 0
            assert found == held.byte_seconds(START, end)
            info = self.engine.get(name).info()
            assert (info.usage_bytes, info.status == "expired") == (sum(held.files.values()), held.expired)
        if START < middle < end:
            halves = [meter.report(*period).total.byte_seconds for period in ((START, middle), (middle, end))]
            assert sum(halves) == sum(row.byte_seconds for row in whole.values())

    def teardown(self):
        if hasattr(self, "engine"):
            assert self.engine.check() == []
            self.engine.close()
            self.workers.close()
            shutil.rmtree(self.folder)


MeteredStores.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestMeteredStores = MeteredStores.TestCase
