"""A data folder of every format there was opens with the code of today; tests/formats/README.md says what they are."""

import json
import sqlite3
import tarfile
from pathlib import Path

import pytest

from vecstore import HybridSearch, StorageError
from vecstore.catalog.schema import HEAD

FORMATS = Path(__file__).parent / "formats"
EVERY = [f"{number:04}" for number in range(1, int(HEAD) + 1)]


@pytest.fixture
def unpacked(tmp_path):
    """`unpacked("0003")`: the data folder of that format, and what was found in it then."""

    def unpack(revision, to=tmp_path):
        with tarfile.open(FORMATS / f"{revision}.tar.xz") as archive:
            archive.extractall(to, filter="data")
        return to / "kb", json.loads((to / "expected.json").read_text())

    return unpack


def format_of(path):
    with sqlite3.connect(path) as database:
        [(revision,)] = database.execute("SELECT version_num FROM alembic_version").fetchall()
    database.close()
    return revision


def test_there_is_a_folder_of_every_format():
    assert [path.name.split(".")[0] for path in sorted(FORMATS.glob("*.tar.xz"))] == EVERY


@pytest.mark.parametrize("revision", EVERY)
def test_a_folder_of_a_past_format_opens_and_finds_what_it_found_then(unpacked, open_engine, revision):
    folder, expected = unpacked(revision)
    assert format_of(folder / "catalog.db") == revision
    engine = open_engine(folder)
    assert {store.name: store.usage_bytes for store in engine.list()} == expected["usage_bytes"]
    for name, filenames in expected["files"].items():
        assert sorted(file.filename for file in engine.get(name).list()) == filenames
    for asked in expected["found"]:
        results = engine.get(asked["store"]).search(
            asked["query"], max_num_results=1, hybrid_search=HybridSearch(*asked["leg"])
        )
        if not results or results[0].raw_score > 0:  # of what is not near at all the order was another one
            assert [[each.filename, each.start, each.end, each.text] for each in results] == asked["found"], asked
    assert engine.check() == []
    kitchen = engine.get("kitchen")
    kitchen.add(("new.txt", b"a walnut of today"))
    assert kitchen.search("walnut")[0].filename == "new.txt"
    [menu] = [file for file in kitchen.list() if file.filename == "menu.txt"]
    assert menu.attributes["kind"] == "txt"
    kitchen.detach(menu.id)
    assert engine.file_content(menu.id).startswith(b"Green pears")
    assert engine.check() == []
    engine.close()
    assert format_of(folder / "catalog.db") == HEAD
    assert open_engine(folder).get("kitchen").search("walnut")[0].filename == "new.txt"


@pytest.mark.parametrize("revision", EVERY[:-1])
def test_the_catalogue_as_it_was_is_kept_beside_it_and_can_be_taken_away(unpacked, open_engine, revision):
    folder, _ = unpacked(revision)
    open_engine(folder).close()
    copy = folder / f"catalog-format-{revision}.db"
    assert format_of(copy) == revision
    with open_engine(folder) as engine:
        assert engine.check() == []
    copy.unlink()
    with open_engine(folder) as engine:
        assert engine.check() == []


@pytest.mark.parametrize("revision", EVERY[:-1])
def test_on_a_disk_without_room_for_the_copy_the_folder_stays_as_it_is(
    unpacked, open_engine, small_disk, filled, revision
):
    place, real = small_disk
    folder, expected = unpacked(revision, place)
    before = (folder / "catalog.db").read_bytes()
    if real:
        with filled(place), pytest.raises(StorageError, match=r"no copy of it can be kept|cannot be opened") as full:
            open_engine(folder)
        assert full.value.code == "full"
        assert (folder / "catalog.db").read_bytes() == before
    engine = open_engine(folder)
    assert {store.name: store.usage_bytes for store in engine.list()} == expected["usage_bytes"]
    assert engine.check() == []
    engine.close()
