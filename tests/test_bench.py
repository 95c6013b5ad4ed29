"""The programs that measure: what they count as right, and that what they run cannot harm them."""

import io
import json
import os
import random
import socket
import sys
import zipfile
from pathlib import Path

import pytest

from bench import batch, child, documents, embed, fuzz, hostile, manifest, mutate, parse, promises, reader
from bench.__main__ import main
from bench.minimise import minimised
from ingestion import Document, Span


def write_manifest(folder, *rows):
    """A folder of documents: (name, content, expected, snippets, structure) each."""
    lines = ["file\tformat\texpected\tsnippets\tstructure\tpassword\tattack"]
    for name, content, expected, snippets, structure in rows:
        (folder / name).write_bytes(content)
        lines.append(f"{name}\t{name.split('.')[-1]}\t{expected}\t{snippets}\t{structure}\t\tnone")
    (folder / "MANIFEST.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


# What is looked for


@pytest.mark.parametrize(
    ("snippet", "text"),
    [
        ("the quick fox", "(The)\n\n QUICK, fox!"),
        ("a lighthouse", "a light-\nhouse"),
        ("日本 語", "日本語"),
        ("final ﬁgures", "snake_final figures"),
    ],
)
def test_a_snippet_is_its_words_one_after_the_other(snippet, text):
    assert manifest.words(snippet) in manifest.words(text)


@pytest.mark.parametrize("text", ["the very quick fox", "the quick foxes", "bathe quick fox"])
def test_other_words_are_not_the_snippet(text):
    assert manifest.words("the quick fox") not in manifest.words(text)


def test_a_snippet_of_a_page_is_looked_for_on_that_page():
    snippets = [manifest.Snippet("one", 1, ocr=False), manifest.Snippet("two", 1, ocr=False)]
    assert manifest.missing(snippets, "one two", ["one", "two"]) == ["two"]
    assert manifest.missing(snippets, "one two", None) == []


# documents


def test_documents_are_judged_by_snippets_structure_and_errors(tmp_path):
    folder = write_manifest(
        tmp_path,
        ("good.md", b"# Pumps\n\n|a|b|\n|-|-|\n|1|2|\n", "ok", "pumps || 1 2", "headings=Pumps; table_rows>=2"),
        ("bad.md", b"# Pumps\n", "ok", "pumps", "headings=Valves"),
        ("lost.txt", b"something else", "ok", "not there", ""),
        ("broken.docx", b"PK\x03\x04", "error:damaged", "", ""),
        ("blank.txt", b"  \n", "ok:empty", "", ""),
    )
    report = documents.run(folder)
    said = report["verdicts"]["vecstore"]
    assert {file for file, wrong in said.items() if wrong} == {"bad.md", "lost.txt"}
    assert said["bad.md"] == "headings missing: Valves"
    assert report["share"] == 3 / 5
    shown = documents.table(report, failures=True)
    assert "share as expected: 0.6000" in shown
    assert "bad.md: headings missing: Valves" in shown
    assert main(["documents", str(folder), "--no-peers"]) == 1
    assert main(["documents", str(folder), "--no-peers", "--at-least", "0.6"]) == 0


def test_an_error_that_is_a_dead_worker_is_never_as_expected():
    row = manifest.Row("a.pdf", "pdf", "ok-or-error", (), (), "")
    assert documents.judge(row, documents.Outcome(error="x", broke=True)) == "x"
    assert documents.judge(row, documents.Outcome(error="x")) == ""


def test_names_of_sheets_count_as_text_before_their_sheet():
    document = Document("1 | 2\n", "text/csv", (Span("sheet", 0, 6, "Prices", 1),))
    assert manifest.words("prices 1 2") in manifest.words(documents._labelled(document))


# parse


def test_parse_measures_and_counts_what_a_library_cannot_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"some words\n")
    (tmp_path / "b.txt").write_bytes("caf\u00e9 au lait".encode("latin-1"))
    report = parse.run(tmp_path, runs=1)
    rows = {row["library"]: row for row in report["figures"]}
    assert (rows["ingestion.parse"]["read"], rows["ingestion.parse"]["failed"]) == (2, 0)
    assert (rows["read_text"]["read"], rows["read_text"]["failed"]) == (1, 1)
    assert rows[parse.WORKERS]["read"] == 2
    assert rows["ingestion.parse"]["mb_s"] > 0
    assert report["peak_rss_mb"]["ingestion.parse"] > 1
    assert "read_text" in parse.table(report)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_library_that_hangs_costs_one_file(tmp_path):
    os.mkfifo(tmp_path / "never.txt")
    (tmp_path / "a.txt").write_text("words")
    with reader.Reader("read_text", timeout_s=1.0) as plain:
        assert plain.read(tmp_path / "never.txt") == {"error": "hangs: no answer in 1 s"}
        assert plain.read(tmp_path / "a.txt", text=True)["texts"] == ["words"]


