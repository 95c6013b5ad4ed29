"""PDF: what stands side by side, as rows of tables and columns of prose."""

from pathlib import Path

from parsed import spans
from pdf_files import drawn

from ingestion import parse

DOCUMENTS = Path(__file__).parent / "documents"


def read_file(name, **options):
    return parse((DOCUMENTS / name).read_bytes(), name, **options)


def test_columns_drawn_line_by_line_are_read_one_after_the_other():
    text = read_file("tern-report.pdf").text
    assert "the sap is lowest, and it lies in\nthe brackish pond below Skarvik" in text
    assert text.index("set aside for masts") < text.index("Oak keels come from")


def test_tables_with_and_without_rules_are_rows():
    tables = spans(read_file("tern-report.pdf"), "table")
    assert [label for label, _, _ in tables] == ["Berth | Boat | Charter | Repairs", "Item | Code | Drawn"]
    assert tables[0][2].split("\n")[3] == "B-14 | Teist | 21,900 | 6,075"
    assert tables[1][2].split("\n")[-1] == "Linseed putty | LP-55 | 66 kg"


def test_the_header_row_of_a_table_is_kept_on_each_page():
    def rows(page):
        return [(72 + 150 * at, 740, 11, name) for at, name in enumerate(["Boat", "Berth", "Length"])] + [
            (72 + 150 * at, 722 - 18 * row, 11, f"{name}{page * 10 + row}")
            for row in range(12)
            for at, name in enumerate(["boat", "B-", "9."])
        ]

    document = parse(drawn(*(rows(page) for page in range(5))), "a.pdf")
    assert document.text.count("Boat | Berth | Length") == 5
    assert [label for label, _, _ in spans(document, "table")] == ["Boat | Berth | Length"] * 5


def test_lists_with_bullets_are_no_tables():
    lines = [
        (x, 700 - 18 * at, 11, text)
        for at in range(6)
        for x, text in ((72, "\u2022"), (100, f"item number {at} of the list"))
    ]
    document = parse(drawn(lines), "a.pdf")
    assert spans(document, "table") == []
    assert " | " not in document.text


def test_a_currency_sign_stays_with_its_number():
    rows = [
        ("", "2022", "2021"),
        ("Sales", "8,902", "9,262"),
        ("Costs", "7,010", "7,355"),
        ("Income", "1,892", "1,907"),
    ]
    lines = []
    for at, (name, *values) in enumerate(rows):
        lines += [(72, 700 - 18 * at, 11, name)] if name else []
        for column, value in enumerate(values):
            lines += [(300 + 120 * column, 700 - 18 * at, 11, "$")] if at == 1 else []
            lines.append((330 + 120 * column, 700 - 18 * at, 11, value))
    (table,) = spans(parse(drawn(lines), "a.pdf"), "table")
    assert table[2].split("\n") == [
        " | 2022 | 2021",
        "Sales | $ 8,902 | $ 9,262",
        "Costs | 7,010 | 7,355",
        "Income | 1,892 | 1,907",
    ]


def drawn_row(y, *cells):
    return [(x, y, 10, cell) for x, cell in cells]


def test_a_row_that_fills_its_columns_is_cut_like_those_beside_it():
    """Its letters stand as close as prose, and a cell of two lines is drawn before the next cell of its row."""
    rows = [("Code", "Meaning", "Remedy"), ("E-1", "Short", "Wait"), ("E-2", "Also short", "Wait for it")]
    lines = [
        line for i, row in enumerate(rows) for line in drawn_row(700 - 14 * i, *zip((72, 120, 330), row, strict=True))
    ]
    lines += drawn_row(658, (72, "E-3"), (120, "The probe does not answer within a second"), (330, "Check the plug"))
    lines += drawn_row(644, (72, "E-4"), (120, "Checksums differ in five frames that"))
    lines += drawn_row(630, (120, "follow each other"))
    lines += drawn_row(644, (330, "Check the shield"))
    lines += drawn_row(616, (72, "E-5"), (120, "Worn out"), (330, "Replace"))
    (table,) = spans(parse(drawn(lines), "a.pdf"), "table")
    assert table[0] == "Code | Meaning | Remedy"
    assert table[2].split("\n") == [
        "Code | Meaning | Remedy",
        "E-1 | Short | Wait",
        "E-2 | Also short | Wait for it",
        "E-3 | The probe does not answer within a second | Check the plug",
        "E-4 | Checksums differ in five frames that | Check the shield",
        "follow each other",
        "E-5 | Worn out | Replace",
    ]


def test_the_error_codes_of_the_sample_manual_are_one_table():
    manual = Path(__file__).parents[1] / "data" / "samples" / "manual" / "tarn-manual.pdf"
    tables = {label: text for label, _, text in spans(parse(manual.read_bytes(), "a.pdf"), "table")}
    rows = tables["Code | Meaning | What to do"].split("\n")
    assert sum(row.startswith("E-") and row.count(" | ") == 2 for row in rows) == 22
    assert tables["Role | May do"].count("\n") == 3
