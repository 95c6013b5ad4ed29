"""What was changed on the disk never reaches a result: it is found, told, kept out, and the rest goes on."""

import random
import shutil
import sqlite3
from contextlib import suppress

import pytest

from vecstore import HybridSearch, Source, StorageError, VecstoreError

TEXTS = {"a.txt": b"red apple " * 900, "b.txt": b"green pear", "c.md": b"# Plums\n\nblue plum\n\n# Figs\n\nblack fig"}
LEGS = (HybridSearch(1, 0), HybridSearch(0, 1))


@pytest.fixture
def filled(open_engine):
    """A closed data folder with two stores of the same three files; the id of the first."""
    engine = open_engine()
    store = engine.create("kept")
    other = engine.create("other")
    for each in (store, other):
        assert all(added.outcome == "added" for added in each.add_many([Source(n, t) for n, t in TEXTS.items()]))
    engine.close()
    return store.id


def sql(data_folder, statement, *values):
    with sqlite3.connect(data_folder / "catalog.db") as database:
        found = database.execute(statement, values).fetchall()
    database.close()
    return found


def names(store, query):
    return {result.filename for leg in LEGS for result in store.search(query, max_num_results=50, hybrid_search=leg)}


def number_of(data_folder, store_id, filename):
    query = "SELECT m.number FROM members m JOIN files f ON f.id = m.file_id WHERE vector_store_id = ? AND filename = ?"
    [(number,)] = sql(data_folder, query, store_id, filename)
    return number


DAMAGES = {
    "a letter": "UPDATE chunks SET text = replace(text, 'apple', 'bpple') WHERE member = ?",
    "no text": "UPDATE chunks SET text = CAST(x'FFFE' AS TEXT) WHERE member = ? AND \"index\" = 1",
    "bytes": "UPDATE chunks SET text = x'00FF' WHERE member = ?",
    "an offset": 'UPDATE chunks SET start = start + 1, "end" = "end" + 1 WHERE member = ?',
    "headings": "UPDATE chunks SET heading_path = '[\"Pears\"]' WHERE member = ?",
    "no JSON": "UPDATE chunks SET heading_path = '[\"Pea' WHERE member = ?",
    "a number for headings": "UPDATE chunks SET heading_path = 5 WHERE member = ?",
    "a number for a passage's headings": "UPDATE passages SET heading_path = 5 WHERE member = ?",
    "a chunk less": 'DELETE FROM chunks WHERE member = ? AND "index" = 1',
    "a vector": "UPDATE embeddings SET vectors = x'FFFF' || substr(vectors, 3) WHERE member = ?",
    "half the vectors": "UPDATE embeddings SET vectors = substr(vectors, 1, 100) WHERE member = ?",
    "no vectors": "DELETE FROM embeddings WHERE member = ?",
    "a page": "UPDATE passages SET page = 7 WHERE member = ?",
    "no checksums": "DELETE FROM checksums WHERE member = ?",
}