def test_what_is_not_installed_has_no_version():
    found = reader.versions()
    assert found["email"] == sys.version.split()[0]
    assert found["docling"] == ""


# hostile


@pytest.mark.parametrize(
    ("expected", "text", "error", "allowed"),
    [
        ("rejected: limit", None, "no", True),
        ("rejected: limit", "x", "", False),
        ('ok: "good text"; ends', "some good, text", "", True),
        ('ok: "good text"; ends', "bad", "", False),
        ("ok; bounded time", None, "no", False),
        ("rejected, or ok without it", "x", "", True),
        ("rejected, or ok without it", None, "no", True),
        ("ok: empty/needs OCR", None, "'a' has no text", True),
    ],
)
def test_an_unambiguous_expectation_can_be_contradicted(expected, text, error, allowed):
    assert (hostile.contradiction(expected, text, error) == "") is allowed


def test_hostile_files_are_told_with_what_is_wrong(tmp_path):
    folder = write_manifest(
        tmp_path,
        ("fine.txt", b"good text", 'ok: "good text"', "", ""),
        ("leak.txt", b"the secret of the canary", "ok", "", ""),
        ("odd.txt", b"text", "rejected: always", "", ""),
    )
    report = hostile.run(folder, canary="the secret", port=0, accepted=["odd.txt"])
    assert {each["file"]: each["wrong"] for each in report["findings"] if each["wrong"]} == {
        "leak.txt": "the canary's text came out"
    }
    assert report["wrong"] == 1
    assert main(["hostile", str(folder), "--port", "0"]) == 1
    if sys.platform == "linux":
        assert all(each["peak_bytes"] for each in report["findings"])


def test_the_listener_counts_connections():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with hostile._Listener(port) as listener:
        socket.create_connection(("127.0.0.1", port)).close()
    assert listener.connections == 1


# fuzz


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_the_same_seed_makes_the_same_damage():
    seeds = [b"one two three" * 50, zipped(a=b"x" * 100)]
    one, other = ([mutate.mutated(random.Random(n), seeds, "text") for n in range(50)] for _ in range(2))
    assert one == other
    assert len(set(one)) > 40


def test_most_damaged_containers_still_open():
    made = [mutate.mutated(random.Random(n), [zipped(a=b"x" * 100, b=b"y")], "word") for n in range(60)]
    assert sum(mutate.unpacked(data) is not None for data in made) > 30


def test_a_finding_is_made_smaller_while_it_holds():
    assert minimised(b"a" * 100 + b"bug" + b"c" * 100, lambda data: b"bug" in data, seconds=5) == b"bug"
    data = zipped(a=b"x" * 1000, b=b"y" * 50 + b"bug")

    def holds(packed):
        opened = mutate.unpacked(packed)
        return opened is not None and any(b"bug" in content for content in opened[0].values())

    members, _ = mutate.unpacked(minimised(data, holds, seconds=5))
    assert members == {"b": b"bug"}


def test_a_child_tells_how_it_ended():
    def speak(say):
        say({"case": 1})

    def hang(say):
        child.within(0.2)
        while True:
            pass

    def bloat(say):
        bytearray(4 << 30)

    assert list(child.run(speak, memory_bytes=2 << 30)) == [{"case": 1}, {"ended": ""}]
    assert list(child.run(hang, memory_bytes=2 << 30)) == [{"ended": "SIGALRM"}]
    assert list(child.run(bloat, memory_bytes=2 << 30)) == [{"ended": "status 1"}]


