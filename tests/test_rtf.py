from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse
from ingestion.parsers.rtf import MAX_DEPTH

DOCUMENTS = Path(__file__).parent / "documents"


def rtf(body, head="\\ansi\\ansicpg1252"):
    return parse(
        b"{\\rtf1" + head.encode() + b" " + (body if isinstance(body, bytes) else body.encode()) + b"}", "a.rtf"
    )


def test_real_document_has_headings_table_list_note_and_margins():
    document = parse((DOCUMENTS / "deck-orders.rtf").read_bytes(), "deck-orders.rtf")
    assert [(label, level) for label, level, _ in spans(document, "heading")] == [
        ("Boarding", 1),
        ("Fog", 2),
        ("Lost goods", 1),
    ]
    assert spans(document, "table")[0][0] == "Deck | Lanes | Limit"
    assert spans(document, "list")[0][2].startswith("- Post a lookout at the prow.\n")
    assert document.text.startswith("Marrowsund Ferries — deck orders MF-D12\n\n")
    assert "reverse on board[1].\n\n[1] Weights are taken from docket W-205.\n" in document.text
    assert "“grey hour” in the log – the café closes and the bell buoy Ørsted" in document.text


def test_bytes_are_read_in_the_code_page_of_their_font():
    fonts = "{\\fonttbl{\\f0\\fcharset0 A;}{\\f1\\fcharset204 B;}{\\f2\\fcharset128 C;}}"
    assert rtf(fonts + "\\f0 caf\\'e9 \\f1 \\'e4\\'e0 \\f2 \\'83e\\'83X\\'83g").text == "café да テスト\n"


def test_raw_bytes_above_ascii_are_read_like_escaped_ones():
    assert rtf(b"caf\xe9").text == "café\n"


def test_unicode_replaces_what_follows_it_for_old_readers():
    assert rtf("\\u1076?\\uc2\\u1072\\'e1\\'e2{\\uc0\\u8364}x").text == "да€x\n"
    assert rtf("\\u-10179?\\u-8704?").text == "😀\n"


def test_paragraphs_and_signs():
    text = rtf("One\\tab two\\line three\\par Four\\'97five\\~six\\_seven\\-eight \\{x\\}\\par").text
    assert text == "One\ttwo\nthree\n\nFour—five\xa0six-seveneight {x}\n"


def test_rows_of_cells_are_a_table():
    row = "\\trowd\\intbl {}\\cell {}\\cell\\row"
    document = rtf("Before\\par" + row.format("Name", "Age") + row.format("Ann\\par Bee", "3") + "\\pard After\\par")
    assert document.text == "Before\n\nName | Age\nAnn Bee | 3\n\nAfter\n"
    assert spans(document, "table") == [("Name | Age", 0, "Name | Age\nAnn Bee | 3")]


def test_headings_are_known_by_style_or_outline_level():
    styles = "{\\stylesheet{\\s0 Normal;}{\\s3 heading 2;}{\\s4\\outlinelevel0 Chapter;}{\\*\\cs5 heading 1;}}"
    document = rtf(styles + "\\pard\\s3 A\\par\\pard\\s4 B\\par\\pard\\outlinelevel2 C\\par\\pard D\\par")
    assert [(label, level) for label, level, _ in spans(document, "heading")] == [("A", 2), ("B", 1), ("C", 3)]


def test_list_items_keep_their_number_and_a_bullet_is_a_dash():
    item = "{{\\listtext\\pard {}\\tab}}\\pard\\ilvl{} {}\\par "
    document = rtf(item.format("1.", 0, "one") + item.format("\\'b7", 1, "two") + "\\pard three\\par")
    assert document.text == "1. one\n  - two\n\nthree\n"


def test_notes_comments_and_text_boxes_follow_their_paragraph():
    note = "{\\super\\chftn}{\\footnote\\pard {\\super\\chftn} Proof}"
    comment = "{\\*\\atnid A}{\\*\\atnauthor Ada}\\chatn{\\*\\annotation{\\*\\atndate 1}Why?}"
    box = "{\\shp{\\*\\shpinst{\\sp{\\sn a}{\\sv b}}{\\shptxt\\pard Boxed\\par}}{\\shprslt Boxed}}"
    text = rtf(f"Claim{note}{comment}{box} goes on\\par Next\\par").text
    assert text == "Claim[1] goes on\n\n[1] Proof\n\nComment by Ada: Why?\n\nBoxed\n\nNext\n"


def test_headers_come_first_and_are_said_once():
    assert (
        rtf("{\\headerl\\pard Top\\par}{\\headerr\\pard Top\\par}{\\footer End}Body\\par").text
        == "Top\n\nBody\n\nEnd\n"
    )


def test_what_is_no_text_is_left_out():
    groups = "{\\info{\\title T}}{\\colortbl;\\red0;}{\\*\\generator X;}{\\*\\unknown y}{\\pict\\wmetafile8 0102ff}"
    field = '{\\field{\\*\\fldinst{HYPERLINK "http://a.b"}}{\\fldrslt{link}}}'
    assert rtf(groups + "{\\upr{ansi}{\\*\\ud{unicode}}} " + field).text == "unicode link\n"


def test_deleted_text_is_left_out_and_hidden_text_is_told():
    document = rtf("kept {\\deleted gone}{\\v secret}{\\revised new}")
    assert (document.text, document.warnings) == ("kept new\n", ("hidden text was left out: 6 characters",))


def test_binary_data_is_left_out_even_where_it_has_braces():
    assert rtf("a{\\pict\\bin6 }}{{\\x}b").text == "ab\n"
    assert rtf("a{\\pict\\bin2147483647 x}b").text == "ab\n"


def test_large_images_are_counted():
    assert rtf("text{\\pict " + "00" * 5000 + "}{\\pict 00}").warnings == ("1 image was not read",)


@pytest.mark.parametrize("body", ["{\\b " * 1000, "}}} x", "\\", "\\u \\uc \\f\\fcharset9999999999 \\bin \\ansicpg99"])
def test_broken_file_is_read_as_far_as_it_goes(body):
    assert "text" in rtf("text " + body).text


def test_nesting_limit_is_told():
    assert rtf("{\\b " * 50_000 + "deep" + "}" * 50_000).text == "deep\n"
    with pytest.raises(InvalidFileError, match=r"^'a\.rtf' nests groups more than 100,000 deep$"):
        rtf("{" * (MAX_DEPTH + 1))


def test_notes_in_notes_of_any_depth_are_read():
    assert rtf("{\\footnote x " * 20_000 + "deep" + "}" * 20_000).text.count("deep") == 1
