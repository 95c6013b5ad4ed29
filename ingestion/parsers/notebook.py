"""Jupyter notebooks: the cells in order, prose as Markdown, code as code, and what it printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ingestion.parsers import markdown
from ingestion.parsers.blocks import Block, assemble
from ingestion.parsers.joined import join
from ingestion.parsers.text import decode, read_text
from ingestion.types import Document, RawFile, Span

MAX_BYTES = 64 << 20  # images in its outputs make most of a large one
MAX_OUTPUT_CHARS = 20_000  # of one output: a training log has more, and says little
MAX_CELLS = 50_000

_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_OVERWRITTEN = re.compile(r"[^\n\r]*\r(?!\n)")  # a progress bar writes its line again and again
_TEXTS = ("text/plain", "text/markdown", "text/latex")
_PICTURES = ("image/", "application/vnd.", "application/javascript")


def read(file: RawFile) -> Document:
    source, _ = decode(file.whole(MAX_BYTES), file.filename)
    try:
        notebook = json.loads(source, parse_int=float)  # int takes quadratic time in its digits
    except (ValueError, RecursionError) as error:
        return _as_text(file, "is nested too deep" if isinstance(error, RecursionError) else f"is not valid: {error}")
    cells = list(_cells(notebook))
    if not cells:
        return _as_text(file, "has no cells")
    reader = _Reader(file, _language(notebook))
    documents = [reader.cell(cell) for cell in cells[:MAX_CELLS]]
    return join([_title(notebook), *documents], file.media_type, reader.warnings(len(cells) - MAX_CELLS))


def _as_text(file: RawFile, why: str) -> Document:
    text, said = read_text(file)
    return Document(text, file.media_type, (), (*said, f"'{file.filename}' is no notebook ({why}); read as text"))


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    """Of format 4, or of format 3, where worksheets hold them."""
    sheets = [notebook, *_items(notebook, "worksheets")]
    return (cell for sheet in sheets for cell in _items(sheet, "cells") if isinstance(cell, dict))


def _items(holder: Any, key: str) -> list[Any]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return found if isinstance(found, list) else []


def _mapping(holder: Any, key: str) -> dict[str, Any]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


def _joined(value: Any) -> str:
    """Text is kept as one string or as a list of its lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _language(notebook: Any) -> str:
    metadata = _mapping(notebook, "metadata")
    return _joined(_mapping(metadata, "language_info").get("name") or _mapping(metadata, "kernelspec").get("language"))


def _title(notebook: Any) -> Document:
    title = _joined(_mapping(notebook, "metadata").get("title"))
    return assemble([Block(" ".join(title.split()), "heading", 1)], "")


@dataclass(slots=True)
class _Reader:
    file: RawFile
    language: str
    pictures: int = 0
    cut: int = 0
    said: list[str] = field(default_factory=list)

    def cell(self, cell: dict[str, Any]) -> Document:
        kind = cell.get("cell_type")
        source = _joined(cell.get("source") or cell.get("input"))
        if kind == "markdown":
            return self._markdown(source)
        if kind == "heading":
            level = cell.get("level")
            return assemble(
                [Block(source, "heading", min(max(int(level), 1), 6) if isinstance(level, float) else 1)], ""
            )
        if kind == "code":
            code = self._code(source, _joined(cell.get("language")) or self.language)
            said = [self._output(output) for output in _items(cell, "outputs")]
            outputs = [Block(text) for text in said if text.strip() not in source]  # a printed literal is said already
            return join([code, assemble(outputs, "")], "")
        return assemble([Block(source)], "")

    def warnings(self, cells_left_out: int) -> list[str]:
        said = []
        if self.pictures:
            said.append(f"left out: images in the outputs of cells ({self.pictures:,})")
        if self.cut:
            said.append(f"cut: outputs of more than {MAX_OUTPUT_CHARS:,} characters ({self.cut:,})")
        if cells_left_out > 0:
            said.append(f"left out: {cells_left_out:,} cells after the first {MAX_CELLS:,}")
        return said

    def _markdown(self, source: str) -> Document:
        data = b"\xef\xbb\xbf" + source.encode("utf-8", "replace")
        return markdown.read(replace(self.file, data=data, media_type="text/markdown"))

    def _code(self, source: str, language: str) -> Document:
        document = assemble([Block(source, "code")], "")
        return replace(document, spans=tuple(Span("code", s.start, s.end, language[:50]) for s in document.spans))

    def _output(self, output: Any) -> str:
        if not isinstance(output, dict):
            return ""
        kind = output.get("output_type")
        if kind == "stream":
            return self._limited(_joined(output.get("text")))
        if kind in {"error", "pyerr"}:
            return self._limited(f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}")
        data = output.get("data") if isinstance(output.get("data"), dict) else output
        return self._limited(self._shown(data if isinstance(data, dict) else {}))

    def _shown(self, data: dict[str, Any]) -> str:
        """Plain text, also where there is a page or an image of the same; format 3 calls it `text`."""
        found = next((text for kind in (*_TEXTS, "text") if (text := _joined(data.get(kind)))), "")
        pictured = any(kind.startswith(_PICTURES) or kind in {"png", "jpeg", "svg"} for kind in data)
        if pictured:
            self.pictures += 1
            return "" if found.startswith("<") else found  # <Figure size 640x480 with 1 Axes>
        page = _joined(data.get("text/html") or data.get("html"))
        return found or self._page(page)

    def _page(self, page: str) -> str:
        from ingestion.parsers import html

        return (
            html.read(replace(self.file, data=b"\xef\xbb\xbf" + page.encode("utf-8", "replace"))).text if page else ""
        )

    def _limited(self, text: str) -> str:
        text = _OVERWRITTEN.sub("", _COLOURS.sub("", text))
        if len(text) <= MAX_OUTPUT_CHARS:
            return text
        self.cut += 1
        return text[:MAX_OUTPUT_CHARS]
