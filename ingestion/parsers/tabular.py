"""CSV and TSV: the text as it stands, one table with its header row as the label."""

from __future__ import annotations

import csv

from ingestion.parsers.blocks import label, row
from ingestion.parsers.text import read_text
from ingestion.types import Document, RawFile, Span

SAMPLE_CHARS = 16_384
SAMPLE_LINES = 20
DELIMITERS = ",;\t|"


def read(file: RawFile) -> Document:
    text, warnings = read_text(file)
    table = Span("table", 0, len(text), _header(text[:SAMPLE_CHARS], file.media_type))
    return Document(text, file.media_type, (table,) if text else (), warnings, verbatim=True)


def _header(sample: str, media_type: str) -> str:
    """The first row that is not empty, its cells separated as in any other table."""
    lines = [line for line in sample.split("\n") if line.strip()][:SAMPLE_LINES]
    declared = lines[0][4:5] if lines and lines[0].startswith("sep=") else ""  # what Excel writes in front
    lines = lines[1:] if declared else lines
    if not lines:
        return ""
    delimiter = declared or ("\t" if media_type == "text/tab-separated-values" else _delimiter(lines))
    return label(row(_cells(lines[0], delimiter)))


def _delimiter(lines: list[str]) -> str:
    """The one that cuts the most lines into as many cells as the first line; of equals into the most cells."""

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [len(_cells(line, delimiter)) for line in lines]
        return (counts.count(counts[0]), counts[0]) if counts[0] > 1 else (0, 0)

    return max(DELIMITERS, key=agreement)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]
