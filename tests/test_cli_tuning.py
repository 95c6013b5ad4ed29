import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import command_line
import pytest
from embeddings_server import Embeddings

SIGNS = [
    "boat",
    "river",
    "lamp",
    "stone",
    "cloud",
    "violin",
    "ladder",
    "pepper",
    "anchor",
    "mirror",
    "kettle",
    "falcon",
]


environment, run = command_line.environment, command_line.run


@pytest.fixture
def filled(run, tmp_path):
    (tmp_path / "docs").mkdir()
    for sign in SIGNS:
        (tmp_path / "docs" / f"{sign}.txt").write_text(f"What is said of the {sign} stands here.")
    run("create", "kb")
    run("add", "kb", str(tmp_path / "docs"))


@pytest.fixture
def queries(tmp_path):
    def write(*more):
        lines = [{"query": f"what of the {sign}", "relevant": [f"{sign}.txt"], "id": sign} for sign in SIGNS]
        path = tmp_path / "queries.jsonl"
        path.write_text(
            "".join(f"{json.dumps(each) if isinstance(each, dict) else each}\n" for each in [*lines, *more])
        )
        return str(path)

    return write


def weights(run):
    [line] = run("show", "kb", "--json").stdout.splitlines()
    return json.loads(line)["embedding_weight"]


def test_it_tells_questions_measures_gain_and_why_nothing_was_stored(run, filled, queries):
    done = run("tune", "kb", "--queries", queries())
    for said in (
        "questions  12",
        "meaning 0.5, words 0.5 fit best; so far meaning 0.5",
        "nDCG@10    1.000 so far",
        "gain       +0.000",
    ):
        assert said in done.output
    assert "not stored: the weights in use fit best" in done.output
    assert "weights      halves" in run("show", "kb").output


def test_force_stores_show_tells_and_reset_takes_back(run, filled, queries):
    assert "stored with 'kb'" in run("tune", "kb", "--queries", queries(), "--force").output
    assert weights(run) == 0.5
    assert "meaning 0.5, words 0.5, as tuned" in run("show", "kb").output
    assert "weights      halves" in run("tune", "kb", "--reset").output
    assert weights(run) is None


def test_a_program_gets_all_of_it_as_a_line_also_from_standard_input(run, filled, queries):
    text = Path(queries()).read_text()
    done = run("tune", "kb", "--queries", "-", "--json", "--dry-run", "--chunk-sizes", "100,800", given=text)
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["questions"], found["stored"], found["why_not"]) == (
        12,
        False,
        "it was only tried, and the weights in use fit best",
    )
    assert [cut["chunk_size"] for cut in found["cuts"]] == [None, 100, 800]
    assert [weight for weight, _ in found["ndcg_by_weight"]] == [i / 10 for i in range(11)]


def test_a_table_of_sizes_ends_in_what_to_do(run, filled, queries):
    shown = run("tune", "kb", "--queries", queries(), "--chunk-sizes", "100, 800").output
    assert "as it is" in shown
    assert "100 tokens" in shown
    assert "No size does better than the files as they are." in shown


def test_a_better_size_is_told_with_the_command_that_cuts_so(capsys):
    from vecstore import render_tuning
    from vecstore.tuning import Cut, Tuning

    def cut(size, gain, low):
        return Cut(size, 9, 0.6, 0.7 + gain, (0.6, 0.8), gain, (low, gain + 0.1))

    gain = "400 tokens do best (+0.200, 95 % interval {} to +0.300, cross-validated)"
    for low, stored, said in (
        (0.1, False, gain.format("+0.100") + ", which was only tried;"),
        (0.1, True, gain.format("+0.100") + ": stored, files added from now on are cut so"),
        (-0.1, False, gain.format("-0.100") + ", which may be chance;"),
    ):
        cuts = cut(None, 0.0, 0.0), cut(200, -0.1, -0.2), cut(400, 0.2, low)
        fitted = Tuning(12, 0.6, 0.5, 0.7, 0.7, 0.0, (0.0, 0.0), (), False, "it was only tried", cuts)
        sized = {"chunk_size": 400, "chunk_size_gain": 0.2, "chunk_size_gain_interval": (low, 0.3)}
        tuning = replace(fitted, **sized, chunk_size_stored=stored)
        render_tuning.report(tuning, "my kb", as_json=False)
        shown = " ".join(capsys.readouterr().out.split())
        assert said in shown
        assert "vecstore add 'my kb' PATH... --chunk-size 400" in shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "queries line 13: is not JSON: Expecting property name"),
        ('{"query": "x"}', "queries line 13: must be an object with"),
        (
            '{"query": "x", "relevant": ["gone.txt"]}',
            "queries line 13: names the file 'gone.txt', which vector store 'kb'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_nothing_is_stored(run, filled, queries, line, said):
    assert said in run("tune", "kb", "--queries", queries(line), "--force", status=2).stderr
    assert weights(run) is None


def test_options_that_do_not_go_together_are_told(run, filled, queries, tmp_path):
    assert "--queries FILE is needed" in run("tune", "kb", status=2).stderr
    assert "--reset goes without" in run("tune", "kb", "--reset", "--force", status=2).stderr
    assert "one of them" in run("tune", "kb", "--queries", queries(), "--force", "--dry-run", status=2).stderr
    assert "like 200,400,800" in run("tune", "kb", "--queries", queries(), "--chunk-sizes", "big", status=2).stderr
    assert "queries '" in run("tune", "kb", "--queries", str(tmp_path / "none"), status=2).stderr
    few = '{"query": "boat", "relevant": ["boat.txt"]}\n'
    assert "must be 10 or more" in run("tune", "kb", "--queries", "-", given=few, status=2).stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_by_a_signal_it_leaves_nothing_behind(
    run, filled, queries, environment, *, tmp_path, monkeypatch, number
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(Embeddings, "delay_s", 0.2)  # so that it is still at work
    hears_ctrl_c = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # also in the background
    program = f"{hears_ctrl_c}; from vecstore.cli import main; main()"
    tune = ["tune", "kb", "--queries", queries(), "--chunk-sizes", "100,200,400"]
    tuning = subprocess.Popen(
        [sys.executable, "-c", program, *tune],
        env={**os.environ, **environment, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(scratch.glob("vecstore-tune-*")):
        assert tuning.poll() is None, tuning.stderr.read()
        time.sleep(0.02)
    tuning.send_signal(number)
    _, errors = tuning.communicate(timeout=60)
    assert tuning.returncode == 130
    assert "Interrupted" in errors
    assert list(scratch.iterdir()) == []
    run("check")
