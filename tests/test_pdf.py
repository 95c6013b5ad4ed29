import io

import pytest
from parsed import spans

from ingestion import InvalidFileError, parse
from ingestion.parsers import pdf

# PDF: objects by number, written with a correct cross-reference table


def pdf_file(objects):
    file, places = io.BytesIO(b"%PDF-1.7\n"), {}
    file.seek(0, 2)
    for number, body in objects.items():
        places[number] = file.tell()
        file.write(b"%d 0 obj\n" % number + (body if isinstance(body, bytes) else body.encode()) + b"\nendobj\n")
    start, size = file.tell(), max(objects) + 1
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    for number in range(1, size):
        file.write(b"%010d 00000 n \n" % places[number])
    file.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start))
    return file.getvalue()


def pdf_stream(content):
    return b"<</Length %d>>\nstream\n" % len(content) + content + b"\nendstream"


def pdf_of(*pages, outline=""):
    """Each page is a list of lines; bookmarks, where there are any, are "title,page" from page 0."""
    marks = [mark.rsplit(",", 1) for mark in outline.split(";") if mark]
    first = 5 + 2 * len(pages)
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>",
        2: f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{5 + 2 * at} 0 R' for at in range(len(pages)))}]>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        4: f"<</Type/Outlines/First {first} 0 R/Last {first + len(marks) - 1} 0 R/Count {len(marks)}>>"
        if marks
        else "<<>>",
    }
    for at, lines in enumerate(pages):
        shown = b"".join(b"(%s) Tj 0 -20 Td " % line.encode("cp1252") for line in lines)
        objects[5 + 2 * at] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>/Contents {6 + 2 * at} 0 R>>"
        )
        objects[6 + 2 * at] = pdf_stream(b"BT /F 12 Tf 72 700 Td " + shown + b"ET")
    for at, (title, page) in enumerate(marks):
        following = f"/Next {first + at + 1} 0 R" if at + 1 < len(marks) else ""
        objects[first + at] = f"<</Title({title})/Parent 4 0 R/Dest[{5 + 2 * int(page)} 0 R/Fit]{following}>>"
    return pdf_file(objects)


def test_pdf_pages_tile_the_text_and_have_their_number():
    document = parse(pdf_of(["Alpha one"], ["Beta two"]), "a.pdf")
    assert spans(document, "page") == [("1", 1, "Alpha one\n"), ("2", 2, "Beta two\n")]
    assert document.media_type == "application/pdf"


def test_pdf_page_without_text_is_told():
    document = parse(pdf_of(["Alpha"], [], ["Gamma"], [], []), "a.pdf")
    assert document.warnings == ("pages 2, 4-5 have no text (scanned?)",)
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
    with pytest.raises(InvalidFileError, match="1 of 1 pages look scanned and need OCR"):
        parse(pdf_file(objects), "scan.pdf")


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
    first = parse(pdf_of(["Alpha one"], ["Beta two"]), "a.pdf")
    second = pdf.read_with_pypdf(pdf_of(["Alpha one"], ["Beta two"]), "a.pdf", "application/pdf")
    assert second == first


# Word
