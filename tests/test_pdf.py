"""PDF: pages, headings, tables, what is left out and what is told."""

import io
import mmap
from pathlib import Path

import pytest
from parsed import spans
from pdf_files import drawn, pdf_file, pdf_of, pdf_stream

from ingestion import InvalidFileError, parse
from ingestion.parsers import ocr

DOCUMENTS = Path(__file__).parent / "documents"


def test_pdf_pages_tile_the_text_and_have_their_number():
    document = parse(pdf_of(["Alpha one"], ["Beta two"]), "a.pdf")
    assert spans(document, "page") == [("1", 1, "Alpha one\n"), ("2", 2, "Beta two\n")]
    assert document.media_type == "application/pdf"


def test_pdf_page_without_text_is_told():
    document = parse(pdf_of(["Alpha"], [], ["Gamma"], [], []), "a.pdf")
    assert document.warnings == ("pages 2, 4-5 have no text",)
    assert spans(document, "page")[1] == ("2", 2, "\n")


def test_pdf_without_any_text_is_invalid():
    with pytest.raises(InvalidFileError, match=r"^'a.pdf' has no text: its pages are blank$"):
        parse(pdf_of([], []), "a.pdf")


def test_pdf_of_images_needs_ocr():
    image = b"q 100 0 0 100 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x00 EI Q"
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>",
        4: pdf_stream(image),
    }
    with pytest.raises(InvalidFileError, match=r"^'scan.pdf' has no text: 1 of 1 pages look scanned and need OCR: "):
        parse(pdf_file(objects), "scan.pdf", ocr=False)


def test_pdf_bookmarks_are_headings_where_their_title_stands():
    data = pdf_of(
        ["1. Early Years", "He was born."], ["Late Years", "He died."], outline="Early Years,0;Late Years,1;Missing,1"
    )
    assert spans(parse(data, "a.pdf"), "heading") == [
        ("Early Years", 1, "1. Early Years"),
        ("Late Years", 1, "Late Years"),
    ]


def test_pdf_headings_are_not_looked_for_in_a_table_of_contents():
    data = pdf_of(["Contents", "1 Early Years 1", "1 Early Years", "He was born."], outline="Early Years,0")
    assert spans(parse(data, "a.pdf"), "heading") == [("Early Years", 1, "1 Early Years")]
    assert parse(data, "a.pdf").spans[1].start == len("Contents\n1 Early Years 1\n")


def test_pdf_page_labels_are_the_printed_ones():
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R/PageLabels<</Nums[0<</S/r/St 4>>]>>>>",
        2: "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 5 0 R>>>>/Contents 4 0 R>>",
        4: pdf_stream(b"BT /F 12 Tf 72 700 Td (Preface) Tj ET"),
        5: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    assert spans(parse(pdf_file(objects), "a.pdf"), "page") == [("iv", 1, "Preface\n")]


def test_pdf_hyphen_at_a_lines_end_joins_the_word():
    document = parse(pdf_of(["A long line of words that is inter-", "national and returns to the fold."]), "a.pdf")
    assert document.text == "A long line of words that is international and returns to the fold.\n"


def test_pdf_form_fields_and_notes_are_read():
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]>>>>",
        2: "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 5 0 R>>>>/Contents 4 0 R/Annots[6 0 R]>>",
        4: pdf_stream(b"BT /F 12 Tf 72 700 Td (Name:) Tj ET"),
        5: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        6: "<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Ada)/Rect[100 600 200 620]/P 3 0 R/F 4/AP<</N 7 0 R>>>>",
        7: b"<</Type/XObject/Subtype/Form/BBox[0 0 100 20]/Resources<</Font<</F 5 0 R>>>>/Length 33>>\nstream\n"
        b"BT /F 12 Tf 2 5 Td (Ada) Tj ET   \nendstream",
    }
    assert parse(pdf_file(objects), "form.pdf").text.split() == ["Name:", "Ada"]


def test_pdf_page_limit_is_told():
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Count 20001/Kids[{'3 0 R ' * 20_001}]>>",
        3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>",
    }
    with pytest.raises(InvalidFileError, match=r"'a\.pdf' has 20001 pages, the limit is 20000"):
        parse(pdf_file(objects), "a.pdf")


