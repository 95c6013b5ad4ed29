"""The title that a document's metadata gives it: read from each format, kept, and searched."""

import io
import struct
import zipfile
from pathlib import Path

import msoffcrypto
import olefile
import openpyxl
import pptx
import pypdf
import pytest
from docx import Document as Word
from ole_files import ole_file

from ingestion import parse

DOCUMENTS = Path(__file__).parent / "documents"
TITLE = "Sluice Keeper's Almanac"


def saved(document):
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def docx_titled(title):
    document = Word()
    document.core_properties.title = title
    document.add_paragraph("The gates open at dawn.")
    return saved(document)


def pptx_titled(title):
    show = pptx.Presentation()
    show.core_properties.title = title
    show.slides.add_slide(show.slide_layouts[0]).shapes.title.text = "The gates open at dawn."
    return saved(show)


def xlsx_titled(title):
    book = openpyxl.Workbook()
    book.properties.title = title
    book.active.append(["gate", "hour"])
    return saved(book)


def odt_titled(title):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        body = "<office:body><office:text><text:p>The gates open at dawn.</text:p></office:text></office:body>"
        package.writestr("content.xml", f"<office:document-content>{body}</office:document-content>")
        names = "xmlns:office='o' xmlns:dc='http://purl.org/dc/elements/1.1/'"
        package.writestr(
            "meta.xml", f"<office:document-meta {names}><dc:title>{title}</dc:title></office:document-meta>"
        )
    return file.getvalue()


def pdf_titled(title, password=""):
    writer = pypdf.PdfWriter(clone_from=DOCUMENTS / "tern-report.pdf")
    writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


MADE = {
    "a.docx": docx_titled,
    "a.pptx": pptx_titled,
    "a.xlsx": xlsx_titled,
    "a.odt": odt_titled,
    "a.pdf": pdf_titled,
}


@pytest.mark.parametrize("name", MADE)
def test_the_title_of_the_metadata_is_the_documents(name):
    document = parse(MADE[name](TITLE), name)
    assert document.title == TITLE
    assert TITLE not in document.text


@pytest.mark.parametrize("name", MADE)
def test_a_document_without_one_has_none(name):
    assert parse(MADE[name](""), name).title == ""


def test_the_sturdier_reader_of_pdf_reads_it_too():
    assert parse(pdf_titled(TITLE), "a.pdf", careful=True).title == TITLE


def test_an_encrypted_pdf_has_it_with_its_password():
    assert parse(pdf_titled(TITLE, "sesame"), "a.pdf", password="sesame").title == TITLE


def test_an_encrypted_word_file_has_it_and_a_member_of_an_archive_gives_it_to_none():
    plain, sealed, packed = io.BytesIO(docx_titled(TITLE)), io.BytesIO(), io.BytesIO()
    msoffcrypto.OfficeFile(plain).encrypt("grebe", sealed)
    assert parse(sealed.getvalue(), "a.docx", password="grebe").title == TITLE
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/a.docx", docx_titled(TITLE))
    document = parse(packed.getvalue(), "a.zip")
    assert (document.title, document.text.strip()) == ("", "The gates open at dawn.")


def summary(title, code_page, encoding, kind=30):
    """A property set with a code page and a title (MS-OLEPS 2.21)."""
    said = (title + "\0").encode(encoding)
    length = len(said) if kind == 30 else len(title) + 1
    values = struct.pack("<IHH", 2, code_page, 0) + struct.pack("<II", kind, length) + said.ljust(64, b"\0")
    section = struct.pack("<IIIIII", 24 + len(values), 2, 1, 24, 2, 32) + values
    return struct.pack("<HHI16sI16sI", 0xFFFE, 0, 4, bytes(16), 1, bytes(16), 48) + section


def doc_with(summary):
    original = olefile.OleFileIO(DOCUMENTS / "night-handbook.doc")
    streams = {name: original.openstream(name).read() for name in ("WordDocument", "1Table")}
    return ole_file(streams | {"\x05SummaryInformation": summary.ljust(4096, b"\0")})


