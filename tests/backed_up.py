"""What tests of backups share: an engine worth a backup, where that goes, and what is written there."""

import pytest

from tests.stories import story
from vecstore import Source


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "backup"


@pytest.fixture
def filled(engine):
    """An engine with two vector stores that share a file; some of their files were taken out again."""
    first, second = engine.create("first"), engine.create("second", metadata={"of": "tests"})
    texts = [Source(f"{i}.txt", story(i).encode(), {"i": i}) for i in range(20)]
    for added in first.add_many(texts):
        assert added.outcome == "added"
    second.attach(engine.files()[0].id, attributes={"kind": "shared"})
    second.attach(engine.upload(("bad.pdf", b"%PDF-1.7 nothing")).id)
    engine.upload(("alone.txt", b"of no vector store"))
    return engine


def tree(folder):
    """Every file below it with its inode and the time it was written."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}
