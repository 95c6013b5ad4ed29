"""Plain text: which encoding, and the text itself."""

from __future__ import annotations

import codecs

from ingestion.parsers.clean import clean
from ingestion.types import Document, InvalidFileError

SAMPLE_BYTES = 1 << 16
BLOCK_BYTES = 8 << 20
MAX_CHARS = 250_000_000  # stops the decoding of what `parse` would refuse anyway
MIN_CONFIDENCE = 0.5  # below, the detector guesses; windows-1252 is what such files mostly are
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


def read(data: bytes, filename: str, media_type: str) -> Document:
    text, warnings = read_text(data, filename)
    return Document(text, media_type, (), warnings)


def read_text(data: bytes, filename: str) -> tuple[str, tuple[str, ...]]:
    """The clean text, and a sentence for the user where it was not UTF-8 or UTF-16."""
    text, warning = decode(data, filename)
    return clean(text), (warning,) if warning else ()


def decode(data: bytes, filename: str, declared: str = "") -> tuple[str, str]:
    """The text, and a sentence where its encoding had to be guessed.

    By the byte order mark, then the look of UTF-16, then strict UTF-8, then `declared`, then UTF-8
    with damage, then a detector, and windows-1252 as the last resort. What does not fit becomes U+FFFD.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding, filename, errors="replace"), ""
    if wide := _wide_encoding(data):
        return _decoded(data, wide, filename, errors="replace"), ""
    for encoding in filter(None, ("utf-8", declared)):
        try:
            return _decoded(data, encoding, filename, errors="strict"), ""
        except UnicodeError:
            continue
    return _guessed(data, filename)


def _guessed(data: bytes, filename: str) -> tuple[str, str]:
    text = _decoded(data, "utf-8", filename, errors="replace")
    damaged = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", "ignore")) >= MIN_GOOD_SHARE * damaged:
        return text, f"'{filename}' has {damaged} places that are not UTF-8; they are replaced"
    for encoding, errors in ((_detected(data), "strict"), ("cp1252", "replace")):
        try:
            if encoding:
                name = encoding.replace("cp125", "windows-125")
                return _decoded(data, encoding, filename, errors=errors), f"'{filename}' is not UTF-8; read as {name}"
        except (UnicodeError, LookupError):
            continue
    raise AssertionError  # windows-1252 with replacement takes any bytes


def looks_like_text(data: bytes) -> bool:
    """Whether the first 64 KiB are text in some encoding: marked, two bytes a character, or without controls."""
    if any(data.startswith(mark) for mark, _ in _BOMS):
        return True
    sample = data[:SAMPLE_BYTES]
    if _wide_encoding(sample):
        return True
    limit = MAX_UTF8_CONTROL_SHARE if _is_utf8(sample) else MAX_CONTROL_SHARE
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    return controls <= limit * len(sample)


def _decoded(data: bytes, encoding: str, filename: str, *, errors: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    parts, chars = [], 0
    for start in range(0, len(data), BLOCK_BYTES):
        parts.append(decoder.decode(data[start : start + BLOCK_BYTES], start + BLOCK_BYTES >= len(data)))
        chars += len(parts[-1])
        if chars > MAX_CHARS:
            raise InvalidFileError(f"'{filename}' has more than {MAX_CHARS} characters of text")
    return "".join(parts)


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # it may end inside a character
    except UnicodeDecodeError:
        return False
    return True


def _wide_encoding(data: bytes) -> str:
    """UTF-16 without a mark, or "": one byte of two is 0 in Latin text, and in the spaces of any text."""
    sample = data[: min(SAMPLE_BYTES, len(data) // 2 * 2)]
    pairs = len(sample) // 2
    if pairs < 2 or b"\0" not in sample:
        return ""
    # Stray zeros among UTF-8 are no UTF-16; where nearly every high byte is 0, it is
    least = 0.6 if _is_utf8(sample) else 0.05
    even, odd = sample[::2], sample[1::2]
    for encoding, high, low in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        many = high.count(0) > least * pairs and low.count(0) < 0.01 * pairs
        if many and _is_utf16_text(sample, encoding):
            return encoding
    return ""


def _is_utf16_text(sample: bytes, encoding: str) -> bool:
    text = sample.decode(encoding, "replace")
    strange = sum(char == "\ufffd" or (char < " " and char not in "\t\n\v\f\r") for char in text)
    unusual = sum("\ue000" <= char <= "\uf8ff" for char in text)
    return strange + unusual <= 0.02 * len(text)


def _detected(data: bytes) -> str:
    import chardet

    found = chardet.detect(data[:SAMPLE_BYTES])
    name = str(found["encoding"] or "").lower()
    if float(found["confidence"] or 0) < MIN_CONFIDENCE or name in {"ascii", "utf-8"}:
        return ""
    return "cp1252" if name in {"iso-8859-1", "windows-1252", "latin-1"} else name
