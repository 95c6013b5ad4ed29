"""An fsync that fails, no descriptors, no memory: an honest error, reads go on, writing stops or resumes as it must."""

import errno
import json
import subprocess
import sys

import pytest
from searched import found

from vecstore import StorageError, failpoints, files
from vecstore.disk import SyncFailedError, WriteGate, refusals, storage_error
from vecstore.files import fsync_path, sha256_of, sha256s_of


@pytest.mark.parametrize("large_bytes", [0, 1 << 40])
def test_files_are_hashed_side_by_side_as_one_by_one(tmp_path, monkeypatch, large_bytes):
    monkeypatch.setattr(files, "_LARGE_BYTES", large_bytes)
    paths = [tmp_path / str(i) for i in range(9)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 1_000 * i)
    assert sha256s_of(paths) == [sha256_of(path) for path in paths]
    with pytest.raises(FileNotFoundError):
        sha256s_of([*paths, tmp_path / "none"])


# The gate ------------------------------------------------------------------------------------------


def test_a_gate_lets_writes_pass_until_an_fsync_fails():
    gate = WriteGate()
    with gate.passing("it"):
        pass
    with pytest.raises(StorageError, match=r"^it: \[Errno 28\]") as full, gate.passing("it"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (full.value.code, gate.is_shut) == ("full", False)
    with pytest.raises(StorageError, match="until a restart") as stopped, gate.passing("it"):
        raise SyncFailedError(errno.EIO, "Input/output error", "a file")
    assert (stopped.value.code, gate.is_shut) == ("stopped", True)
    with pytest.raises(StorageError, match="until a restart"), gate.passing("it"):
        pytest.fail("a write passed")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "full"), "full"),
        (OSError(errno.EDQUOT, "quota"), "full"),
        (OSError(errno.EMFILE, "files"), "busy"),
        (OSError(errno.EIO, "broken"), "failed"),
        (MemoryError("std::bad_alloc"), "busy"),
    ],
)
def test_a_refusal_says_of_what_kind_it_is(error, code):
    assert storage_error("it", error).code == code
    with pytest.raises(StorageError, match=r"^it: ") as refused, refusals("it"):
        raise error
    assert refused.value.code == code


def test_an_fsync_that_fails_is_told_from_every_other_error(tmp_path):
    path = tmp_path / "a"
    path.touch()
    with failpoints.failing("disk.fsync", errno.EIO), pytest.raises(SyncFailedError, match="Input/output error"):
        fsync_path(path)


# A failed fsync ------------------------------------------------------------------------------------


def test_a_failed_fsync_of_a_content_stops_all_writing_until_a_restart(open_engine):
    engine = open_engine()
    store = engine.create("kept")
    store.add(("a.txt", b"green pear"))
    with failpoints.failing("disk.fsync", errno.EIO), pytest.raises(StorageError) as failed:
        engine.upload(("b.txt", b"never durable"))
    assert failed.value.code == "stopped"
    with pytest.raises(StorageError, match="until a restart"):
        engine.check_writable()
    writes = (
        lambda: engine.upload(("c.txt", b"a file")),
        lambda: store.add(("c.txt", b"a file")),
        lambda: engine.create("other"),
        lambda: store.detach(store.list()[0].id),
        lambda: engine.create_project("research"),
        lambda: store.batch([("c.txt", b"a file")]),
    )
    for write in writes:
        with pytest.raises(StorageError, match="until a restart") as stopped:
            write()
        assert stopped.value.code == "stopped"
    assert found(store) == [["a.txt"], ["a.txt"]]
    assert engine.file_content(store.list()[0].id) == b"green pear"
    engine.close()
    engine = open_engine()
    engine.check_writable()
    engine.get("kept").add(("b.txt", b"yellow pear"))
    assert found(engine.get("kept")) == [["a.txt", "b.txt"]] * 2
    assert engine.check() == []


def test_a_failed_fsync_of_index_files_stops_no_write_and_is_never_vouched_for(open_engine, data_folder):
    engine = open_engine()
    store = engine.create("kept")
    store.add(("a.txt", b"green pear"))
    shards, catalog = engine._parts.shards, engine._parts.catalog
    with failpoints.failing("disk.fsync", errno.EIO):
        shards._try_checkpoint(store.id, shards.get(store.id), lists=False)
    assert catalog.checkpoint(store.id) is None
    assert not list((data_folder / "stores" / store.id).glob("checkpoint-*"))
    engine.check_writable()
    store.add(("b.txt", b"yellow pear"))
    assert found(store) == [["a.txt", "b.txt"]] * 2
    engine.close()
    assert open_engine().check() == []


