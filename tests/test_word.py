import io
import zipfile
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse
from ingestion.parsers.blocks import Block, assemble, note

DOCUMENTS = Path(__file__).parent / "documents"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def docx_of(body, relations=(), **parts):
    """A package of a body and further parts; relations are (id, kind, target), part names have _ for the dot."""
    file = io.BytesIO()
    listed = "".join(f'<Relationship Id="{i}" Type="{REL}/{kind}" Target="{target}"/>' for i, kind, target in relations)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("word/document.xml", f"<w:document><w:body>{body}</w:body></w:document>")
        package.writestr("word/_rels/document.xml.rels", f"<Relationships>{listed}</Relationships>")
        for name, content in parts.items():
            package.writestr(f"word/{name.replace('_', '.')}", content)
    return file.getvalue()


def run(text, properties=""):
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>"


def p(*runs, properties=""):
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(text if '<' in text else run(text) for text in runs)}</w:p>"


def test_real_document_has_headings_table_list_note_comment_and_margins():
    document = parse((DOCUMENTS / "foundry-handbook.docx").read_bytes(), "foundry-handbook.docx")
    assert [(label, level) for label, level, _ in spans(document, "heading")] == [
        ("Working at the foundry", 1),
        ("Shift codes", 2),
        ("Before a pour", 2),
        ("Leave", 1),
    ]
    assert spans(document, "table")[0][0] == "Code | Shift | Supplement"
    assert document.text.startswith("Korvenna Tidal Foundry — staff handbook KTF-7\n\n")
    assert document.text.endswith("\n\nIssued by the Quillmere office\n")
    assert "\n\nComment by Oda Brandvik: Check the Ebb supplement" in document.text
    assert "not the clock [2: The tide table is posted as form TT-19 every Monday.]." in document.text
    assert document.warnings == ()


def test_comment_follows_the_paragraph_it_belongs_to():
    body = p("First", '<w:r><w:commentReference w:id="4"/></w:r>') + p("Second")
    comments = f'<w:comments><w:comment w:id="4" w:author="Ada">{p("Why?")}{p("Really?")}</w:comment></w:comments>'
    data = docx_of(body, [("r1", "comments", "comments.xml")], comments_xml=comments)
    assert parse(data, "a.docx").text == "First\n\nComment by Ada: Why? Really?\n\nSecond\n"


def test_same_header_of_first_left_and_right_pages_is_said_once():
    headers = {name: f"<w:hdr>{p('Top')}</w:hdr>" for name in ("header1_xml", "header2_xml")}
    relations = [("r1", "header", "header1.xml"), ("r2", "header", "header2.xml")]
    assert parse(docx_of(p("Body"), relations, **headers), "a.docx").text == "Top\n\nBody\n"


def test_hidden_text_is_left_out_and_told():
    style = '<w:styles><w:style w:styleId="Quiet"><w:rPr><w:vanish/></w:rPr></w:style></w:styles>'
    body = p("seen", run("not seen", "<w:vanish/>"), run(" shown", '<w:vanish w:val="0"/>')) + p(
        "nor this", properties='<w:pStyle w:val="Quiet"/>'
    )
    document = parse(docx_of(body, [("r1", "styles", "styles.xml")], styles_xml=style), "a.docx")
    assert document.text == "seen shown\n"
    assert document.warnings == ("hidden text was left out: 16 characters",)


def test_insertions_are_kept_and_what_was_deleted_or_moved_away_is_not():
    body = p(
        f"<w:ins>{run('new')}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        f"<w:moveFrom>{run('gone')}</w:moveFrom><w:moveTo>{run(' here')}</w:moveTo>"
    )
    assert parse(docx_of(body), "a.docx").text == "new here\n"


def test_equations_are_read():
    body = p("Energy ", "<m:oMath><m:r><m:t>E=m</m:t></m:r></m:oMath>")
    assert parse(docx_of(body), "a.docx").text == "Energy E=m\n"


def test_list_style_makes_items_and_number_zero_ends_it():
    styles = (
        '<w:styles><w:style w:styleId="B"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style></w:styles>'
    )
    none = '<w:pStyle w:val="B"/><w:numPr><w:numId w:val="0"/></w:numPr>'
    body = p("item", properties='<w:pStyle w:val="B"/>') + p("text", properties=none)
    document = parse(docx_of(body, [("r1", "styles", "styles.xml")], styles_xml=styles), "a.docx")
    assert document.text == "- item\n\ntext\n"


