"""The bench of retrieval quality: collections as they come, and scores that are right where one can count."""

import csv
import gzip
import json
import shutil
import tomllib
from itertools import chain, pairwise

import numpy as np
import pytest
from pdf_files import pdf_of

import vecstore
from bench import calibration, comparing, failures, learned, plain, quality, results, scale, windows
from bench.__main__ import main
from bench.collections import load
from bench.significance import p_value
from bench.speed import ratios
from vecstore import HashingEmbedder, MultilingualEmbedder, SentenceTransformerEmbedder, Source, StaticStrategy
from vecstore.types import FileChunk

DOCUMENTS = {
    "d/1": ("Ferries", "The ferry leaves at six."),
    "d/2": ("", "Bees make honey."),
    "d/3": ("Tides", "High at noon."),
}


def jsonl(path, rows):
    content = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content.encode()))
    else:
        path.write_text(content)


def qrels(folder, rows):
    (folder / "qrels").mkdir()
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in rows)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    rows = [{"_id": key, "title": title, "text": text} for key, (title, text) in DOCUMENTS.items()]
    jsonl(folder / "corpus.jsonl.gz", rows)
    questions = {"q1": "when does the ferry leave", "q2": "honey", "q3": "nobody judged this"}
    jsonl(folder / "queries.jsonl", [{"_id": key, "text": text} for key, text in questions.items()])
    qrels(folder, [("q1", "d/1", 1), ("q2", "d/2", 2), ("q2", "d/1", 0)])
    return folder


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "filings"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "a.txt").write_text("Net sales were 34 million.")
    (folder / "files" / "b.txt").write_text("Nothing of note.")
    evidence = [{"page": 0, "text": "Net sales were 34 billion"}]
    jsonl(folder / "queries.jsonl", [{"_id": "q", "text": "net sales", "evidence": evidence}])
    qrels(folder, [("q", "a.txt#page=-1", 1)])  # a text has no pages: its range is 0 to 0
    return folder


@pytest.fixture
def spans(tmp_path):
    folder = tmp_path / "exact"
    (folder / "corpora").mkdir(parents=True)
    text = "Bees make honey. " + "Ferries leave at six. " * 3
    (folder / "corpora" / "a.md").write_text(text)
    references = [{"start": 0, "end": 16, "content": text[:16]}]
    jsonl(folder / "questions.jsonl", [{"_id": "q", "text": "honey", "corpus": "a", "references": references}])
    return folder


@pytest.fixture
def passages(tmp_path):
    folder = tmp_path / "ours"
    (folder / "samples" / "deep").mkdir(parents=True)
    (folder / "samples" / "a.md").write_text("# Hives\n\n| what | when |\n|---|---|\n| honey | July |\n\nBees fly.\n")
    (folder / "samples" / "deep" / "b.txt").write_text("Ferries leave at six.")
    honey, ferry = {"file": "a.md", "passage": "honey July"}, {"file": "deep/b.txt", "passage": "leave at  six"}
    rows = [
        {"id": "q1", "query": "honey July", "kind": "number", "relevant": [honey, ferry]},
        {"id": "q2", "query": "ferries leave", "kind": "multi-hop", "relevant": [honey, ferry]},
        {"id": "q3", "query": "what", "kind": "number", "relevant": [{"file": "deep/b.txt", "passage": "Ferries"}]},
    ]
    jsonl(folder / "questions.jsonl", rows)
    return folder


def test_a_beir_collection_is_files_of_which_each_has_its_title_as_heading(documents):
    collection = load(documents)
    assert [question.id for question in collection.questions] == ["q1", "q2"]
    assert collection.documents == {"000000.md": "d/1", "000001.txt": "d/2", "000002.md": "d/3"}
    assert [source.content for source in collection.sources()][:2] == [
        b"# Ferries\n\nThe ferry leaves at six.",
        b"Bees make honey.",
    ]
    before = collection.digest()
    jsonl(documents / "corpus.jsonl.gz", [{"_id": "x", "text": "y"}])
    assert load(documents).digest() != before


