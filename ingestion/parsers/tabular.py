"""CSV and TSV: the text as it stands, one table with its header row as the label."""

from __future__ import annotations

import csv

from ingestion.parsers.blocks import label, row
from ingestion.parsers.text import read_text
from ingestion.types import Document, Span

SAMPLE_CHARS = 4096  # the sniffer's patterns take quadratic time


def read(data: bytes, filename: str, media_type: str) -> Document:
    text, warnings = read_text(data, filename)
    table = Span("table", 0, len(text), _header(text[:SAMPLE_CHARS], media_type))
    return Document(text, media_type, (table,) if text else (), warnings)


def _header(sample: str, media_type: str) -> str:
    """The first row that is not empty, its cells separated as in any other table."""
    lines = [line for line in sample.splitlines() if line.strip()][:1]
    try:
        cells = next(csv.reader(lines, delimiter=_delimiter(sample, media_type)), [])
    except csv.Error:
        cells = lines
    return label(row(cells))


def _delimiter(sample: str, media_type: str) -> str:
    if media_type == "text/tab-separated-values":
        return "\t"
    try:
        return csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
    except csv.Error:
        return ","
