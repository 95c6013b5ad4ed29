"""Small collections with judged questions, one of each layout that the bench reads."""

import gzip
import json

import pytest

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
