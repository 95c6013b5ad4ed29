"""The bench of retrieval quality: collections as they come, and scores that are right where one can count."""

import json
import shutil
from itertools import pairwise

import judged
import numpy as np
import pytest
from judged import jsonl, qrels
from pdf_files import pdf_of

import vecstore
from bench import calibration, plain, quality
from bench.__main__ import main
from bench.collections import load
from vecstore import HashingEmbedder, MultilingualEmbedder, SentenceTransformerEmbedder, Source, StaticStrategy
from vecstore.types import FileChunk

documents, pages, passages, spans = judged.documents, judged.pages, judged.passages, judged.spans


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
