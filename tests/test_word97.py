import struct
from pathlib import Path

import pytest
from ole_files import ole_file
from parsed import spans

from ingestion import IngestionError, InvalidFileError, parse
from ingestion.media_types import DOC
from ingestion.parsers import word97
from ingestion.types import RawFile, ReadOptions

HANDBOOK = Path(__file__).parent / "documents" / "night-handbook.doc"


def doc(pieces, counts=None, flags=0x0200, n_fib=0xC1):
    """A Word document of pieces (text, whether wide); `counts` are the lengths of its parts."""
    stream, places, described = bytearray(0x600), [0], b""
    for text, wide in pieces:
        place = len(stream) if wide else 2 * len(stream) | 0x40000000
        stream += text.encode("utf-16-le" if wide else "cp1252")
        places.append(places[-1] + (len(text.encode("utf-16-le")) // 2 if wide else len(text)))
        described += struct.pack("<HIH", 0, place, 0)
    struct.pack_into("<HH", stream, 0, 0xA5EC, n_fib)
    struct.pack_into("<H", stream, 0x0A, flags)
    struct.pack_into("<II", stream, 0x18, 0x600, len(stream))
    struct.pack_into("<8I", stream, 0x4C, *(counts or [places[-1]]), *[0] * (8 - len(counts or [0])))
    table = struct.pack(f"<{len(places)}I", *places) + described
    table = b"\x02" + struct.pack("<I", len(table)) + table
    struct.pack_into("<II", stream, 0x1A2, 0, len(table))
    return ole_file({"WordDocument": bytes(stream), "1Table": table})


def text_of(*pieces, **kwargs):
    return parse(doc(pieces, **kwargs), "a.doc").text


def test_a_real_file_has_headings_lists_tables_and_its_header_and_footer():
    document = parse(HANDBOOK.read_bytes(), "night-handbook.doc")
    assert [(label, level) for label, level, _ in spans(document, "heading")] == [
        ("Quillhaven Observatory: Night Staff Handbook", 1),
        ("Mirror care", 1),
        ("Opening the dome", 2),
        ("Duty roster", 1),
    ]
    assert spans(document, "table") == [
        (
            "Watch | Keeper | Radio call",
            0,
            "Watch | Keeper | Radio call\nDusk | Ottoline Grebe | Lantern 3\nMidnight | Fenwick Auklet | Lantern 9",
        )
    ]
    (items,) = spans(document, "list")
    assert items[2].startswith("- Read the anemometer")
    assert items[2].count("\n") == 2
    assert "Dr. Żółkiewska, 日本語 too." in document.text
    assert document.text.endswith("Quillhaven handbook, edition 12\n\nKeep this copy dry\n")


def test_pieces_of_one_and_two_bytes_a_character_are_joined():
    assert text_of(("Café “", False), ("łódź 🎉\r", True)) == "Café “łódź 🎉\n"


def test_of_a_field_only_its_result_is_left_also_nested_and_over_paragraphs():
    fields = 'a \x13 HYPERLINK "x" \x14link\x15 b \x13TOC \x13PAGE\x147\x15\r\x14one\rtwo\x15 c\r'
    assert text_of((fields, False)) == "a link b one\n\ntwo c\n"


def test_a_field_that_never_ends_hides_nothing():
    assert text_of(("one \x13 two\rthree\r", False)) == "one  two\n\nthree\n"


def test_cell_marks_make_rows_where_no_properties_are_known():
    document = parse(doc([("Name\x07Age\x07\x07Ann\x073\x07\x07after\r", False)]), "a.doc")
    assert spans(document, "table") == [("Name | Age", 0, "Name | Age\nAnn | 3")]
    assert document.text.endswith("\n\nafter\n")


def test_parts_follow_each_other_and_repeated_headers_are_told_once():
    parts = ["main\r", "\x02 note\r", "top\rtop\r", "", "\x05remark\r", "end note\r", "box\r"]
    found = text_of(("".join(parts), False), counts=[len(part) for part in parts])
    assert found == "main\n\nnote\n\ntop\n\nremark\n\nend note\n\nbox\n"


def test_word_6_is_read_in_the_code_page_of_its_language():
    stream = bytearray(0x300)
    text = "Журнал смены\r".encode("cp1251")
    struct.pack_into("<HHHH", stream, 0, 0xA5DC, 101, 0, 0x0419)
    struct.pack_into("<II", stream, 0x18, 0x300, 0x300 + len(text))
    assert parse(ole_file({"WordDocument": bytes(stream) + text}), "a.doc").text == "Журнал смены\n"


def test_word_2_has_no_container():
    stream = bytearray(0x180) + b"Old words\r"
    struct.pack_into("<HH", stream, 0, 0xA5DB, 45)
    struct.pack_into("<II", stream, 0x18, 0x180, 0x180 + 10)
    assert word97.read(RawFile(bytes(stream), "a.doc", DOC)).text == "Old words\n"


def test_pieces_that_repeat_each_other_too_often_are_refused():
    data = doc([("x" * 3000, False)])
    places = struct.pack("<201I", *range(0, 201 * 3000, 3000)) + struct.pack("<HIH", 0, 0x600 * 2 | 0x40000000, 0) * 200
    table = b"\x02" + struct.pack("<I", len(places)) + places
    stream = bytearray(0x600) + b"x" * 3000
    struct.pack_into("<HH", stream, 0, 0xA5EC, 0xC1)
    struct.pack_into("<H", stream, 0x0A, 0x0200)
    struct.pack_into("<II", stream, 0x1A2, 0, len(table))
    with pytest.raises(InvalidFileError, match=r"'a.doc' has pieces of more than 18,144 characters"):
        parse(ole_file({"WordDocument": bytes(stream), "1Table": table}), "a.doc")
    assert parse(data, "a.doc").text == "x" * 3000 + "\n"


def test_without_a_piece_table_the_text_is_read_as_it_lies_with_a_warning():
    stream = bytearray(0x600) + b"What is left of it\r"
    struct.pack_into("<HH", stream, 0, 0xA5EC, 0xC1)
    struct.pack_into("<II", stream, 0x18, 0x600, len(stream))
    document = parse(ole_file({"WordDocument": bytes(stream), "1Table": b"torn"}), "a.doc")
    assert document.text == "What is left of it\n"
    assert document.warnings == ("'a.doc' is damaged: its text is read without its piece table",)


def test_cut_off_and_scrambled_files_end_in_text_or_a_sentence():
    data = HANDBOOK.read_bytes()
    for cut in range(512, len(data), 997):
        scrambled = bytearray(data)
        scrambled[cut : cut + 40] = bytes(range(200, 240))
        for broken in (data[:cut], bytes(scrambled)):
            try:
                parse(broken, "a.doc")
            except IngestionError as error:
                assert "'a.doc'" in str(error)  # noqa: PT017 - either end is right


def test_an_encrypted_file_without_a_key_that_fits_says_so():
    for options, reason in (
        (ReadOptions(), "a password is needed to open it"),
        (ReadOptions("x"), "is encrypted in a way"),
    ):
        with pytest.raises(Exception, match=reason):
            word97.read(RawFile(doc([("secret\r", False)], flags=0x0300), "a.doc", DOC, options))