def test_findings_are_kept_once_with_how_to_repeat_them(tmp_path, capsys):
    result = fuzz.Result("text")
    made = fuzz.Seed("fuzz.txt", b"some words")
    for how in ("SIGSEGV", "SIGSEGV", "the text has U+0000 at 7"):
        fuzz._keep(result, tmp_path, made, how, minimise_s=0.0)
    assert [finding["what"] for finding in result.findings] == ["SIGSEGV", "the text has U+0000 at 7"]
    assert "SIGSEGV (2 times); repeat: python -m bench fuzz text --repeat" in fuzz.table(result)
    saved = next(tmp_path.glob("fuzz-text-*.txt"))
    assert main(["fuzz", "text", "--repeat", str(saved)]) == 0
    assert capsys.readouterr().out == "nothing is wrong with it\n"


def test_fuzzing_tells_what_it_did(tmp_path, capsys):
    assert main(["fuzz", "detect", "--seconds", "0.2", "--out", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["target"] == "detect"
    assert report["cases"] > 0


def test_a_target_without_samples_is_refused(tmp_path):
    with pytest.raises(SystemExit):
        main(["fuzz", "word", "--samples", str(tmp_path)])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (Document(" \n", "text/plain"), "a document without text"),
        (Document("e\u0301", "text/plain"), "the text is not NFC"),
        (Document("a\x00b", "text/plain"), "the text has U+0000 at 1"),
        (Document("ab", "text/plain", (Span("page", 0, 3),)), "page span 0:3 is not in 0:2"),
        (
            Document("ab", "text/plain", (Span("heading", 0, 1, "a\nb"),)),
            "the label of a heading is not clean: 'a\\nb'",
        ),
        (Document("ab", "text/plain"), ""),
    ],
)
def test_broken_promises_are_said(document, said):
    assert promises.of_document(document) == said


def test_spans_out_of_order_are_said():
    spans = (Span("page", 1, 2), Span("page", 0, 1))
    assert promises.of_document(Document("ab", "text/plain", spans)).startswith("spans are not sorted: ")


# Many files and the meter


def test_the_files_of_a_batch_are_all_different_and_in_its_manifest(tmp_path):
    made = batch.make_files(batch_samples(), tmp_path, 40)
    assert len({path.read_bytes() for path in made}) == 40
    named = [json.loads(line)["file"] for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert named == [path.name for path in made]


def batch_samples():
    return Path(__file__).parent.parent / "data" / "samples"


def test_usage_reports_are_timed_with_and_without_roll_ups(capsys):
    assert main(["meter", "--stores", "3", "--rows", "60", "--years", "1", "--json"]) == 0
    reports = json.loads(capsys.readouterr().out)["reports"]
    assert {"1 years in all", "a month by day"} < reports.keys()
    assert all(each["with ms"] > 0 for each in reports.values())
    assert main(["meter", "--stores", "3", "--rows", "60", "--years", "1"]) == 0
    assert "60 changes of 3 vector stores" in capsys.readouterr().out


# embed


def test_texts_are_varied_once_all_are_taken():
    texts = ["one two three four", "five six seven eight"]
    some = embed.varied(texts, 40)
    assert (len(some), some[:2]) == (40, texts)
    assert all(sorted(each.split()) == sorted(texts[i % 2].split()) for i, each in enumerate(some))
    assert len(set(some)) > 2
    assert some == embed.varied(texts, 40)


@pytest.mark.model
def test_windows_are_joined_to_the_length_asked_for():
    assert embed.joined(["a b", "c", "d e f", "g"], 3) == ["a b\nc", "d e f", "g"]
    assert embed.joined(["a b", "c"], 0) == ["a b", "c"]


def test_embedding_is_measured_beside_plain_sentence_transformers():
    report = embed.run(embed.default_model(), ["some text", "some more of it"], device="cpu", runs=1, asked=1)
    sides = report["sides"]
    assert {"vecstore f32", embed.PLAIN} <= set(sides)
    assert sides[embed.PLAIN]["ratio"] == 1
    assert all(side["least cosine"] > 0.999 and side["tokens/s"] > 0 for side in sides.values())
    assert sides["vecstore f32"]["cold start CPU s"] < sides[embed.PLAIN]["cold start CPU s"]
    assert report["tokens"] == 10
    assert "vecstore f32" in embed.table(report)
