"""Indexes that are damaged, lost or differ from the catalogue: named by `check`, and made anew."""

import random
from dataclasses import replace

import checked
import pytest
from checked import kinds

from vecstore import HybridSearch, Source

filled = checked.filled


def both_legs_find(store):
    for weights in (HybridSearch(1, 0), HybridSearch(0, 1)):
        assert store.search("green pear", hybrid_search=weights)[0].filename == "b.txt"


@pytest.mark.parametrize(
    "damage",
    [
        "dense.0.faiss flipped",
        "dense.0.faiss torn",
        "dense.rows.npy empty",
        "dense.rows.npy missing",
        "keyword/meta.json torn",
        "keyword/*.term flipped",
        "keyword/*.idx missing",
        "keyword/*.fast empty",
    ],
)
def test_a_damaged_index_file_is_made_anew_by_itself(filled, open_engine, checkpoint_of, flip_byte, damage):
    store_id, _ = filled
    name, how = damage.split()
    [path, *_] = sorted(checkpoint_of(store_id).glob(name))
    if how == "flipped":
        flip_byte(path)
    elif how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if how == "torn" else 0])
    store = open_engine().get("kept")
    both_legs_find(store)
    assert store.check() == []


def test_a_damaged_index_is_made_anew_only_once(filled, open_engine, checkpoint_of, flip_byte):
    flip_byte(checkpoint_of(filled[0]) / "dense.0.faiss")
    engine = open_engine()
    both_legs_find(engine.get("kept"))
    engine.close()
    made = checkpoint_of(filled[0])
    engine = open_engine()
    assert engine.check() == []
    both_legs_find(engine.get("kept"))
    engine.close()
    assert checkpoint_of(filled[0]) == made


def test_a_file_of_vectors_that_is_written_to_while_it_is_open_is_not_read_any_more(
    filled, open_engine, checkpoint_of, flip_byte
):
    store = open_engine().get("kept")
    both_legs_find(store)
    flip_byte(checkpoint_of(filled[0]) / "dense.0.faiss")
    both_legs_find(store)
    assert store.check(fix=True) == store.check() == []


def test_check_names_a_file_that_was_torn_while_it_is_open(filled, open_engine, checkpoint_of):
    store = open_engine().get("kept")
    both_legs_find(store)
    path = checkpoint_of(filled[0]) / "dense.0.faiss"
    path.write_bytes(path.read_bytes()[:100])
    assert kinds(store.check()) == {"index file"}
    assert all(problem.fixed for problem in store.check(fix=True))
    assert store.check() == []
    both_legs_find(store)


def test_a_missing_index_folder_is_made_anew(filled, open_engine):
    _, folder = filled
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    engine = open_engine()
    both_legs_find(engine.get("kept"))
    engine.close()
    assert open_engine().get("kept").check() == []


def test_a_stray_checkpoint_that_nobody_vouches_for_is_removed(filled, open_engine):
    _, folder = filled
    (folder / "checkpoint-99-feedbeef").mkdir()
    (folder / "checkpoint-99-feedbeef" / "dense.0.faiss").write_bytes(b"half written")
    (folder / "checkpoint-100-0.tmp-0123").mkdir()
    store = open_engine().get("kept")
    both_legs_find(store)
    assert len(list(folder.glob("checkpoint-*"))) == 1
    assert store.check() == []


def test_check_names_a_damaged_index_file_and_fix_makes_it_anew(filled, open_engine, checkpoint_of, flip_byte):
    engine = open_engine()
    store = engine.get("kept")
    assert store.check() == []
    flip_byte(checkpoint_of(filled[0]) / "dense.rows.npy")
    [problem] = store.check()
    assert (problem.kind, problem.fixed) == ("index file", False)
    assert "dense.rows.npy" in problem.where
    [problem] = store.check(fix=True)
    assert problem.fixed
    assert store.check() == []
    both_legs_find(store)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("vectors", "vectors of the dense index differ"),
        ("rows", "the dense index has"),
        ("words", "the keyword index lacks"),
    ],
)
def test_an_index_that_differs_from_the_catalogue_is_named_and_made_anew(filled, open_engine, damage, message):
    engine = open_engine()
    store = engine.get("kept")
    shard = engine._parts.shards.get(store.id)
    if damage == "vectors":
        vectors = shard._dense.vectors()
        vectors[0] = -vectors[0]
        rows = shard._dense.rows
        shard._dense.remove(rows[:, 0])
        shard._dense.add(rows, vectors)
    elif damage == "rows":
        shard._dense.remove(shard._dense.rows[:1, 0])
    else:
        shard._go_live()
        shard._keyword.write([int(shard._dense.rows[0, 0])], [])
        shard._keyword.refresh()
    [problem] = store.check()
    assert (problem.kind, problem.fixed) == ("index", False)
    assert message in problem.message
    assert [each.fixed for each in store.check(fix=True)] == [True]
    assert store.check() == []
    both_legs_find(store)


