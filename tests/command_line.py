"""What tests of the command line share: its verbs run in a folder of their own, documents, and what is printed."""

import json

import pytest
from click.testing import CliRunner

from vecstore.cli import main


@pytest.fixture
def environment(tmp_path, embeddings_url):
    return {
        "VECSTORE_ROOT": str(tmp_path / "kb"),
        "VECSTORE_EMBEDDER": "hashing",
        "VECSTORE_EMBEDDER_URL": embeddings_url,
    }


@pytest.fixture
def run(environment):
    def run(*arguments, status=0, given=None):
        done = CliRunner(env=environment).invoke(main, list(arguments), catch_exceptions=False, input=given)
        assert done.exit_code == status, done.output
        return done

    return run


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "leave.md").write_text("# Leave\n\n## Parental leave\n\nParental leave is sixteen weeks.\n")
    (folder / "deep" / "codes.txt").write_text("E-2041 means a CRC mismatch.\n")
    (folder / ".hidden").write_text("not for you")
    return folder


@pytest.fixture
def filled(run, docs):
    run("create", "kb")
    run("add", "kb", str(docs))
    return docs


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def names(done):
    return [line["filename"] for line in json_lines(done)]
