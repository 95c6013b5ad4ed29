"""Real documents of known content, read as the product reads them: the share that comes out as expected."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import manifest
from bench.manifest import Row
from bench.peers import LIBRARIES, OURS
from bench.reader import Reader, versions
from ingestion.types import Document, IngestionError, Span
from ingestion.worker import Workers

AT_LEAST = 0.98
BROKE = ("broke its parser", "took longer than", "took too much")  # how worker.py says that a process was ended
_NO_TEXT = ("no text", "is empty", "has 0 bytes", "ocr")
_ENCRYPTED = ("encrypted", "password")
_EVERYTHING = ("markitdown", "kreuzberg", "docling", "unstructured")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reader made of a file: a text, or an error, "" for none. `pages` is None where it tells none."""

    text: str = ""
    pages: tuple[str, ...] | None = None
    error: str = ""
    broke: bool = False
    document: Document | None = None


def run(folder: Path, *, ocr: bool = False, python: str = sys.executable, peers: bool = True) -> dict[str, Any]:
    """Every file's verdict, "" where it is as expected, by reader; readers that are not installed have a version ""."""
    rows = manifest.rows(folder)
    verdicts: dict[str, dict[str, str]] = {"vecstore": _ours(rows, folder, ocr=ocr)}
    found = versions(python) if peers else {}
    plain: dict[str, str] = {}
    if peers:
        plain, theirs = _plain(rows, folder, found, python)
        verdicts |= {"plain library": theirs}
        for name in _EVERYTHING:
            if found[name]:
                verdicts[name] = _read_all(rows, folder, dict.fromkeys((row.file for row in rows), name), python)
    return {
        "folder": folder.name,
        "files": len(rows),
        "ocr": ocr,
        "share": sum(not said for said in verdicts["vecstore"].values()) / max(len(rows), 1),
        "formats": {row.file: row.format for row in rows},
        "plain": plain,
        "versions": found,
        "verdicts": verdicts,
    }


def table(report: dict[str, Any], *, failures: bool) -> str:
    """Files as expected, of files, by format and reader; `failures` names our others, and why."""
    verdicts, formats = report["verdicts"], report["formats"]
    others = [name for name in verdicts if name not in {"vecstore", "plain library"}]
    title = (
        f"{report['folder']}: files as expected, OCR {'on' if report['ocr'] else 'off'}; "
        "only vecstore is asked for structure"
    )
    lines = [
        title,
        f"{'format':10}{'files':>6}{'vecstore':>10}"
        + "".join(f"{name:>14}" for name in others)
        + "   plain library" * ("plain library" in verdicts),
    ]
    for kind in [*sorted(set(formats.values())), "all"]:
        files = [file for file, its in formats.items() if kind in {its, "all"}]
        cells = [f"{kind:10}{len(files):6}{_right(verdicts['vecstore'], files):>10}"]
        cells += [f"{_right(verdicts[name], files):>14}" for name in others]
        if "plain library" in verdicts:
            cells.append("   " + _right_plain(report, files))
        lines.append("".join(cells))
    lines.append(f"share as expected: {report['share']:.4f}")
    lines += [f"not installed: {', '.join(_not_installed(report))}"] if _not_installed(report) else []
    if failures:
        lines += [f"{file}: {said}" for file, said in verdicts["vecstore"].items() if said]
    return "\n".join(lines)


def outcome(workers: Workers, path: Path, *, password: str = "", ocr: bool = False) -> Outcome:
    """What the product makes of the file."""
    try:
        with path.open("rb") as file:
            document = workers.parse(file, path.name, password=password, ocr=ocr)
    except IngestionError as error:
        return Outcome(error=str(error), broke=any(phrase in str(error) for phrase in BROKE))
    return Outcome(_labelled(document), _pages(document), document=document)


def _labelled(document: Document) -> str:
    """The text with the names of sheets and parts in front of them: they are labels of ours, and text to others."""
    pieces, at = [], 0
    for span in document.spans:
        if span.kind in {"sheet", "part"}:
            pieces += [document.text[at : span.start], f"\n{span.label}\n"]
            at = span.start
    return "".join([*pieces, document.text[at:]])


def judge(row: Row, found: Outcome, *, ocr: bool = False) -> str:
    """Why this is not what the manifest expects; "" where it is. An encrypted file is read without its password."""
    if found.broke or row.expected.startswith("ok-or-error"):
        return found.error if found.broke else ""
    if row.expected.startswith("error:"):
        return _judge_error(row, found)
    if row.expected == "ok:empty" or (row.expected == "ok:needs-ocr" and not ocr):
        return _judge_empty(found, ocr=ocr)
    wanted = [snippet for snippet in row.snippets if ocr or not snippet.ocr]
    if found.error:
        nothing_to_find = not wanted and "has no text" in found.error
        return "" if nothing_to_find else f"expected a text, not: {found.error}"
    absent = manifest.missing(wanted, found.text, found.pages)
    lost = absent and f"{len(absent)} of {len(wanted)} snippets missing: {'; '.join(absent[:3])}"
    return lost or (_judge_structure(row, found.document) if found.document else "")


def _judge_error(row: Row, found: Outcome) -> str:
    if not found.error:
        return f"expected {row.expected}, not a text of {len(found.text):,} characters"
    if row.expected == "error:encrypted" and not _says(found.error, _ENCRYPTED):
        return f"the error does not say that it is encrypted: {found.error}"
    return ""


def _judge_empty(found: Outcome, *, ocr: bool) -> str:
    """OCR may read words in a picture of a file that has no text of its own."""
    if not found.error and found.text.strip() and not ocr:
        return f"expected no text, not {found.text.strip()[:60]!r}"
    return "" if not found.error or _says(found.error, _NO_TEXT) else f"the error does not say no text: {found.error}"