def test_encrypted_pdf_needs_a_password():
    import pypdf

    writer = pypdf.PdfWriter(io.BytesIO(pdf_of(["secret"])))
    writer.encrypt("password", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    with pytest.raises(InvalidFileError, match=r"'a\.pdf' is encrypted: a password is needed to open it"):
        parse(file.getvalue(), "a.pdf")


def test_pdf_that_nothing_opens_is_damaged():
    with pytest.raises(InvalidFileError, match=r"'a\.pdf' is damaged"):
        parse(b"%PDF-1.7\nnothing follows", "a.pdf")


def test_pdf_by_the_second_reader_has_the_same_pages():
    data = pdf_of(["Alpha one"], ["Beta two"])
    assert parse(data, "a.pdf", careful=True) == parse(data, "a.pdf")


def test_pdf_by_the_second_reader_opens_with_the_password():
    document = parse((DOCUMENTS / "tern-locked.pdf").read_bytes(), "a.pdf", password="tern-4471", careful=True)
    assert "key number 58" in document.text


def read_file(name, **options):
    return parse((DOCUMENTS / name).read_bytes(), name, **options)


def test_a_password_opens_an_encrypted_pdf():
    with pytest.raises(InvalidFileError, match=r"is encrypted: a password is needed to open it$"):
        read_file("tern-locked.pdf")
    with pytest.raises(InvalidFileError, match=r"is encrypted: the password does not open it$"):
        read_file("tern-locked.pdf", password="tern-4472")
    assert "key number 58" in read_file("tern-locked.pdf", password="tern-4471").text


def test_headers_and_footers_are_read_once():
    document = read_file("tern-report.pdf")
    assert document.text.count("Ternholm Skerry Works - Yard Report") == 1
    assert document.text.count("of 5") == 1
    assert document.text.startswith("Ternholm Skerry Works - Yard Report")
    assert document.warnings == ()


def test_headings_without_an_outline_are_in_larger_or_numbered_bold_letters():
    assert [span[:2] for span in spans(read_file("tern-report.pdf"), "heading")] == [
        ("Yard Report of the Ternholm Works", 1),
        ("The Register", 2),
        ("Surveys", 2),
        ("2.1 Scope of a survey", 4),
        ("Timber", 2),
        ("Costs", 2),
        ("Outlook", 2),
    ]


def test_fields_and_notes_come_after_the_text_of_their_page():
    text = read_file("tern-form.pdf").text
    assert text.count("Solveig Askerud") == 1
    assert text.endswith(
        "\nWinter storage wanted: Yes\n"
        "Note: Askerud asked twice; see letter SK-203.\nNote: Rule changed by the board in March.\n"
    )


def test_a_scan_without_ocr_says_what_it_needs():
    with pytest.raises(
        InvalidFileError, match=r"^'tern-scan.pdf' has no text: 2 of 2 pages look scanned and need OCR: "
    ):
        read_file("tern-scan.pdf", ocr=False)


@pytest.mark.skipif(not ocr.available(), reason="the extra ocr is not installed")
def test_a_scan_is_read_by_ocr_and_told():
    document = read_file("tern-scan.pdf")
    assert document.warnings == ("pages 1-2 were read by OCR",)
    assert "Nine coils of hemp rope" in spans(document, "page")[1][2]


def body(page, lines=8):
    words = "ash birch cedar elm fir hazel larch maple oak pine rowan willow".split()
    return [
        (72, 640 - 16 * line, 11, f"{words[(page * 5 + line) % 12]} {words[(page + line) % 12]} felled")
        for line in range(lines)
    ]


def test_headers_that_differ_on_odd_and_even_pages_are_read_once_each():
    heads = ["The Skerry Handbook", "Part Two: Timber"]
    pages = [[(72, 750, 9, heads[page % 2]), *body(page), (300, 30, 9, f"{page + 7}")] for page in range(8)]
    text = parse(drawn(*pages), "a.pdf").text
    assert [text.count(head) for head in heads] == [1, 1]
    assert [page for page in range(7, 15) if f"\n{page}\n" in text] == [7]


def test_roman_page_numbers_are_footers():
    numerals = ["i", "ii", "iii", "iv", "v", "vi"]
    pages = [[*body(page), (300, 30, 9, numeral)] for page, numeral in enumerate(numerals)]
    lines = parse(drawn(*pages), "a.pdf").text.split("\n")
    assert [numeral for numeral in numerals if numeral in lines] == ["i"]


def test_three_pages_are_too_few_for_headers():
    pages = [[(72, 750, 9, "The Skerry Handbook"), *body(page)] for page in range(3)]
    assert parse(drawn(*pages), "a.pdf").text.count("The Skerry Handbook") == 3


def test_titles_of_slides_are_no_headers():
    pages = [[(72, 750, 24, "Agenda"), *body(page)] for page in range(6)]
    assert parse(drawn(*pages), "a.pdf").text.count("Agenda") == 6


def test_a_line_that_belongs_to_the_text_is_no_header():
    pages = [
        [(72, 730, 11, "Notice of arrival"), *((x, y + 74, size, text) for x, y, size, text in body(page))]
        for page in range(5)
    ]
    assert parse(drawn(*pages), "a.pdf").text.count("Notice of arrival") == 5


def test_a_form_filled_in_many_times_is_kept():
    form = [
        (72, 750, 9, "Skarvik quay office"),
        *((72, 600 - 40 * at, 11, f"Question {name}?") for at, name in enumerate("ABCDE")),
    ]
    pages = [[*form, (300, 600, 11, f"answer {page}")] for page in range(6)]
    assert parse(drawn(*pages), "a.pdf").text.count("Skarvik quay office") == 6


def test_numbers_that_are_not_the_pages_are_no_footers():
    pages = [[*body(page), (72, 60, 9, f"Total {page * page + 3} crowns")] for page in range(6)]
    assert parse(drawn(*pages), "a.pdf").text.count("Total") == 6


def test_where_a_sixth_of_the_lines_is_large_none_is_a_heading():
    lines = [
        (72, 700 - 20 * at, 11 if at % 3 else 16, f"{'Verse' if at % 3 else 'Chorus'} of the song, line {at}")
        for at in range(30)
    ]
    assert spans(parse(drawn(lines), "a.pdf"), "heading") == []


def test_a_heading_over_two_lines_is_one():
    lines = [(72, 740, 20, "The felling of larch"), (72, 716, 20, "and its long rest"), *body(0, 14)]
    assert spans(parse(drawn(lines), "a.pdf"), "heading") == [
        ("The felling of larch and its long rest", 1, "The felling of larch\nand its long rest")
    ]


def test_a_page_whose_letters_have_no_code_needs_ocr():
    good = [(72, 700, 11, "A page that can be read as it is")]
    bad = [(72, 700 - 14 * at, 11, "!#$%&'*+,!#$%&'*+,!#$%&'*+") for at in range(12)]
    document = parse(drawn(good, bad), "a.pdf", ocr=False)
    assert spans(document, "page")[1][2] == "\n"
    assert document.warnings[0].startswith("page 2 needs OCR, as the fonts do not say which letters they show: ")


def test_attached_files_are_told():
    document = parse(
        drawn(
            [(72, 700, 11, "With a letter")], attached="(letter.txt) <</Type/Filespec/F(letter.txt)/UF(letter.txt)>>"
        ),
        "a.pdf",
    )
    assert document.warnings == ("1 attached file was not read (letter.txt)",)


def test_a_field_without_an_appearance_is_read():
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]>>>>",
        2: "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        3: "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 5 0 R>>>>/Contents 4 0 R/Annots[6 0 R]>>",
        4: pdf_stream(b"BT /F 12 Tf 72 700 Td (Request) Tj ET"),
        5: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        6: "<</Type/Annot/Subtype/Widget/FT/Tx/T(skipper)/V(Ada)/Rect[100 600 200 620]/P 3 0 R/F 4>>",
    }
    assert parse(pdf_file(objects), "form.pdf").text.split("\n")[-2] in {"skipper: Ada", "Ada"}


def test_a_mapped_file_is_read_without_writing_to_it(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_of(["Alpha one"]))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert parse(data, "a.pdf").text == "Alpha one\n"
