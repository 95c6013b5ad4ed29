"""LaTeX as its reader sees it: commands and comments taken out, their words kept, formulas as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingestion.parsers.blocks import Block, assemble
from ingestion.parsers.text import read_text
from ingestion.types import Document, RawFile

MAX_FORMULA_CHARS = 5000  # bounds the look for an end that is missing

_LEVELS = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}
_MATH = r"(?:equation|align|gather|multline|eqnarray|displaymath|math|verbatim|lstlisting)"
_SILENT = (
    r"(?:documentclass|usepackage|label|ref|eqref|pageref|bibliographystyle|bibliography|input|include|pagestyle|"
    r"includegraphics|hypersetup|setlength|vspace|hspace|setcounter|RequirePackage)"
)
_OPTION = r"(?:\[[^\[\]\n]{0,300}\])?"

_TOKEN = re.compile(
    rf"""
      (?P<comment> % [^\n]* \n? )
    | (?P<formula>
          \\begin\{{(?P<env>{_MATH}\*?)\}} .{{0,{MAX_FORMULA_CHARS}}}? \\end\{{(?P=env)\}}
        | \\\[ .{{0,{MAX_FORMULA_CHARS}}}? \\\]
        | \$\$? [^$\n]{{1,500}} \$\$?
      )
    | (?P<section>
          \\(?P<depth>part|chapter|(?:sub){{0,2}}section|paragraph)\*?{_OPTION} \{{(?P<title>[^\n]{{0,300}}?)\}}
      )
    | (?P<silent> \\{_SILENT}\*?{_OPTION}\{{[^{{}}\n]{{0,500}}\}} | \\(?:begin|end)\{{[^{{}}\n]{{0,60}}\}}{_OPTION} )
    | (?P<item> \\item\b{_OPTION} )
    | (?P<newline> \\\\ (?:\[[^\[\]\n]{{0,20}}\])? )
    | (?P<escaped> \\ [%$&\#_{{}}] )
    | (?P<command> \\ [A-Za-z@]+\*?{_OPTION} | \\. | [{{}}] )
    | (?P<tie> ~ )
    """,
    re.VERBOSE | re.DOTALL,
)
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")


def read(file: RawFile) -> Document:
    text, warnings = read_text(file)
    return assemble(_blocks(text), file.media_type, warnings)


def _blocks(text: str) -> Iterator[Block]:
    parts: list[str] = []
    at = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[at : token.start()])
        at = token.end()
        if token["section"]:
            yield from _paragraphs(parts)
            parts.clear()
            yield Block(_TOKEN.sub(_words, token["title"]), "heading", _LEVELS[token["depth"]])
        else:
            parts.append(_words(token))
    yield from _paragraphs([*parts, text[at:]])


def _words(token: re.Match[str]) -> str:
    """What the reader sees of a token that is no section."""
    if token["formula"]:
        return token[0]
    if token["escaped"]:
        return token[0][1:]
    if token["item"]:
        return "- "
    if token["newline"]:
        return "\n"
    return " " if token["tie"] else ""


def _paragraphs(parts: list[str]) -> Iterator[Block]:
    for paragraph in _PARAGRAPHS.split("".join(parts)):
        yield Block(paragraph.strip())
