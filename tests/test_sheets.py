import datetime as dt
import io
import struct
import zipfile
from pathlib import Path

import openpyxl
import pytest
from ole_files import ole_file
from openpyxl.comments import Comment
from parsed import spans

from ingestion import IngestionError, InvalidFileError, parse
from ingestion.parsers import sheets, sheets_binary, sheets_xml
from ingestion.parsers.package import Package
from ingestion.parsers.sheet_rows import Budget, lines
from ingestion.types import RawFile

DOCUMENTS = Path(__file__).parent / "documents"
HEADER = "Berth | Vessel | Moored | Fee | Paid"
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"


def saved(book):
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def xlsx(*rows, change=None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if change:
        change(book)
    return saved(book)


def changed(data, part, old, new):
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, content.replace(old, new) if name == part else content)
    return file.getvalue()


def ods(table):
    names = " ".join(f'xmlns:{name}="{OFFICE}{name}:1.0"' for name in ("office", "table", "text", "style", "draw"))
    names += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    content = f"<office:document-content {names}><office:body><office:spreadsheet>{table}</office:spreadsheet></office:body></office:document-content>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        package.writestr("content.xml", content)
    return file.getvalue()


def rows_read_sparsely(data):
    book = sheets_xml.Book(Package(RawFile(data, "a.xlsx", "")), "a.xlsx")
    return [
        line for sheet in book.sheets for line in lines(book.rows(book.content(sheet), Budget("")), Budget("")).lines
    ]


@pytest.mark.parametrize("name", ["berth-ledger.xlsx", "berth-ledger.xls", "berth-ledger.ods"])
def test_real_files_have_a_table_a_sheet_and_say_what_is_hidden(name):
    document = parse((DOCUMENTS / name).read_bytes(), name)
    assert [(label, level) for label, level, _ in spans(document, "sheet")] == [("Berths", 1), ("Costs", 2)]
    (header, _, table), (no_header, _, costs) = spans(document, "table")
    assert (header, no_header) == (HEADER, "")
    true, false = ("1", "0") if name.endswith("ods") else ("TRUE", "FALSE")
    assert table.splitlines() == [
        HEADER,
        f"T-14 | Cormorant Jane | 2031-03-09 | 412 | {true}",
        f"T-15 | Old Thistle | 2031-03-10 14:30:00 | 87.5 | {false}",
        "Total |  |  | 499.5",
    ]
    assert costs == "Rope, hemp (m) | 1250\nTar | 3"
    assert document.warnings == ("sheet 'Costs' is hidden",)
    assert ("Comment on B3: Leaks at the stern, see slip 90-Qv" in document.text) == (not name.endswith("xls"))


def test_values_are_written_as_a_person_does():
    day = dt.datetime(2024, 5, 3)  # noqa: DTZ001 - workbooks have no zones
    table = lines(
        [
            [
                1.0,
                -0.5,
                1e16,
                True,
                day,
                day.replace(hour=9),
                dt.time(7, 5),
                dt.timedelta(hours=30),
                None,
                "a\nb",
                "",
            ]
        ],
        Budget(""),
    )
    assert table.lines == ["1 | -0.5 | 1e+16 | TRUE | 2024-05-03 | 2024-05-03 09:00:00 | 07:05:00 | 30:00:00 |  | a b"]


def test_empty_rows_are_left_out_and_long_gaps_are_one_cell():
    assert lines([["", None], ["a", *[""] * 100, "b"], []], Budget("")).lines == ["a |  | b"]


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["Name", "Age"], ["Ann", 3]], "Name | Age"),
        ([["Members 2024"], ["Name", "Age"], ["Ann", 3]], "Name | Age"),
        ([["Ann", 3], ["Bee", 4]], ""),
        ([["Ann", "3"], ["Bee", "4"]], ""),
        ([["Word"], ["one"], ["two"]], "Word"),
        ([["Name", "Age"]], ""),
    ],
)
def test_the_header_is_the_first_row_of_words(rows, header):
    assert lines(rows, Budget("")).header == header


