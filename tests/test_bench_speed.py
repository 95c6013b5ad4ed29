"""The bench beside other engines: all are given the same, what they find is held against an exact search."""

import json
import shutil
import sys

import numpy as np
import pytest

from bench import results
from bench.__main__ import main
from bench.speed import command, corpus, environments, given, measure, ratios
from bench.speed.given import Filter


def make(folder, **other):
    return corpus.make(folder, **{"chunks": 60, "tokens": 100, "questions": 4, "seed": 1, **other})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make(tmp_path_factory.mktemp("speed") / "corpus")


@pytest.fixture(scope="module")
def measured():
    left_out = {}
    pythons = {"exact": sys.executable, "chroma": shutil.which("false")}
    wanted = {"chunks": 200, "tokens": 180, "questions": 4, "seed": 0}
    return measure.run(pythons, **wanted, on_step=lambda _: None, left_out=left_out), left_out


@pytest.fixture(scope="module")
def report(measured):
    size, left_out = measured
    return {"machine": "this", "load": 0.0, "versions": {}, "queries": 4, "sizes": [size], "left out": left_out}


# What all are given


def test_the_same_seed_makes_the_same_corpus(small, tmp_path):
    again, other = make(tmp_path / "again"), make(tmp_path / "other", seed=2)
    for one in ("chunks.json", "questions.json", "extras.json", "files.json", "vectors.npy", "questions.npy"):
        assert (again.folder / one).read_bytes() == (small.folder / one).read_bytes()
        assert (other.folder / one).read_bytes() != (small.folder / one).read_bytes()


def test_a_chunk_is_its_stretch_of_its_file_and_has_the_fields_of_it(small):
    fields = json.loads((small.folder / "files.json").read_text())
    chunks = given.chunks(small.folder)
    for i, (name, text) in enumerate(zip(chunks.names, chunks.texts, strict=True)):
        file, start = name.split(":")
        assert (small.folder / "files" / file).read_text()[int(start) :].startswith(text)
        assert fields[file] == {"part": chunks.parts[i], "topic": chunks.topics[i]}
    assert small.numbers[chunks.names[7]] == 7
    assert np.allclose(np.linalg.norm(chunks.vectors, axis=1), 1, atol=1e-5)


def test_chunks_that_are_embedded_in_several_windows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="chunks of 400 tokens"):
        make(tmp_path / "corpus", tokens=400)


def test_the_right_answers_are_the_nearest_that_a_filter_allows(small):
    chunks = small.chunks
    topic = chunks.topics[5]
    allowed = [i for i, each in enumerate(chunks.topics) if each == topic]
    [found] = small.nearest(chunks.vectors[5:6], Filter("topic", "eq", topic))
    assert 5 in found
    assert found <= set(allowed)
    assert len(found) == min(given.RESULTS, len(allowed))
    [found] = small.nearest(chunks.vectors[5:6], None)
    worst = min(chunks.vectors[i] @ chunks.vectors[5] for i in found)
    assert sum(each @ chunks.vectors[5] > worst for each in chunks.vectors) == given.RESULTS - 1


def test_ranks_are_fused_by_their_reciprocals():
    assert given.fused([[1, 2, 3], [3, 4]]) == [3, 1, 2, 4]
    assert given.fused([[2], [1]]) == [1, 2]
    assert len(given.fused([list(range(50)), []])) == given.RESULTS


# What is measured


def test_every_engine_is_measured_in_every_kind(measured):
    size, _ = measured
    assert list(size["engines"]) == [measure.OURS, "exact", measure.INDEXES]
    for figures in size["engines"].values():
        assert set(figures["searches"]) == {kind.name for kind in measure.KINDS}
        assert all(each["cpu p50 ms"] > 0 for each in figures["searches"].values())
        assert figures["first answer"]["cpu ms"] > 0
        assert figures["resident MB"] > 0
    for name in (measure.OURS, "exact"):
        figures = size["engines"][name]
        assert figures["ingestion"]["cpu_s"] > 0
        assert figures["bytes a chunk"] > corpus.DIMENSIONS * 2 + size["characters a chunk"]
        assert figures["add"]["wall ms"] > 0
        assert figures["delete"]["wall ms"] > 0


def test_what_engines_find_is_held_against_an_exact_search(measured):
    engines = measured[0]["engines"]
    for kind in measure.KINDS:
        if kind.leg == "dense":
            assert engines["exact"]["searches"][kind.name]["recall"] == 1
    for name in (measure.OURS, measure.INDEXES):
        assert engines[name]["searches"]["dense"]["recall"] == 1


def test_an_engine_that_fails_is_left_out_with_the_reason(measured):
    assert list(measured[1]) == ["chroma"]
    assert measured[1]["chroma"].startswith("failed to ingest: its process ended")


def test_an_engine_that_does_not_find_what_was_added_fails(small, tmp_path):
    with measure.Process("exact", sys.executable, small.folder, tmp_path / "data") as process:
        process.ask("ingest")
        process.ask("open")
        with pytest.raises(measure.EngineError, match="chunk 1000 was added and is not among the first 10"):
            process.ask("add", number=1000, extra=0)  # it is found by the next number there
        process.ask("add", number=len(small.chunks.texts) + 1, extra=1)
        process.ask("delete", number=len(small.chunks.texts) + 1, extra=1)


def test_an_exact_search_keeps_to_its_filter(small, tmp_path):
    with measure.Process("exact", sys.executable, small.folder, tmp_path / "data") as process:
        process.ask("ingest")
        process.ask("open")
        for leg in ("hybrid", "dense", "keyword"):
            found = process.ask("search", leg=leg, number=0, wanted=["topic", "eq", small.chunks.topics[0]])["found"]
            assert found
            assert {small.chunks.topics[i] for i in found} == {small.chunks.topics[0]}


# What is told


def test_the_table_has_a_column_an_engine_and_says_who_is_left_out(report):
    told = command.table(report)
    assert "vecstore-indexes" in told
    assert "hybrid, far topic, CPU ms p50 / p99" in told
    assert "left out: chroma, which failed to ingest" in told


def test_ratios_are_those_to_vecstore(report, tmp_path):
    recorded = tmp_path / "speed.jsonl"
    recorded.write_text(json.dumps(report) + "\n")
    engines = report["sizes"][0]["engines"]
    ratio = engines["exact"]["bytes a chunk"] / engines["vecstore"]["bytes a chunk"]
    told = ratios.markdown(recorded)
    assert f"| bytes on disk | 1 | - | {ratio:.2f} |" in told
    assert "| recall@10 | 1.000 | 1.000 | 1.000 |" in told


def test_the_readme_tells_the_last_recorded_run(tmp_path):
    assert ratios.markdown() in results.README.read_text(encoding="utf-8")
    assert ratios.markdown(tmp_path / "none.jsonl") == "No run on a quiet machine is recorded yet.\n"


def test_a_peer_that_cannot_be_installed_is_named_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    pythons, left_out = environments.made(["chroma", "exact"], tmp_path / "file")
    assert list(pythons) == ["exact"]
    assert left_out["chroma"].startswith("cannot be installed: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--against", "oracle"],
            "--against must be some of chroma, lancedb, qdrant-edge, sqlite, exact, not 'oracle'",
        ),
        (["--queries", "0"], "--queries must be 1 or more, not 0"),
        (["--chunks", "0"], "argument --chunks: must be whole numbers from 1, as 10000,100000, not '0'"),
        (["--chunks", "10,x"], "not '10,x'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, said, capsys):
    with pytest.raises(SystemExit):
        main(["speed", *arguments])
    assert said in capsys.readouterr().err
