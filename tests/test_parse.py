import io
import subprocess
import sys
import zipfile
import zlib

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from parsed import read, spans

from ingestion import InvalidFileError, Span, parse
from ingestion.parse import _guarded
from ingestion.types import RawFile


def docx_file(document):
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def rezipped(data, changes):
    """The package with some parts replaced or added."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in {**dict.fromkeys(old.namelist()), **changes}:
            new.writestr(name, changes[name] if name in changes else old.read(name))
    return file.getvalue()


def test_docx_headings_lists_and_tables_in_document_order():
    source = docx.Document()
    source.add_heading("Report", 0)
    source.add_heading("Scope", 2)
    source.add_paragraph("First paragraph.")
    table = source.add_table(2, 2)
    for at, text in enumerate(["Name", "Age", "Ann\nBee", "3"]):
        table.cell(at // 2, at % 2).text = text
    source.add_paragraph("Last paragraph.")
    document = parse(docx_file(source), "a.docx")
    assert document.text == ("Report\n\nScope\n\nFirst paragraph.\n\nName | Age\nAnn Bee | 3\n\nLast paragraph.\n")
    assert spans(document, "heading") == [("Report", 1, "Report"), ("Scope", 2, "Scope")]
    assert spans(document, "table") == [("Name | Age", 0, "Name | Age\nAnn Bee | 3")]


def test_docx_list_items_are_one_list():
    source = docx.Document()
    for depth, text in ((0, "one"), (1, "two")):
        properties = source.add_paragraph(text)._p.get_or_add_pPr()
        number = f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{depth}"/><w:numId w:val="1"/></w:numPr>'
        properties.append(parse_xml(number))
    assert spans(parse(docx_file(source), "a.docx"), "list") == [("", 0, "- one\n  - two")]


def test_docx_heading_level_is_inherited_from_the_style_it_is_based_on():
    source = docx.Document()
    style = source.styles.add_style("Chapter", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = source.styles["Heading 3"]
    source.add_paragraph("Mine", style="Chapter")
    assert spans(parse(docx_file(source), "a.docx"), "heading") == [("Mine", 3, "Mine")]


def test_docx_text_boxes_content_controls_and_headers_are_read():
    source = docx.Document()
    source.sections[0].header.paragraphs[0].text = "Confidential"
    source.add_paragraph("Body")
    box = f"""<w:p {nsdecls("w")} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:r>
      <mc:AlternateContent><mc:Choice Requires="wps"><w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent>
      </mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent></mc:Fallback>
      </mc:AlternateContent><w:t>Host</w:t></w:r></w:p>"""
    control = f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>Chosen</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    for xml in (box, control):
        source.element.body.insert(1, parse_xml(xml))
    assert parse(docx_file(source), "a.docx").text.split() == ["Confidential", "Body", "Chosen", "Host", "Boxed"]


def test_docx_footnotes_stand_where_they_are_referred_to():
    source = docx.Document()
    source.add_paragraph("Claim")._p.append(parse_xml(f'<w:r {nsdecls("w")}><w:footnoteReference w:id="2"/></w:r>'))
    source.add_paragraph("Next")
    notes = f'<w:footnotes {nsdecls("w")}><w:footnote w:id="2"><w:p><w:r><w:t>Proof</w:t></w:r></w:p></w:footnote></w:footnotes>'
    data = docx_file(source)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        relations = archive.read("word/_rels/document.xml.rels").decode()
    added = '<Relationship Id="n1" Type="http://x/relationships/footnotes" Target="footnotes.xml"/></Relationships>'
    changes = {
        "word/_rels/document.xml.rels": relations.replace("</Relationships>", added),
        "word/footnotes.xml": notes,
    }
    assert parse(rezipped(data, changes), "a.docx").text == "Claim [2: Proof]\n\nNext\n"


def test_docx_deleted_text_is_left_out():
    source = docx.Document()
    source.add_paragraph("kept")._p.append(
        parse_xml(f"<w:del {nsdecls('w')}><w:r><w:delText>gone</w:delText></w:r></w:del>")
    )
    assert parse(docx_file(source), "a.docx").text == "kept\n"


def test_docx_bomb_is_refused_before_it_is_unpacked():
    bomb = rezipped(docx_file(docx.Document()), {"word/document.xml": b"<a>" + b" " * 150_000_000 + b"</a>"})
    assert len(bomb) < 400_000
    with pytest.raises(InvalidFileError, match=r"'a\.docx' unpacks to \d+ bytes, the limit for it is \d+"):
        parse(bomb, "a.docx")


def test_docx_part_longer_than_declared_is_refused():
    honest = rezipped(docx_file(docx.Document()), {"word/document.xml": b"<a>" + b" " * 100_000 + b"</a>"})
    lying = honest.replace((100_007).to_bytes(4, "little"), (50).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(InvalidFileError, match=r"'a\.docx' is damaged: its part word/document.xml cannot be read"):
        parse(lying, "a.docx")


def test_docx_with_too_many_parts_is_refused():
    data = rezipped(docx_file(docx.Document()), {f"word/media/{number}": b"" for number in range(20_000)})
    with pytest.raises(InvalidFileError, match=r"'a\.docx' has \d+ parts, the limit is 20000"):
        parse(data, "a.docx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_docx_with_entities_is_refused(encoding):
    xml = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode(encoding)
    with pytest.raises(InvalidFileError, match=r"has a DOCTYPE in word/document\.xml"):
        parse(rezipped(docx_file(docx.Document()), {"word/document.xml": xml}), "a.docx")


def test_docx_without_text_is_invalid():
    with pytest.raises(InvalidFileError, match=r"^'a.docx' has no text$"):
        parse(docx_file(docx.Document()), "a.docx")


# HTML


def test_html_blocks_headings_lists_and_code():
    document = read(
        "<title>Page</title><style>p{}</style><h2>Top <b>one</b></h2><p>a <i>b</i>\n c<br>d</p>"
        "<ol><li>one<ul><li>in</ul><li>two</ol><pre>x\n  y</pre><script>no()</script><noscript>no</noscript>",
        "a.html",
    )
    assert document.text == "Page\n\nTop one\n\na b c\nd\n\n1. one\n  - in\n2. two\n\nx\n  y\n"
    assert [span[:2] for span in spans(document, "heading")] == [("Page", 1), ("Top one", 2)]
    assert spans(document, "list") == [("", 0, "1. one\n  - in\n2. two")]
    assert spans(document, "code") == [("", 0, "x\n  y")]


def test_html_table_is_rows_and_a_layout_table_is_its_contents():
    table = read("<table><tr><th>Name<th>Age<tr><td><p>Ann<td>3</table>", "a.html")
    assert spans(table, "table") == [("Name | Age", 0, "Name | Age\nAnn | 3")]
    layout = read("<table><tr><td><h1>Title</h1><p>text<td>menu</table>", "a.html")
    assert layout.text == "Title\n\ntext\n\nmenu\n"
    assert spans(layout, "table") == []


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="windows-1251">', "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">', "cp932"),
        ('<!-- <meta charset="windows-1251"> -->', "utf-8"),
        ("", "utf-16"),
        ('<meta charset="iso-8859-1">', "utf-8"),
    ],
)
def test_html_charset_is_the_files_own(head, encoding):
    text = "Список" if encoding != "cp932" else "日本語"
    assert parse(f"<html><head>{head}</head><p>{text}</p>".encode(encoding), "a.html").text == f"{text}\n"


def test_html_that_takes_quadratic_time_is_refused():
    with pytest.raises(InvalidFileError, match="nests elements more than 10000 deep"):
        read("<div>" * 20_000 + "x" + "</div>" * 20_000, "a.html")


def test_html_elements_of_very_many_attributes_go_without():
    attributes = " ".join(f"a{n}=1" for n in range(20_000))
    assert read(f"<p {attributes}>one<p {attributes}>two", "a.html").text == "one\n\ntwo\n"


def test_html_of_many_flat_elements_is_read():
    assert read("<p>x<li>y" * 30_000, "a.html").text.startswith("x\n\n")


# Markdown


def test_markdown_is_the_source_itself():
    source = "# One\n\n* a\n"
    assert read(source, "a.md").text == source


def test_markdown_headings_of_both_kinds_but_not_in_code():
    source = (
        "---\ntitle: no\n---\n\n# One #\n\n```sh\n# no\n```\n\nTwo *words*\n=====\n\ntext\nmore\n---\n\n"
        "###### [Six](http://x) `code`\n\n    # no\n\n#no\n- item\n---\n"
    )
    found = spans(read(source, "a.md"), "heading")
    assert found == [
        ("One", 1, "# One #"),
        ("Two words", 1, "Two *words*\n====="),
        ("Six code", 6, "###### [Six](http://x) `code`"),
    ]


def test_markdown_tables_lists_and_fences():
    source = "| a | b |\n|---|:-:|\n| 1 | 2 |\n\ntext\n\n- one\n  more\n\n- two\n\n~~~\n```\n~~~\n"
    document = read(source, "a.md")
    assert spans(document, "table") == [("a | b", 0, "| a | b |\n|---|:-:|\n| 1 | 2 |")]
    assert spans(document, "list") == [("", 0, "- one\n  more\n\n- two")]
    assert spans(document, "code") == [("", 0, "~~~\n```\n~~~")]


# Text and its encodings


@pytest.mark.parametrize(
    ("data", "text", "warnings"),
    [
        ("naïve 中".encode(), "naïve 中", ()),
        ("\ufeffnaïve".encode(), "naïve", ()),
        ("naïve 中".encode("utf-16"), "naïve 中", ()),
        ("naïve 中".encode("utf-32"), "naïve 中", ()),
        ("plain words".encode("utf-16-le"), "plain words", ()),
        ("plain words".encode("utf-16-be"), "plain words", ()),
        (
            "caf\u00e9 \u201cquoted\u201d".encode("cp1252"),
            "café “quoted”",
            ("'a.txt' is not UTF-8; read as windows-1252",),
        ),
        (
            "naïve café ".encode() * 9 + b"\xff",
            "naïve café " * 9 + "\ufffd",
            ("'a.txt' has 1 places that are not UTF-8; they are replaced",),
        ),
    ],
)
def test_text_encodings(data, text, warnings):
    document = parse(data, "a.txt")
    assert (document.text, document.warnings) == (text, warnings)


def test_text_is_normalised_and_only_ligatures_to_compatibility_forms():
    assert read("e\u0301 \ufb01 \u00b2\r\na\rb\x0cc\x00\x07d", "a.txt").text == "\u00e9 fi \u00b2\na\nb cd"
    assert read("\ufedf\ufea0\ufee3\ufed4", "a.txt").text == "\u0644\u062c\u0645\u0641"  # Arabic by its place in a word


def test_what_nobody_sees_is_left_out():
    hidden = "".join(map(chr, range(0xE0041, 0xE005B)))  # tags: letters that only machines read
    assert read(f"water\u00adfront\u200b \u202eabc\u202c\u2060{hidden}", "a.txt").text == "waterfront abc"
    assert (
        read("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "a.txt").text.count("\u200c") == 1
    )  # a joiner is seen


def test_text_with_lone_surrogates_has_replacement_characters():
    assert parse(b"\xff\xfea\x00\x00\xd8b\x00", "a.txt").text == "a\ufffdb"


def test_heaps_of_marks_are_cut_so_that_normalising_takes_linear_time():
    assert len(read("a" + "\u0316\u0300" * 300_000, "a.txt").text) <= 32


# Tables, LaTeX, source code


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_is_one_table_with_its_header_as_label(separator):
    source = "\n".join(separator.join(row) for row in (["Name", '"Full Age"'], ["Ann", "3"], ["Bee", "4"]))
    document = read(source, "a.csv")
    assert document.text == source
    assert document.spans == (Span("table", 0, len(source), "Name | Full Age"),)


def test_latex_is_read_without_its_commands():
    document = read(
        "\\documentclass{article} % a comment\n\\begin{document}\n\\section{One \\emph{more}}\nText \\textbf{bold} 5\\%~off.\n\n"
        "\\begin{equation}\nx^2\n\\end{equation}\nand $a_1$\n\\end{document}\n",
        "a.tex",
    )
    assert document.text == ("One more\n\nText bold 5% off.\n\n\\begin{equation}\nx^2\n\\end{equation}\nand $a_1$\n")
    assert spans(document, "heading") == [("One more", 2, "One more")]


def test_python_symbols_have_decorators_and_qualified_names():
    source = '"""Doc \\d."""\n\n@wrap\nclass A:\n    def b(self):\n        return 1\n\nasync def c():\n    pass\n'
    assert spans(read(source, "a.py"), "symbol") == [
        ("A", 0, "@wrap\nclass A:\n    def b(self):\n        return 1\n"),
        ("A.b", 0, "    def b(self):\n        return 1\n"),
        ("c", 0, "async def c():\n    pass\n"),
    ]


def test_json_that_is_not_valid_is_text_with_a_warning():
    assert read('{"a": 1}', "a.json").warnings == ()
    document = read('{"a": 1,}', "a.json")
    assert document.text == '{"a": 1,}'
    assert document.warnings[0].startswith("'a.json' is not valid JSON (")
    assert read("[" * 200_000, "a.json").warnings == ("'a.json' is JSON nested too deep to check; read as text",)


# The limits, and what importing costs


def test_a_file_over_the_size_limit_is_refused():
    with pytest.raises(InvalidFileError, match=r"'a\.txt' has 11 bytes, the limit is 10"):
        parse(b"x" * 11, "a.txt", max_file_bytes=10)
    with pytest.raises(InvalidFileError, match="has 536,870,913 bytes, the limit is 536,870,912"):
        parse(bytes(512 * 1024 * 1024 + 1), "a.txt")


def test_a_text_over_the_output_limit_is_refused():
    with pytest.raises(InvalidFileError, match=r"'a\.txt' has 11 characters of text, the limit is 10"):
        parse(b"x" * 11, "a.txt", max_text_chars=10)


def read_failing(error):
    def read(file):
        raise error

    return _guarded(read, RawFile(b"", "a.md", "text/markdown"))


def test_whatever_a_parser_raises_becomes_a_sentence():
    sentence = r"^'a\.md' cannot be read as text/markdown \(error: invalid stored block lengths\)$"
    with pytest.raises(InvalidFileError, match=sentence):
        read_failing(zlib.error("invalid stored block lengths\nand more"))
    with pytest.raises(InvalidFileError, match=r"\(RecursionError\)$"):
        read_failing(RecursionError())


def test_memory_errors_are_let_through():
    with pytest.raises(MemoryError):
        read_failing(MemoryError())


def test_importing_loads_no_parser():
    heavy = "tiktoken numpy pypdfium2 pypdf lxml docx chardet selectolax regex".split()
    code = f"import ingestion, sys; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
