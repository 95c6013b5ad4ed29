"""Plain text: which encoding, and the text itself."""

from __future__ import annotations

import codecs
import re
from mmap import mmap

from ingestion.parsers.clean import clean
from ingestion.tokens import check_tokens
from ingestion.types import Document, InvalidFileError, RawFile

SAMPLE_BYTES = 1 << 16
BLOCK_BYTES = 8 << 20
MAX_CHARS = 250_000_000  # stops the decoding of what `parse` would refuse anyway
CHECKED_CHARS = 32_000_000  # when this much is decoded its tokens are counted: mostly it is over the limit by then
MIN_CONFIDENCE = 0.07  # measured: right guesses are at .08 or above; below, windows-1252 is the likeliest
MIN_KANA_SHARE = 0.2  # of the characters beyond ASCII; other text that is read as Japanese has next to none
MIN_GOOD_SHARE = 5  # characters beyond ASCII for each damaged place, and it is UTF-8 that was damaged
MAX_CONTROL_SHARE = 0.02  # of the bytes
MAX_UTF8_CONTROL_SHARE = 0.1  # text with some stray controls in it is still text

_BOMS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_EAST_ASIAN = re.compile("[\t\n\r -~\u2010-\u203b\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]+")
_LOW = bytes(range(32))

# 7-bit encodings that look like ASCII: by the first escape they use
_ESCAPES = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$@", "iso2022_jp_ext"), (b"\x1b$B", "iso2022_jp_ext"))

# EBCDIC: a text without ASCII's space, mostly of letters and of EBCDIC's space
_EBCDIC_LETTERS = bytes(range(0x81, 0xAA)) + bytes(range(0xC1, 0xEA))
MIN_EBCDIC_BYTES = 64
_EBCDIC_MARKS = bytes.fromhex(
    "05 0d 15 25 40 4a 4b 4c 4d 4e 4f 50 5a 5b 5c 5d 5e 5f 60 61 6a 6b 6c 6d 6e 6f 7a 7b 7c 7d 7e 7f"
)
_EBCDIC = _EBCDIC_LETTERS + _EBCDIC_MARKS + bytes(range(0xF0, 0xFA))
MIN_EBCDIC_SHARE = 0.95
MIN_EBCDIC_LETTER_SHARE = 0.25
MIN_EBCDIC_SPACE_SHARE = 0.05

_NO_LINE_ENDS = re.compile("[\x0b\x0c\x85\u2028\u2029]")  # to a page printer, not to an editor

# What the detector may say; ISO-8859-1 is windows-1252 to everyone
_LEGACY = frozenset(
    "cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso-8859-2 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 "
    "iso-8859-9 iso-8859-13 koi8-r koi8-u ibm866 cp437 cp850 cp852 cp862 macroman maccyrillic cp874 tis-620 "
    "cp932 euc-jp gb18030 big5 cp949 euc-kr cp1252 iso-8859-1 iso8859-15".split()
)

# Python's own codecs; some take quadratic time
_NO_TEXTS = frozenset(
    "idna punycode undefined unicode-escape raw-unicode-escape unicode_escape raw_unicode_escape".split()
)

# What browsers read these names as (WHATWG Encoding), by Python's names of them
_BROWSER_NAMES = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "tis-620": "cp874",
    "iso2022_jp": "iso2022_jp_ext",
}


def read(file: RawFile) -> Document:
    text, warnings = read_text(file)
    return Document(text, file.media_type, (), warnings, verbatim=True)


def read_text(file: RawFile) -> tuple[str, tuple[str, ...]]:
    """The clean text, and a sentence for the user where it was not UTF-8 or UTF-16."""
    text, warning = decode(file.data, file.filename)
    text = _NO_LINE_ENDS.sub(" ", text)  # so that lines are counted as editors count them
    return clean(text), (warning,) if warning else ()


def encoding_named(declared: str) -> str:
    """Python's name of an encoding that a file declares; "" where it is not known, or no encoding of text."""
    try:
        b"text".decode(declared.strip())
        name = codecs.lookup(declared.strip()).name
    except (LookupError, ValueError):
        return ""
    return "" if name in _NO_TEXTS or name.startswith(("utf-16", "utf-32")) else _BROWSER_NAMES.get(name, name)


