"""The list beside a folder of documents: what is expected of each file, and how a snippet is looked for."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = """\
DIR/MANIFEST.tsv has a header line, then a line a file; columns are separated by tabs, without quoting:
  file       path below DIR
  format     what the table groups by: pdf, docx, ...
  expected   ok                 it is read, and every snippet is found; without snippets it may have no text
             ok:empty           it has no text, and the error says so; with --ocr it may have some
             ok:needs-ocr       the error says so; with --ocr the snippets are found
             error:encrypted    the error says so; with the password, if there is one, it is read
             error:CLASS        any IngestionError
             ok-or-error...     either, but nothing breaks and nothing hangs
  snippets   separated by ' || ': words that stand one after the other in the text, whatever the case,
             the punctuation and the line ends; 'p3:' on page (slide) 3, 'ocr:' only with --ocr
  structure  separated by '; ': headings=A / B   table_rows>=3   slides=3   sheets=A/B   pages=3   entries=2
  password   for an encrypted file
The names of sheets, attachments and archive members count as text in front of them. Other columns are left alone."""

_ALONE = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # kana, ideographs, hangul: a word each
_WORDS = re.compile(rf"{_ALONE}|(?:(?!{_ALONE})[^\W_])+")
_BROKEN_WORD = re.compile(r"(?<=\w)-\s*\n\s*(?=\w)")
_SNIPPET = re.compile(r"(?:p(\d+):|(ocr):)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Snippet:
    """`page` from 1, 0 for anywhere. `ocr`: it stands in an image."""

    words: str
    page: int
    ocr: bool


@dataclass(frozen=True, slots=True)
class Row:
    file: str
    format: str
    expected: str
    snippets: tuple[Snippet, ...]
    structure: tuple[tuple[str, str], ...]
    password: str


def rows(folder: Path) -> list[Row]:
    """The manifest's lines in its order. Raises ValueError where a line has no file or no expectation."""
    return [_row(line) for line in lines(folder)]


def lines(folder: Path) -> list[dict[str, str]]:
    """The columns of every line by name."""
    with (folder / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, line in enumerate(found, 2):
        if not line.get("file") or not line.get("expected"):
            raise ValueError(f"line {number} of {folder / 'MANIFEST.tsv'} has no file or no expectation")
    return found


def words(text: str) -> str:
    """The text's words, one space around each: where one such string holds another, the words follow each other."""
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "")
    text = unicodedata.normalize("NFKC", _BROKEN_WORD.sub("", text)).lower()
    return f" {' '.join(_WORDS.findall(text))} "


def missing(snippets: Sequence[Snippet], text: str, pages: Sequence[str] | None) -> list[str]:
    """The snippets that are not found. `pages` is None where the reader tells none: all are looked for anywhere."""
    whole = words(text)
    return [snippet.words for snippet in snippets if words(snippet.words) not in _place(snippet, whole, pages)]


def _place(snippet: Snippet, whole: str, pages: Sequence[str] | None) -> str:
    if not snippet.page or pages is None:
        return whole
    return words(pages[snippet.page - 1]) if snippet.page <= len(pages) else ""


def _row(line: dict[str, str]) -> Row:
    structure = tuple(_facts(line.get("structure") or ""))
    snippets = tuple(map(_snippet, filter(None, (line.get("snippets") or "").split(" || "))))
    return Row(
        file=line["file"],
        format=line.get("format") or Path(line["file"]).suffix[1:].lower(),
        expected=line["expected"],
        snippets=snippets,
        structure=structure,
        password=line.get("password") or "",
    )


def _snippet(text: str) -> Snippet:
    found = _SNIPPET.fullmatch(text)
    assert found
    return Snippet(found[3], int(found[1] or 0), ocr=bool(found[2]))


def _facts(text: str) -> Iterator[tuple[str, str]]:
    for fact in filter(None, text.split("; ")):
        name, _, value = fact.partition("=")
        yield name.rstrip(">"), value
