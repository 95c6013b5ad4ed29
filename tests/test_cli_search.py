"""`vecstore search`: what a person and a program are shown, and which embedder and chat model it takes."""

import json
import os
import subprocess
import sys

import chat_server
import command_line
from command_line import json_lines, names

environment, run = command_line.environment, command_line.run
docs, filled = command_line.docs, command_line.filled


def test_a_person_sees_score_file_headings_and_passage(run, filled):
    several = run("search", "kb", "sixteen weeks", "--max-per-file", "1", "--diversity", "0.2", "--json").output
    files = [json.loads(line)["file_id"] for line in several.splitlines()]
    assert len(files) == len(set(files)) >= 1
    shown = run("search", "kb", "sixteen weeks", "-n", "1", "--explain").output
    assert "leave.md" in shown
    assert "Parental leave is sixteen weeks." in shown
    assert "cosine" in shown
    assert "BM25" in shown
    shown = run("search", "kb", 'is it "sixteen weeks"', "-n", "1", "--explain").output
    assert 'matched terms: sixteen week "sixteen week"' in " ".join(shown.split())


def test_a_rewritten_query_is_searched_for_and_printed(run, filled):
    asked = "Hello! What is parental leave? And what does E-2041 mean?"
    done = run("search", "kb", asked, "--rewrite", "--json")
    assert [line.strip() for line in done.stderr.splitlines()] == ["→ parental leave", "→ E-2041"]
    assert {line["filename"]: line["query"] for line in json_lines(done)} == {
        "leave.md": "parental leave",
        "deep/codes.txt": "E-2041",
    }
    plainly = run("search", "kb", asked, "--json")
    assert plainly.stderr == ""
    assert {line["query"] for line in json_lines(plainly)} == {asked}


def test_a_chat_model_may_rewrite_it(run, filled):
    with chat_server.running(lambda _: "sixteen weeks") as chat:
        said = run("--rewrite-url", chat.url, "--rewrite-model", "small", "search", "kb", "How long?", "--rewrite")
    assert "→ sixteen weeks" in said.stderr
    assert "leave.md" in said.stdout
    for flag in ("--rewrite-url", "--rewrite-model"):
        assert "go together" in run(flag, "x", "search", "kb", "How long?", status=2).stderr
    wrong = ("--rewrite-url", "nope", "--rewrite-model", "small")
    for verb in (("search", "kb", "How long?"), ("serve",)):
        assert "base_url must be like http://localhost:8080/v1, not 'nope'" in run(*wrong, *verb, status=2).stderr


def test_matched_words_are_highlighted_in_colour(environment, filled):
    colours = {**os.environ, **environment, "FORCE_COLOR": "1"}
    command = [sys.executable, "-m", "vecstore", "search", "kb", "sixteen", "-n", "1"]
    done = subprocess.run(command, env=colours, capture_output=True, text=True, check=True)
    assert "\x1b[1;33msixteen\x1b[0m" in done.stdout


def test_attributes_are_typed_and_filtered_by(run, docs):
    run("create", "kb")
    run("add", "kb", str(docs / "leave.md"), "--attr", "year=2025", "--attr", "kind=policy", "--attr", "draft=false")
    run("add", "kb", str(docs / "deep"), "--attr", 'year="2025"')
    [leave, codes] = json_lines(run("files", "kb", "--json"))
    assert leave["attributes"] == {"year": 2025, "kind": "policy", "draft": False}
    assert codes["attributes"] == {"year": "2025"}
    number = '{"type":"eq","key":"year","value":2025}'
    assert names(run("search", "kb", "E-2041", "--json", "--filter", number)) == ["leave.md"]


def test_another_embedder_is_refused_with_a_sentence(run, environment, filled):
    environment["VECSTORE_EMBEDDER"] = "other"
    assert "was made with the embedder openai:hashing:64" in run("search", "kb", "x", status=1).stderr


def test_an_embedder_that_fails_is_not_an_empty_result(run, environment, filled):
    environment["VECSTORE_EMBEDDER"] = "missing"
    done = run("search", "kb", "x", status=1)
    assert "answered 404" in done.stderr
    assert "No passage" not in done.output


def test_a_device_that_is_not_there_is_a_sentence(run, environment, filled, tmp_path):
    del environment["VECSTORE_EMBEDDER_URL"]
    environment["VECSTORE_EMBEDDER"] = str(tmp_path)
    done = run("--device", "cuda", "search", "kb", "x", status=1)
    assert done.stderr.startswith("Error: ")


def test_results_are_shown_with_what_surrounds_them(run, tmp_path):
    parts = "".join(
        f"## Pier {n}\n\nThe keeper of pier {n} reads the gauge. {'Ropes are oiled. ' * 60}\n\n" for n in range(6)
    )
    (tmp_path / "piers.md").write_text("# Harbour\n\n" + parts)
    run("create", "kb")
    run("add", "kb", str(tmp_path / "piers.md"), "--chunk-size", "100", "--chunk-overlap", "0")
    query = ("search", "kb", "keeper of pier 3 gauge", "-n", "1")
    section = json.loads(run(*query, "--context", "section", "--json").output)["surroundings"]
    assert section["text"].startswith("## Pier 3\n")
    assert section["text"].count("Ropes are oiled.") == 60
    beside = json.loads(run(*query, "--context", "1", "--json").output)["surroundings"]
    assert beside["end"] - beside["start"] == len(beside["text"])
    assert run(*query, "--context", "section").output.count("Ropes are oiled.") == 60
    assert (
        "--context must be 'section' or a number of neighbours up to 50, not 'x'"
        in run(*query, "--context", "x", status=2).output
    )


def test_info_of_a_vector_store_tells_how_it_is_searched(run, tmp_path):
    (tmp_path / "pears.txt").write_text("green pear")
    run("create", "fruit")
    assert json.loads(run("info", "fruit", "--json").output)["recall_at_10"] is None
    assert "nothing to measure" in run("info", "fruit").output
    run("add", "fruit", str(tmp_path / "pears.txt"))
    facts = json.loads(run("info", "fruit", "--json").output)
    assert (facts["kind"], facts["windows"], facts["segments"], facts["recall_at_10"]) == ("exact", 1, 1, 1.0)
    assert facts["disk_bytes"] == 2 * 64
    shown = run("info", "fruit").output
    assert "exact scan" in shown
    assert "1.000 of 1 queries" in shown
    assert "No vector store found with the name or id 'nuts'" in run("info", "nuts", status=1).output