def test_of_several_splits_the_test_questions_are_asked(documents):
    (documents / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq3\td/3\t1\n")
    assert set(load(documents).qrels) == {"q1", "q2"}
    (documents / "qrels" / "test.tsv").unlink()
    assert set(load(documents).qrels) == {"q3"}


def test_what_is_no_collection_is_said(tmp_path, capsys):
    with pytest.raises(ValueError, match="has neither corpus"):
        load(tmp_path)
    with pytest.raises(SystemExit):
        main(["quality", "nothing", "--data", str(tmp_path)])
    assert "has neither corpus.jsonl, nor files/, corpora/ or samples/" in capsys.readouterr().err


def test_a_model_is_chosen_by_name_or_folder(documents, tmp_path, capsys):
    assert quality.embedder_of("default") is None
    assert isinstance(quality.embedder_of("multilingual"), MultilingualEmbedder)
    assert isinstance(quality.embedder_of(str(tmp_path)), SentenceTransformerEmbedder)
    with pytest.raises(SystemExit):
        main(["quality", str(documents), "--model", "unheard-of"])
    assert "--model must be default, multilingual or a folder, not 'unheard-of'" in capsys.readouterr().err


def test_documents_are_measured_for_each_leg(documents, tmp_path):
    report = quality.run([documents], work=tmp_path / "work", embedder=HashingEmbedder())
    scores = report["small"]
    assert (scores["questions"], scores["files"], scores["chunks"]) == (2, 3, 3)
    assert set(scores["legs"]) == {"text", "embedding", "fused", "reranked"}
    assert scores["legs"]["text"]["nDCG@10"] == {"q1": 1.0, "q2": 1.0}
    assert scores["legs"]["reranked"]["RR@10"] == {"q1": 1.0, "q2": 1.0}
    again = quality.run([documents], work=tmp_path / "work", embedder=HashingEmbedder())
    assert again == report  # of the index that was kept
    assert "small: 2 questions, 3 files, 3 chunks" in quality.table(report)


def test_ranks_below_the_first_are_scored_as_everybody_does(documents):
    collection = load(documents)
    [one] = [{"q1": {"d/3": 0.0, "d/1": -1.0}}]
    values = quality._measured(collection.qrels, one)
    assert values["nDCG@10"] == {"q1": pytest.approx(0.6309, abs=1e-4), "q2": 0.0}
    assert values["RR@10"] == {"q1": 0.5, "q2": 0.0}
    assert values["R@100"] == {"q1": 1.0, "q2": 0.0}


def test_pages_and_evidence(pages):
    values = quality.run([pages], embedder=HashingEmbedder())["filings"]["legs"]["reranked"]
    assert values["file@5"] == {"q": 1.0}
    assert values["page@5"] == {"q": 1.0}
    assert values["evidence@5"] == {"q": 0.8}


def test_characters_of_answers(spans):
    values = quality.run([spans], embedder=HashingEmbedder())["exact"]["legs"]["reranked"]
    length = len("Bees make honey. " + "Ferries leave at six. " * 3)
    for of in ("5 chunks", "1500 tokens"):
        assert values[f"recall, {of}"] == {"q": 1.0}
        assert values[f"precision, {of}"] == {"q": pytest.approx(16 / length, abs=0.01)}


def test_tokens_pay_for_a_share_of_the_last_chunk():
    chunks = [
        FileChunk(f"c{i}", "f", "long.txt", i, "", i * 4_000, (i + 1) * 4_000, 800, None, None, ()) for i in range(3)
    ]
    assert quality.first_tokens(chunks) == [("long.txt", 0, 4_000), ("long.txt", 4_000, 7_500)]
    assert quality.first_tokens(chunks[:1]) == [("long.txt", 0, 4_000)]


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


@pytest.mark.parametrize("leg", quality.LEGS)
def test_what_is_measured_is_what_a_search_finds(tmp_path, numbered_text, leg):
    weights, ranker = quality.LEGS[leg]
    with vecstore.open(tmp_path, embedder=HashingEmbedder()) as engine:
        store = engine.create("texts")
        cut = StaticStrategy(max_chunk_size_tokens=100, chunk_overlap_tokens=50)
        store.add_many([Source(f"{i}.txt", numbered_text(80 + i).encode()) for i in range(4)], chunking_strategy=cut)
        for question in ("word 12 and 13", '"three" of them', "nothing there"):
            _, kept = quality.ranked(engine, store.id, question, weights=weights, ranker=ranker, depth=20)
            found = store.search(question, max_num_results=20, hybrid_search=weights, ranker=ranker)
            assert [chunk.chunk_id for _, (chunk, _) in kept] == [each.chunk_id for each in found]


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


def test_every_second_question_is_one_half(documents):
    halves = [quality.run([documents], questions=half, embedder=HashingEmbedder())["small"] for half in ("odd", "even")]
    assert [set(half["texts"]) for half in halves] == [{"q2"}, {"q1"}]
    assert all(set(half["legs"]["reranked"]["nDCG@10"]) == set(half["texts"]) for half in halves)


def test_scores_are_held_against_judgments(documents, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(documents, other)
    work, plot = tmp_path / "work", tmp_path / "plot.png"
    arguments = ["calibration", str(documents), str(other), "--work", str(work), "--plot", str(plot), "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vecstore.engine.default_embedder", HashingEmbedder)
        assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["reliability"]) == {"text", "embedding", "fused", "with a reranker"}
    for values in report["F1"].values():
        assert 0 < values["at the threshold"] <= values["at its own"] <= 1
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_calibration_needs_other_questions(documents):
    with pytest.raises(ValueError, match="two or more"):
        calibration.run([documents])


def test_f1_of_questions_that_nothing_answers():
    answered = calibration.Asked(np.array([0.9, 0.2]), 0.0, np.array([True, False]), 1)
    foreign = calibration.Asked(np.array([0.1]), 0.0, np.array([False]), 0)
    f1 = calibration._f1([answered, foreign])
    at = int(0.5 / calibration.THRESHOLDS[1])
    assert f1[at] == 1.0  # the answer passes, and nothing of the other
    assert f1[0] == pytest.approx((2 / 3 + 0) / 2)


def test_passages_any_or_all_of_which_are_wanted(passages):
    values = quality.run([passages], embedder=HashingEmbedder())["ours"]["legs"]["text"]
    assert values["R@3"] == {"q1": 1.0, "q2": 0.5, "q3": 0.0}  # by words, each query finds one file
    assert values["nDCG@10"]["q1"] == 1.0
    assert values["RR@10"] == {"q1": 1.0, "q2": 1.0, "q3": 0.0}


def test_a_passage_that_is_nowhere_is_told(passages):
    (passages / "samples" / "deep" / "b.txt").write_text("Ferries leave at seven.")
    with pytest.raises(AssertionError, match="leave at  six is not in the parsed text"):
        quality.run([passages], embedder=HashingEmbedder())


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


def test_learned_rankers_are_measured_on_what_they_were_not_trained_on(documents, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(documents, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vecstore.engine.default_embedder", HashingEmbedder)
        assert main(["learned", str(documents), str(other), "--work", str(tmp_path / "work"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["small"] == report["other"]  # each learned from a copy of the other
    assert set(report["small"]) == {"built in", "linear", "boosted trees"}
    assert all(0 <= value <= 1 for value in report["small"].values())
    with pytest.raises(SystemExit):
        main(["learned", str(documents), "--work", str(tmp_path / "work")])


def test_the_right_page_of_a_pdf_and_the_plain_pipeline_beside_it(tmp_path):
    folder = tmp_path / "reports"
    (folder / "files").mkdir(parents=True)
    filler = [f"Paragraph {i} of the report is about the weather in the north." for i in range(30)]
    pages = [filler, ["Net sales were 34 billion dollars in 2018."], filler, ["The auditor resigned in May."]]
    (folder / "files" / "annual.pdf").write_bytes(pdf_of(*pages))
    (folder / "files" / "other.pdf").write_bytes(pdf_of(["Bees make honey."]))
    rows = [
        {
            "_id": "q1",
            "text": "how much were net sales",
            "evidence": [{"page": 1, "text": "Net sales were 34 billion"}],
        },
        {"_id": "q2", "text": "when did the auditor resign", "evidence": [{"page": 3, "text": "resigned in May"}]},
    ]
    jsonl(folder / "queries.jsonl", rows)
    qrels(folder, [("q1", "annual.pdf#page=1", 1), ("q2", "annual.pdf#page=3", 1)])
    report = quality.run([folder], strategy="structure", chunk_size=100)["reports"]
    assert report["legs"]["reranked"]["page@5"] == {"q1": 1.0, "q2": 1.0}
    assert report["legs"]["reranked"]["evidence@5"] == {"q1": 1.0, "q2": 1.0}
    assert set(report["legs"]) == {*quality.LEGS, quality.PLAIN}
    assert report["legs"][quality.PLAIN]["file@5"] == {"q1": 1.0, "q2": 1.0}


def test_the_plain_pipeline_cuts_at_tokens_and_knows_its_pages(tmp_path):
    lines = [f"Line {i} of this page says that the weather in the north is mild this year." for i in range(30)]
    (tmp_path / "long.pdf").write_bytes(pdf_of(*[lines] * 6))
    (tmp_path / "short.pdf").write_bytes(pdf_of(["Bees make honey."]))
    [found] = plain.search(tmp_path, ["who makes honey"], 10)
    assert found[0].filename == "short.pdf"
    assert found[0].pages == (1, 1)
    of_long = sorted((each for each in found if each.filename == "long.pdf"), key=lambda each: each.start)
    assert of_long[0].pages[0] == 1
    assert of_long[-1].pages[1] == 6
    assert all(later.start < sooner.end for sooner, later in pairwise(of_long))  # they overlap
