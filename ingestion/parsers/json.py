"""JSON and JSON lines: the text as it stands, but for its escaped letters (u00e9), which are written out."""

from __future__ import annotations

import json
import re

from ingestion.parsers.clean import clean
from ingestion.parsers.text import read_text
from ingestion.types import Document, RawFile

MAX_CHECKED_CHARS = 2_000_000  # longer files are data: their text is enough
MAX_CHECKED_LINES = 10_000

# A pair of surrogates, or one unit; a backslash that is escaped itself takes its place, so that it begins none
_ESCAPE = re.compile(r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}")


def read(file: RawFile) -> Document:
    text, said = read_text(file)
    warnings = _line_warnings if file.media_type == "application/jsonl" else _warnings
    if len(text) <= MAX_CHECKED_CHARS:
        said += warnings(text, file.filename)
    text = clean(_ESCAPE.sub(_letter, text)) if "\\u" in text else text
    return Document(text, file.media_type, (), said, verbatim=True)


def _letter(escape: re.Match[str]) -> str:
    """What is no letter stays escaped: controls, quotation marks, half of a pair."""
    units = escape[0].split("\\u")[1:]
    letter = b"".join(int(unit, 16).to_bytes(2, "big") for unit in units).decode("utf-16-be", "replace")
    return letter if letter.isprintable() and letter > "\x7f" and letter != "\ufffd" else escape[0]


def _warnings(text: str, filename: str) -> tuple[str, ...]:
    try:
        wrong = _wrong(text)
    except RecursionError:
        return (f"'{filename}' is JSON nested too deep to check; read as text",)
    return (f"'{filename}' is not valid JSON ({wrong}); read as text",) if wrong else ()


def _line_warnings(text: str, filename: str) -> tuple[str, ...]:
    lines = text.split("\n")[:MAX_CHECKED_LINES]
    try:
        wrong = [(number, why) for number, line in enumerate(lines, 1) if line.strip() and (why := _wrong(line))]
    except RecursionError:
        return (f"'{filename}' has a line nested too deep to check; read as text",)
    if not wrong:
        return ()
    number, why = wrong[0]
    return (f"'{filename}' has {len(wrong):,} lines that are not valid JSON (line {number}: {why}); read as text",)


def _wrong(text: str) -> str:
    """What is wrong with it; "" where it is valid."""
    try:
        json.loads(text, parse_int=float)  # int takes quadratic time in its digits
    except ValueError as error:
        return str(error)
    return ""
