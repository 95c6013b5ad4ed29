import struct
from pathlib import Path

import pytest
from ole_files import ole_file
from parsed import spans

from ingestion import parse
from ingestion.parsers.outlook import unpacked_rtf
from ingestion.types import InvalidFileError

ORDER = Path(__file__).parent / "documents" / "lamp-order.msg"
SUBJECT, BODY, HTML = "__substg1.0_0037001F", "__substg1.0_1000001F", "__substg1.0_10130102"
EMBEDDED = "__attach_version1.0_#00000000/__substg1.0_3701000D/"


def wide(text):
    return text.encode("utf-16-le")


def properties(*pairs, head=32):
    return bytes(head) + b"".join(struct.pack("<HHIQ", 3, number, 6, value) for number, value in pairs)


def msg(streams):
    return ole_file({"__properties_version1.0": properties(), SUBJECT: wide("S"), **streams})


def attachment(number, name, data):
    storage = f"__attach_version1.0_#{number:08X}/__substg1.0_"
    return {storage + "3707001F": wide(name), storage + "37010102": data}


def test_a_message_has_its_subject_fields_body_and_attachments():
    document = parse(ORDER.read_bytes(), "lamp-order.msg")
    assert document.text.startswith(
        "Subject: Lamp oil for the Gorse Point light\n\n"
        "From: Perpetua Lindqvist <p.lindqvist@gorsepoint.example>\nTo: Stores at Wrackline\nCc: Bartholomew Sedge\n"
        "Date: 2032-05-17 08:45 UTC\n\nDear stores,\n\nplease send 40 litres of lamp oil, order LX-2207"
    )
    assert [(label, level) for label, level, _ in spans(document, "heading")] == [
        ("Lamp oil for the Gorse Point light", 1),
        ("Lamp oil, April", 1),
    ]
    assert [(label, level) for label, level, _ in spans(document, "part")] == [("stock.csv", 1), ("Earlier letter", 2)]
    assert "Date: 2032-04-17 08:45 UTC\n\nThe April casks left with the cutter Molly Fathom." in document.text


def test_bytes_are_read_in_the_code_page_of_the_message():
    streams = {
        "__properties_version1.0": properties((0x3FFD, 1251)),
        "__substg1.0_0037001E": "Тема".encode("cp1251"),
        "__substg1.0_1000001E": "Маяк на мысе".encode("cp1251"),
    }
    assert parse(ole_file(streams), "a.msg").text == "Subject: Тема\n\nМаяк на мысе\n"


def test_html_is_the_body_where_there_is_no_plain_text():
    document = parse(msg({HTML: b"<html><body><p>Caf\xc3\xa9</p><p>two</p></body></html>"}), "a.msg")
    assert document.text == "Subject: S\n\nCafé\n\ntwo\n"
    page = {"__properties_version1.0": properties((0x3FDE, 1250)), HTML: "<p>łódź</p>".encode("cp1250")}
    assert parse(msg(page), "a.msg").text == "Subject: S\n\nłódź\n"


def test_headers_tell_sender_and_date_where_they_are_there():
    headers = "From: Ada <ada@x.example>\r\nTo: Bo\r\nDate: Tue, 3 Mar 2026 10:00:00 +0100\r\n"
    document = parse(msg({"__substg1.0_007D001F": wide(headers), BODY: wide("b")}), "a.msg")
    assert "\n\nFrom: Ada <ada@x.example>\nTo: Bo\nDate: Tue, 3 Mar 2026 10:00:00 +0100\n\nb\n" in document.text


def test_an_attachment_that_cannot_be_read_is_a_warning():
    streams = {
        BODY: wide("see"),
        **attachment(0, "a/b\\song.mp3", b"ID3\x04" + bytes(200)),
        **attachment(1, "n.txt", b"note"),
    }
    document = parse(msg(streams), "a.msg")
    assert [label for label, _, _ in spans(document, "part")] == ["n.txt"]
    assert document.warnings[0].startswith("left out: 'song.mp3' looks like an MP3 sound")


def test_embedded_messages_are_read_four_deep():
    streams = {}
    for depth in range(7):
        streams |= {
            EMBEDDED * depth + "__properties_version1.0": bytes(32),
            EMBEDDED * depth + BODY: wide(f"level {depth}"),
        }
    document = parse(ole_file(streams), "a.msg")
    assert "level 4" in document.text
    assert "level 5" not in document.text
    assert any("nested more than 4 files deep" in warning for warning in document.warnings)


def test_compressed_rich_text_is_unpacked_and_its_loops_end():
    plain = b"{\\rtf1 tide tide tide}"
    literal = b"".join(b"\0" + plain[at : at + 8] for at in range(0, len(plain), 8))
    packed = struct.pack("<4I", len(literal) + 12, len(plain), 0x75465A4C, 0) + literal
    assert unpacked_rtf(packed, "a.msg") == plain
    window = struct.pack("<4I", 0, 10, 0x75465A4C, 0) + bytes([0b10]) + b"!" + (0 << 4 | 4).to_bytes(2, "big")
    assert unpacked_rtf(window, "a.msg") == b"!{\\rtf1"
    assert unpacked_rtf(struct.pack("<4I", 20, 5, 0x414C454D, 0) + b"plain", "a.msg") == b"plain"
    with pytest.raises(InvalidFileError, match="bytes of rich text, the limit is"):
        unpacked_rtf(struct.pack("<4I", 20, 1 << 31, 0x75465A4C, 0), "a.msg")


def test_a_stream_that_says_it_is_larger_than_its_file_is_not_read():
    whole = bytearray(ole_file({"__substg1.0_0037001F": "the tide".encode("utf-16-le"), "other": b"words"}))
    at = whole.find("__substg1.0_0037001F".encode("utf-16-le"))
    struct.pack_into("<I", whole, at + 120, 656_877_351)  # the directory entry's size
    with pytest.raises(InvalidFileError, match=r"'a.msg' is damaged: its stream .* says it has 656,877,351 bytes"):
        parse(bytes(whole), "a.msg")