def test_a_deep_check_finds_nothing_in_what_is_whole_and_leaves_nothing(filled, open_engine, data_folder):
    engine = open_engine()
    store = engine.get("kept")
    list(store.add_many([Source(f"{i}.txt", f"plum number {i} of many".encode()) for i in range(70)]))
    assert engine.check(deep=True) == []
    for file in store.list()[::3]:
        store.detach(file.id)
    assert engine.check(deep=True) == []
    assert not list(data_folder.rglob("*aside*"))


def test_a_deep_check_finds_nothing_where_what_was_taken_out_is_merged_away(engine):
    def text(i):
        return " ".join(["heron", f"word{i}", *random.Random(i).choices(["lake", "reed", "fog"], k=200 + 29 * i)])

    store = engine.create("lakes")
    list(store.add_many([Source(f"{i}.txt", text(i).encode()) for i in range(5)]))
    store.detach(store.find("2.txt").id)
    assert engine.check(deep=True) == []
    for i in range(5, 14):
        store.add((f"{i}.txt", text(i).encode()))
    shard = engine._parts.shards.get(store.id)
    shard.settle()
    assert shard._keyword.deleted_share == 0
    assert engine.check(deep=True) == []
    engine._parts.shards.rebuild(store.id)
    assert not engine._parts.shards.get(store.id).has_removed
    assert engine.check(deep=True) == []


def test_a_deep_check_finds_an_index_that_answers_otherwise_though_it_holds_every_chunk(filled, open_engine):
    engine = open_engine()
    store = engine.get("kept")
    shard = engine._parts.shards.get(store.id)
    changes = list(engine._parts.catalog.changes_since(store.id, 0))
    chunks = [chunk for change in changes for chunk in change.chunks]
    swapped = [replace(one, text=other.text) for one, other in zip(chunks, reversed(chunks), strict=True)]
    shard._go_live()
    shard._keyword.write([chunk.member for chunk in chunks], [])
    shard._keyword.write([], swapped)
    shard._keyword.refresh()
    assert store.check() == []
    [problem] = store.check(deep=True)
    assert (problem.kind, problem.fixed) == ("index", False)
    assert "sampled queries" in problem.message
    assert [each.fixed for each in store.check(deep=True, fix=True)] == [True]
    assert store.check(deep=True) == []
    both_legs_find(store)


def test_an_index_lost_while_in_use_is_made_anew(filled, open_engine):
    """Tantivy's files vanish under an open store; the next write finds out."""
    _, folder = filled
    engine = open_engine()
    store = engine.get("kept")
    store.add(("c.txt", b"blue plum"))
    for path in (folder / "live").glob("*"):
        path.unlink()
    store.add(("d.txt", b"black fig"))
    both_legs_find(store)
    assert store.search("black fig")[0].filename == "d.txt"
    assert store.check() == []


def test_removals_do_not_blur_the_statistics_for_ever(open_engine):
    engine = open_engine()
    store = engine.create("churn")
    keep = store.add(("keep.txt", b"apple pear"))
    for added in list(store.add_many([Source(f"{i}.txt", f"apple plum {i}".encode()) for i in range(40)])):
        store.detach(added.file_id)
    engine.close()
    engine = open_engine()
    fresh = engine.create("fresh")
    fresh.attach(keep.id)
    [used], [new] = (each.search("apple pear", explain=True) for each in (engine.get("churn"), fresh))
    assert used.explanation == new.explanation
    assert engine.check() == []
