import struct
from pathlib import Path

import pytest
from ole_files import ole_file
from parsed import spans

from ingestion import IngestionError, InvalidFileError, parse

SEASON = Path(__file__).parent / "documents" / "ferry-season.ppt"


def record(kind, content, instance=0, *, container=False):
    return struct.pack("<HHI", instance << 4 | (0xF if container else 0), kind, len(content)) + content


def chars(text):
    return record(4000, text.encode("utf-16-le"))


def header(kind):
    return record(3999, struct.pack("<I", kind))


def ppt(slides, outlines=None, notes=None, token=0xE391C05F):
    """`slides` are the contents of slide containers, `outlines` what the document says of each."""
    stream, places = b"", []
    for content in slides:
        places.append(len(stream))
        stream += record(1006, content, container=True)
    for content in notes or []:
        places.append(len(stream))
        stream += record(1008, content, container=True)
    atoms = [record(1011, struct.pack("<5I", i + 1, 0, 0, 256 + i, 0)) for i in range(len(places))]
    listed = b"".join(atom + (outlines or {}).get(i, b"") for i, atom in enumerate(atoms[: len(slides)]))
    content = record(4080, listed, 0, container=True)
    content += record(4080, b"".join(atoms[len(slides) :]), 2, container=True)
    places.append(len(stream))
    stream += record(1000, content, container=True)
    directory = len(stream)
    stream += record(6002, struct.pack(f"<{len(places) + 1}I", 1 | len(places) << 20, *places))
    edit = len(stream)
    stream += record(4085, struct.pack("<7I", 0, 0, 0, directory, len(places), 0, 0))
    user = record(4086, struct.pack("<3IHHHH", 20, token, edit, 0, 0x3F4, 3, 0))
    return ole_file({"PowerPoint Document": stream, "Current User": user})


def test_a_real_file_has_its_slides_in_order_with_titles_and_notes():
    document = parse(SEASON.read_bytes(), "ferry-season.ppt")
    assert [label for label, _, _ in spans(document, "heading")] == [
        "Brackwater Ferry Company",
        "Hull inspection",
        "Timetable",
    ]
    slides = spans(document, "slide")
    assert [level for _, level, _ in slides] == [1, 2, 3]
    assert slides[1][2] == (
        "Hull inspection\n\nThe Petrel needs new zinc, order BW-3391\nThe Shearwater passed with grade B\n"
        "Next dry dock: Kestrel Yard\n\nCosts in crowns, łódź prices\n\nSay that the zinc was forgotten twice.\n\n"
    )
    assert "Selkie Rock\n\n07:45" in slides[2][2]


def test_texts_of_the_outline_stand_where_the_drawing_refers_to_them():
    drawing = chars("a box") + record(3998, struct.pack("<I", 1)) + record(3998, struct.pack("<I", 0))
    outline = header(0) + chars("Title") + header(1) + record(4008, b"One\rTw\xf6")
    document = parse(ppt([drawing], {0: outline}), "a.ppt")
    assert document.text == "Title\n\na box\n\nOne\nTwö\n\n"
    assert spans(document, "heading") == [("Title", 1, "Title")]


def test_notes_follow_the_slide_they_belong_to_and_page_numbers_are_left_out():
    notes = [record(1009, struct.pack("<II", 257, 0)) + header(2) + chars("say this") + header(4) + chars("*")]
    document = parse(ppt([chars("first"), chars("second")], notes=notes), "a.ppt")
    assert [text for _, _, text in spans(document, "slide")] == ["first\n\n", "second\n\nsay this\n\n"]


def test_comments_have_their_author_and_a_footer_is_told_once():
    comment = record(
        12000, record(4026, "Una".encode("utf-16-le"), 0) + record(4026, "Why?".encode("utf-16-le"), 1), container=True
    )
    tags = record(5000, record(5002, record(5003, comment), container=True), container=True)
    footer = record(4057, record(4026, "Fogbank Ltd".encode("utf-16-le"), 2), container=True)
    document = parse(ppt([chars("x") + tags + footer, chars("y") + footer]), "a.ppt")
    assert document.text == "x\n\nComment (Una): Why?\n\nFogbank Ltd\n\ny\n\n"


def test_without_a_directory_the_slides_come_as_they_were_saved_with_a_warning():
    stream = record(1006, chars("one"), container=True) + record(1006, chars("two"), container=True)
    document = parse(ole_file({"PowerPoint Document": stream}), "a.ppt")
    assert document.text == "one\n\ntwo\n\n"
    assert document.warnings == ("'a.ppt' is damaged: its slides are in the order they were saved in",)


def test_edits_that_refer_to_themselves_end():
    stream = record(1006, chars("one"), container=True)
    edit = len(stream)
    stream += record(4085, struct.pack("<7I", 0, 0, edit, 0, 1, 0, 0))
    user = record(4086, struct.pack("<3I", 20, 0xE391C05F, edit))
    assert parse(ole_file({"PowerPoint Document": stream, "Current User": user}), "a.ppt").text == "one\n\n"


def test_encrypted_presentations_say_so():
    with pytest.raises(InvalidFileError, match=r"'a.ppt' is encrypted: a password is needed to open it"):
        parse(ppt([chars("x")], token=0xF3D1C4DF), "a.ppt")


def test_cut_off_and_scrambled_files_end_in_text_or_a_sentence():
    data = SEASON.read_bytes()
    for cut in range(512, len(data), 1499):
        scrambled = bytearray(data)
        scrambled[cut : cut + 40] = bytes(range(200, 240))
        for broken in (data[:cut], bytes(scrambled)):
            try:
                parse(broken, "a.ppt")
            except IngestionError as error:
                assert "'a.ppt'" in str(error)  # noqa: PT017 - either end is right
