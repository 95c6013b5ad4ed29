"""`bench scale` and `bench recovery`: what they tell, of stores that are small."""

import json

import pytest

from bench import recovery, results, scale
from bench.__main__ import main


@pytest.fixture(scope="module")
def report():
    return scale.run(sizes=[400, 200], stores=3, on_step=lambda _: None)


@pytest.fixture
def recorded(report, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "RESULTS", tmp_path / "scale.jsonl")
    scale.record(report)
    return scale.RESULTS


def test_each_size_is_measured_as_the_store_grows(report):
    chunks = [each["chunks"] for each in report["one"]]
    assert 200 <= chunks[0] < 400 <= chunks[1] < 600
    for each in report["one"]:
        assert all(each[key] > 0 for _, key in scale._COSTS.values() if key != "memory_mb")
        assert 1_000 < each["disk_bytes_a_chunk"] < 20_000


def test_small_stores_are_of_the_chunks_that_are_told(report):
    assert report["many"]["stores"] == 3
    assert 80 <= report["many"]["chunks_each"] <= 120


def test_a_report_is_a_table_a_record_and_a_plot(report, recorded, tmp_path):
    assert "3 vector stores of" in scale.table(report)
    assert json.loads(recorded.read_text()) == report
    told = scale.markdown(recorded)
    assert told.startswith(
        f"| chunks | {report['one'][0]['chunks']:,} | {report['one'][1]['chunks']:,} |\n|---|---|---|\n"
    )
    scale.plot(report, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_record_the_readme_would_say_so(tmp_path):
    assert scale.markdown(tmp_path / "none.jsonl") == "No run is recorded yet.\n"


def test_the_readme_tells_the_last_recorded_growth():
    assert scale.markdown() in results.README.read_text(encoding="utf-8")


def test_recovery_is_measured_after_kills(capsys):
    assert main(["recovery", "--chunks", "200", "--kills", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["chunks"] >= 200
    assert 0 < report["ready_median_s"] <= report["ready_p99_s"]
    assert "of 1 kills" in recovery.table(report)