def test_images_are_counted_but_not_bullets_and_rules():
    relations = [("r1", "image", "big.png"), ("r2", "image", "small.png")]
    body = p("Text", *(f'<w:drawing><a:blip r:embed="{i}"/></w:drawing>' for i in ("r1", "r1", "r2")))
    document = parse(docx_of(body, relations, big_png=b"x" * 5000, small_png=b"x" * 100), "a.docx")
    assert document.warnings == ("1 image was not read",)


def test_document_of_images_only_says_so():
    body = p('<w:drawing><a:blip r:embed="r1"/></w:drawing>')
    data = docx_of(body, [("r1", "image", "big.png")], big_png=b"x" * 5000)
    with pytest.raises(InvalidFileError, match=r"^'a\.docx' has no text: 1 image was not read$"):
        parse(data, "a.docx")


def test_alternative_text_of_an_image_is_read_but_not_its_file_name():
    body = p("Text", '<wp:docPr descr="A kiln at night"/>', '<wp:docPr descr="kiln.png"/>')
    assert parse(docx_of(body), "a.docx").text == "Text\n\nImage: A kiln at night\n"


def test_alternate_content_is_said_once():
    body = f"<mc:AlternateContent><mc:Choice>{p('new')}</mc:Choice><mc:Fallback>{p('old')}</mc:Fallback></mc:AlternateContent>"
    assert parse(docx_of(body), "a.docx").text == "new\n"


def test_chart_is_a_table_at_the_end():
    points = '<c:pt idx="0"><c:v>4.4000000000000004</c:v></c:pt>'
    chart = (
        "<c:chartSpace><c:chart><c:title><a:t>Sales</a:t></c:title><c:ser><c:tx><c:strRef><c:f>A1</c:f><c:strCache>"
        '<c:pt idx="0"><c:v>North</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat><c:strLit><c:pt idx="0">'
        f"<c:v>May</c:v></c:pt></c:strLit></c:cat><c:val><c:numCache>{points}</c:numCache></c:val></c:ser></c:chart></c:chartSpace>"
    )
    body = p("Before", '<w:drawing><a:graphicData><c:chart r:id="r1"/></a:graphicData></w:drawing>') + p("Caption")
    document = parse(docx_of(body, [("r1", "chart", "chart1.xml")], chart1_xml=chart), "a.docx")
    assert document.text == "Before\n\nCaption\n\nChart: Sales\n\n | North\nMay | 4.4\n"


def test_inserted_document_is_read_where_it_stands():
    body = p("Before") + '<w:altChunk r:id="r1"/><w:altChunk r:id="r1"/>' + p("After")
    data = docx_of(body, [("r1", "aFChunk", "chunk.html")], chunk_html="<p>One<p>Two")
    assert parse(data, "a.docx").text == "Before\n\nOne\n\nTwo\n\nAfter\n"


def test_damaged_side_part_costs_only_itself():
    data = docx_of(p("Body"), [("r1", "comments", "comments.xml")], comments_xml="<w:comments><w:comment>")
    document = parse(data, "a.docx")
    assert document.text == "Body\n"
    assert document.warnings[0].startswith("left out: 'a.docx' is damaged: word/comments.xml is not well-formed")


def test_damaged_text_is_told():
    with pytest.raises(InvalidFileError, match=r"^'a\.docx' is damaged: word/document\.xml is not well-formed"):
        parse(docx_of("<w:p>"), "a.docx")


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"),
        ("<w:p><w:r><w:txbxContent>", "</w:txbxContent></w:r></w:p>"),
        ("<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>"),
    ],
)
def test_nesting_of_any_depth_is_read(opened, closed):
    assert parse(docx_of(opened * 20_000 + p("deep") + closed * 20_000), "a.docx").text == "deep\n"


@pytest.mark.parametrize(
    ("words", "expected"), [(5, "clock [2: a b c d e] says"), (150, "clock[2] says.\n\n[2] a b c")]
)
def test_a_short_note_stands_in_its_sentence_and_a_long_one_after_the_paragraph(words, expected):
    mark, following = note("2", " ".join("abcdefghij"[i % 10] for i in range(words)))
    assert assemble([Block(f"The clock{mark} says."), *following], "x").text[4:].startswith(expected)


def test_a_comment_does_not_part_a_heading_from_its_text():
    blocks = [Block("Leave", "heading", 1), Block("Comment: why?", "aside"), Block("Ten days."), Block("More.")]
    assert assemble(blocks, "x").text == "Leave\n\nTen days.\n\nComment: why?\n\nMore.\n"
    assert assemble(blocks[:2], "x").text == "Leave\n\nComment: why?\n"
