"""What people type as paths, attributes and filters."""

import os

import pytest

from vecstore import InvalidRequestError
from vecstore.gather import attributes, filters, sources


def names(gathered):
    return [source.filename for source in gathered.sources]


def found(folder, *paths, **options):
    return sources([str(folder / path) if path else "" for path in paths], besides=folder / ".vecstore", **options)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    for name in ("b.txt", "a.md", "deep/c.txt", "deep/deeper/d.txt", ".hidden"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder_is_walked_in_order_by_paths_below_it(folder):
    assert names(found(folder, ".")) == ["a.md", "b.txt", "deep/c.txt", "deep/deeper/d.txt"]


def test_a_glob_is_relative_to_where_its_wildcards_begin(folder):
    assert names(found(folder, "deep/**/*.txt")) == ["c.txt", "deeper/d.txt"]


def test_links_to_folders_are_not_followed_by_either(folder):
    (folder / "deep" / "loop").symlink_to(folder / "deep")
    assert names(found(folder, "deep/**/*.txt")) == ["c.txt", "deeper/d.txt"]
    assert names(found(folder, "deep")) == ["c.txt", "deeper/d.txt"]


def test_pipes_are_left_out_and_broken_links_are_told_when_read(folder):
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    (folder / "broken").symlink_to(folder / "nowhere")
    assert names(found(folder, "."))[:2] == ["a.md", "b.txt"]
    assert "link" not in names(found(folder, "."))
    assert "broken" in names(found(folder, "."))
    assert found(folder, "pipe").missing == (f"'{folder / 'pipe'}' is not a file",)


def test_what_is_excluded_matches_a_name_or_a_path(folder):
    assert names(found(folder, ".", exclude=["*.md", "deep/deeper/*"])) == ["b.txt", "deep/c.txt"]


def test_the_data_folder_and_hidden_files_stay_out(folder):
    (folder / ".vecstore").mkdir()
    (folder / "kb").mkdir()
    (folder / "kb" / "inside.txt").write_text("x")
    assert "kb/inside.txt" not in names(sources([str(folder)], besides=folder / "kb"))


def test_what_matches_nothing_is_a_sentence(folder):
    (folder / "empty").mkdir()
    gathered = found(folder, "none.txt", "*.pdf", "empty", "")
    assert [sentence.rpartition("/")[2] for sentence in gathered.missing] == [
        "none.txt' does not exist",
        "*.pdf'",
        "empty' has no files in it (hidden ones are left out)",
        "'' is no path",
    ]


def test_names_that_are_no_utf8_are_found(folder):
    (folder / os.fsdecode(b"b\xff.txt")).write_text("x")
    assert any("\udcff" in name for name in names(found(folder, ".")))


def test_values_are_typed_as_json_has_them():
    pairs = ["a=1", "b=1.5", "c=true", "d=text", 'e="1"', "f=", "g=a=b", "h=[1]", "i=" + "[" * 100_000]
    read = attributes(pairs)
    assert read | {"i": ""} == {
        "a": 1, "b": 1.5, "c": True, "d": "text", "e": "1", "f": "", "g": "a=b", "h": "[1]", "i": "",
    }  # fmt: skip


def test_a_filter_that_is_no_json_is_told():
    with pytest.raises(InvalidRequestError, match="--filter is not JSON"):
        filters("{type: eq}")


def test_the_data_folder_is_never_added_whatever_is_asked_for(folder):
    (folder / "kb" / "blobs").mkdir(parents=True)
    (folder / "kb" / "blobs" / "inside.txt").write_text("x")
    for path in ("kb", "kb/blobs", "**/*.txt", "kb/blobs/inside.txt"):
        assert not any("inside" in name for name in names(sources([str(folder / path)], besides=folder / "kb")))
