import json

import pytest
from click.testing import CliRunner

from vecstore.cli import main


@pytest.fixture
def run(tmp_path, data_folder, embeddings_url, monkeypatch):
    """The command line on the test's data folder, or on another one by `root`; `engine` may have it open."""
    monkeypatch.chdir(tmp_path)
    environment = {"VECSTORE_EMBEDDER": "hashing", "VECSTORE_EMBEDDER_URL": embeddings_url}

    def run(*arguments, status=0, root=data_folder):
        done = CliRunner(env={**environment, "VECSTORE_ROOT": str(root)}).invoke(main, list(arguments))
        assert done.exit_code == status, done.output
        return done

    return run


@pytest.fixture
def filled(store):
    store.add(("a.txt", b"red apple"))
    store.add(("b.txt", b"green pear"))
    return store


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_data_folder_in_use_is_backed_up_listed_verified_and_restored(run, filled, tmp_path):
    made = run("backup", "backup").output
    assert "1 vector store, 2 files, 2 chunks" in made
    assert "2 contents copied, 19 bytes; 0 there already" in made
    [report] = json_lines(run("backup", "backup", "--keep", "1", "--json"))
    assert (report["copied_contents"], len(report["dropped"])) == (0, 1)
    assert report["snapshot"]["name"] in run("backup", "backup", "--list").output
    assert json_lines(run("backup", "backup", "--list", "--json")) == [report["snapshot"]]
    assert run("backup", "backup", "--verify").output.strip() == "All is well."
    assert "1 vector store, 2 files, 2 chunks" in run("restore", "backup", root="new").output
    assert [line["filename"] for line in json_lines(run("files", "test", "--json", root="new"))] == ["a.txt", "b.txt"]
    again = run("restore", "backup", "--snapshot", report["snapshot"]["name"], "--json", root="newer")
    assert json_lines(again) == [report["snapshot"]]
    assert run("check", root="newer").output.strip() == "All is well."


def test_damage_is_told_and_ends_with_status_1(run, filled, tmp_path, flip_byte):
    run("backup", "backup")
    flip_byte(next((tmp_path / "backup").glob("blobs/??/*")))
    [problem] = json_lines(run("backup", "backup", "--verify", "--json", status=1))
    assert problem["kind"] == "content"
    assert "was changed" in run("restore", "backup", root="new", status=1).output
    assert not (tmp_path / "new").exists()
    flip_byte(next((tmp_path / "backup").glob("snapshots/*/manifest.json")))
    listed = run("backup", "backup", "--list", status=1).output
    assert "manifest.json is damaged" in listed


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("backup", "backup", "--list", "--verify"), 2, "give one of them"),
        (("backup", "backup", "--keep", "0"), 2, "0 is not in the range"),
        (("backup", "kb/inside"), 2, "dest must lie outside of the data folder"),
        (("backup", "nowhere", "--list"), 1, "there is no backup at nowhere"),
        (("restore", "nowhere"), 1, "there is no backup at nowhere"),
        (("restore", "backup"), 1, "is a data folder already"),
        (("restore", "backup", "--snapshot", "yesterday"), 1, "has no snapshot 'yesterday'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run, filled, arguments, status, sentence):
    run("backup", "backup")
    assert sentence in run(*arguments, status=status).output


def test_a_folder_that_is_no_data_folder_is_not_backed_up(run, tmp_path):
    assert "there is no data folder at" in run("backup", "backup", status=1).output
    assert not (tmp_path / "backup").exists()
