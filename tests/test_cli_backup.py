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


def test_a_vector_store_moves_to_another_folder(run, filled, engine):
    filled.attach(engine.upload(("bad.pdf", b"%PDF-1.7 nothing")).id)
    engine.close()
    assert "'test' with 3 files, 2 chunks" in run("export", "test", "test.tar").output
    made = run("import", "test.tar", root="new").stdout.strip()
    assert [line["id"] for line in json_lines(run("list", "--json", root="new"))] == [made]
    [info] = json_lines(run("import", "test.tar", "--name", "again", "--json", root="new"))
    assert (info["name"], info["file_counts"]["completed"]) == ("again", 2)
    assert "green pear" in run("chunks", "again", "b.txt", root="new").output
    [report] = json_lines(run("export", "again", "again.tar", "--json", root="new"))
    assert (report["files"], report["left_out"]) == (3, [])
    assert run("check", root="new").output.strip() == "All is well."


@pytest.fixture
def exported(run, filled, engine):
    engine.close()
    run("export", "test", "test.tar")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("export", "nobody", "x.tar"), 1, "No vector store found"),
        (("export", "test", "test.tar"), 2, "path must be a new file"),
        (("import", "nowhere.tar"), 2, "path must be a file, and nowhere.tar is none"),
        (("import", "test.tar"), 1, "a vector store named 'test' exists already"),
        (("import", "test.tar", "--name", "vs_1"), 2, "look like an id"),
        (("import", "test.tar", "--name", "new", "--project", "nobody"), 1, "No project found"),
        (("import", "backup", "--name", "new"), 2, "path must be a file"),
    ],
)
def test_what_cannot_be_moved_is_said_in_a_sentence(run, exported, arguments, status, sentence):
    assert sentence in run(*arguments, status=status).output
    assert len(json_lines(run("list", "--json"))) == 1
