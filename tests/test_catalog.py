import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ingestion import AUTO, Document, Span, chunk, passages
from vecstore import EmbedderMismatchError, HashingEmbedder, NotFoundError
from vecstore.catalog import Catalog, PreparedFile, inconsistencies
from vecstore.changes import Checkpoint
from vecstore.columns import Columns
from vecstore.embed import embed_checked
from vecstore.filters import Comparison
from vecstore.types import File, LastError
from vecstore.usage import usage_bytes

DIMENSIONS = 8
EMBEDDER = HashingEmbedder(DIMENSIONS)
STORE = "vs_1"
YEAR_1 = Comparison("eq", "year", 1)


def prepared(name, text, *, attributes=None, error=None, new=True, spans=()):
    file = File(f"file-{name}", f"{name}.txt", len(text.encode()), "0" * 64, 100)
    if error is not None:
        none = np.empty((0, 0), np.float16)
        return PreparedFile(file, attributes or {}, AUTO, "", (), (), (), (), none, usage_bytes=0, error=error, new=new)
    document = Document(text, "text/plain", spans)
    chunked = chunk(document, AUTO)
    texts = [text[window.start : window.end] for window in chunked.windows]
    return PreparedFile(
        file=file,
        attributes=attributes or {},
        strategy=AUTO,
        media_type="text/plain",
        warnings=("guessed",),
        chunks=chunked.chunks,
        windows=chunked.windows,
        passages=passages(document, chunked.windows),
        vectors=embed_checked(EMBEDDER, texts).astype(np.float16),
        usage_bytes=usage_bytes((each.text for each in chunked.chunks), DIMENSIONS),
        new=new,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.db"


@pytest.fixture
def catalog(path):
    opened = Catalog(path)
    opened.add_vector_store(STORE, name="s", metadata={}, embedder=EMBEDDER.identity, dimensions=DIMENSIONS, now=100)
    yield opened
    assert all(inconsistencies(opened, each.id) == [] for each in opened.vector_stores())
    opened.close()


def removed_since(catalog, sequence):
    return [member for change in catalog.changes_since(STORE, sequence) for member in change.removed]


def added_since(catalog, sequence):
    return [each.header for change in catalog.changes_since(STORE, sequence) for each in change.chunks]


def test_a_commit_moves_counts_bytes_and_sequence_together(catalog):
    one, two = prepared("one", "some text"), prepared("two", "wörds")
    broken = prepared("three", "", error=LastError("invalid_file", "it is broken"))
    assert catalog.commit(STORE, [one, two, broken], now=200) == 1
    info = catalog.vector_store(STORE)
    assert (info.file_counts.completed, info.file_counts.failed, info.file_counts.total) == (2, 1, 3)
    assert info.usage_bytes == len(b"some text") + len("wörds".encode()) + 2 * 4 * DIMENSIONS
    assert (info.sequence, info.last_active_at, info.created_at) == (1, 200, 100)


def test_a_commit_is_all_or_nothing(catalog):
    gone = prepared("gone", "never uploaded", new=False)
    with pytest.raises(NotFoundError, match="No such File object: file-gone"):
        catalog.commit(STORE, [prepared("one", "some text"), gone], now=200)
    assert catalog.members(STORE) == []
    assert catalog.files() == []
    assert catalog.vector_store(STORE).sequence == 0
    assert added_since(catalog, 0) == []


def test_attaching_again_replaces_and_counts_once(catalog):
    catalog.commit(STORE, [prepared("one", "long text " * 50)], now=200)
    catalog.commit(STORE, [prepared("one", "short", new=False)], now=300)
    info = catalog.vector_store(STORE)
    assert info.file_counts.total == 1
    assert info.usage_bytes == len("short") + 4 * DIMENSIONS
    assert [each.text for each in catalog.content(STORE, "file-one")] == ["short"]


def test_numbers_of_chunks_and_members_are_never_used_again(catalog, path):
    seen_chunks, seen_members = [], []
    for i in range(3):
        opened = Catalog(path)  # anew each time: the highest number is gone, and must not come back
        opened.commit(STORE, [prepared(f"f{i}", "text")], now=200)
        [change] = opened.changes_since(STORE, 0)
        seen_chunks += [each.number for each in change.chunks]
        seen_members += [each.member for each in change.chunks]
        opened.remove_member(STORE, f"file-f{i}", now=300)
        opened.close()
    assert len(set(seen_chunks)) == len(set(seen_members)) == 3
    assert seen_chunks == sorted(seen_chunks)


def test_changes_since_tell_an_index_exactly_what_it_lacks(catalog):
    first = catalog.commit(STORE, [prepared("one", "text")], now=200)
    catalog.commit(STORE, [prepared("two", "text")], now=200)
    assert added_since(catalog, 0) == ["one.txt", "two.txt"]
    assert added_since(catalog, first) == ["two.txt"]
    catalog.remove_member(STORE, "file-one", now=200)
    assert added_since(catalog, first) == ["two.txt"]
    assert len(removed_since(catalog, first)) == 1
    newest = catalog.vector_store(STORE).sequence
    assert [change.sequence for change in catalog.changes_since(STORE, newest)] == [newest]
    assert removed_since(catalog, newest) == []


def test_a_long_replay_comes_in_groups_and_ends_at_the_stores_sequence(catalog):
    catalog.commit(STORE, [prepared("gone", "text")], now=200)
    catalog.remove_member(STORE, "file-gone", now=200)
    catalog.commit(STORE, [prepared(f"{i:03}", f"text {i}") for i in range(150)], now=200)
    changes = list(catalog.changes_since(STORE, 0))
    assert len(changes) > 1
    assert [each.header for change in changes for each in change.chunks] == [f"{i:03}.txt" for i in range(150)]
    assert changes[-1].sequence == catalog.vector_store(STORE).sequence
    assert all(change.sequence == 0 for change in changes[:-1])
    assert [len(change.removed) for change in changes] == [1] + [0] * (len(changes) - 1)


def test_rows_point_each_window_to_the_chunks_that_hold_it(catalog, numbered_text):
    file = prepared("long", numbered_text(2500))
    catalog.commit(STORE, [file], now=200)
    [change] = catalog.changes_since(STORE, 0)
    numbers = [each.number for each in change.chunks]
    content = catalog.content(STORE, "file-long")
    assert len(content) > 3
    assert [row[1] for row in change.rows.tolist()] == list(range(len(file.windows)))
    for _, index, first, last in change.rows.tolist():
        span = file.windows[index].start, file.windows[index].end
        holders = [numbers[i] for i, each in enumerate(content) if span in each.windows]
        assert holders == list(range(first, last + 1))


def test_passages_tile_the_windows_of_each_chunk_in_reading_order(catalog, numbered_text):
    catalog.commit(STORE, [prepared("long", numbered_text(2500))], now=200)
    content = catalog.content(STORE, "file-long")
    numbers = [int(each.chunk_id.removeprefix("chunk_")) for each in content]
    found = catalog.passages(numbers[::-1])
    assert set(found) == set(numbers)
    for number, each in zip(numbers, content, strict=True):
        assert tuple((passage.start, passage.end) for passage in found[number]) == each.windows
    assert catalog.passages([10_000]) == {}


def test_vectors_come_back_bit_for_bit(catalog):
    file = prepared("one", "text " * 900)
    catalog.commit(STORE, [file], now=200)
    [change] = catalog.changes_since(STORE, 0)
    assert change.vectors.tobytes() == file.vectors.tobytes()


def test_a_checkpoint_drops_the_removals_it_has_applied(catalog):
    catalog.commit(STORE, [prepared("one", "text"), prepared("two", "text")], now=200)
    catalog.remove_member(STORE, "file-one", now=200)
    middle = catalog.vector_store(STORE).sequence
    catalog.remove_member(STORE, "file-two", now=200)
    catalog.set_checkpoint(STORE, Checkpoint("checkpoint-2", middle, {"a": "b"}))
    assert catalog.checkpoint(STORE) == Checkpoint("checkpoint-2", middle, {"a": "b"})
    assert len(removed_since(catalog, 0)) == 1
    catalog.set_checkpoint(STORE, None)
    assert catalog.checkpoint(STORE) is None


def test_only_completed_members_that_pass_are_allowed(catalog):
    broken = prepared("three", "", error=LastError("invalid_file", "it is broken"), attributes={"year": 1})
    files = [prepared("one", "text", attributes={"year": 1}), prepared("two", "text"), broken]
    catalog.commit(STORE, files, now=200)
    assert len(catalog.allowed_members(STORE, Comparison("ne", "year", 2))) == 2
    [number] = catalog.allowed_members(STORE, YEAR_1).tolist()
    [change] = catalog.changes_since(STORE, 0)
    assert [each.header for each in change.chunks if each.member == number] == ["one.txt"]


def test_who_is_allowed_follows_what_is_added_replaced_taken_out_and_altered(catalog):
    def allowed():
        known = {number: each.id for each in catalog.members(STORE) for number in numbers[each.id]}
        return [known[number] for number in catalog.allowed_members(STORE, YEAR_1).tolist() if number in known]

    numbers = {}

    def add(name, year, *, new=True):
        catalog.commit(STORE, [prepared(name, "text", attributes={"year": year}, new=new)], now=200)
        [change] = catalog.changes_since(STORE, catalog.vector_store(STORE).sequence - 1)
        numbers[f"file-{name}"] = {each.member for each in change.chunks}

    for i in range(12):
        add(f"{i}", i % 2)
        assert allowed() == [f"file-{j}" for j in range(i + 1) if j % 2]
    catalog.set_attributes(STORE, "file-0", {"year": 1})
    assert sorted(allowed()) == [f"file-{i}" for i in (0, 1, 11, 3, 5, 7, 9)]
    add("1", 0, new=False)
    add("2", 1, new=False)
    catalog.remove_member(STORE, "file-3", now=200)
    assert sorted(allowed()) == [f"file-{i}" for i in (0, 11, 2, 5, 7, 9)]


def test_while_attributes_are_set_nothing_from_before_is_kept(catalog):
    catalog.commit(STORE, [prepared("one", "text", attributes={"year": 0})], now=200)
    with ThreadPoolExecutor() as pool, catalog.database.write():  # which holds up those who set them
        setting = [pool.submit(catalog.set_attributes, STORE, "file-one", {"year": year}) for year in (2, 1)]
        while sum(catalog._allowing._altering.values()) < len(setting):
            time.sleep(0.001)
        assert len(catalog.allowed_members(STORE, YEAR_1)) == 0
        assert not catalog._allowing._tables
    assert [each.result() for each in setting] == [None, None]
    year = catalog.member(STORE, "file-one").attributes["year"]
    assert len(catalog.allowed_members(STORE, YEAR_1)) == (year == 1)


def test_who_is_allowed_is_read_anew_after_an_interruption(catalog, monkeypatch):
    def interrupted(columns, attributes):
        add(columns, list(attributes)[:1])
        raise KeyboardInterrupt

    catalog.commit(STORE, [prepared(f"{i}", "text", attributes={"year": 1}) for i in range(20)], now=200)
    with monkeypatch.context() as patch:
        add = Columns.add
        patch.setattr(Columns, "add", lambda columns, given: interrupted(columns, given) if given else None)
        with pytest.raises(KeyboardInterrupt):
            catalog.allowed_members(STORE, YEAR_1)
    assert len(catalog.allowed_members(STORE, YEAR_1)) == 20


def test_a_chunk_keeps_its_citation(catalog):
    text = "# Leave\nParental leave is long."
    spans = (Span("page", 0, len(text), "i", 3), Span("heading", 0, 7, "Leave", 1))
    catalog.commit(STORE, [prepared("book", text, spans=spans)], now=200)
    [only] = catalog.content(STORE, "file-book")
    assert (only.text, only.start, only.end, only.pages) == (text, 0, len(text), (3, 3))
    assert only.heading_path == ("Leave",)
    [(again, attributes)] = catalog.chunks([int(only.chunk_id.removeprefix("chunk_"))]).values()
    assert (again.text, again.pages, again.heading_path, attributes) == (text, (3, 3), ("Leave",), {})


def test_what_is_given_of_a_files_attributes_is_a_copy(catalog):
    catalog.commit(STORE, [prepared("one", "first words", attributes={"year": 1})], now=200)
    number = int(catalog.content(STORE, "file-one")[0].chunk_id.removeprefix("chunk_"))
    catalog.chunks([number])[number][1]["year"] = 2
    assert catalog.chunks([number])[number][1] == {"year": 1}


def test_deleting_a_file_takes_it_out_of_every_store(catalog):
    catalog.add_vector_store("vs_2", name="", metadata={}, embedder=EMBEDDER.identity, dimensions=DIMENSIONS, now=100)
    catalog.commit(STORE, [prepared("one", "text")], now=200)
    catalog.commit("vs_2", [prepared("one", "text", new=False)], now=200)
    assert catalog.delete_file("file-one", now=300) == [STORE, "vs_2"]
    assert [each.file_counts.total for each in catalog.vector_stores()] == [0, 0]
    assert [each.usage_bytes for each in catalog.vector_stores()] == [0, 0]
    assert catalog.files() == []


def test_deleting_a_store_leaves_its_files_and_nothing_else(catalog, path):
    catalog.commit(STORE, [prepared("one", "text")], now=200)
    catalog.set_checkpoint(STORE, Checkpoint("checkpoint-1", 1, {}))
    catalog.delete_vector_store(STORE, now=300)
    assert [file.id for file in catalog.files()] == ["file-one"]
    with sqlite3.connect(path) as database:
        left = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ["members", "chunks", "windows", "embeddings", "removals", "checkpoints", "vector_stores"]
        }
        balance = database.execute("SELECT sum(delta_bytes) FROM ledger").fetchone()[0]
    database.close()
    assert set(left.values()) == {0}
    assert balance == 0


