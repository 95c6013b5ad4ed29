"""What `check` finds in the catalogue, its sums and the data folder, and what it puts right."""

import sqlite3

import checked
import pytest
from checked import kinds

filled = checked.filled


def sql(data_folder, statement):
    with sqlite3.connect(data_folder / "catalog.db") as database:
        found = database.execute(statement).fetchall()
    database.close()
    return found


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


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE vector_stores SET usage_bytes = usage_bytes + 1",
        "UPDATE vector_stores SET completed = 7, failed = 1, in_progress = 2, cancelled = 3",
        "UPDATE ledger SET delta_bytes = delta_bytes + 5 WHERE number = 1",
        "DELETE FROM ledger WHERE number = 1",
    ],
)
def test_counts_and_bytes_that_other_rows_tell_are_named_and_put_right(filled, open_engine, data_folder, damage):
    """They are sums of rows that are there, so nothing is lost; the ledger's past stays as it was billed."""
    engine = open_engine()
    truth = engine.get("kept").info()
    engine.close()
    ledger = "SELECT number, at, delta_bytes FROM ledger"
    sql(data_folder, damage)
    kept = sql(data_folder, ledger)
    engine = open_engine()
    for fix in (False, True):
        found = engine.check(fix=fix)
        assert kinds(found) == {"counts"}
        assert {problem.fixed for problem in found} == {fix}
    assert engine.check() == []
    assert engine.get("kept").info() == truth
    assert engine.usage(by="store").rows[0].usage_bytes == truth.usage_bytes
    engine.close()
    assert sql(data_folder, ledger)[: len(kept)] == kept


def test_a_batch_whose_counts_are_wrong_or_whose_file_is_gone_is_put_right(open_engine, data_folder):
    engine = open_engine(resume=False)
    store = engine.create("kept")
    done = store.batch([("a.txt", b"red apple"), ("b.txt", b"green pear")]).wait()
    [gone] = [engine.upload(("c.txt", b"blue plum"))]
    engine.close()
    sql(data_folder, "UPDATE batches SET completed = 9, finished_at = NULL")
    row = (
        "vector_store_id, 'file-gone', 'in_progress', attributes, max_chunk_size_tokens, chunk_overlap_tokens, strategy"
    )
    names = "vector_store_id, file_id, status, attributes, max_chunk_size_tokens, chunk_overlap_tokens, strategy"
    sql(data_folder, f"INSERT INTO batch_files (batch, {names}) SELECT batch, {row} FROM batch_files LIMIT 1")
    engine = open_engine(resume=False)
    assert {(problem.kind, problem.fixed) for problem in engine.check()} == {("batch", False)}
    assert {(problem.kind, problem.fixed) for problem in engine.check(fix=True)} == {("batch", True)}
    assert engine.check() == []
    now = engine.batch(done.id).info()
    assert (now.file_counts.completed, now.file_counts.failed, now.status) == (2, 1, "completed")
    assert engine.file(gone.id)


def test_a_batch_that_nothing_works_on_is_named_and_goes_on_with_resume(open_engine, data_folder):
    engine = open_engine(resume=False)
    store = engine.create("kept")
    batch = store.batch([("a.txt", b"red apple")])
    batch.wait()
    engine.close()
    sql(data_folder, "UPDATE batch_files SET status = 'in_progress'")
    sql(data_folder, "UPDATE batches SET in_progress = 1, completed = 0, finished_at = NULL")
    sql(data_folder, "UPDATE members SET status = 'in_progress'")
    sql(data_folder, "UPDATE vector_stores SET in_progress = 1, completed = 0")
    engine = open_engine(resume=False)
    [problem] = engine.check(fix=True)
    assert (problem.kind, problem.where, problem.fixed) == ("idle batch", batch.id, False)
    assert "batches --run" in problem.message
    engine.resume()
    engine.batch(batch.id).wait(timeout_s=60)
    assert engine.check() == []