@pytest.mark.parametrize("indexes", ["kept", "made anew"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_whose_rows_were_changed_is_in_no_result_and_the_rest_goes_on(
    filled, open_engine, data_folder, damage, indexes
):
    number = number_of(data_folder, filled, "a.txt")
    sql(data_folder, DAMAGES[damage], number)
    if indexes == "made anew":
        sql(data_folder, "DELETE FROM checkpoints")
    engine = open_engine()
    store, other = engine.get("kept"), engine.get("other")
    found = store.search("red apple", max_num_results=50)
    assert all(result.text in "red apple " * 900 for result in found if result.filename == "a.txt")
    assert names(store, "green pear") >= {"b.txt"}
    assert names(other, "red apple") >= {"a.txt"}
    assert [problem.fixed for problem in store.check(fix=True) if problem.kind == "file"] == [False]
    assert "a.txt" not in names(store, "red apple") | names(store, "green pear")
    assert other.check() == []
    [problem] = store.check()
    assert (problem.kind, problem.fixed) == ("file", False)
    assert "add the file again" in problem.message.lower()
    listed = store.find("a.txt")
    assert (listed.status, listed.last_error.code) == ("failed", "server_error")
    assert "damaged on the disk" in listed.last_error.message
    assert store.info().file_counts.failed == 1
    store.add(("a.txt", TEXTS["a.txt"]))
    assert names(store, "red apple") >= {"a.txt"}
    assert store.find("a.txt").status == "completed"
    assert engine.check() == []


@pytest.mark.parametrize("damage", ["a letter", "no text", "no JSON", "headings", "a number for headings", "a page"])
def test_what_a_caller_reads_of_a_damaged_file_is_an_error_and_not_another_text(
    filled, open_engine, data_folder, damage
):
    sql(data_folder, DAMAGES[damage], number_of(data_folder, filled, "a.txt"))
    engine = open_engine()
    store = engine.get("kept")
    file_id = store.find("a.txt").id
    reads = [lambda: store.content(file_id), lambda: store.text(file_id)]
    if damage == "a page":
        reads = [lambda: store._parts.catalog.file_passages(store.id, file_id)]
    for read in reads:
        with pytest.raises(StorageError, match=r"damaged|changed on the disk") as error:
            read()
        assert error.value.code == "damaged"


def test_a_damaged_file_is_not_copied_to_another_store(filled, open_engine, data_folder):
    for store_id in ("kept", "other"):
        [(number,)] = sql(
            data_folder,
            "SELECT m.number FROM members m JOIN files f ON f.id = m.file_id JOIN vector_stores s "
            "ON s.id = m.vector_store_id WHERE s.name = ? AND filename = 'a.txt'",
            store_id,
        )
        sql(data_folder, DAMAGES["a letter"], number)
    engine = open_engine()
    third = engine.create("third")
    third.attach(engine.get("kept").find("a.txt").id)
    found = [result for result in third.search("red apple") if result.filename == "a.txt"]
    assert found
    assert all(result.text in "red apple " * 900 for result in found)
    assert third.check() == []


def wreck_page_of(data_folder, text):
    """Overwrites the page of the catalogue in which this is stored, as a disk does that lost it."""
    path = data_folder / "catalog.db"
    sql(data_folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    [(page_bytes,)] = sql(data_folder, "PRAGMA page_size")
    data = bytearray(path.read_bytes())
    at = data.index(text)
    page = at // page_bytes
    data[page * page_bytes : (page + 1) * page_bytes] = bytes(random.Random(7).randbytes(page_bytes))
    path.write_bytes(data)


def test_a_lost_page_of_one_store_leaves_the_others_and_the_catalogue_at_work(open_engine, data_folder):
    engine = open_engine()
    first, second = engine.create("first"), engine.create("second")
    for store, mark in ((first, "aa"), (second, "bb")):
        texts = [Source(f"{i}.txt", f"{mark}{i} tells of pears ".encode() * 200) for i in range(12)]
        assert all(added.outcome == "added" for added in store.add_many(texts))
    engine.close()
    wreck_page_of(data_folder, b"aa5 tells of pears aa5")
    engine = open_engine()
    second = engine.get("second")
    assert names(second, "pears") == {f"{i}.txt" for i in range(12)}
    first = engine.get("first")
    try:
        found = first.search("pears", max_num_results=50)
    except StorageError as error:
        assert error.code == "damaged"  # noqa: PT017 - either is honest
        assert "backup" in str(error)  # noqa: PT017
    else:
        assert found
        assert all("tells of pears" in result.text for result in found)
    problems = engine.check()
    assert {problem.kind for problem in problems} & {"catalogue", "file"}
    engine.create("third").add(("new.txt", b"a fig"))
    assert names(engine.get("third"), "fig") == {"new.txt"}
    assert names(second, "pears") == {f"{i}.txt" for i in range(12)}


@pytest.mark.parametrize("seed", range(24))
def test_a_byte_that_is_flipped_anywhere_in_the_catalogue_is_never_an_answer(filled, open_engine, data_folder, seed):
    """Whatever SQLite makes of it: a true answer, or an error of ours."""
    path = data_folder / "catalog.db"
    sql(data_folder, "PRAGMA wal_checkpoint(TRUNCATE)")
    rng, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 5, 50])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    try:
        engine = open_engine()
        for listed in engine.list():
            store = engine.get(listed.id)
            for query in ("red apple", "green pear", "black fig"):
                for result in asked(store, query):
                    assert any(result.text.encode() in text for text in TEXTS.values())
            check(store)
        check(engine)
        engine.create("new")
    except VecstoreError:
        pass


def asked(store, query):
    try:
        return [result for leg in LEGS for result in store.search(query, hybrid_search=leg)]
    except VecstoreError:
        return []


def check(of):
    with suppress(VecstoreError):
        of.check(fix=True)


def test_a_catalogue_that_is_no_database_any_more_is_refused_untouched_with_what_to_do(
    filled, open_engine, data_folder
):
    path = data_folder / "catalog.db"
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))
    before = path.read_bytes()
    with pytest.raises(VecstoreError, match=r"restore a backup.*\.recover"):
        open_engine()
    assert path.read_bytes() == before


def test_a_catalogue_that_lost_its_tables_is_not_taken_for_a_new_one(filled, open_engine, data_folder):
    path = data_folder / "catalog.db"
    data = bytearray(path.read_bytes())
    data[103:105] = bytes(2)  # how many rows the list of tables has
    path.write_bytes(data)
    with pytest.raises(VecstoreError, match=r"left untouched|damaged|cannot be opened"):
        open_engine()
    assert path.read_bytes() == data


def test_no_content_is_removed_on_the_word_of_a_catalogue_that_lost_its_files(filled, open_engine, data_folder):
    """Neither by check nor by the sweep after a kill: it is the rows that are lost, not the contents."""
    [(page, page_bytes)] = [
        (page, size)
        for [page] in sql(data_folder, "SELECT rootpage FROM sqlite_master WHERE name = 'files'")
        for [size] in sql(data_folder, "PRAGMA page_size")
    ]
    path = data_folder / "catalog.db"
    data = bytearray(path.read_bytes())
    at = (page - 1) * page_bytes
    data[at + 3 : at + 5] = bytes(2)  # the page says that it has no rows
    path.write_bytes(data)
    kept = sorted(data_folder.glob("blobs/??/*"))
    (data_folder / "lock.owner").write_text("12345")  # a process was killed
    engine = open_engine()
    engine.check(fix=True)
    assert "catalogue" in {problem.kind for problem in engine.check(fix=True)}
    assert sorted(data_folder.glob("blobs/??/*")) == kept


