"""A vector store against a dict: whatever is done to it, in whatever order, both hold the same."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

import vecstore
from vecstore import HashingEmbedder, HybridSearch, NotFoundError, StaticStrategy

WORDS_ONLY = HybridSearch(embedding_weight=0, text_weight=1)
YEARS = st.sampled_from([2024, 2025, 2026])
LENGTHS = st.sampled_from([0, 30, 900])  # words beside the unique one: one chunk, or several


class StoreMachine(RuleBasedStateMachine):
    """`present` maps a file id to what it should be; `gone` are unique words of what must never be found again."""

    names = Bundle("names")

    @initialize()
    def open_folder(self):
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.now = 1_700_000_000
        self.counter = 0
        self.present, self.gone = {}, []
        self._open()
        self.engine.create("model")
        self.store = self.engine.get("model")

    def _open(self):
        self.engine = vecstore.open(self.folder / "kb", embedder=HashingEmbedder(16), now=lambda: self.now)

    def _text(self, length):
        """A word that no other text has, at the end of some filler."""
        self.counter += 1
        word = "zq" + "".join("bcdfghjklm"[int(digit)] for digit in str(self.counter))  # letters only: one term
        return word, " ".join([*(f"filler{i % 50}" for i in range(length)), word])

    def _added(self, file, name, word, attributes):
        strategy = file.chunking_strategy
        self.present[file.id] = {"name": name, "word": word, "attributes": attributes, "strategy": strategy}
        return name

    @rule(target=names, length=LENGTHS, year=YEARS)
    def add(self, length, year):
        word, text = self._text(length)
        path = self.folder / f"file{self.counter}.txt"
        path.write_text(text)
        file = self.store.add(path, attributes={"year": year})
        return self._added(file, path.name, word, {"year": year})

    @rule(name=names, length=LENGTHS, year=YEARS)
    def change_and_add_again(self, name, length, year):
        word, text = self._text(length)
        (self.folder / name).write_text(text)
        file = self.store.add(self.folder / name, attributes={"year": year})
        for old in [old for old, known in self.present.items() if known["name"] == name]:
            self.gone.append(self.present.pop(old)["word"])
        self._added(file, name, word, {"year": year})

    @rule(name=names)
    def add_again_unchanged(self, name):
        before = self.store.info()
        for file_id in self._of(name):
            again = self.store.add(self.folder / name, chunking_strategy=self.present[file_id]["strategy"])
            assert again.id == file_id
        assert self.store.info() == before

    @rule(name=names, strategy=st.sampled_from([StaticStrategy(100, 25), StaticStrategy(400, 0)]))
    def attach_again(self, name, strategy):
        for file_id in self._of(name):
            known = self.present[file_id]  # attached anew, at its old place
            self.store.attach(file_id, attributes=known["attributes"], chunking_strategy=strategy)
            self.present[file_id] = {**known, "strategy": strategy}

    @rule(name=consumes(names))
    def detach(self, name):
        for file_id in self._of(name):
            self.store.detach(file_id)
            self.gone.append(self.present.pop(file_id)["word"])

    @rule(name=consumes(names))
    def delete(self, name):
        for file_id in self._of(name):
            self.engine.delete_file(file_id)
            self.gone.append(self.present.pop(file_id)["word"])
            with pytest.raises(NotFoundError):
                self.engine.file(file_id)

    @rule(name=names, year=YEARS)
    def update_attributes(self, name, year):
        for file_id in self._of(name):
            self.store.update(file_id, attributes={"year": year})
            self.present[file_id]["attributes"] = {"year": year}

    @rule(year=YEARS)
    def search_with_a_filter(self, year):
        expected = {file_id for file_id, each in self.present.items() if each["attributes"]["year"] == year}
        found = self.store.search(
            "filler1 unique", max_num_results=50, filters={"type": "eq", "key": "year", "value": year}
        )
        assert {result.file_id for result in found} <= expected
        if len(found) < 50:
            assert {result.file_id for result in found} == expected

    @rule()
    def open_again(self):
        self.engine.close()
        self._open()
        self.store = self.engine.get("model")

    @rule(seconds=st.integers(1, 1000))
    def time_passes(self, seconds):
        self.now += seconds

    def _of(self, name):
        return [file_id for file_id, each in self.present.items() if each["name"] == name]

    @invariant()
    def both_hold_the_same(self):
        if not hasattr(self, "store"):
            return
        listed = self.store.list()
        assert [file.id for file in listed] == list(self.present)
        for file in listed:
            known = self.present[file.id]
            assert (file.filename, file.status, file.attributes) == (known["name"], "completed", known["attributes"])
        info = self.store.info()
        assert (info.file_counts.completed, info.file_counts.total) == (len(self.present), len(self.present))
        chunks = [chunk for file in listed for chunk in self.store.content(file.id)]
        assert info.usage_bytes == sum(len(chunk.text) + 4 * 16 for chunk in chunks)
        assert self.engine.usage().total.usage_bytes == info.usage_bytes

    @invariant()
    def a_unique_word_finds_its_file_and_no_other(self):
        if not hasattr(self, "store"):
            return
        for file_id, known in self.present.items():
            found = self.store.search(known["word"], hybrid_search=WORDS_ONLY)
            assert {result.file_id for result in found} == {file_id}
            assert known["word"] in found[0].text
        for word in self.gone[-5:]:
            assert self.store.search(word, hybrid_search=WORDS_ONLY) == []

    @invariant()
    def everything_agrees(self):
        if hasattr(self, "engine"):
            assert self.engine.check() == []

    def teardown(self):
        if hasattr(self, "engine"):
            self.engine.close()
            self._temporary.cleanup()


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
