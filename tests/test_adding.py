import gc

import numpy as np
import pytest

from vecstore import (
    EmbeddingError,
    FileFailedError,
    HashingEmbedder,
    InvalidRequestError,
    Source,
    StaticStrategy,
    jobs,
)
from vecstore.embed import EMBED_AT_ONCE
from vecstore.indexing import ReadFile
from vecstore.jobs import GROUP_FILES


class Spoilt(HashingEmbedder):
    """A user's embedder that goes wrong from the `good`-th call on, as `spoil` says."""

    def __init__(self, spoil, *, good=0):
        super().__init__()
        self.spoil, self.good = spoil, good

    def embed(self, texts):
        vectors = super().embed(texts)
        self.good -= 1
        return vectors if self.good >= 0 else self.spoil(vectors)


def with_nan(vectors):
    return np.where(np.arange(len(vectors))[:, None] == len(vectors) - 1, np.float32("nan"), vectors)


def outcomes(added):
    return [(each.outcome, each.filename) for each in added]


@pytest.fixture
def path(tmp_path):
    written = tmp_path / "notes.txt"
    written.write_text("the first version")
    return written


def test_a_path_added_again_is_unchanged(store, path):
    [first] = store.add_many([Source("notes.txt", path)])
    before = store.info()
    [again] = store.add_many([Source("notes.txt", path)])
    assert (first.outcome, again.outcome) == ("added", "unchanged")
    assert (again.file_id, again.chunks, again.bytes) == (first.file_id, 1, len("the first version"))
    assert store.info() == before
    assert store.check() == []


def test_changed_content_replaces(engine, store, path):
    old = store.add(path)
    path.write_text("the second draft")
    [again] = store.add_many([Source("notes.txt", path)])
    assert again.outcome == "replaced"
    assert [file.id for file in store.list()] == [file.id for file in engine.files()] == [again.file_id]
    assert again.file_id != old.id
    assert [result.text for result in store.search("version draft")] == ["the second draft"]
    assert engine.check() == []


def test_a_replaced_file_stays_for_another_store_that_holds_it(engine, store, path):
    other = engine.create("other")
    old = store.add(path)
    other.attach(old.id)
    path.write_text("the second draft")
    store.add(path)
    assert [result.text for result in other.search("version")] == ["the first version"]
    assert engine.file_content(old.id) == b"the first version"
    assert [result.text for result in store.search("version")] == ["the second draft"]
    assert engine.check() == []


def test_new_attributes_are_updated_and_no_others_keep_the_old(store, path):
    store.add(path, attributes={"year": 1})
    assert outcomes(store.add_many([Source("notes.txt", path)])) == [("unchanged", "notes.txt")]
    assert outcomes(store.add_many([Source("notes.txt", path)], attributes={"year": 1})) == [("unchanged", "notes.txt")]
    assert store.list()[0].attributes == {"year": 1}
    assert outcomes(store.add_many([Source("notes.txt", path)], attributes={"year": 2})) == [("updated", "notes.txt")]
    assert store.list()[0].attributes == {"year": 2}
    assert store.check() == []


def test_a_replaced_file_keeps_its_attributes_where_none_are_given(store, path):
    store.add(path, attributes={"year": 1})
    path.write_text("the second draft")
    assert store.add(path).attributes == {"year": 1}
    path.write_text("the third draft")
    assert store.add(path, attributes={}).attributes == {}
    assert store.check() == []


def test_another_strategy_cuts_anew(store, path, numbered_text):
    path.write_text(numbered_text(900))
    first = store.add(path)
    again = store.add(path, chunking_strategy=StaticStrategy(100, 0), attributes={"a": 1})
    assert again.id == first.id
    assert again.chunks > first.chunks
    assert store.info().file_counts.total == 1
    assert store.check() == []


def test_the_same_name_with_other_bytes_is_another_file(store):
    store.add(("a.txt", b"one"))
    store.add(("a.txt", b"two"))
    assert [file.filename for file in store.list()] == ["a.txt", "a.txt"]
    assert store.check() == []


