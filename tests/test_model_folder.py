"""What a model is named by: what is no name is refused when it is given, what is no folder when it is used."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vecstore import (
    CrossEncoderReranker,
    EmbeddingError,
    InvalidRequestError,
    RerankerError,
    SentenceTransformerEmbedder,
)
from vecstore.cli import main
from vecstore.model_folder import problem_of_folder

FOLDERS = ["/nope", "./nope", "../nope", "~/nope", "a/b/c"]


@pytest.mark.parametrize("name", ["", " ", None, 5, b"model"])
def test_what_is_no_name_is_refused_when_it_is_made(name):
    for make in (SentenceTransformerEmbedder, CrossEncoderReranker):
        with pytest.raises(InvalidRequestError, match="model must be a folder or a name on the hub, not "):
            make(name)


@pytest.mark.parametrize("name", [*FOLDERS, Path("/nope")])
def test_a_folder_that_is_missing_is_told_as_one(name):
    with pytest.raises(EmbeddingError, match=f"could not be loaded: the folder {name} does not exist"):
        SentenceTransformerEmbedder(name).identity  # noqa: B018 - asking is enough
    with pytest.raises(RerankerError, match=f"could not be loaded: the folder {name} does not exist"):
        CrossEncoderReranker(name).scores("query", ["text"])


def test_a_name_on_the_hub_is_no_folder(tmp_path):
    assert problem_of_folder("owner/model") is None
    assert problem_of_folder("model") is None
    assert problem_of_folder(str(tmp_path)) is None
    (tmp_path / "weights").write_bytes(b"")
    assert "is a file, not the folder of a model" in problem_of_folder(str(tmp_path / "weights"))


def test_a_name_that_the_hub_cannot_have_is_a_sentence():
    with pytest.raises(EmbeddingError, match="'a b' is neither a folder nor could it be downloaded"):
        SentenceTransformerEmbedder("a b").identity  # noqa: B018 - asking is enough


def test_the_command_line_says_so(tmp_path, embeddings_url):
    root = ("--root", str(tmp_path / "kb"))

    def run(*arguments, status):
        done = CliRunner().invoke(main, [*root, *arguments], catch_exceptions=False)
        assert done.exit_code == status, done.output
        return done.stderr

    run("--embedder", "hashing", "--embedder-url", embeddings_url, "create", "kb", status=0)
    assert "the folder /nope does not exist" in run("--embedder", "/nope", "search", "kb", "words", status=1)
    for option in ("--embedder", "--reranker"):
        assert "model must be a folder or a name on the hub, not ''" in run(option, "", "search", "kb", "x", status=2)
