"""Other libraries that read documents, each the way its own introduction shows; run as a program.

`python -P bench/peers.py LIBRARY MEMORY_BYTES` takes a JSON line a file, `{"path", "password", "text"}`,
and answers with one: `{"seconds", "pages", "chars", "rss_bytes"}` and the pages' texts, or `{"error"}`.
It needs nothing but the library, so that it runs in the environment that has it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Reading = tuple[list[str], bool]  # texts, and whether they are pages or slides


@dataclass(frozen=True, slots=True)
class Library:
    """`suffixes` names what it is asked to read, empty for anything; `package` is its name in the index of packages."""

    package: str
    suffixes: str
    read: Callable[[str, str], Reading]

    def takes(self, suffix: str) -> bool:
        return not self.suffixes or suffix.lower() in self.suffixes.split()


def _pypdf(path: str, password: str) -> Reading:
    pypdf: Any = importlib.import_module("pypdf")
    return [page.extract_text() for page in pypdf.PdfReader(path, password=password or None).pages], True


def _pypdfium2(path: str, password: str) -> Reading:
    pypdfium2: Any = importlib.import_module("pypdfium2")
    with pypdfium2.PdfDocument(path, password=password or None) as document:
        return [page.get_textpage().get_text_range() for page in document], True


def _python_docx(path: str, _: str) -> Reading:
    docx: Any = importlib.import_module("docx")
    document = docx.Document(path)
    return [*(paragraph.text for paragraph in document.paragraphs), *_cells(document.tables)], False


def _cells(tables: Iterable[Any]) -> list[str]:
    return [" ".join(cell.text for cell in row.cells) for table in tables for row in table.rows]


def _python_pptx(path: str, _: str) -> Reading:
    pptx: Any = importlib.import_module("pptx")
    slides = []
    for slide in pptx.Presentation(path).slides:
        texts = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
        texts += _cells(shape.table for shape in slide.shapes if shape.has_table)
        slides.append("\n".join(texts))
    return slides, True


def _openpyxl(path: str, _: str) -> Reading:
    openpyxl: Any = importlib.import_module("openpyxl")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    return [f"{sheet.title}\n{_table(sheet.iter_rows(values_only=True))}" for sheet in book.worksheets], False


def _xlrd(path: str, _: str) -> Reading:
    xlrd: Any = importlib.import_module("xlrd")
    sheets = xlrd.open_workbook(path).sheets()
    return [f"{sheet.name}\n{_table(map(sheet.row_values, range(sheet.nrows)))}" for sheet in sheets], False


def _table(rows: Iterable[Iterable[Any]]) -> str:
    return "\n".join(" ".join(_shown(cell) for cell in row if cell is not None) for row in rows)


def _shown(cell: Any) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _beautifulsoup(path: str, _: str) -> Reading:
    bs4: Any = importlib.import_module("bs4")
    return [bs4.BeautifulSoup(Path(path).read_bytes(), "html.parser").get_text("\n")], False


def _striprtf(path: str, _: str) -> Reading:
    striprtf: Any = importlib.import_module("striprtf.striprtf")
    return [striprtf.rtf_to_text(Path(path).read_text(encoding="latin-1"))], False


def _odfpy(path: str, _: str) -> Reading:
    load, teletype = importlib.import_module("odf.opendocument"), importlib.import_module("odf.teletype")
    return [teletype.extractText(load.load(path).body)], False


def _email(path: str, _: str) -> Reading:
    email, policy = importlib.import_module("email"), importlib.import_module("email.policy")
    message = email.message_from_bytes(Path(path).read_bytes(), policy=policy.default)
    body = message.get_body(("plain", "html"))
    head = f"Subject: {message['subject']}\nFrom: {message['from']}"
    return [head, body.get_content() if body else ""], False


def _read_text(path: str, _: str) -> Reading:
    return [Path(path).read_text(encoding="utf-8")], False


def _markitdown(path: str, _: str) -> Reading:
    return [_made("markitdown", "MarkItDown").convert(path).text_content], False


def _kreuzberg(path: str, _: str) -> Reading:
    return [_kreuzberg_content(importlib.import_module("kreuzberg").extract_file_sync(path))], False


def _kreuzberg_content(result: Any) -> str:
    result = getattr(result, "results", [result])[0]
    return str(result.content)


def _docling(path: str, _: str) -> Reading:
    return [_made("docling.document_converter", "DocumentConverter").convert(path).document.export_to_text()], False


def _unstructured(path: str, _: str) -> Reading:
    partition: Any = importlib.import_module("unstructured.partition.auto").partition
    return ["\n".join(str(element) for element in partition(filename=path))], False


_kept: dict[str, Any] = {}


def _made(module: str, name: str) -> Any:
    """One converter for all files, as their documentation advises."""
    if name not in _kept:
        _kept[name] = getattr(importlib.import_module(module), name)()
    return _kept[name]


def _ours(path: str, password: str) -> Reading:
    ingestion: Any = importlib.import_module("ingestion")
    document = ingestion.parse(Path(path).read_bytes(), Path(path).name, password=password, ocr=False)
    pages = [document.text[span.start : span.end] for span in document.spans if span.kind in {"page", "slide"}]
    return (pages, True) if pages else ([document.text], False)


OURS = "ingestion.parse"
LIBRARIES = {
    OURS: Library("", "", _ours),
    "pypdfium2": Library("pypdfium2", ".pdf", _pypdfium2),
    "pypdf": Library("pypdf", ".pdf", _pypdf),
    "python-docx": Library("python-docx", ".docx", _python_docx),
    "python-pptx": Library("python-pptx", ".pptx", _python_pptx),
    "openpyxl": Library("openpyxl", ".xlsx .xlsm", _openpyxl),
    "xlrd": Library("xlrd", ".xls", _xlrd),
    "beautifulsoup4": Library("beautifulsoup4", ".html .htm .xhtml", _beautifulsoup),
    "striprtf": Library("striprtf", ".rtf", _striprtf),
    "odfpy": Library("odfpy", ".odt .ods .odp", _odfpy),
    "email": Library("", ".eml", _email),
    "read_text": Library("", ".txt .md .csv .tsv .json .jsonl .xml .tex .ipynb .yaml .toml .log", _read_text),
    "markitdown": Library("markitdown", "", _markitdown),
    "kreuzberg": Library("kreuzberg", "", _kreuzberg),
    "docling": Library("docling", "", _docling),
    "unstructured": Library("unstructured", "", _unstructured),
}


def version(name: str) -> str:
    """The version that this Python has, "" where it has none; the standard library's is Python's."""
    package = LIBRARIES[name].package
    if not package:
        return sys.version.split()[0]
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _peak_bytes() -> int:
    """Of this program alone; getrusage would count what its parent had before."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def _answer(name: str, request: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        texts, paged = LIBRARIES[name].read(request["path"], request["password"])
    except Exception as error:  # noqa: BLE001 - a library raises whatever it likes
        return {"error": f"{type(error).__name__}: {error}"[:300], "rss_bytes": _peak_bytes()}
    answer = {
        "seconds": time.perf_counter() - began,
        "pages": len(texts) if paged else 0,
        "chars": sum(map(len, texts)),
        "rss_bytes": _peak_bytes(),
    }
    return answer | {"texts": texts} if request["text"] else answer


def main() -> None:
    name, memory_bytes = sys.argv[1], int(sys.argv[2])
    if name == "--versions":
        print(json.dumps({name: version(name) for name in LIBRARIES}))
        return
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # what a library prints is no answer
    os.dup2(nothing, 2)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    for line in sys.stdin:
        print(json.dumps(_answer(name, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
