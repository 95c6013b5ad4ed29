"""More of a file than its chunk: neighbours and sections of a result, and how a file was cut."""

import pytest

from ingestion import InvalidFileError, parse
from vecstore import FileFailedError, InvalidRequestError, NotFoundError, StructureStrategy, Workers
from vecstore.inspecting import dry_run, installation, stored

PARTS = [
    f"## Item {n}\n\n" + f"The clerk of ward {n} keeps the ledger of ropes and pulleys. " * 12 + "\n\n"
    for n in range(9)
]
TEXT = "# Stores\n\n" + "".join(PARTS) + "# Annex\n\nNothing else is kept.\n"
SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 20}}


@pytest.fixture
def store(engine):
    store = engine.create("stores")
    store.add(("stores.md", TEXT.encode()), chunking_strategy=SMALL)
    return store


def test_neighbours_are_joined_without_repeating_what_they_share(store):
    chunks = store.content(store.list()[0].id)
    for before, after in ((0, 0), (1, 1), (2, 0), (50, 50)):
        excerpt = store.neighbours(chunks[3], before=before, after=after)
        assert excerpt.start == chunks[max(3 - before, 0)].start
        assert excerpt.end == chunks[min(3 + after, len(chunks) - 1)].end
        assert excerpt.text == TEXT[excerpt.start : excerpt.end]
        assert "\n".join(TEXT.split("\n")[excerpt.lines[0] - 1 : excerpt.lines[1]]).strip() in excerpt.text.strip() or (
            excerpt.lines[0] == TEXT.count("\n", 0, excerpt.start) + 1
        )


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("the clerk of ward 4", {}),
        ("the clerk of ward 4", {"diversity": 0.5}),
        ("the clerk of ward 4", {"max_per_file": 1}),
        (["ward 4", "ledger of ropes"], {}),
    ],
)
def test_a_search_gives_the_neighbours_that_it_is_asked_for(store, query, asked):
    results = store.search(query, neighbours=1, **asked)
    assert results
    assert [each.surroundings for each in results] == [store.neighbours(each) for each in results]
    assert [each.surroundings for each in store.search(query, **asked)] == [None] * len(results)


@pytest.mark.parametrize("wrong", [-1, 51, 1.5, True])
def test_too_many_neighbours_are_refused_with_the_limit(store, wrong):
    with pytest.raises(InvalidRequestError, match=f"before must be a whole number from 0 to 50, not {wrong}"):
        store.neighbours(store.content(store.list()[0].id)[0], before=wrong)


def test_the_section_of_a_result_is_whole(store):
    result = next(each for each in store.search("the clerk of ward 4 keeps the ledger") if "ward 4" in each.text)
    excerpt = store.section(result)
    wanted = next(part for part in PARTS if part.startswith(f"## {result.passage.heading_path[-1]}"))
    assert excerpt.text.strip() == wanted.strip()
    assert excerpt.heading_path == result.passage.heading_path == ("Stores", wanted[3:9])


def test_a_section_that_is_too_long_is_cut_around_the_passage(store):
    result = store.search("the clerk of ward 4 keeps the ledger")[0]
    excerpt = store.section(result, max_chars=300)
    assert excerpt.start <= result.passage.start < result.passage.end <= excerpt.end
    assert excerpt.text == TEXT[excerpt.start : excerpt.end]
    with pytest.raises(InvalidRequestError, match="max_chars must be a whole number above 0, not 0"):
        store.section(result, max_chars=0)


def test_without_headings_the_section_is_the_document(engine):
    store = engine.create("plain")
    text = "The tide tables are kept in the harbour office. " * 100
    store.add(("tides.txt", text.encode()), chunking_strategy=SMALL)
    assert store.section(store.search("tide tables")[0]).text == text


def test_what_surrounds_a_detached_file_is_not_found(store):
    result = store.search("ledger")[0]
    store.detach(result.file_id)
    with pytest.raises(NotFoundError):
        store.neighbours(result)
    with pytest.raises(NotFoundError):
        store.section(result)


def test_a_dry_run_cuts_as_adding_does(engine, store, workers, tmp_path):
    (tmp_path / "stores.md").write_text(TEXT)
    for strategy in (SMALL, {"type": "structure", "structure": {"target_chunk_size_tokens": 150}}):
        cut = dry_run(tmp_path / "stores.md", workers, chunking_strategy=strategy)
        added = store.add(tmp_path / "stores.md", chunking_strategy=strategy)
        assert added.chunking_strategy == cut.strategy
        held = (
            stored(engine, "stores.md", store=None)
            if strategy is not SMALL
            else stored(engine, added.id, store="stores")
        )
        assert [each.text for each in held.chunks] == [each.text for each in cut.chunks]
        assert [each.lines for each in held.chunks] == [each.lines for each in cut.chunks]
        assert held.media_type == cut.media_type == "text/markdown"


def test_the_strategy_structure_is_kept_with_the_file(open_engine):
    engine = open_engine()
    store = engine.create("s")
    store.add(("stores.md", TEXT.encode()), chunking_strategy={"type": "structure"})
    engine.close()
    store = open_engine().get("s")
    assert store.list()[0].chunking_strategy == StructureStrategy(400)
    assert store.search("clerk of ward 7")[0].heading_path[0] == "Stores"
    assert store.check() == []


def test_a_file_in_several_vector_stores_must_be_named_with_one(engine, store):
    engine.create("other").attach(store.list()[0].id)
    with pytest.raises(
        InvalidRequestError, match=r"'stores.md' is in 2 vector stores, name one of them: stores, other"
    ):
        stored(engine, "stores.md", store=None)
    with pytest.raises(NotFoundError, match=r"no vector store has a file 'x.md'; with --dry-run it is read from disk"):
        stored(engine, "x.md", store=None)


def test_a_dry_run_of_a_bad_file_says_why(workers, tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(FileFailedError, match=r"'a.pdf' is damaged") as error:
        dry_run(tmp_path / "a.pdf", workers)
    assert error.value.code == "invalid_file"
    with pytest.raises(InvalidFileError, match=r"'a.pdf' is damaged"):
        parse(b"%PDF-1.4", "a.pdf")


def test_an_installation_tells_its_sandbox(embedder, workers, tmp_path):
    facts = installation(tmp_path / "kb", embedder, workers)
    assert facts.sandbox == str(workers.sandbox())
    assert facts.data_folder.endswith("kb (not made yet)")
    assert ".docx" in facts.file_types
    with Workers(sandbox="off") as none:
        assert installation(tmp_path, embedder, none).sandbox == "none: documents are parsed in this process"


def test_what_surrounds_a_result_of_an_older_version_is_not_found(store):
    result = store.search("ledger")[0]
    store.attach(
        result.file_id, chunking_strategy={"type": "structure", "structure": {"target_chunk_size_tokens": 300}}
    )
    with pytest.raises(NotFoundError, match=r"the file 'stores.md' \(file-.*\) has changed: search again"):
        store.neighbours(result)
