from pathlib import Path

import pytest
from parsed import read, spans

from ingestion import parse

DOCUMENTS = Path(__file__).parent / "documents"


def test_records_of_the_same_shape_are_a_table():
    document = parse((DOCUMENTS / "inventory.xml").read_bytes(), "inventory.xml")
    [(label, _, text)] = spans(document, "table")
    assert label == "code | name | count"
    assert text.endswith("GS-207 | Gland seal, wide | 4\nBR-91 | Thrust bearing | 2")


def test_one_record_is_a_line_for_each_field():
    document = parse((DOCUMENTS / "inventory.xml").read_bytes(), "inventory.xml")
    assert "company: Vosk & Ferrant\ntown: Lindmere\naccount: VF-3308\n" in document.text


def test_titles_are_headings_as_deep_as_they_stand():
    document = read(
        "<book><title>A</title><part><title>B</title><s><title>C</title><p>x</p></s></part></book>", "a.xml"
    )
    assert spans(document, "heading") == [("A", 1, "A"), ("B", 2, "B"), ("C", 3, "C")]


def test_a_paragraph_is_one_line_whatever_is_marked_in_it():
    document = read("<d><p>The <b>cold</b>\n store, <i><u>EC50</u></i>.</p><p>Next.</p></d>", "a.xml")
    assert document.text == "The cold store, EC50.\n\nNext.\n"


def test_attributes_of_records_are_columns():
    document = read("<rows><row id='1' town='Bern'/><row id='2' town='Chur'/></rows>", "a.xml")
    assert document.text == "id | town\n1 | Bern\n2 | Chur\n"


def test_entities_of_html_are_letters_and_declared_ones_stay():
    document = parse((DOCUMENTS / "inventory.xml").read_bytes(), "inventory.xml")
    assert "for &firm;, shelves A to F only — the cold store follows." in document.text
    assert document.warnings == ("the entities that its DOCTYPE declares are not expanded",)


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
        '<!DOCTYPE a [<!-- ]> --><!ENTITY x "]>">]>',
        '<!DOCTYPE a PUBLIC "-//X//Y" "http://127.0.0.1/x.dtd">',
    ],
)
def test_a_doctype_is_not_followed(doctype):
    assert read(f'<?xml version="1.0"?>{doctype}<a t="&x;"><b>before &x; after</b></a>', "a.xml").text == (
        "t: &x;\nb: before &x; after\n"
    )


def test_a_billion_laughs_stay_unsaid():
    entities = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    document = read(f'<!DOCTYPE a [<!ENTITY l0 "lol">{entities}]><a n="&l9;">&l9;</a>', "a.xml")
    assert document.text == "a: &l9;\n"


@pytest.mark.parametrize("text", ["<a><b>text</a>", "<a>" * 3000 + "text" + "</a>" * 3000, "<!DOCTYPE a [ text"])
def test_what_is_not_well_formed_is_read_as_text(text):
    document = read(text, "a.xml")
    assert document.text.strip() == text
    assert document.warnings[0].startswith("'a.xml' is not read as XML (")


def test_the_declared_encoding_counts():
    data = '<?xml version="1.0" encoding="ISO-8859-1"?><a><b>Zürich</b></a>'.encode("latin-1")
    assert parse(data, "a.xml").text == "b: Zürich\n"


def test_embedded_files_are_left_out():
    document = read(f"<a><p>text</p><data>{'QUJD' * 500}</data></a>", "a.xml")
    assert document.text == "text\n"
    assert document.warnings == ("left out: 1 embedded file",)


def test_runs_of_word_2003_are_joined():
    text = (
        "<?xml version='1.0'?><w:doc xmlns:w='x'><w:p><w:r><w:t>Hel</w:t></w:r><w:r><w:t>lo</w:t></w:r></w:p></w:doc>"
    )
    assert read(text, "old.doc").text == "Hello\n"
