import sqlite3

import pytest

from vecstore import HybridSearch, Source


@pytest.fixture
def filled(open_engine, data_folder):
    """A closed data folder with a checkpointed store of two files; its store's id and folder."""
    engine = open_engine()
    store = engine.create("kept")
    for added in store.add_many([Source("a.txt", b"red apple " * 300), Source("b.txt", b"green pear")]):
        assert added.outcome == "added"
    engine.close()
    return store.id, data_folder / "stores" / store.id


def sql(data_folder, statement):
    with sqlite3.connect(data_folder / "catalog.db") as database:
        found = database.execute(statement).fetchall()
    database.close()
    return found


def kinds(problems):
    return {problem.kind for problem in problems}


def both_legs_find(store):
    for weights in (HybridSearch(1, 0), HybridSearch(0, 1)):
        assert store.search("green pear", hybrid_search=weights)[0].filename == "b.txt"


@pytest.mark.parametrize(
    "damage",
    [
        "dense.faiss flipped",
        "dense.faiss torn",
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
    flip_byte(checkpoint_of(filled[0]) / "dense.faiss")
    engine = open_engine()
    both_legs_find(engine.get("kept"))
    engine.close()
    made = checkpoint_of(filled[0])
    engine = open_engine()
    assert engine.check() == []
    both_legs_find(engine.get("kept"))
    engine.close()
    assert checkpoint_of(filled[0]) == made


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
    (folder / "checkpoint-99-feedbeef" / "dense.faiss").write_bytes(b"half written")
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


@pytest.mark.parametrize("how", ["changed", "missing"])
def test_lost_content_is_named_and_the_index_is_unharmed(filled, open_engine, data_folder, flip_byte, how):
    [(sha256,)] = sql(data_folder, "SELECT sha256 FROM files WHERE filename = 'a.txt'")
    path = data_folder / "blobs" / sha256[:2] / sha256
    path.unlink() if how == "missing" else flip_byte(path)
    engine = open_engine()
    [problem] = engine.check()
    assert problem.kind == "content"
    assert "a.txt" in problem.message
    assert [each.fixed for each in engine.check(fix=True)] == [False]
    assert engine.get("kept").search("red apple")[0].filename == "a.txt"


def test_stray_content_and_folders_are_named_and_removed_by_fix(filled, open_engine, data_folder):
    stray = data_folder / "blobs" / "ab" / ("ab" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"of an interrupted upload")
    (data_folder / "stores" / "vs_gone").mkdir()
    engine = open_engine()
    assert kinds(engine.check()) == {"stray content", "stray index"}
    assert stray.exists()
    assert all(problem.fixed for problem in engine.check(fix=True))
    assert not stray.exists()
    assert not (data_folder / "stores" / "vs_gone").exists()
    assert engine.check() == []


def test_a_catalogue_that_contradicts_itself_is_named_and_not_touched(filled, open_engine, data_folder):
    sql(data_folder, "UPDATE vector_stores SET usage_bytes = usage_bytes + 1")
    engine = open_engine()
    for fix in (False, True, False):
        [problem] = engine.check(fix=fix)
        assert (problem.kind, problem.fixed) == ("counts", False)


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
