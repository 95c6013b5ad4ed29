import io
import zipfile
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse

DOCUMENTS = Path(__file__).parent / "documents"
KIND = "application/vnd.oasis.opendocument."


def package(kind, parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", KIND + kind)
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def odt_of(body, styles="", automatic="", **parts):
    content = (
        f"<office:document-content><office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    return package(
        "text",
        {"content.xml": content, "styles.xml": f"<office:document-styles>{styles}</office:document-styles>", **parts},
    )


def odp_of(*pages, automatic=""):
    content = (
        f"<office:document-content><office:automatic-styles>{automatic}</office:automatic-styles><office:body>"
        f"<office:presentation>{''.join(pages)}</office:presentation></office:body></office:document-content>"
    )
    return package("presentation", {"content.xml": content})


def p(text):
    return f"<text:p>{text}</text:p>"


def frame(text, use=""):
    return f'<draw:frame presentation:class="{use}"><draw:text-box>{p(text)}</draw:text-box></draw:frame>'


def test_real_text_has_headings_table_list_note_comment_and_margins():
    document = parse((DOCUMENTS / "orchard-rules.odt").read_bytes(), "orchard-rules.odt")
    assert [(label, level) for label, level, _ in spans(document, "heading")] == [
        ("Trees and rows", 1),
        ("Spraying", 2),
        ("Pressing", 1),
    ]
    assert spans(document, "table")[0][0] == "Apple | Rows | Picked in"
    assert spans(document, "list")[0][2].startswith("- Close the hive gates first.\n- Fill tank Bluebell")
    assert document.text.startswith("Pellworth Cider Cooperative — orchard rules PCC-OR-3\n\n")
    assert document.text.endswith("\n\nKept in the press house\n")
    assert "with its number [1: Tags lost to frost are replaced" in document.text
    assert "\n\nComment by Ines Varga: S-417 runs out" in document.text
    assert document.warnings == ()


def test_real_presentation_has_a_slide_part_each_with_title_list_table_and_notes():
    document = parse((DOCUMENTS / "bat-survey.odp").read_bytes(), "bat-survey.odp")
    assert [level for _, level, _ in spans(document, "slide")] == [1, 2, 3]
    assert [label for label, _, _ in spans(document, "heading")][1:] == ["Where the detectors hang", "Counts"]
    assert "- Detector Gamma hangs at the Weeping Arch\n  - Batteries last eleven nights\n" in document.text
    assert spans(document, "slide")[2][2].endswith("\n\nNotes: The lower cave was counted twice.\n\n")
    assert document.warnings == ()


def test_spaces_tabs_and_line_breaks_are_kept_and_other_blanks_are_one():
    body = p('a<text:s text:c="3"/>b  \n c<text:tab/>d<text:line-break/><text:span>e</text:span>f')
    assert parse(odt_of(body), "a.odt").text == "a   b c\td\nef\n"


def test_run_of_spaces_is_capped():
    assert len(parse(odt_of(p('a<text:s text:c="2000000000"/>b')), "a.odt").text) == 103


def test_tracked_deletions_are_left_out():
    changes = f"<text:tracked-changes><text:deletion>{p('gone')}</text:deletion></text:tracked-changes>"
    assert parse(odt_of(changes + p("kept<text:change/>")), "a.odt").text == "kept\n"


def test_hidden_text_is_left_out_and_told():
    style = '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
    document = parse(odt_of(p('a<text:span text:style-name="H">secret</text:span>b'), automatic=style), "a.odt")
    assert (document.text, document.warnings) == ("ab\n", ("hidden text was left out: 6 characters",))


def test_lists_nest_and_further_paragraphs_of_an_item_have_no_mark():
    inner = f"<text:list><text:list-item>{p('deep')}</text:list-item></text:list>"
    body = f"<text:list><text:list-item>{p('one')}{p('more')}{inner}</text:list-item></text:list>"
    assert parse(odt_of(body), "a.odt").text == "- one\n  more\n  - deep\n"


def test_repeated_cell_says_its_text_once_and_keeps_the_columns():
    cells = '<table:table-cell table:number-columns-repeated="3">' + p("x") + "</table:table-cell>"
    rows = f"<table:table-row>{cells}<table:table-cell>{p('y')}</table:table-cell></table:table-row>"
    assert parse(odt_of(f"<table:table>{rows}</table:table>"), "a.odt").text == "x |  |  | y\n"


def test_text_box_follows_the_paragraph_it_is_anchored_in():
    assert parse(odt_of(p("Host" + frame("Boxed")) + p("Next")), "a.odt").text == "Host\n\nBoxed\n\nNext\n"


def test_headers_of_left_and_right_pages_are_said_once():
    styles = f"<style:master-page><style:header>{p('Top')}</style:header><style:header-left>{p('Top')}</style:header-left></style:master-page>"
    assert parse(odt_of(p("Body"), styles), "a.odt").text == "Top\n\nBody\n"


def test_formula_and_chart_objects_are_read_where_they_stand():
    chart = f"<o><table:table><table:table-row><table:table-cell>{p('North')}</table:table-cell></table:table-row></table:table></o>"
    math = "<math><semantics><mi>E</mi><mo>=</mo><mi>m</mi><annotation>E = m</annotation></semantics></math>"
    objects = "".join(f'<draw:frame><draw:object xlink:href="./O{n}"/></draw:frame>' for n in (1, 2))
    data = odt_of(p("Text" + objects) + p("Next"), **{"O1/content.xml": chart, "O2/content.xml": math})
    assert parse(data, "a.odt").text == "Text\n\nNorth\n\nE=m\n\nNext\n"


def test_images_are_counted_and_their_description_read():
    image = '<draw:frame><draw:image xlink:href="Pictures/a.png"/><svg:desc>A press at night</svg:desc></draw:frame>'
    document = parse(odt_of(p("Text" + image), **{"Pictures/a.png": b"x" * 5000}), "a.odt")
    assert (document.text, document.warnings) == ("Text\n\nImage: A press at night\n", ("1 image was not read",))


def test_encrypted_file_needs_a_password():
    manifest = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    data = package("text", {"content.xml": b"\x8f\x02", "META-INF/manifest.xml": manifest})
    with pytest.raises(InvalidFileError, match=r"^'a\.odt' is encrypted: a password is needed to open it$"):
        parse(data, "a.odt")
    with pytest.raises(InvalidFileError, match="an OpenDocument file cannot be decrypted here"):
        parse(data, "a.odt", password="x")


def test_file_without_content_is_damaged():
    with pytest.raises(InvalidFileError, match=r"^'a\.odt' is damaged: it has no content\.xml$"):
        parse(package("text", {"styles.xml": "<a/>"}), "a.odt")


def test_doctype_is_refused():
    data = package("text", {"content.xml": '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'})
    with pytest.raises(InvalidFileError, match=r"has a DOCTYPE in content\.xml"):
        parse(data, "a.odt")


def test_slide_has_title_first_and_notes_last_and_hidden_ones_are_told():
    style = (
        '<style:style style:name="d"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    )
    notes = f"<presentation:notes>{frame('3', 'page-number')}{frame('Say this', 'notes')}</presentation:notes>"
    page = f'<draw:page draw:style-name="d">{frame("Body", "outline")}{notes}{frame("Title", "title")}</draw:page>'
    document = parse(odp_of(page, f"<draw:page>{frame('Next')}</draw:page>", automatic=style), "a.odp")
    assert document.text == "Title\n\nBody\n\nNotes: Say this\n\nNext\n\n"
    assert spans(document, "heading") == [("Title", 1, "Title")]
    assert [level for _, level, _ in spans(document, "slide")] == [1, 2]
    assert document.warnings == ("slide 1 is hidden",)


def test_nesting_of_any_depth_is_read():
    for opened, closed in (("<text:list><text:list-item>", "</text:list-item></text:list>"), ("<draw:g>", "</draw:g>")):
        assert parse(odt_of(opened * 20_000 + p("deep") + closed * 20_000), "a.odt").text.strip().endswith("deep")