def test_a_clock_that_steps_back_moves_no_activity(catalog):
    catalog.touch({STORE: 500}, {})
    catalog.touch({STORE: 400}, {})
    assert catalog.vector_store(STORE).last_active_at == 500


@pytest.mark.parametrize("call", ["vector_store", "members", "checkpointless", "member", "content", "remove"])
def test_what_does_not_exist_is_not_found(catalog, call):
    calls = {
        "vector_store": lambda: catalog.vector_store("vs_x"),
        "members": lambda: catalog.members("vs_x"),
        "checkpointless": lambda: list(catalog.changes_since("vs_x", 0)),
        "member": lambda: catalog.member(STORE, "file-x"),
        "content": lambda: catalog.content(STORE, "file-x"),
        "remove": lambda: catalog.remove_member(STORE, "file-x", now=1),
    }
    with pytest.raises(NotFoundError):
        calls[call]()


def test_writers_in_parallel_lose_nothing(catalog):
    def add(i):
        return catalog.commit(STORE, [prepared(f"f{i}", f"text {i}")], now=200)

    with ThreadPoolExecutor(8) as pool:
        sequences = list(pool.map(add, range(24)))
    assert sorted(sequences) == list(range(1, 25))
    assert catalog.vector_store(STORE).file_counts.completed == 24


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        ("UPDATE vector_stores SET usage_bytes = usage_bytes + 1", "counts"),
        ("UPDATE vector_stores SET completed = 7", "counts"),
        ("UPDATE vector_stores SET failed = 7", "counts"),
        ("DELETE FROM ledger", "counts"),
        ("DELETE FROM embeddings", "file"),
        ("DELETE FROM chunks", "file"),
        ("UPDATE chunks SET text = text || '!'", "file"),
        ("UPDATE chunks SET end_window = first_window", "file"),
        ("UPDATE embeddings SET vectors = zeroblob(length(vectors))", "file"),
        ("UPDATE embeddings SET vectors = substr(vectors, 17)", "file"),
        ("DELETE FROM windows", "file"),
        ('DELETE FROM windows WHERE "index" = 2', "file"),
        ('UPDATE windows SET start = start + 1 WHERE "index" = 2', "file"),
    ],
)
def test_the_catalogue_notices_what_contradicts_itself(path, damage, kind):
    catalog = Catalog(path)
    catalog.add_vector_store(STORE, name="s", metadata={}, embedder=EMBEDDER.identity, dimensions=DIMENSIONS, now=100)
    catalog.commit(STORE, [prepared("one", "text " * 900)], now=200)
    assert inconsistencies(catalog, STORE) == []
    with sqlite3.connect(path) as database:
        database.execute(damage)
    database.close()
    found = inconsistencies(catalog, STORE)
    catalog.close()
    assert {problem.kind for problem in found} == {kind}


def test_the_database_is_written_ahead_and_in_full(catalog):
    with catalog.database.read() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_store_of_another_embedder_cannot_be_used(open_engine):
    engine = open_engine(embedder=HashingEmbedder(8))
    store = engine.create("small")
    file = store.add(("a.txt", b"some text"))
    engine.close()
    engine = open_engine(embedder=HashingEmbedder(16))
    store = engine.get("small")
    sentence = r"'small' was made with the embedder vecstore-hashing-8 \(8 dimensions\) and cannot be used with"
    for use in (lambda: store.search("text"), lambda: store.add(("b.txt", b"x")), lambda: store.attach(file.id)):
        with pytest.raises(EmbedderMismatchError, match=sentence):
            use()
    assert [each.filename for each in store.list()] == ["a.txt"]
    assert store.check() == []
