"""The machine of test_store_model, and a disk that fails and a process that is killed in the middle of it."""

import errno
import multiprocessing
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import consumes, rule
from test_store_model import LENGTHS, YEARS, StoreMachine

import vecstore
from vecstore import FileFailedError, HashingEmbedder, NotFoundError, StorageError, Workers, failpoints

ERRORS = st.sampled_from([errno.ENOSPC, errno.EIO, errno.EMFILE])
PLACES = st.sampled_from([name for name in failpoints.names() if name.split(".")[0] in {"blob", "checkpoint", "index", "keyword", "read", "file"}])  # fmt: skip
HITS = st.sampled_from([1, 1, 2, 3])
ACTS = st.sampled_from(["detach", "delete", "update"])

processes = multiprocessing.get_context("forkserver")


def act_on(engine, act, subject, year):
    """One change of the store: a path is added, a file id acted on."""
    store = engine.get("model")
    if act == "add":
        store.add(subject, attributes={"year": year})
    elif act == "detach":
        store.detach(subject)
    elif act == "delete":
        engine.delete_file(subject)
    else:
        store.update(subject, attributes={"year": year})


def act_and_die(folder, now, place, arguments):
    """Killed at its failpoint, or at the end."""
    failpoints.switch_on(place)
    engine = vecstore.open(folder, embedder=HashingEmbedder(16), workers=Workers(sandbox="off"), now=lambda: now)
    act_on(engine, *arguments)
    engine.close()
    os._exit(0)


class FailingStoreMachine(StoreMachine):
    @rule(target=StoreMachine.names, length=LENGTHS, year=YEARS, place=PLACES, hit=HITS, error=ERRORS)
    def add_while_the_disk_fails(self, length, year, place, hit, error):
        path, word = self._written(length)
        self._fail(place, hit, error, ("add", path, year))
        return self._found(path.name, word, year)

    @rule(name=consumes(StoreMachine.names), act=ACTS, year=YEARS, place=PLACES, error=ERRORS)
    def change_while_the_disk_fails(self, name, act, year, place, error):
        for file_id in self._of(name):
            self._fail(place, 1, error, (act, file_id, year))
            self._looked_at(file_id, act, year)

    @rule(target=StoreMachine.names, length=LENGTHS, year=YEARS, place=PLACES, hit=HITS)
    def add_and_die(self, length, year, place, hit):
        path, word = self._written(length)
        self._die(place, hit, ("add", path, year))
        return self._found(path.name, word, year)

    @rule(name=consumes(StoreMachine.names), act=ACTS, year=YEARS, place=PLACES)
    def change_and_die(self, name, act, year, place):
        for file_id in self._of(name):
            self._die(place, 1, (act, file_id, year))
            self._looked_at(file_id, act, year)

    # Inside ------------------------------------------------------------------------------------

    def _written(self, length):
        word, text = self._text(length)
        path = self.folder / f"file{self.counter}.txt"
        path.write_text(text)
        return path, word

    def _fail(self, place, hit, error, arguments):
        with failpoints.failing(place, error, hit=hit):
            try:
                act_on(self.engine, *arguments)
            except (StorageError, FileFailedError):  # the other, where what cannot be read is the file itself
                assert {file.id for file in self.store.list()} >= set(self.present) - {arguments[1]}  # reads go on
        if error == errno.EIO:  # perhaps of an fsync, and then nothing is written until a restart
            self.open_again()
        assert {(problem.kind, problem.fixed) for problem in self.engine.check(fix=True)} <= {("stray content", True)}

    def _die(self, place, hit, arguments):
        self.engine.close()
        process = processes.Process(
            target=act_and_die, args=(self.folder / "kb", self.now, f"{place}:{hit}", arguments)
        )
        process.start()
        process.join(60)
        assert process.exitcode in (0, -9)
        self._open()
        self.store = self.engine.get("model")

    def _found(self, name, word, year):
        """What was added is there whole, or not at all."""
        uploaded = [file for file in self.engine.files() if file.filename == name]
        held = [file for file in self.store.list() if file.filename == name]
        assert [file.id for file in uploaded] == [file.id for file in held]
        if not held:
            self.gone.append(word)
        for file in held:
            self._added(file, name, word, {"year": year})
        return name

    def _looked_at(self, file_id, act, year):
        """What was changed is as before, or as it was to be."""
        known = self.present[file_id]
        held = {file.id: file for file in self.store.list()}
        if file_id not in held:
            assert act in ("detach", "delete")
            self.gone.append(self.present.pop(file_id)["word"])
            assert self._is_uploaded(file_id) == (act == "detach")
        elif act == "update":
            assert held[file_id].attributes in (known["attributes"], {"year": year})
            known["attributes"] = held[file_id].attributes

    def _is_uploaded(self, file_id):
        try:
            return bool(self.engine.file(file_id))
        except NotFoundError:
            return False


TestFailingStore = FailingStoreMachine.TestCase
TestFailingStore.settings = settings(
    max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