# Index files ---------------------------------------------------------------------------------------


def test_a_file_of_an_open_index_that_is_overwritten_is_noticed_by_the_next_search(filled, open_engine, data_folder):
    engine = open_engine()
    store = engine.get("kept")
    truth = [(result.chunk_id, result.score) for result in store.search("green pear")]
    [terms, *_] = sorted((data_folder / "stores" / filled).glob("checkpoint-*/keyword/*.term"))
    data = bytearray(terms.read_bytes())
    data[len(data) // 2] ^= 0xFF
    terms.write_bytes(data)
    assert [(result.chunk_id, result.score) for result in store.search("green pear")] == truth
    assert store.check(fix=True) is not None
    assert store.check() == []


@pytest.mark.parametrize("kind", ["idx", "term", "fast", "pos", "fieldnorm"])
def test_a_file_of_the_live_index_that_is_overwritten_is_noticed_by_the_next_write(
    filled, open_engine, data_folder, kind
):
    engine = open_engine()
    store = engine.get("kept")
    store.add(("d.txt", b"yellow quince"))
    engine._parts.shards.get(filled).settle()
    for path in (data_folder / "stores" / filled / "live").glob(f"*.{kind}"):
        with path.open("r+b") as file:  # in place: a mapped file that is cut short ends the process
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 0xFF]))
    store.add(("e.txt", b"yellow lemon"))
    assert names(store, "yellow fruit") >= {"d.txt", "e.txt"}
    assert engine.check(deep=True) == []
    engine.close()
    engine = open_engine()
    assert engine.check(deep=True) == []
    assert names(engine.get("kept"), "green pear") >= {"b.txt"}


def test_closing_goes_on_with_the_other_stores_where_a_list_of_segments_is_no_json(filled, open_engine, data_folder):
    engine = open_engine()
    for name in ("kept", "other"):
        engine.get(name).add(("d.txt", b"yellow quince"))
    (data_folder / "stores" / filled / "live" / "meta.json").write_bytes(b"{")
    engine.close()
    engine = open_engine()
    for name in ("kept", "other"):
        assert names(engine.get(name), "yellow quince") >= {"d.txt"}
    assert engine.check(deep=True) == []


def test_what_was_vouched_for_once_is_not_vouched_for_with_another_content(filled, open_engine, data_folder):
    """The next checkpoint has the same file by a hard link, and would take the damage for what it should be."""
    engine = open_engine()
    store = engine.get("kept")
    store.search("pear")
    shard = engine._parts.shards.get(store.id)
    [terms, *_] = sorted((data_folder / "stores" / filled).glob("checkpoint-*/keyword/*.term"))
    data = bytearray(terms.read_bytes())
    data[len(data) // 2] ^= 0xFF
    terms.write_bytes(data)
    shard._keyword._as_opened = {}  # as where the disk itself changes it: no time of it tells
    store.add(("d.txt", b"yellow quince"))
    engine.close()
    engine = open_engine()
    assert names(engine.get("kept"), "green pear") >= {"b.txt"}
    assert names(engine.get("kept"), "yellow quince") >= {"d.txt"}
    assert engine.check() == []


@pytest.mark.parametrize("leg", ["dense.0.faiss", "dense.rows.npy", "keyword"])
def test_only_the_index_that_is_damaged_is_made_anew(filled, open_engine, checkpoint_of, leg, caplog):
    path = min(checkpoint_of(filled).glob(f"{leg}/*.term" if leg == "keyword" else leg))
    path.write_bytes(path.read_bytes()[:-1])
    store = open_engine().get("kept")
    assert names(store, "green pear") >= {"b.txt"}
    made = [record.message for record in caplog.records if "made anew" in record.message]
    assert len(made) == 1
    assert made[0].startswith("the keyword index" if leg == "keyword" else "the dense index")
    assert store.check() == []


def test_every_byte_of_every_index_file_is_looked_at_before_it_is_used(
    filled, open_engine, checkpoint_of, data_folder, caplog
):
    rng, copy = random.Random(3), data_folder.with_name("copy")
    for path in sorted(path for path in checkpoint_of(filled).rglob("*") if path.is_file()):
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        for damaged in (flipped, whole[: rng.randrange(len(whole))], b""):
            shutil.copytree(data_folder, copy)
            (copy / path.relative_to(data_folder)).write_bytes(damaged)
            caplog.clear()
            with open_engine(copy) as engine:
                assert names(engine.get("kept"), "green pear") >= {"b.txt"}
                assert sum("made anew" in record.message for record in caplog.records) == 1
                assert engine.check() == []
            shutil.rmtree(copy)