def _says(error: str, phrases: Iterable[str]) -> bool:
    return any(phrase in error.lower() for phrase in phrases)


def _judge_structure(row: Row, document: Document) -> str:
    """The first fact of the manifest that the spans do not show."""
    for name, value in row.structure:
        said = _differs(name, value, document)
        if said:
            return said
    return ""


def _differs(name: str, value: str, document: Document) -> str:
    spans = document.spans
    if name == "headings":
        labels = [manifest.words(span.label) for span in spans if span.kind == "heading"]
        absent = [part for part in value.split(" / ") if not any(x.endswith(manifest.words(part)) for x in labels)]
        return f"headings missing: {' / '.join(absent)}" if absent else ""
    if name == "table_rows":
        tables = [span for span in spans if span.kind == "table"]
        count = len({at for span in tables for at in _line_starts(document.text, span)})
        return "" if count >= int(value) else f"{count} table rows, not {value}"
    if name == "sheets":
        labels = [span.label for span in spans if span.kind == "sheet"]
        return (
            ""
            if list(map(manifest.words, labels)) == list(map(manifest.words, value.split("/")))
            else (f"sheets {'/'.join(labels)}, not {value}")
        )
    kind = {"pages": "page", "slides": "slide", "entries": "part"}.get(name)
    if kind is None:  # encoding: the snippets show it
        return ""
    count, inside = 0, 0
    for span in spans:  # a part's own pages and parts are not the file's
        count += span.kind == kind and span.start >= inside
        inside = max(inside, span.end) if span.kind == "part" else inside
    return "" if count == int(value) else f"{count} {name}, not {value}"


def _line_starts(text: str, span: Span) -> Iterable[int]:
    at = span.start
    while at < span.end:
        end = text.find("\n", at, span.end)
        end = span.end if end < 0 else end
        if text[at:end].strip():
            yield at
        at = end + 1


def _pages(document: Document) -> tuple[str, ...] | None:
    """The texts of pages or slides by their number; None where the document has none."""
    found: dict[int, str] = {}
    for span in document.spans:
        if span.kind in {"page", "slide"}:
            found[span.level] = found.get(span.level, "") + document.text[span.start : span.end] + "\n"
    return tuple(found.get(number, "") for number in range(1, max(found) + 1)) if found else None


def _ours(rows: Sequence[Row], folder: Path, *, ocr: bool) -> dict[str, str]:
    with Workers() as workers, ThreadPoolExecutor(os.cpu_count()) as pool:

        def verdict(row: Row) -> str:
            encrypted = row.expected == "error:encrypted"
            path, password = folder / row.file, "" if encrypted else row.password
            said = judge(row, outcome(workers, path, password=password, ocr=ocr), ocr=ocr)
            if said or not encrypted or not row.password:
                return said
            opened = outcome(workers, path, password=row.password, ocr=ocr)
            return opened.error and f"not read with its password: {opened.error}"

        return dict(zip([row.file for row in rows], pool.map(verdict, rows), strict=True))


def _plain(
    rows: Sequence[Row], folder: Path, found: dict[str, str], python: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The library of each file's suffix, and the verdicts of those that are installed."""
    general = {OURS, "pypdfium2", *_EVERYTHING}
    plain = {}
    for row in rows:
        names = [n for n, library in LIBRARIES.items() if n not in general and library.takes(Path(row.file).suffix)]
        if names:
            plain[row.file] = names[0]
    return plain, _read_all(rows, folder, {file: name for file, name in plain.items() if found[name]}, python)


def _read_all(rows: Sequence[Row], folder: Path, library: dict[str, str], python: str) -> dict[str, str]:
    verdicts = {}
    with ExitStack() as stack:
        readers = {name: stack.enter_context(Reader(name, python)) for name in sorted(set(library.values()))}
        for row in rows:
            if row.file in library:
                reader = readers[library[row.file]]
                password = "" if row.expected.startswith("error") else row.password
                answer = reader.read(folder / row.file, password=password, text=True)
                verdicts[row.file] = _judge_peer(row, answer)
    return verdicts


def _judge_peer(row: Row, answer: dict[str, Any]) -> str:
    """As ours, but any error will do, and no text may also come out as an error."""
    error = answer.get("error", "")
    if error.startswith(("hangs", "dies")):
        return str(error)
    if error and row.expected.startswith(("error", "ok:empty", "ok:needs-ocr")):
        return ""
    texts = answer.get("texts", [])
    return judge(row, Outcome("\n".join(texts), tuple(texts) if answer.get("pages") else None, error))


def _right(verdicts: dict[str, str], files: Iterable[str]) -> str:
    said = [verdicts[file] for file in files if file in verdicts]
    return f"{sum(not each for each in said)}" if said else "-"


def _right_plain(report: dict[str, Any], files: Sequence[str]) -> str:
    verdicts, plain = report["verdicts"]["plain library"], report["plain"]
    count = Counter(plain[file] for file in files if file in plain)
    if len(files) == report["files"]:
        asked = [file for file in files if file in verdicts]
        return f"{_right(verdicts, asked)} of the {len(asked)} that there is one for"
    said = [
        f"{name} {_right(verdicts, [f for f in files if plain.get(f) == name])} of {number}"
        if report["versions"][name]
        else f"{name}: not installed"
        for name, number in count.most_common(2)
    ]
    return ", ".join(said) or "-"


def _not_installed(report: dict[str, Any]) -> list[str]:
    wanted = {*report["plain"].values(), *_EVERYTHING}
    return sorted(name for name, number in report["versions"].items() if name in wanted and not number)