def test_what_a_deleted_store_is_still_billed_is_named_and_ended(filled, open_engine, data_folder, clock):
    sql(data_folder, "INSERT INTO ledger (vector_store_id, at, delta_bytes) VALUES ('vs_gone', 1600000000, 500)")
    engine = open_engine()
    [problem] = engine.check()
    assert (problem.kind, problem.where) == ("ledger", "vs_gone")
    assert all(each.fixed for each in engine.check(fix=True))
    assert engine.check() == []
    clock.move(60)
    rows = {row.key: row.usage_bytes for row in engine.usage(by="store").rows}
    assert rows.get("vs_gone", 0) == 0


def test_an_expired_store_holds_nothing_and_is_billed_nothing(open_engine, data_folder, clock):
    engine = open_engine()
    store = engine.create("brief", expires_after={"anchor": "last_active_at", "days": 1})
    store.add(("a.txt", b"red apple"))
    clock.move(86_400)
    assert engine.check() == []
    engine.close()
    sql(data_folder, f"UPDATE ledger SET delta_bytes = 9000 WHERE vector_store_id = '{store.id}' AND delta_bytes > 0")
    engine = open_engine()
    assert kinds(engine.check()) == {"counts"}
    assert all(problem.fixed for problem in engine.check(fix=True))
    assert engine.check() == []


def test_sums_kept_of_the_ledger_that_are_wrong_are_named_and_dropped(filled, open_engine, data_folder, clock):
    engine = open_engine()
    clock.move(3 * 86_400)
    truth = engine.usage(by="store")
    engine.close()
    sql(data_folder, "UPDATE marks SET byte_seconds = '7'")
    engine = open_engine()
    assert kinds(engine.check()) == {"ledger sums"}
    assert all(problem.fixed for problem in engine.check(fix=True))
    assert engine.check() == []
    assert engine.usage(by="store") == truth


def test_what_lies_in_the_folder_without_anything_that_wants_it_is_named(filled, open_engine, data_folder):
    _, folder = filled
    engine = open_engine()
    engine.get("kept").search("apple")
    ours = [
        data_folder / "catalog.db.tmp-0123",
        data_folder / "parsing" / "17",
        folder / "checkpoint-99-feedbeef",
        folder / "checkpoint-100-0.tmp-0123",
    ]
    foreign = [
        data_folder / "thesis.txt",
        data_folder / "blobs" / "readme",
        data_folder / "blobs" / "ab" / "notes",
        data_folder / "parsing" / "notes",
        folder / "notes",
    ]
    for path in (*ours, *foreign):
        path.parent.mkdir(exist_ok=True)
        path.write_text("left")
    named = {problem.where: problem.kind for problem in engine.check()}
    expected = {
        path.relative_to(data_folder).as_posix(): kind
        for kind, paths in (("leftover", ours), ("stray file", foreign))
        for path in paths
    }
    assert named == expected
    assert {problem.kind for problem in engine.check(fix=True) if problem.fixed} == {"leftover"}
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in foreign)
    assert kinds(engine.check()) == {"stray file"}
    for path in foreign:
        path.unlink()
    assert engine.check() == []


def test_an_index_of_the_database_itself_is_made_anew(filled, open_engine, data_folder):
    with sqlite3.connect(data_folder / "catalog.db") as database:
        database.execute("PRAGMA writable_schema = ON")
        [(kept,)] = database.execute("SELECT sql FROM sqlite_master WHERE name = 'ix_files_sha256'").fetchall()
        database.execute(
            "UPDATE sqlite_master SET sql = ? WHERE name = 'ix_files_sha256'", [kept.replace("(sha256)", "(filename)")]
        )
    database.close()
    engine = open_engine()
    found = engine.check()
    assert kinds(found) == {"catalogue"}
    assert all(problem.fixed for problem in engine.check(fix=True))
    assert engine.check() == []


def test_rows_that_belong_to_nothing_are_named(filled, open_engine, data_folder):
    sql(data_folder, "INSERT INTO windows VALUES (4711, 0, 0, 10)")
    engine = open_engine()
    for fix in (False, True):
        [problem] = engine.check(fix=fix)
        assert (problem.kind, problem.where, problem.fixed) == ("catalogue", "windows", False)
        assert "backup" in problem.message
