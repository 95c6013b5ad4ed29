"""SIGKILL at any step of a backup or a restore: what was there stays whole, and the same command does it then."""

import os
import signal
import subprocess
import sys

import pytest

import vecstore
from vecstore import FormatError, HashingEmbedder, failpoints

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill -9")

SCRIPT = "import sys, vecstore; getattr(vecstore, sys.argv[1])(*sys.argv[2:4], **eval(sys.argv[4]))"


def run(verb, source, target, given=None, failpoint=None):
    environment = os.environ | ({failpoints.VARIABLE: failpoint} if failpoint else {})
    command = [sys.executable, "-c", SCRIPT, verb, str(source), str(target), repr(given or {})]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode


@pytest.fixture
def filled(tmp_path):
    """A data folder that was backed up twice, and then lost a file and was given another."""
    with vecstore.open(tmp_path / "kb", embedder=HashingEmbedder()) as engine:
        store = engine.create("kept")
        files = [store.add((f"{i}.txt", f"apple pear {i}".encode())) for i in range(5)]
        engine.backup(tmp_path / "backup")
        engine.backup(tmp_path / "backup")
        engine.delete_file(files[0].id)
        store.add(("new.txt", b"green plum"))
    return tmp_path


def restored(folder, target):
    """What a snapshot of the folder holds, by filename, after it was restored and checked."""
    names = []
    for i, snapshot in enumerate(vecstore.list_snapshots(folder / "backup")):
        vecstore.restore(folder / "backup", target / str(i), snapshot=snapshot.name)
        with vecstore.open(target / str(i), embedder=HashingEmbedder()) as engine:
            assert engine.check() == []
            names.append(sorted(file.filename for file in engine.get("kept").list()))
            assert len(engine.get("kept").search("apple plum", max_num_results=50)) == 5
    return names


OLD = ["0.txt", "1.txt", "2.txt", "3.txt", "4.txt"]
NEW = ["1.txt", "2.txt", "3.txt", "4.txt", "new.txt"]


@pytest.mark.parametrize("step", [name for name in failpoints.names() if name.startswith(("backup.", "blob."))])
def test_a_kill_during_a_backup_leaves_only_whole_snapshots_and_the_next_one_is_made(filled, step):
    killed = run("backup", filled / "kb", filled / "backup", {"keep": 1}, f"{step}:1")
    assert killed == -signal.SIGKILL
    found = restored(filled, filled / "after")
    assert found in ([OLD, OLD], [OLD, OLD, NEW], [OLD, NEW], [NEW])
    assert run("backup", filled / "kb", filled / "backup", {"keep": 1}) == 0
    assert restored(filled, filled / "again") == [NEW]
    assert vecstore.verify_backup(filled / "backup") == []
    assert not list((filled / "backup").rglob("*.tmp-*"))


@pytest.mark.parametrize(
    "step",
    [
        *(f"{name}:1" for name in failpoints.names() if name.startswith("restore.")),
        *(f"{name}:{hit}" for name in ("blob.received", "blob.synced", "blob.renamed", "blob.kept") for hit in (1, 4)),
    ],
)
def test_a_kill_during_a_restore_leaves_a_whole_data_folder_or_none(filled, step):
    assert run("backup", filled / "kb", filled / "backup") == 0
    assert run("restore", filled / "backup", filled / "to", failpoint=step) == -signal.SIGKILL
    if not (filled / "to" / "catalog.db").exists():
        with pytest.raises(FormatError, match=r"a restore into it was interrupted|it is empty"):
            vecstore.open(filled / "to", embedder=HashingEmbedder(), create=False)
        assert run("restore", filled / "backup", filled / "to") == 0
    with vecstore.open(filled / "to", embedder=HashingEmbedder(), create=False) as engine:
        assert sorted(file.filename for file in engine.get("kept").list()) == NEW
        assert engine.check() == []
    assert not list((filled / "to").glob("*.tmp-*"))
