"""Source code: the text as it stands, and a symbol span for each class and function."""

from __future__ import annotations

from ingestion.parsers.declarations import declarations
from ingestion.parsers.grammars import grammar_of
from ingestion.parsers.symbols import TooLongError, symbols
from ingestion.parsers.text import read_text
from ingestion.types import Document, RawFile, Span

MAX_CHARS = 2_000_000  # measured: a syntax tree takes up to 190 bytes of memory a byte of text
MAX_LINE_CHARS = 20_000  # longer lines are minified, or data


def read(file: RawFile) -> Document:
    text, said = read_text(file)
    grammar = grammar_of(file.media_type, file.filename, text)
    spans: list[Span] = []
    if not grammar:
        spans = declarations(text, file.media_type)
    elif reason := _reason_against(text, file):
        said += (f"'{file.filename}' {reason}; read without its symbols",)
    else:
        try:
            spans = symbols(text, grammar)
        except TooLongError:
            said += (f"'{file.filename}' takes the parser of {file.media_type} too long; read without its symbols",)
    return Document(text, file.media_type, tuple(spans), said, verbatim=True)


def _reason_against(text: str, file: RawFile) -> str:
    if file.options.careful:
        return f"broke the parser of {file.media_type}"
    if len(text) > MAX_CHARS:
        return f"has {len(text):,} characters, and symbols are looked for in up to {MAX_CHARS:,}"
    longest = max(map(len, text.split("\n")))
    if longest > MAX_LINE_CHARS:
        return f"has a line of {longest:,} characters, and symbols are looked for in lines of up to {MAX_LINE_CHARS:,}"
    return ""
