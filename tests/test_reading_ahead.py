"""Files read ahead while others are embedded: what changes, dies or comes twice on the way."""

import io
from pathlib import Path

import pypdf
import pytest
from parsers_at_work import LONG, kill_at_work

from vecstore import FileFailedError, HashingEmbedder, InvalidRequestError, Source, Workers

SAMPLES = Path(__file__).parent.parent / "data" / "samples"


@pytest.fixture
def path(tmp_path):
    written = tmp_path / "notes.txt"
    written.write_text("the first version")
    return written


class Meanwhile(HashingEmbedder):
    """Does something while the first texts are embedded."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def embed(self, texts):
        if self.act is not None:
            self.act()
            self.act = None
        return super().embed(texts)


def test_a_file_that_changes_while_it_is_added_fails_alone(open_engine, tmp_path):
    (tmp_path / "a.txt").write_text("the tide")
    (tmp_path / "b.txt").write_text("the moon")
    engine = open_engine(embedder=Meanwhile(lambda: (tmp_path / "a.txt").write_text("the flood")))
    store = engine.create("s")
    first, second = store.add_many([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert (first.outcome, first.code) == ("failed", "invalid_file")
    assert first.error == "'a.txt' changed while it was added; add it again"
    assert second.outcome == "added"
    assert engine.check() == []
    [again] = store.add_many([tmp_path / "a.txt"])
    assert again.outcome == "added"
    assert engine.file_content(again.file_id) == b"the flood"


def test_a_file_that_goes_while_it_is_added_fails_alone(open_engine, path):
    engine = open_engine(embedder=Meanwhile(path.unlink))
    first, second = engine.create("s").add_many([path, ("b.txt", b"the moon")])
    assert (first.outcome, first.error) == ("failed", "'notes.txt' changed while it was added; add it again")
    assert second.outcome == "added"
    assert engine.check() == []


def test_a_version_that_changes_while_it_replaces_another_leaves_that_one(open_engine, path):
    embedder = Meanwhile(None)
    store = open_engine(embedder=embedder).create("s")
    old = store.add(path)
    path.write_text("the second draft")
    embedder.act = lambda: path.write_text("the third draft")
    [changed] = store.add_many([path])
    assert changed.outcome == "failed"
    assert [member.id for member in store.list()] == [old.id]
    assert store.add_many([path]).__next__().outcome == "replaced"
    assert store.check() == []


def test_the_same_content_twice_in_one_run_is_read_once(store):
    added = list(store.add_many([("a.txt", b"the tide"), ("a.txt", b"the tide"), ("b.txt", b""), ("b.txt", b"")]))
    assert [each.outcome for each in added] == ["added", "unchanged", "failed", "failed"]
    assert store.check() == []


def test_files_come_back_in_the_order_given_however_long_each_takes(store):
    sources = [(f"{n}.txt", f"gauge {n} ".encode() * (4000 if n % 5 == 0 else 1)) for n in range(60)]
    assert [each.filename for each in store.add_many(sources)] == [name for name, _ in sources]


def test_a_file_whose_parser_is_killed_fails_alone(open_engine):
    with Workers(count=1) as workers:
        engine = open_engine(workers=workers)
        store = engine.create("s")
        store.add(("before.txt", b"the tide"))
        killer = kill_at_work(workers)
        [failed] = store.add_many([("deadly.txt", LONG)])
        killer.join()
        assert (failed.outcome, failed.code) == ("failed", "invalid_file")
        assert "'deadly.txt' broke its parser" in failed.error
        assert store.attach(engine.upload(("after.txt", b"the flood")).id).status == "completed"
        assert engine.check() == []


def test_encrypted_files_open_with_their_password(engine, store):
    writer = pypdf.PdfWriter(clone_from=SAMPLES / "manual" / "tarn-manual.pdf")
    writer.encrypt("tern-4471")
    out = io.BytesIO()
    writer.write(out)
    locked = ("locked.pdf", out.getvalue())
    with pytest.raises(FileFailedError, match=r"'locked.pdf' is encrypted: a password is needed to open it"):
        store.add(locked)
    attached = store.attach(engine.upload(locked).id)
    assert (attached.status, attached.last_error.code) == ("failed", "invalid_file")
    assert store.attach(attached.id, password="tern-4471").status == "completed"
    store.detach(attached.id)
    assert store.add(locked, password="tern-4471").status == "completed"
    assert store.search("relays switch")[0].pages is not None


class Sly(Source):
    """A path that is rewritten after it was hashed: its size is asked for twice before and once after."""

    @property
    def bytes(self):
        asked = getattr(type(self), "asked", 0)
        type(self).asked = asked + 1
        if asked == 2:
            self.content.write_text("the moon of another version")
        return super().bytes


def test_a_known_file_is_read_as_it_is_stored(engine, store, path):
    store.add(path)
    other = engine.create("other")
    list(other.add_many([Sly("notes.txt", path)]))
    assert [result.text for result in other.search("version")] == ["the first version"]
    assert engine.check() == []


def test_a_path_that_is_not_there_fails_alone(store, path, tmp_path):
    added = list(store.add_many([path, tmp_path / "gone.txt", tmp_path, str(path)]))
    assert [each.outcome for each in added] == ["added", "failed", "failed", "unchanged"]
    assert added[1].error == "'gone.txt' cannot be read: No such file or directory"


def test_a_password_that_is_no_text_is_refused(store):
    with pytest.raises(InvalidRequestError, match="password must be a string, not bytes"):
        store.add(("a.txt", b"x"), password=b"x")
