import json
from pathlib import Path

from parsed import read

from ingestion import parse

DOCUMENTS = Path(__file__).parent / "documents"


def test_the_text_is_as_it_stands():
    data = (DOCUMENTS / "incidents.jsonl").read_bytes()
    document = parse(data, "incidents.jsonl")
    assert document.text == data.decode()
    assert (document.spans, document.warnings) == ((), ())


def test_only_escaped_letters_differ():
    data = (DOCUMENTS / "permits.json").read_bytes()
    document = parse(data, "permits.json")
    assert document.text == data.decode().replace("\\u00d6ster", "Öster")
    assert document.warnings == ()


def test_escaped_letters_are_written_out():
    text = json.dumps({"a": "Zürich 日本 😀", "b": 'a "quote"\n\x01 \\u00fc \ud800'})
    document = read(text, "a.json")
    assert '"Zürich 日本 😀"' in document.text
    assert '"a \\"quote\\"\\n\\u0001 \\\\u00fc \\ud800"' in document.text
    assert json.loads(document.text) == json.loads(text)


def test_what_is_not_valid_is_read_as_text():
    document = read("{'a': 1}", "a.json")
    assert document.text == "{'a': 1}"
    assert document.warnings[0].startswith("'a.json' is not valid JSON (Expecting property name")


def test_lines_that_are_not_valid_are_counted():
    [warning] = read('{"a": 1}\n\nno\n{"b": 2}\nno\n', "a.jsonl").warnings
    assert warning.startswith("'a.jsonl' has 2 lines that are not valid JSON (line 3: Expecting value")


def test_deep_nesting_and_long_numbers_end():
    assert "nested too deep" in read("[" * 100_000, "a.json").warnings[0]
    assert read(f"[{'9' * 500_000}]", "a.json").warnings == ()
