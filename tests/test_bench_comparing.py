"""What the bench of retrieval quality tells of its scores: differences, failures, tables, and what is too low."""

import csv
import json
import tomllib
from itertools import chain

import judged
import pytest

from bench import calibration, comparing, failures, learned, quality, results, scale, windows
from bench.__main__ import main
from bench.significance import p_value
from bench.speed import ratios
from vecstore import HashingEmbedder

documents, pages, passages, spans = judged.documents, judged.pages, judged.passages, judged.spans


def test_a_difference_is_told_with_its_interval(documents):
    report = quality.run([documents], embedder=HashingEmbedder())
    worse = json.loads(json.dumps(report))
    worse["small"]["legs"]["reranked"]["nDCG@10"] = {"q1": 0.5, "q2": 0.5}
    told = comparing.compared(report, worse)
    assert "nDCG@10  +0.5000 ±0.0000  p 0.500  better 2, worse 0" in told
    assert "p 1.000" in told  # what is equal


def written(report, path, baseline=None, leg="reranked"):
    failures.write(report, path, leg="reranked", baseline=baseline or {}, baseline_leg=leg)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_question_is_written_down_with_what_made_its_results(documents, tmp_path):
    report = quality.run([documents], embedder=HashingEmbedder())
    first = written(report, tmp_path / "q.csv")[0]
    assert (first["collection"], first["question"], first["measure"], first["fused"]) == (
        "small",
        "q1",
        "nDCG@10",
        "1.0",
    )
    assert first["first results"].startswith("1. d/1* 0.")
    assert "words 0." in first["first results"]
    assert "neighbours 0." in first["first results"]
    assert "ferri" in first["first results"].split("[")[1]
    assert first["missed"] == first["outcome"] == ""


def test_wins_and_losses_beside_a_baseline_are_written_down(documents, tmp_path):
    report = quality.run([documents], embedder=HashingEmbedder())
    other = json.loads(json.dumps(report))
    other["small"]["legs"]["reranked"]["nDCG@10"] = {"q1": 0.25, "q2": 1.0}
    rows = [each for each in written(report, tmp_path / "q.csv", other) if each["measure"] == "nDCG@10"]
    assert [(each["outcome"], each["difference"]) for each in rows] == [("win", "0.75"), ("tie", "0.0")]
    rows = written(other, tmp_path / "q.csv", report)
    assert rows[0]["outcome"] == "loss"
    rows = written(other, tmp_path / "q.csv", other, leg="text")  # a leg of the same run
    assert rows[0]["outcome"] == "loss"


def test_a_judged_document_below_the_first_results_is_told_with_its_rank(tmp_path):
    folder = tmp_path / "deep"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": f"d{i}", "title": "", "text": "ferry times " * (9 - i) + "filler " * 9 * i} for i in range(8)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "ferry times"}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td7\t1\n")
    report = quality.run([folder], embedder=HashingEmbedder())
    assert written(report, tmp_path / "q.csv")[0]["missed"].startswith("8. d7* 0.")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tgone\t1\n")
    assert written(quality.run([folder], embedder=HashingEmbedder()), tmp_path / "q.csv")[0]["missed"] == "not found"


def test_what_answers_is_marked_in_every_layout(pages, spans, passages):
    for folder in (pages, spans, passages):
        [scores] = quality.run([folder], embedder=HashingEmbedder()).values()
        assert any("* 0." in each["first results"] for each in scores["failures"].values()), folder


def test_a_difference_is_tested():
    better = {str(i): 0.1 for i in range(20)}
    mixed = {str(i): 0.1 * (-1) ** i for i in range(20)}
    assert p_value(better) < 0.01
    assert p_value(mixed) > 0.5
    assert p_value(dict.fromkeys("abc", 0.0)) == 1.0
    assert p_value({"a": 0.3}) == 1.0  # of one question chance can do all


