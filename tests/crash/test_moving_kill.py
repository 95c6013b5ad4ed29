"""SIGKILL at any step of an export or an import: the archive is whole or not there, the vector store all in or out."""

import os
import signal
import subprocess
import sys

import pytest

import vecstore
from vecstore import HashingEmbedder, Source, failpoints

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill -9")

SCRIPT = """
import sys, vecstore
verb, folder, archive = sys.argv[1:]
engine = vecstore.open(folder, embedder=vecstore.HashingEmbedder())
engine.get("kept").export(archive) if verb == "export" else engine.import_store(archive)
"""
FILES = 5


def run(verb, folder, archive, failpoint=None):
    environment = os.environ | ({failpoints.VARIABLE: failpoint} if failpoint else {})
    command = [sys.executable, "-c", SCRIPT, verb, str(folder), str(archive)]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode


def opened(folder):
    return vecstore.open(folder, embedder=HashingEmbedder())


@pytest.fixture
def filled(tmp_path):
    with opened(tmp_path / "kb") as engine:
        sources = [Source(f"{i}.txt", f"apple pear {i}".encode()) for i in range(FILES)]
        assert {added.outcome for added in engine.create("kept").add_many(sources)} == {"added"}
    return tmp_path


def whole(engine):
    """Whether it has the vector store, which then is whole; nothing lies about either way."""
    assert engine.check() == []
    assert not list((engine.folder / "blobs").glob("*.tmp-*"))
    stores = engine.list()
    held = FILES if stores else 0
    assert len(engine.files()) == len(list((engine.folder / "blobs").glob("??/*"))) == held
    if stores:
        assert len(engine.get("kept").search("apple", max_num_results=50)) == FILES
    return bool(stores)


@pytest.mark.parametrize("step", [name for name in failpoints.names() if name.startswith("export.")])
def test_a_kill_during_an_export_leaves_a_whole_archive_or_none(filled, step):
    assert run("export", filled / "kb", filled / "kept.tar", f"{step}:1") == -signal.SIGKILL
    if not (filled / "kept.tar").exists():
        assert run("export", filled / "kb", filled / "kept.tar") == 0
    for folder in ("kb", "to"):
        with opened(filled / folder) as engine:
            if folder == "to":
                engine.import_store(filled / "kept.tar")
            assert whole(engine)


@pytest.mark.parametrize(
    "step",
    [
        *(f"{name}:1" for name in failpoints.names() if name.startswith("import.")),
        *(f"blob.{when}:{hit}" for when in ("received", "synced", "renamed", "kept") for hit in (1, 4)),
        "keyword.written:1",
        "index.applied:1",
    ],
)
def test_a_kill_during_an_import_leaves_all_of_it_or_nothing(filled, step):
    assert run("export", filled / "kb", filled / "kept.tar") == 0
    assert run("import", filled / "to", filled / "kept.tar", step) == -signal.SIGKILL
    with opened(filled / "to") as engine:
        if not whole(engine):
            engine.import_store(filled / "kept.tar")
        assert whole(engine)