def decode(data: bytes | mmap, filename: str, declared: str = "") -> tuple[str, str]:
    """The text, and a sentence where its encoding had to be guessed.

    By the byte order mark, then the look of UTF-32, UTF-16, EBCDIC or ISO 2022, then strict UTF-8, then
    `declared`, then UTF-8 with damage, then a detector, and windows-1252 as the last resort. What does
    not fit becomes U+FFFD.
    """
    for mark, encoding in _BOMS:
        if data[: len(mark)] == mark:
            return _decoded(data, encoding, filename, errors="replace", start=len(mark)), ""
    if wide := _wide_encoding(data[:SAMPLE_BYTES]):
        return _decoded(data, wide, filename, errors="replace"), ""
    if ebcdic := _ebcdic(data[:SAMPLE_BYTES]):
        return _decoded(data, ebcdic, filename, errors="replace"), f"'{filename}' is EBCDIC; read as {ebcdic}"
    seven_bits = declared if declared.startswith(("iso2022", "utf-7", "hz")) else _escaped(data[:SAMPLE_BYTES])
    for encoding in filter(None, (seven_bits, "utf-8", declared)):
        try:
            return _decoded(data, encoding, filename, errors="strict"), ""
        except UnicodeError:
            continue
    return _guessed(data, filename)


def _guessed(data: bytes | mmap, filename: str) -> tuple[str, str]:
    text = _decoded(data, "utf-8", filename, errors="replace")
    damaged = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", "ignore")) >= MIN_GOOD_SHARE * damaged:
        return text, f"'{filename}' has {damaged} places that are not UTF-8; they are replaced"
    encoding = _detected(data)
    try:
        text = _decoded(data, encoding, filename, errors="strict")
    except UnicodeError:
        encoding = "cp1252"
        text = _decoded(data, encoding, filename, errors="replace")
    return text, f"'{filename}' is not UTF-8; read as {encoding.replace('cp125', 'windows-125')}"


def looks_like_text(data: bytes | mmap) -> bool:
    """Whether the first 64 KiB are text in some encoding: marked, two bytes a character, or without controls."""
    sample = data[:SAMPLE_BYTES]
    if any(sample.startswith(mark) for mark, _ in _BOMS):
        return True
    if _wide_encoding(sample) or _ebcdic(sample) or _escaped(sample):
        return True
    limit = MAX_UTF8_CONTROL_SHARE if _is_utf8(sample) else MAX_CONTROL_SHARE
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls <= limit * len(sample)


def _decoded(data: bytes | mmap, encoding: str, filename: str, *, errors: str, start: int = 0) -> str:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    parts, chars = [], 0
    for at in range(start, len(data), BLOCK_BYTES):
        parts.append(decoder.decode(data[at : at + BLOCK_BYTES], at + BLOCK_BYTES >= len(data)))
        before, chars = chars, chars + len(parts[-1])
        if before <= CHECKED_CHARS < chars:
            check_tokens("".join(parts), filename)
        if chars > MAX_CHARS:
            raise InvalidFileError(f"'{filename}' has more than {MAX_CHARS:,} characters of text")
    return "".join(parts)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # it may end inside a character
    except UnicodeDecodeError:
        return False
    return True


def _escaped(sample: bytes) -> str:
    if b"\x1b$" not in sample or not sample.isascii():
        return ""
    return next((encoding for escape, encoding in _ESCAPES if escape in sample), "")


def _ebcdic(sample: bytes) -> str:
    """cp500 or cp037, which differ in a few marks: the exclamation mark of one is a bracket in the other."""
    size = len(sample)
    if size < MIN_EBCDIC_BYTES or sample.count(b" ") * 100 > size:
        return ""
    if sample.count(b"\x40") < MIN_EBCDIC_SPACE_SHARE * size:
        return ""
    letters, known = (size - len(sample.translate(None, found)) for found in (_EBCDIC_LETTERS, _EBCDIC))
    if letters < MIN_EBCDIC_LETTER_SHARE * size or known < MIN_EBCDIC_SHARE * size:
        return ""
    return "cp037" if sample.count(b"\x5a") > sample.count(b"\x4f") else "cp500"


