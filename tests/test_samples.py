"""The sample documents are what data/README.md says, and every judged passage stands in what is parsed of its file."""

import hashlib
import json
import re
from functools import cache
from pathlib import Path

import pytest

from ingestion import parse

DATA = Path(__file__).parent.parent / "data"
SAMPLES = DATA / "samples"
QUESTIONS = [json.loads(line) for line in (DATA / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
KINDS = {
    "paraphrase", "exact-code", "name", "number", "multi-hop", "hard-negative", "code", "other-language",
}  # fmt: skip
MAX_BYTES = 500_000


def squeeze(text):
    """Without white space that counts, nor the bars between the cells of a table."""
    return re.sub(r"[\s|]+", " ", text).strip()


@cache
def parsed(name):
    return squeeze(parse((SAMPLES / name).read_bytes(), name).text)


def test_questions_are_many_and_each_is_of_a_known_kind():
    assert len(QUESTIONS) >= 60
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert {question["kind"] for question in QUESTIONS} == KINDS


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_a_judged_passage_occurs_once_in_its_file(question):
    assert question["relevant"]
    for target in question["relevant"]:
        assert parsed(target["file"]).count(squeeze(target["passage"])) == 1


def test_the_readme_lists_every_sample_with_its_size_and_hash():
    listed = re.findall(
        r"^\| `(.+?)` \| ([\d,]+) \| `([0-9a-f]{64})` \|$", (DATA / "README.md").read_text(), re.MULTILINE
    )
    found = []
    for path in sorted(path for path in SAMPLES.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert len(content) <= MAX_BYTES
        found.append((path.relative_to(SAMPLES).as_posix(), f"{len(content):,}", hashlib.sha256(content).hexdigest()))
    assert sorted(listed) == sorted(found)