def test_paths_of_one_name_in_two_folders_are_two_files(store, tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(f"text of {folder}")
    added = store.add_many([Source("a.txt", tmp_path / folder / "a.txt") for folder in ("x", "y")])
    assert outcomes(added) == [("added", "a.txt")] * 2
    (tmp_path / "x" / "a.txt").write_text("changed")
    store.add(tmp_path / "x" / "a.txt")
    assert sorted(chunk.text for file in store.list() for chunk in store.content(file.id)) == ["changed", "text of y"]
    assert store.check() == []


def test_the_same_file_twice_in_one_run_is_kept_once(store):
    added = store.add_many([Source("a.txt", b"text")] * 3)
    assert [each.outcome for each in added] == ["added", "unchanged", "unchanged"]
    assert len(store.list()) == 1
    assert store.check() == []


def test_a_path_changed_within_one_run_is_kept_once(store, path):
    def twice():
        yield Source("notes.txt", path)
        path.write_text("the second draft")
        yield Source("notes.txt", path)

    assert len(list(store.add_many(twice()))) == 2
    store.add(path)
    assert store.search("draft version")[0].text == "the second draft"
    assert len(store.list()) == 1
    assert store.check() == []


def test_a_file_that_was_uploaded_is_attached_not_uploaded_again(engine, store):
    uploaded = engine.upload(("a.txt", b"text"))
    assert store.add(("a.txt", b"text")).id == uploaded.id
    assert engine.files() == [uploaded]
    assert engine.check() == []


def test_a_file_that_fails_does_not_stop_the_others(engine, store, tmp_path):
    sources = [
        Source("a.txt", b"one"),
        Source("b.pdf", b"%PDF-1.4 broken"),
        Source("c.bin", b"\x7fELF\x02\x01\x01\0"),
        Source("d.txt", tmp_path / "missing.txt"),
        Source("e.txt", b""),
        Source("f.txt", b"two"),
    ]
    added = list(store.add_many(sources))
    assert [each.outcome for each in added] == ["added", "failed", "failed", "failed", "failed", "added"]
    assert [each.code for each in added[1:5]] == ["invalid_file", "unsupported_file", "invalid_file", "invalid_file"]
    assert all(each.filename in each.error for each in added[1:5])
    assert [file.filename for file in store.list()] == [file.filename for file in engine.files()] == ["a.txt", "f.txt"]
    assert engine.check() == []


def test_what_was_read_of_a_file_does_not_stay_in_memory_until_the_last_one_is_added(store, monkeypatch):
    for name, value in (("READ_AHEAD_FILES", 4), ("GROUP_FILES", 2), ("MOST_TIMES", 1)):
        monkeypatch.setattr(jobs, name, value)
    sources = (Source(f"{i}.txt", f"text {i}".encode()) for i in range(60))
    held = [sum(type(each) is ReadFile for each in gc.get_objects()) for _ in store.add_many(sources)]
    assert len(held) == 60
    assert 0 < max(held) < 20


@pytest.mark.parametrize(("name", "data"), [("e.txt", b""), ("s.txt", b"  \n "), ("x.bin", bytes(range(256)))])
def test_a_file_without_text_raises_and_is_not_kept(engine, store, name, data):
    with pytest.raises(FileFailedError, match=name):
        store.add((name, data))
    assert (store.list(), engine.files()) == ([], [])
    assert engine.check() == []


def test_outcomes_come_in_order_and_are_durable_when_they_come(store, open_engine):
    sources = [Source(f"{i}.txt", f"text {i}".encode()) for i in range(2 * GROUP_FILES + 3)]
    for i, added in enumerate(store.add_many(sources)):
        assert (added.filename, added.outcome) == (f"{i}.txt", "added")
        assert store.file(added.file_id).status == "completed"
    assert store.check() == []


def test_the_work_stops_when_nobody_iterates_any_more(store):
    sources = [Source(f"{i}.txt", f"text {i}".encode()) for i in range(3 * GROUP_FILES)]
    running = store.add_many(sources)
    next(running)
    running.close()
    assert len(store.list()) == GROUP_FILES
    assert store.check() == []


def test_progress_adds_up_to_all_bytes(store, numbered_text):
    sources = [Source(f"{i}.txt", numbered_text(50 * i + 1).encode()) for i in range(20)]
    sources += [Source("empty.txt", b""), sources[0]]
    heard = []
    list(store.add_many(sources, on_bytes=heard.append))
    assert sum(heard) == pytest.approx(sum(len(source.content) for source in sources))
    assert store.check() == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_nan, "NaN or infinite values"),
        (lambda vectors: vectors * np.float32("inf"), "NaN or infinite values"),
        (lambda vectors: vectors * 0, "a zero vector"),
        (lambda vectors: vectors[:, :-1], "63 values for .* texts; .* x 64 were expected"),
        (lambda vectors: vectors[:-1], "values for .* texts"),
        (lambda vectors: vectors[0], "were expected"),
    ],
)
def test_bad_vectors_are_refused_and_nothing_is_stored(open_engine, numbered_text, spoil, message):
    engine = open_engine(embedder=Spoilt(spoil))
    store = engine.create("test")
    before = store.info()
    with pytest.raises(EmbeddingError, match=message):
        store.add(("a.txt", numbered_text(1500).encode()))
    assert (store.info(), store.list(), engine.files()) == (before, [], [])
    uploaded = engine.upload(("b.txt", b"some text"))
    with pytest.raises(EmbeddingError, match=message):
        store.attach(uploaded.id)
    assert (store.info(), store.list()) == (before, [])
    assert engine.check() == []


