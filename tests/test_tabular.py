from pathlib import Path

import pytest
from parsed import read, spans

from ingestion import parse

DOCUMENTS = Path(__file__).parent / "documents"


@pytest.mark.parametrize(
    ("name", "label"),
    [("valves.csv", "Valve | Site | Pressure bar | Inspected"), ("shifts.tsv", "Week | Crew | Lead | Call sign")],
)
def test_the_text_is_as_it_stands_and_one_table(name, label):
    data = (DOCUMENTS / name).read_bytes()
    document = parse(data, name)
    assert document.text == data.decode()
    assert spans(document, "table") == [(label, 0, document.text)]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("name;amount\nA;1,5\nB;2,5\n", "name | amount"),
        ("a,b\n1;2,3\n", "a | b"),
        ('"last, first",age\n"x, y",3\n', "last, first | age"),
        ("sep=|\nname|age\nAnna|3\n", "name | age"),
        ("\n\nname,age\n", "name | age"),
        ("one column\nof words\n", "one column"),
        ('"open,a\nb,c\n' * 10, "open,a"),
    ],
)
def test_the_delimiter_is_the_one_that_most_lines_agree_on(text, label):
    assert spans(read(text, "a.csv"), "table")[0][0] == label
