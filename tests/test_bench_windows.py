"""The bench of window lengths."""

import json

import numpy as np
import pytest

from bench import windows
from bench.__main__ import main
from ingestion import cutter
from vecstore import HashingEmbedder


@pytest.fixture
def collection(tmp_path):
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    texts = {"a": "the ferry leaves at six " * 40, "b": "bees make honey " * 40, "c": "noon"}
    rows = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in texts.items()]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "the ferry leaves at six"}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
    return folder


def test_shorter_windows_are_more_vectors(collection):
    report = windows.run([collection], sizes=(20, 100), embedder=HashingEmbedder())["small"]
    assert report["20"]["vectors"] > report["100"]["vectors"] >= 3
    assert report["20"]["chunks"] == report["100"]["chunks"] == 3
    assert report["100"]["nDCG@10"]["best window"] == 1.0
    assert cutter.WINDOW_TOKENS == 200  # as before
    assert "| 20 tokens, small | 1.000 |" in windows.table({"small": report})


def test_chunks_are_scored_by_their_windows_as_the_pooling_says():
    cosines = np.array([[0.9, 0.1], [0.5, 0.3], [0.1, 0.2]], np.float32)  # three windows, two questions
    assert {name: pooled(cosines).round(3).tolist() for name, pooled in windows.POOLINGS.items()} == {
        "best window": pytest.approx([0.9, 0.3]),
        "mean of the best two": pytest.approx([0.7, 0.25]),
        "mean of all": pytest.approx([0.5, 0.2]),
    }
    assert windows.POOLINGS["mean of the best two"](cosines[:1]).tolist() == pytest.approx([0.9, 0.1])


def test_what_is_recorded_is_told(collection, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(windows, "RESULTS", tmp_path / "windows.json")
    monkeypatch.setattr(windows, "default_embedder", HashingEmbedder)
    assert main(["windows", str(collection), "--tokens", "50"]) == 0
    windows.record(windows.run([collection], sizes=(50,)), tmp_path / "windows.json")
    assert windows.markdown(tmp_path / "windows.json") in capsys.readouterr().out