# Fails every fsync from a moment on, by seccomp; says what became of each step.
FAILING = """
import ctypes, errno, json, sys
import pyseccomp
import vecstore
from vecstore import HashingEmbedder, StorageError
from vecstore.catalog import database

engine = vecstore.open(sys.argv[1], embedder=HashingEmbedder())
store = engine.create("kept")
store.add(("a.txt", b"green pear"))
if sys.argv[2] == "log":
    database._LOG_BYTES = 0

broken = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in ("fsync", "fdatasync", "sync_file_range"):
    broken.add_rule(pyseccomp.ERRNO(errno.EIO), name)
broken.load()

def code(write):
    try:
        write()
    except StorageError as error:
        return error.code
    return "done"

said = []
if sys.argv[2] == "log":
    engine._parts.catalog.database._shorten_log()
else:
    said.append(code(lambda: engine.create("never durable")))
said.append(code(lambda: engine.create("other")))
said.append(code(lambda: engine.upload(("b.txt", b"a file"))))
said.append(code(lambda: store.detach(store.list()[0].id)))
said.append([result.filename for result in store.search("pear")])
print(json.dumps(said), flush=True)
engine.close()
"""


def in_a_process(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has seccomp, which fails an fsync on demand")
@pytest.mark.parametrize("where", ["commit", "log"])
def test_a_failed_fsync_of_the_catalogue_stops_all_writing_until_a_restart(open_engine, data_folder, where):
    said = in_a_process(FAILING, data_folder, where)
    assert said == ["stopped"] * (4 if where == "commit" else 3) + [["a.txt"]]
    engine = open_engine()
    assert "kept" in {store.name for store in engine.list()} <= {"kept", "never durable"}
    store = engine.get("kept")
    store.add(("b.txt", b"yellow pear"))
    assert found(store) == [["a.txt", "b.txt"]] * 2
    assert engine.check() == []


# The content is durable when every fsync begins to fail, so that the row that wants it is the first to meet it.
UNKNOWN = """
import errno, json, sys
import pyseccomp
import vecstore
from vecstore import File, HashingEmbedder, StorageError

engine = vecstore.open(sys.argv[1], embedder=HashingEmbedder())
parts = engine._parts
broken = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in ("fsync", "fdatasync"):
    broken.add_rule(pyseccomp.ERRNO(errno.EIO), name)
try:
    contents = []
    with parts.sweeping(contents):
        sha256, size = parts.blobs.put([b"green pear"])
        contents.append(sha256)
        broken.load()
        parts.catalog.add_files([File("file-a", "a.txt", size, sha256, 0, project_id="proj_default")])
except StorageError as error:
    print(json.dumps(error.code))
engine.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has seccomp, which fails an fsync on demand")
def test_what_met_the_failed_fsync_is_there_whole_or_not_at_all_after_the_restart(open_engine, data_folder):
    assert in_a_process(UNKNOWN, data_folder) == "stopped"
    engine = open_engine()
    assert [engine.file_content(file.id) for file in engine.files()] in ([], [b"green pear"])
    assert engine.check() == []


# No descriptors, no memory -------------------------------------------------------------------------

NO_DESCRIPTORS = """
import json, os, resource, sys
import vecstore
from vecstore import HashingEmbedder, StorageError, VecstoreError

engine = vecstore.open(sys.argv[1], embedder=HashingEmbedder())
store = engine.create("kept")
store.add(("a.txt", b"green pear"))
store.search("pear")
usual = resource.getrlimit(resource.RLIMIT_NOFILE)
said = []
for spare in range(12):
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, usual[1]))
    try:
        engine.upload((f"{spare}.txt", b"a file %d" % spare))
        said.append("done")
    except StorageError as error:
        said.append(error.code)
    try:
        said.append([result.filename for result in store.search("pear")])
    except StorageError as error:
        said.append(error.code)
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert [result.filename for result in store.search("pear")] == ["a.txt"]
store.add(("again.txt", b"yellow pear"))
assert engine.check() == [], engine.check()
engine.close()
print(json.dumps(said))
"""


def test_without_descriptors_each_refusal_is_a_storage_error_and_later_all_goes_on(data_folder, open_engine):
    said = in_a_process(NO_DESCRIPTORS, data_folder)
    assert "busy" in said
    assert "done" in said
    assert all(each in ("done", "busy", ["a.txt"]) for each in said)
    assert found(open_engine().get("kept")) == [["a.txt", "again.txt"]] * 2


NO_MEMORY = """
import json, resource, sys
import numpy as np
from vecstore.disk import refusals
from vecstore.errors import StorageError
from vecstore.index.dense import DenseIndex

index = DenseIndex(384)
vectors = np.ones((100_000, 384), np.float16)
rows = np.ones((100_000, 4), np.int64)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (32 << 20), resource.RLIM_INFINITY))
try:
    with refusals("the index"):
        index.add(rows, vectors)
except StorageError as error:
    print(json.dumps([error.code, str(error)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory in use is read from /proc")
def test_an_index_for_which_there_is_no_memory_is_a_storage_error():
    assert in_a_process(NO_MEMORY) == ["busy", "the index: there is not enough memory"]