@pytest.mark.parametrize(
    ("given", "code_page", "encoding", "kind"),
    [
        ("Nachtwache für Köche", 1252, "cp1252", 30),
        ("Ночная вахта", 1251, "cp1251", 30),
        ("Nachtwache für Köche", 65001, "utf-8", 30),
        ("Annual report", 1200, "utf-16-le", 30),
        ("Ночная вахта", 1252, "utf-16-le", 31),
    ],
)
def test_files_of_office_97_have_it_in_their_summary(given, code_page, encoding, kind):
    assert parse(doc_with(summary(given, code_page, encoding, kind)), "a.doc").title == given


@pytest.mark.parametrize(
    "damaged", [b"\xfe\xff", b"\xff" * 4096, summary(TITLE, 1252, "cp1252")[:60], bytes(2 << 20)], ids=len
)
def test_a_summary_that_is_none_costs_no_text(damaged):
    document = parse(doc_with(damaged), "a.doc")
    assert (document.title, len(document.text)) == ("", 621)


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("Microsoft Word - Annual report.docx", "Annual report"),
        ("  Annual\nreport  ", "Annual report"),
        ("untitled", ""),
        ("Untitled spreadsheet", ""),
        ("(anonymous)", ""),
        ("PowerPoint Presentation", ""),
        ("Book1", ""),
        ("PowerPoint-Präsentation", ""),
        ("Présentation PowerPoint", ""),
        ("Untitled-1", ""),
        ("Microsoft Word Document", ""),
        ("Sans titre 1", ""),
        ("Microsoft Word - ", ""),
        ("---", ""),
        ("Book 1 of the Sluice", "Book 1 of the Sluice"),
        ("2007 Instruction 1040-NR", "2007 Instruction 1040-NR"),
    ],
)
def test_what_a_program_wrote_of_itself_is_no_title(given, title):
    assert parse(docx_titled(given), "a.docx").title == title


def test_metadata_that_cannot_be_read_cost_no_text():
    broken = odt_titled("</dc:title>")  # not well-formed
    document = parse(broken, "a.odt")
    assert (document.title, document.text) == ("", "The gates open at dawn.\n")


def test_metadata_without_end_are_not_read():
    document = parse(odt_titled("<b/>" * 300_000), "a.odt")
    assert (document.title, document.text) == ("", "The gates open at dawn.\n")


def test_a_title_in_several_pieces_is_one_and_the_first_that_says_something_counts():
    assert parse(odt_titled("Annual <b>great</b> report"), "a.odt").title == "Annual great report"
    assert parse(odt_titled("</dc:title><dc:title>Annual report"), "a.odt").title == "Annual report"


@pytest.mark.parametrize("made", ["42", "true", "null", "[(a)(b)]", "/Name"])
def test_what_is_no_text_is_no_title_of_a_pdf(made):
    data = pdf_titled("0123456789" * 2).replace(b"(01234567890123456789)", made.encode().ljust(22))
    assert made.encode() in data
    assert parse(data, "a.pdf", careful=True).title == ""


def test_a_long_title_is_cut():
    assert 100 < len(parse(odt_titled("sluice " * 1_000), "a.odt").title) < 1_000


def test_a_file_is_found_by_its_title_and_tells_it(engine, tmp_path):
    store = engine.create("docs")
    for name, title in (("one.docx", TITLE), ("two.docx", "Harbour Rules")):
        (tmp_path / name).write_bytes(docx_titled(title))
        store.add(tmp_path / name)
    result, *_ = store.search("almanac", hybrid_search={"embedding_weight": 0, "text_weight": 1}, explain=True)
    assert (result.filename, result.title) == ("one.docx", TITLE)
    assert result.explanation.matched_terms == ("almanac",)
    assert {file.filename: file.title for file in store.list()} == {"one.docx": TITLE, "two.docx": "Harbour Rules"}


def test_a_copy_and_an_archive_keep_it(engine, tmp_path):
    (tmp_path / "one.docx").write_bytes(docx_titled(TITLE))
    engine.create("first").add(tmp_path / "one.docx")
    second = engine.create("second")
    second.add(tmp_path / "one.docx")  # not parsed again
    assert [file.title for file in second.list()] == [TITLE]
    second.export(tmp_path / "kept.vecstore")
    brought = engine.import_store(tmp_path / "kept.vecstore", name="third")
    assert [file.title for file in brought.list()] == [TITLE]
    by_words = {"embedding_weight": 0, "text_weight": 1}
    assert [each.title for each in brought.search("almanac", hybrid_search=by_words)] == [TITLE]