def test_an_embedder_that_fails_later_leaves_what_was_committed(open_engine):
    engine = open_engine(embedder=Spoilt(with_nan, good=GROUP_FILES // EMBED_AT_ONCE))
    store = engine.create("test")
    sources = [Source(f"{i}.txt", f"text {i}".encode()) for i in range(2 * GROUP_FILES)]
    with pytest.raises(EmbeddingError):
        list(store.add_many(sources))
    assert [file.filename for file in store.list()] == [source.filename for source in sources[:GROUP_FILES]]
    assert engine.check() == []


def test_vectors_of_any_length_are_stored_with_length_one(open_engine):
    store = open_engine(embedder=Spoilt(lambda vectors: vectors * 1000)).create("test")
    store.add(("a.txt", b"boat river"))
    [result] = store.search("boat river", hybrid_search={"embedding_weight": 1, "text_weight": 0})
    assert result.raw_score == pytest.approx(1.0, abs=1e-3)
    assert store.check() == []


def test_text_that_the_embedder_would_cut_is_split_and_none_is_lost(open_engine):
    store = open_engine().create("test")
    text = "a b " * 700  # 200 tokens hold more words than the embedder reads at once
    file = store.add(("a.txt", text.encode()))
    for chunk in store.content(file.id):
        assert "".join(text[start:end] for start, end in chunk.windows) == chunk.text
        assert all(store._parts.embedder.fits([text[start:end] for start, end in chunk.windows]))
    assert store.check() == []


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (None, StaticStrategy(800, 400)),
        ({"type": "auto"}, StaticStrategy(800, 400)),
        (
            {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 9}},
            StaticStrategy(200, 9),
        ),
        (StaticStrategy(300, 0), StaticStrategy(300, 0)),
    ],
)
def test_openais_chunking_strategies_are_understood(store, strategy, expected):
    assert store.add(("a.txt", b"text"), chunking_strategy=strategy).chunking_strategy == expected
    assert store.check() == []


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"type": "semantic"}, "must have the type 'auto', 'static' or 'structure'"),
        ("auto", "must be like {'type': 'auto'}, not 'auto'"),
        ({"type": "static"}, "must have max_chunk_size_tokens and chunk_overlap_tokens"),
        ({"type": "static", "static": {"max_chunk_size_tokens": 200}}, "must have max_chunk_size_tokens and"),
        (
            {"type": "static", "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0}},
            "must be 100 to 4096, not 99",
        ),
        ({"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 51}}, "must be 0 to 50"),
        ({"type": "static", "static": {"max_chunk_size_tokens": 100.0, "chunk_overlap_tokens": 5}}, "whole numbers"),
        ({"type": "static", "static": {"max_chunk_size_tokens": True, "chunk_overlap_tokens": 5}}, "whole numbers"),
    ],
)
def test_a_strategy_out_of_bounds_is_refused_with_the_limit(engine, store, strategy, message):
    with pytest.raises(InvalidRequestError, match=message):
        store.add(("a.txt", b"text"), chunking_strategy=strategy)
    assert engine.files() == []


def test_attributes_that_are_not_allowed_are_refused_before_any_work(engine, store):
    with pytest.raises(InvalidRequestError, match="attributes"):
        store.add(("a.txt", b"text"), attributes={"a": None})
    assert engine.files() == []


def test_a_file_that_was_uploaded_first_is_known_by_its_path_from_then_on(store, engine, path):
    store.attach(engine.upload(path).id)
    assert [added.outcome for added in store.add_many([Source(path.name, path)])] == ["unchanged"]
    path.write_text("a later draft")
    assert [added.outcome for added in store.add_many([Source(path.name, path)])] == ["replaced"]
    assert len(store.list()) == 1
    assert store.check() == []


def test_true_and_one_are_different_attributes(store, path):
    store.add(path, attributes={"flag": 1})
    [added] = store.add_many([path], attributes={"flag": True})
    assert added.outcome == "updated"
    assert store.list()[0].attributes["flag"] is True
    assert store.check() == []


@pytest.fixture
def two_paths(tmp_path):
    for name in "12":
        (tmp_path / name).mkdir()
        (tmp_path / name / "L.txt").write_text("alpha")
    return tmp_path / "1" / "L.txt", tmp_path / "2" / "L.txt"


def texts(store):
    return sorted(chunk.text for file in store.list() for chunk in store.content(file.id))


def test_equal_files_at_two_paths_stay_two_when_one_changes(store, two_paths):
    assert [each.outcome for each in store.add_many(two_paths)] == ["added", "added"]
    two_paths[0].write_text("beta")
    assert [each.outcome for each in store.add_many(two_paths)] == ["replaced", "unchanged"]
    assert texts(store) == ["alpha", "beta"]
    assert store.check() == []


def test_two_files_that_swap_their_contents_are_both_replaced(store, two_paths):
    two_paths[1].write_text("beta")
    list(store.add_many(two_paths))
    two_paths[0].write_text("beta")
    two_paths[1].write_text("alpha")
    assert [each.outcome for each in store.add_many(two_paths)] == ["replaced", "replaced"]
    assert texts(store) == ["alpha", "beta"]
    assert store.check() == []


def test_a_file_that_moved_is_known_by_its_new_path(store, two_paths):
    store.add(two_paths[0])
    two_paths[0].unlink()
    assert [each.outcome for each in store.add_many([two_paths[1]])] == ["unchanged"]
    two_paths[1].write_text("beta")
    assert [each.outcome for each in store.add_many([two_paths[1]])] == ["replaced"]
    assert texts(store) == ["beta"]
    assert store.check() == []


@pytest.mark.parametrize(("quick_s", "groups"), [(float("inf"), [1, 2, 4]), (0.0, [1] * 7)])
def test_a_quick_embedder_is_given_larger_and_larger_groups(open_engine, monkeypatch, quick_s, groups):
    monkeypatch.setattr(jobs, "GROUP_S", (quick_s, float("inf")))
    store, committed = open_engine().create("s"), []
    catalog = store._parts.catalog

    def commit(store_id, prepared, **keywords):
        committed.append(len(prepared))
        return type(catalog).commit(catalog, store_id, prepared, **keywords)

    monkeypatch.setattr(catalog, "commit", commit)
    sources = [Source(f"{i}.txt", f"text {i}".encode()) for i in range(7 * GROUP_FILES)]
    assert len(list(store.add_many(sources))) == 7 * GROUP_FILES
    assert committed == [times * GROUP_FILES for times in groups]