def test_both_legs_are_held_against_the_better_one(documents, tmp_path):
    report = quality.run([documents], embedder=HashingEmbedder())
    assert comparing.below_a_leg(report) == []
    assert "reranked and text" in comparing.against_legs(report)
    report["small"]["legs"]["fused"]["nDCG@10"] = {"q1": 0.5, "q2": 1.0}
    report["small"]["legs"]["reranked"]["nDCG@10"] = {"q1": 0.25, "q2": 1.0}
    assert comparing.below_a_leg(report) == [
        "small: nDCG@10 is 0.7500 fused, 1.0000 by text alone",
        "small: nDCG@10 is 0.6250 reranked, 1.0000 by text alone",
    ]
    expected = tmp_path / "expected.toml"
    expected.write_text('["small, auto"]\ncommand = "this"\nscores = {}\n')
    assert results.below(report, cut="auto", path=expected) == []  # of two questions, one may be chance
    report["small"]["legs"]["reranked"]["nDCG@10"] = {"q1": 0.25, "q2": 0.5}
    told = "small, auto: nDCG@10 is 0.3750 by both legs and 1.0000 by one"
    assert results.below(report, cut="auto", path=expected) == [told]


def test_a_baseline_is_a_file_or_a_leg(documents, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vecstore.engine.default_embedder", HashingEmbedder)
    out = tmp_path / "out.json"
    assert main(["quality", str(documents), "--out", str(out), "--baseline", "text"]) == 0
    assert main(["quality", str(documents), "--baseline", str(out)]) == 0
    assert capsys.readouterr().out.count("nDCG@10  +0.0000 ±0.0000  p 1.000  better 0, worse 0") == 2


def test_what_is_recorded_is_told_in_tables(documents, spans, tmp_path):
    recorded, expected = tmp_path / "quality.json", tmp_path / "expected.toml"
    expected.write_text('["small, auto"]\nrole = "dev"\n\n["exact, auto"]\nrole = "test"\n')
    for folder in (spans, documents):
        results.record(quality.run([folder], embedder=HashingEmbedder()), cut="auto", path=recorded)
    told = results.tables(recorded, expected)
    assert "| small (dev) | 1.000 |" in told
    assert "| 1.000 ±0.000 |" in told
    assert "| exact (test) | recall, 5 chunks | 1.000 |" in told
    assert "| exact (test) | recall, 1500 tokens | 1.000 |" in told
    readme = tmp_path / "README.md"
    pairs = [(each.BEGIN, each.END) for each in (ratios, scale, calibration, learned, windows)]
    marks = (results._BEGIN, "old", results._END, *chain.from_iterable(pairs))
    readme.write_text(f"before\n{''.join(marks)}after\n")
    assert "| whole set |" in results.tables()
    assert results.rewrite_readme(readme)
    assert not results.rewrite_readme(readme)
    assert readme.read_text().startswith("before\n")
    assert readme.read_text().endswith("after\n")


def test_a_lower_score_than_expected_is_told(documents, tmp_path):
    report = quality.run([documents], embedder=HashingEmbedder())
    expected = tmp_path / "expected.toml"
    expected.write_text('["small, auto"]\ncommand = "this"\nscores = { "R@3" = 1.0, "RR@10" = 1.1 }\n')
    assert results.below(report, cut="auto", path=expected) == ["small, auto: RR@10 is 1.0000, expected 1.1; this"]
    with pytest.raises(ValueError, match="expects nothing of small, structure 200"):
        results.below(report, cut="structure 200", path=expected)


def test_what_cannot_be_told_is_said(documents, tmp_path):
    report = quality.run([documents], embedder=HashingEmbedder())
    recorded, expected = tmp_path / "quality.json", tmp_path / "expected.toml"
    results.record(report, cut="auto", path=recorded)
    expected.write_text("")
    with pytest.raises(ValueError, match="no entry for 'small, auto'"):
        results.tables(recorded, expected)
    with pytest.raises(ValueError, match="the baseline has none"):
        comparing.compared(report, {})
    with pytest.raises(ValueError, match="names of their own"):
        quality.run([documents, documents], embedder=HashingEmbedder())


def test_the_readme_tells_what_is_recorded():
    assert results.tables() in results.README.read_text(encoding="utf-8")


def test_every_recorded_set_has_a_role():
    names = json.loads(results.QUALITY.read_text(encoding="utf-8"))
    roles = {name: each["role"] for name, each in tomllib.loads(results.EXPECTED.read_text()).items()}
    assert set(roles) == set(names)
    assert set(roles.values()) == {"dev", "test"}