def test_comments_and_text_boxes_follow_their_sheet():
    def comment(book):
        book.active["A2"].comment = Comment("Ask Odile", "Ruud")
        book.create_sheet("Next").append(["x"])

    document = parse(xlsx(["a", "b"], [1, 2], change=comment), "a.xlsx")
    assert document.text == "Sheet\n\na | b\n1 | 2\n\nComment on A2 (Ruud): Ask Odile\n\nNext\n\nx\n\n"
    assert spans(document, "sheet")[0][2].endswith("Ask Odile\n\n")


def test_a_sparse_sheet_is_read_cell_by_cell():
    def far(book):
        book.active["A1"], book.active["XFD1048576"] = "topleft", "bottomright"

    assert parse(xlsx(change=far), "a.xlsx").text == "Sheet\n\ntopleft\n | bottomright\n\n"


def test_a_sparse_sheet_that_leaves_names_out_is_seen():
    data = changed(xlsx(["a"]), "xl/worksheets/sheet1.xml", b'<row r="1"', b'<row r = "1048576"')
    data = changed(data, "xl/worksheets/sheet1.xml", b'<c r="A1"', b'<c r="XFD1048576" t="n"><v>1</v></c><c')
    content = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")
    book = sheets_xml.Book(Package(RawFile(data, "a.xlsx", "")), "a.xlsx")
    assert not book.is_dense(content, sheets.MAX_DENSE_CELLS)


def test_both_readers_of_xlsx_agree():
    def dates(book):
        book.active["D1"] = dt.datetime(2031, 3, 10, 14, 30)  # noqa: DTZ001 - workbooks have no zones
        book.active["D2"] = dt.date(1999, 12, 31)
        book.active["E2"] = "=1+1"

    data = xlsx(["Name", 1.5, True], ["łódź", 3, False], change=dates)
    assert rows_read_sparsely(data) == parse(data, "a.xlsx").text.strip().split("\n")[2:]  # after the name of the sheet


