import codecs
from pathlib import Path

import pytest

from ingestion import UnsupportedFileError, parse

DOCUMENTS = Path(__file__).parent / "documents"

JAPANESE = "これは日本語の文章です。会議の議事録を保存してください。\n"
CHINESE = "这是一个中文文本,请保存会议记录。\n"
KOREAN = "이것은 한국어 텍스트입니다. 회의록을 저장하십시오.\n"
RUSSIAN = "Это русский текст. Сохраните протокол собрания.\n"
ARABIC = "هذا نص عربي. يرجى حفظ محضر الاجتماع.\n"
HEBREW = "זהו טקסט בעברית. נא לשמור את הפרוטוקול.\n"
GERMAN = "Über die Straße fährt der Zug nach Köln – „schön“.\n"
FRENCH = "Le comité a décidé d’ajourner la réunion à l’été.\n"


@pytest.mark.parametrize("name", ["pump.log", "station.yaml", "telemetry.toml"])
def test_text_is_as_it_stands(name):
    data = (DOCUMENTS / name).read_bytes()
    document = parse(data, name)
    assert document.text == data.decode()
    assert document.warnings == ()


@pytest.mark.parametrize("text", [JAPANESE, CHINESE, KOREAN, RUSSIAN, ARABIC, HEBREW, GERMAN])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_is_read_with_a_mark_and_without(text, encoding):
    mark = {"utf-8": codecs.BOM_UTF8}.get(encoding, "\ufeff".encode(encoding))
    for data in (text.encode(encoding), mark + text.encode(encoding)):
        document = parse(data, "a.txt")
        assert document.text == text
        assert document.warnings == ()


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        (JAPANESE, "cp932", "cp932"),
        ("あいうえお\nかきくけこ\n", "cp932", "cp932"),
        (JAPANESE, "euc_jp", "euc"),
        (CHINESE, "gb18030", "gb18030"),
        ("這是一個中文文本,請保存會議記錄。\n", "big5", "big5"),
        (KOREAN, "cp949", "cp949"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "cp866", "ibm866"),
        (ARABIC, "cp1256", "windows-1256"),
        (HEBREW, "cp1255", "windows-1255"),
        (HEBREW, "iso8859-8", "windows-1255"),
        (GERMAN, "cp1252", "windows-1252"),
        (FRENCH, "cp1252", "windows-1252"),
        (GERMAN.partition(" –")[0], "cp850", "cp437"),
        ("Zażółć gęślą jaźń, proszę zapisać protokół.\n", "iso8859-2", "iso-8859-2"),
    ],
)
def test_an_encoding_that_is_guessed_is_named(text, encoding, named):
    for data in (text.encode(encoding), b"plain\n" * 20_000 + text.encode(encoding)):
        document = parse(data, "a.txt")
        assert document.text.endswith(text)
        [warning] = document.warnings
        assert warning.startswith(f"'a.txt' is not UTF-8; read as {named}")


@pytest.mark.parametrize(("text", "encoding"), [(JAPANESE, "iso2022_jp"), (KOREAN, "iso2022_kr")])
def test_seven_bit_encodings_are_known_by_their_escapes(text, encoding):
    assert parse(text.encode(encoding), "a.txt").text == text


@pytest.mark.parametrize("encoding", ["cp500", "cp037"])
def test_ebcdic_is_read(encoding):
    text = "Gauge readings of the upper pond! Levels are in centimetres.\nThe pond was full on Monday!\n"
    document = parse(text.encode(encoding), "a.txt")
    assert document.text == text
    assert document.warnings == (f"'a.txt' is EBCDIC; read as {encoding}",)


def test_damaged_utf_8_stays_utf_8():
    document = parse((JAPANESE * 3).encode() + b"\xff\xfe", "a.txt")
    assert document.text == JAPANESE * 3 + "\ufffd\ufffd"
    assert document.warnings == ("'a.txt' has 2 places that are not UTF-8; they are replaced",)


def test_noise_is_no_text():
    with pytest.raises(UnsupportedFileError, match="a binary file of an unknown type"):
        parse(bytes((i * 7919 + i // 3) % 256 for i in range(5000)), "a.txt")