def _wide_encoding(data: bytes) -> str:
    """UTF-32 or UTF-16 without a mark; "" for anything else."""
    return _utf32(data) or _utf16(data)


def _utf32(data: bytes) -> str:
    """Of four bytes the highest is 0, and the next one is at most 16."""
    sample = data[: min(SAMPLE_BYTES, len(data) // 4 * 4)]
    quads = len(sample) // 4
    if quads < 2:
        return ""
    for encoding, highest, planes in (
        ("utf-32-le", sample[3::4], sample[2::4]),
        ("utf-32-be", sample[::4], sample[1::4]),
    ):
        if highest.count(0) == quads and max(planes) <= 0x10 and _is_wide_text(sample, encoding):
            return encoding
    return ""


def _utf16(data: bytes) -> str:
    """UTF-16 without a mark, or "": one byte of two is 0 in Latin text, and in the spaces of any text."""
    sample = data[: min(SAMPLE_BYTES, len(data) // 2 * 2)]
    pairs = len(sample) // 2
    if pairs < 2 or b"\0" not in sample:
        return ""
    # Stray zeros among UTF-8 are no UTF-16; where nearly every high byte is 0, it is
    least = 0.6 if _is_utf8(sample) else 0.05
    even, odd = sample[::2], sample[1::2]
    for encoding, high, low in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        zeros = high.count(0)
        # Arabic, Greek or Thai: its bytes may be ASCII, but every second one is a control
        foreign = zeros > 0.05 * pairs and pairs - len(high.translate(None, _LOW)) > 0.9 * pairs
        many = (zeros > least * pairs or foreign) and low.count(0) < 0.01 * pairs
        if many and _is_wide_text(sample, encoding):
            return encoding
    return next((encoding for encoding in ("utf-16-le", "utf-16-be") if _is_east_asian(sample, encoding)), "")


def _is_east_asian(sample: bytes, encoding: str) -> bool:
    """Chinese, Japanese or Korean, which may be without spaces: few characters are of any other script."""
    if _is_utf8(sample):
        return False
    text = sample.decode(encoding, "replace")
    return len(text) - len(_EAST_ASIAN.sub("", text)) >= 0.97 * len(text)


def _is_wide_text(sample: bytes, encoding: str) -> bool:
    text = sample.decode(encoding, "replace")
    strange = sum(char == "\ufffd" or (char < " " and char not in "\t\n\v\f\r") for char in text)
    unusual = sum("\ue000" <= char <= "\uf8ff" for char in text)
    return strange + unusual <= 0.02 * len(text)


def _detected(data: bytes | mmap) -> str:
    """The likeliest of the encodings that text files were mostly in."""
    import chardet

    beyond = re.search(rb"[\x80-\xff]", data)
    start = max(beyond.start() - SAMPLE_BYTES, 0) if beyond else 0
    lines = data[start : start + 4 * SAMPLE_BYTES].split(b"\n")
    sample = b"\n".join(line for line in lines if not line.isascii())[:SAMPLE_BYTES]  # the others say nothing
    if japanese := _japanese(sample):
        return japanese
    for found in chardet.detect_all(sample, ignore_threshold=True):
        name = str(found["encoding"] or "").lower().replace("windows-", "cp").replace("shift_jis", "cp932")
        if name in _LEGACY:
            western = name in {"iso-8859-1", "iso8859-15"} or float(found["confidence"] or 0) < MIN_CONFIDENCE
            return "cp1252" if western else name
    return "cp1252"


def _japanese(sample: bytes) -> str:
    """By its syllables, which the detector does not know where there are no ideographs."""
    for encoding in ("cp932", "euc_jp"):
        text = codecs.getincrementaldecoder(encoding)("replace").decode(sample)
        beyond = [char for char in text if char > "\x7f"]
        kana = sum("\u3041" <= char <= "\u30fe" for char in beyond)
        if "\ufffd" not in beyond and kana > MIN_KANA_SHARE * len(beyond):
            return encoding
    return ""