def test_one_long_text_in_many_cells_is_refused_before_memory_is_taken():
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relations = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    related = '<Relationships><Relationship Id="{}" Type="x/{}" Target="{}"/>{}</Relationships>'
    strings = (
        related.format("b", "sharedStrings", "sharedStrings.xml", "").split(">", 1)[1].removesuffix("</Relationships>")
    )
    cells = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 10_001))
    parts = {
        "_rels/.rels": related.format("a", "officeDocument", "xl/workbook.xml", ""),
        "xl/workbook.xml": f'<workbook {main} {relations}><sheets><sheet name="S" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": related.format("a", "worksheet", "worksheets/sheet1.xml", strings),
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{cells}</sheetData></worksheet>",
        "xl/sharedStrings.xml": f"<sst {main}><si><t>{'y' * 30_000}</t></si></sst>",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    with pytest.raises(InvalidFileError, match=r"'a.xlsx' has more than 200,000,000 characters of text"):
        parse(file.getvalue(), "a.xlsx")


def test_a_doctype_in_a_sheet_is_refused():
    data = changed(xlsx(["a"]), "xl/worksheets/sheet1.xml", b"<worksheet", b'<!DOCTYPE x [<!ENTITY e "b">]><worksheet')
    with pytest.raises(InvalidFileError, match=r"has a DOCTYPE in xl/worksheets/sheet1\.xml"):
        parse(data, "a.xlsx")


def test_a_damaged_sheet_is_a_warning_where_others_can_be_read():
    def second(book):
        book.create_sheet("Two").append(["kept"])

    data = xlsx(["a"], change=second)
    broken = bytearray(data)
    at = data.find(b"xl/worksheets/sheet1.xml") + len("xl/worksheets/sheet1.xml") + 20
    broken[at : at + 20] = bytes(20)
    document = parse(bytes(broken), "a.xlsx")
    assert document.text.strip() == "Two\n\nkept"
    assert document.warnings[0].startswith("sheet 'Sheet' cannot be read: 'a.xlsx' is damaged")


def test_an_xls_that_spans_too_many_cells_is_refused():
    sheet = struct.pack("<HHHHHH", 0x0809, 8, 0x600, 0x10, 0, 0) + struct.pack(
        "<HHIIHHH", 0x0200, 14, 0, 1 << 20, 0, 256, 0
    )
    with pytest.raises(InvalidFileError, match=r"'a.xls' has sheets that span 268,435,456 cells"):
        parse(ole_file({"Workbook": sheet}), "a.xls")
    cell = struct.pack("<HHHHHd", 0x0203, 14, 65535, 60000, 0, 1.5)
    found = sheets_binary.xls_facts(RawFile(ole_file({"Workbook": cell}), "a.xls", ""))
    assert found.dense_cells == 65536 * 60001


def test_the_extent_of_an_xlsb_sheet_is_that_of_its_cells():
    row = bytes([0, 4]) + struct.pack("<I", 999)
    cell = bytes([5, 16]) + struct.pack("<IId", 49, 0, 1.5)
    assert sheets_binary.xlsb_cells(row + cell) == 1000 * 50


def test_repeated_cells_of_ods_are_written_out_and_empty_ones_are_not():
    cell = '<table:table-cell office:value-type="string"{}><text:p>a<text:s text:c="2"/>b</text:p></table:table-cell>'
    empty = '<table:table-cell table:number-columns-repeated="16384"/>'
    row = "<table:table-row{}>{}</table:table-row>"
    table = '<table:table table:name="T">{}</table:table>'
    rows = row.format("", cell.format(' table:number-columns-repeated="2"') + empty)
    rows += row.format(' table:number-rows-repeated="1048570"', empty)
    rows += row.format(' table:number-rows-repeated="2"', cell.format(""))
    assert parse(ods(table.format(rows)), "a.ods").text == "T\n\na b | a b\na b\na b\n\n"
    hostile = row.format(' table:number-rows-repeated="1000000"', cell.format(' table:number-columns-repeated="16000"'))
    with pytest.raises(InvalidFileError, match="more than 200,000,000 characters"):
        parse(ods(table.format(hostile)), "a.ods")


def test_comments_and_drawings_of_ods_follow_their_sheet():
    note = "<office:annotation><dc:creator>Ines</dc:creator><text:p>why</text:p></office:annotation>"
    cells = f'<table:table-cell/><table:table-cell office:value-type="boolean" office:boolean-value="true">{note}</table:table-cell>'
    shapes = (
        "<table:shapes><draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame></table:shapes>"
    )
    document = parse(
        ods(f'<table:table table:name="T">{shapes}<table:table-row>{cells}</table:table-row></table:table>'), "a.ods"
    )
    assert document.text == "T\n\nTRUE\n\nboxed\n\nComment on B1 (Ines): why\n\n"


@pytest.mark.parametrize("name", ["berth-ledger.xlsx", "berth-ledger.xls", "berth-ledger.ods"])
def test_cut_off_and_scrambled_files_end_in_text_or_a_sentence(name):
    data = (DOCUMENTS / name).read_bytes()
    for cut in range(512, len(data), 487):
        scrambled = bytearray(data)
        scrambled[cut : cut + 30] = bytes(range(200, 230))
        for broken in (data[:cut], bytes(scrambled)):
            try:
                parse(broken, name)
            except IngestionError as error:
                assert name in str(error)  # noqa: PT017 - either end is right


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_carefully_read_workbooks_say_the_same(suffix):
    data = (Path(__file__).parent / "documents" / f"berth-ledger{suffix}").read_bytes()
    assert parse(data, f"a{suffix}", careful=True).text == parse(data, f"a{suffix}").text


def test_carefully_read_an_old_workbook_is_refused_alone():
    data = (Path(__file__).parent / "documents" / "berth-ledger.xls").read_bytes()
    with pytest.raises(InvalidFileError, match=r"'a.xls' is damaged: its workbook cannot be read"):
        parse(data, "a.xls", careful=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.xls", data)
        packed.writestr("b.txt", "the tide")
    document = parse(archive.getvalue(), "both.zip", careful=True)
    assert document.text.strip() == "the tide"
    assert "'a.xls' is damaged" in document.warnings[0]


def test_formulas_that_were_never_calculated_are_told():
    document = parse(xlsx(["a", "b"], [1, "=A2*2"], [3, "=A3*2"]), "a.xlsx")
    assert document.warnings == (
        "sheet 'Sheet': 2 formulas have no stored value: the program that wrote the file did not calculate them",
    )
