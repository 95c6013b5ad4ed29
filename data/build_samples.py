"""Build the PDF and Word files of data/samples and check the questions about them.

The text of these files lives in data/sources/*.md, a small part of Markdown: a header
between --- lines, #/##/### headings, paragraphs, "- " and "1. " lists, tables with pipes.
All other samples are plain files and are edited directly.

    python data/build_samples.py            build, then rewrite the file list in README.md
    python data/build_samples.py --check    check questions.jsonl and README.md, write nothing

Packages: reportlab 5.1 and python-docx 1.2 to build; python-docx and pypdfium2 to check
(pip install reportlab python-docx pypdfium2). They are no dependency of vecstore.
The output is the same byte for byte with the same package versions: dates and
identifiers are fixed.
"""

from __future__ import annotations

import argparse
import hashlib
import html.parser
import io
import json
import re
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).resolve().parent
SAMPLES = DATA / "samples"
SOURCES = DATA / "sources"
QUESTIONS = DATA / "questions.jsonl"
README = DATA / "README.md"
BEGIN, END = "<!-- files:begin -->", "<!-- files:end -->"
MAX_BYTES = 500_000
KINDS = {
    "paraphrase",
    "exact-code",
    "name",
    "number",
    "multi-hop",
    "hard-negative",
    "code",
    "other-language",
}
FIXED_DATE = datetime(2025, 4, 1, 8, 0, 0)
BUILT = {
    "manual/tarn-manual.pdf": "manual.md",
    "contracts/lease-fjellaks.pdf": "lease.md",
    "contracts/msa-kestrelmoor.docx": "msa.md",
}


class Block(NamedTuple):
    """One block of a source file: heading, paragraph, list or table."""

    kind: str  # h1 h2 h3 p ul ol table
    text: str = ""
    items: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def parse(text: str) -> tuple[dict[str, str], list[Block]]:
    """Split a source file into its header and its blocks."""
    _, header, body = text.split("---\n", 2)
    meta = dict(line.split(": ", 1) for line in header.strip().splitlines())
    blocks: list[Block] = []
    for chunk in re.split(r"\n\s*\n", body.strip()):
        lines = chunk.strip().splitlines()
        first = lines[0]
        if match := re.match(r"(#{1,3}) (.*)", first):
            blocks.append(Block(f"h{len(match[1])}", match[2]))
        elif first.startswith("|"):
            cells = [tuple(c.strip() for c in row.strip("|").split("|")) for row in lines]
            blocks.append(Block("table", rows=(cells[0], *cells[2:])))
        elif first.startswith("- "):
            blocks.append(Block("ul", items=tuple(line[2:] for line in lines)))
        elif re.match(r"1\. ", first):
            items = tuple(re.sub(r"^\d+\. ", "", line) for line in lines)
            blocks.append(Block("ol", items=items))
        else:
            blocks.append(Block("p", " ".join(lines)))
    return meta, blocks


# --- PDF ---------------------------------------------------------------------


def column_widths(rows: tuple[tuple[str, ...], ...], width: float) -> list[float]:
    """Widths that never break a word (an error code!) and share what is left by need."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    padding = 14.0
    least: list[float] = []
    wanted: list[float] = []
    for column in zip(*rows, strict=True):
        sizes = [stringWidth(word, "Helvetica-Bold", 8.5) for text in column for word in text.split()]
        least.append(max(sizes, default=0.0) + padding)
        full = max(stringWidth(text, "Helvetica-Bold", 8.5) for text in column) + padding
        wanted.append(full - least[-1])
    spare = max(0.0, width - sum(least))
    total = sum(wanted)
    if not total:
        return [size + spare / len(least) for size in least]
    return [size + spare * more / total for size, more in zip(least, wanted, strict=True)]


def build_pdf(meta: dict[str, str], blocks: list[Block]) -> bytes:
    """Set the blocks as a PDF with bookmarks, running header and page numbers."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import (
        BaseDocTemplate,
        Frame,
        ListFlowable,
        ListItem,
        PageBreak,
        PageTemplate,
        Paragraph,
        Spacer,
        Table,
        TableStyle,
    )

    body = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=14, spaceAfter=6)
    cell = ParagraphStyle("cell", parent=body, fontSize=8.5, leading=11, spaceAfter=0)
    head = ParagraphStyle("head", parent=cell, fontName="Helvetica-Bold")
    title = ParagraphStyle("title", parent=body, fontName="Helvetica-Bold", fontSize=22, leading=28)
    sizes = {"h1": (15, 14), "h2": (11.5, 9), "h3": (10, 6)}
    headings = {
        name: ParagraphStyle(
            name,
            parent=body,
            fontName="Helvetica-Bold",
            fontSize=size,
            leading=size * 1.3,
            spaceBefore=before,
            keepWithNext=1,
        )
        for name, (size, before) in sizes.items()
    }

    class Template(BaseDocTemplate):
        """Adds a bookmark for each heading once its place is known."""

        def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 (reportlab's name)
            level = getattr(flowable, "outline_level", None)
            if level is not None:
                key = f"heading-{self.canv.getPageNumber()}-{flowable.getPlainText()}"
                self.canv.bookmarkPage(key)
                self.canv.addOutlineEntry(flowable.getPlainText(), key, level, closed=level > 0)

    def furniture(canvas: Canvas, doc: Any) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 8)
        canvas.setFillGray(0.35)
        canvas.drawString(25 * mm, 12 * mm, meta["footer"])
        canvas.drawRightString(A4[0] - 25 * mm, 12 * mm, f"Page {doc.page}")
        if doc.page > 1:
            canvas.drawString(25 * mm, A4[1] - 14 * mm, meta["title"])
        canvas.restoreState()

    def escape(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    width = A4[0] - 50 * mm
    story: list[Any] = [Spacer(1, 60 * mm), Paragraph(escape(meta["title"]), title)]
    for line in ("subtitle", "document", "date"):
        story.append(Paragraph(escape(meta[line]), body))
    story.append(PageBreak())
    for block in blocks:
        if block.kind in headings:
            heading = Paragraph(escape(block.text), headings[block.kind])
            heading.outline_level = int(block.kind[1]) - 1
            story.append(heading)
        elif block.kind in ("ul", "ol"):
            items = [ListItem(Paragraph(escape(text), body)) for text in block.items]
            bullet = "1" if block.kind == "ol" else "bullet"
            story.append(ListFlowable(items, bulletType=bullet, leftIndent=16, bulletFontSize=9))
        elif block.kind == "table":
            columns = column_widths(block.rows, width)
            grid = [
                [Paragraph(escape(text), cell if number else head) for text in row]
                for number, row in enumerate(block.rows)
            ]
            table = Table(grid, colWidths=columns, repeatRows=1)
            table.setStyle(
                TableStyle(
                    [
                        ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
                        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#e4ecf2")),
                        ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ]
                )
            )
            story += [table, Spacer(1, 8)]
        else:
            story.append(Paragraph(escape(block.text), body))

    out = io.BytesIO()
    doc = Template(
        out,
        pagesize=A4,
        invariant=1,
        title=f"{meta['title']}: {meta['subtitle']}",
        author="Weirgate Instruments GmbH",
        subject=meta["document"],
    )
    frame = Frame(25 * mm, 20 * mm, width, A4[1] - 42 * mm, 0, 0, 0, 0)
    doc.addPageTemplates(PageTemplate("page", [frame], onPage=furniture))
    doc.build(story)
    return out.getvalue()


# --- Word --------------------------------------------------------------------


def build_docx(meta: dict[str, str], blocks: list[Block]) -> bytes:
    """Set the blocks as a Word file with real heading styles and tables."""
    import docx

    document = docx.Document()
    document.add_heading(meta["title"], level=0)
    for line in ("subtitle", "document", "date"):
        document.add_paragraph(meta[line])
    for block in blocks:
        if block.kind.startswith("h"):
            document.add_heading(block.text, level=int(block.kind[1]))
        elif block.kind in ("ul", "ol"):
            style = "List Bullet" if block.kind == "ul" else "List Number"
            for text in block.items:
                document.add_paragraph(text, style=style)
        elif block.kind == "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
            for row in block.rows:
                for target, text in zip(table.add_row().cells, row, strict=True):
                    target.text = text
        else:
            document.add_paragraph(block.text)
    properties = document.core_properties
    properties.title = f"{meta['title']} {meta['subtitle']}"
    properties.author = properties.last_modified_by = "Weirgate Instruments GmbH"
    properties.comments = ""
    properties.created = properties.modified = FIXED_DATE
    out = io.BytesIO()
    document.save(out)
    return repack(out.getvalue())


def repack(archive: bytes) -> bytes:
    """Write a zip file again with sorted names and one fixed date."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        # [Content_Types].xml has to come first; "[" sorts before letters but after "_"
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            info = zipfile.ZipInfo(name, FIXED_DATE.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, old.read(name))
    return out.getvalue()


# --- reading back ------------------------------------------------------------


class _Text(html.parser.HTMLParser):
    """Collects the visible text of an HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.hidden += tag in ("style", "script")
        if tag in ("p", "li", "td", "th", "tr", "dt", "dd", "h1", "h2", "h3", "div", "br"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


def pdf_pages(path: Path) -> list[str]:
    """Text of each page of a PDF."""
    import pypdfium2

    pdf = pypdfium2.PdfDocument(path)
    try:
        return [page.get_textpage().get_text_bounded() for page in pdf]
    finally:
        pdf.close()


def docx_text(path: Path) -> str:
    """Paragraphs and table cells of a Word file in document order."""
    import docx
    from docx.table import Table

    parts: list[str] = []
    for item in docx.Document(str(path)).iter_inner_content():
        if isinstance(item, Table):
            parts += [cell.text for row in item.rows for cell in row.cells]
        else:
            parts.append(item.text)
    return "\n".join(parts)


def extract(path: Path) -> str:
    """Plain text of any sample file."""
    if path.suffix == ".pdf":
        return "\n".join(pdf_pages(path))
    if path.suffix == ".docx":
        return docx_text(path)
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252")
    if path.suffix == ".html":
        reader = _Text()
        reader.feed(text)
        return "".join(reader.parts)
    return text


def squeeze(text: str) -> str:
    """Normalise white space."""
    return " ".join(text.split())


# --- checks ------------------------------------------------------------------


def sample_files() -> list[Path]:
    """All sample files, sorted by their name below data/samples."""
    found = (path for path in SAMPLES.rglob("*") if path.is_file())
    return sorted(
        (path for path in found if "__pycache__" not in path.parts),
        key=lambda path: path.relative_to(SAMPLES).as_posix(),
    )


def check_questions() -> list[str]:
    """Problems in questions.jsonl: unknown kinds or files, passages that do not occur."""
    problems: list[str] = []
    texts: dict[str, str] = {}
    seen: set[str] = set()
    for number, line in enumerate(QUESTIONS.read_text(encoding="utf-8").splitlines(), 1):
        question = json.loads(line)
        name = question.get("id", f"line {number}")
        if name in seen:
            problems.append(f"{name}: id used twice")
        seen.add(name)
        if question["kind"] not in KINDS:
            problems.append(f"{name}: unknown kind {question['kind']}")
        if not question["relevant"]:
            problems.append(f"{name}: no relevant passage")
        for target in question["relevant"]:
            path = SAMPLES / target["file"]
            if not path.is_file():
                problems.append(f"{name}: no file {target['file']}")
                continue
            if target["file"] not in texts:
                texts[target["file"]] = squeeze(extract(path))
            times = texts[target["file"]].count(squeeze(target["passage"]))
            if times != 1:
                problems.append(f"{name}: passage occurs {times} times in {target['file']}")
    print(f"{len(seen)} questions over {len(texts)} files")
    return problems


def file_table() -> str:
    """The list of files for README.md."""
    lines = ["| File | Bytes | SHA-256 |", "|---|---|---|"]
    for path in sample_files():
        raw = path.read_bytes()
        name = path.relative_to(SAMPLES).as_posix()
        lines.append(f"| `{name}` | {len(raw):,} | `{hashlib.sha256(raw).hexdigest()}` |")
    return "\n".join(lines)


def readme_with(table: str) -> str:
    """README.md with the list of files replaced."""
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def build() -> None:
    """Write the PDF and Word files."""
    for target, source in BUILT.items():
        meta, blocks = parse((SOURCES / source).read_text(encoding="utf-8"))
        make = build_pdf if target.endswith(".pdf") else build_docx
        path = SAMPLES / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(meta, blocks))
        pages = f", {len(pdf_pages(path))} pages" if target.endswith(".pdf") else ""
        print(f"{target}: {path.stat().st_size:,} bytes{pages}")


def main() -> int:
    """Command line; the exit status is 1 if a check failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="check only, write nothing")
    arguments = parser.parse_args()
    if not arguments.check:
        build()
        README.write_text(readme_with(file_table()), encoding="utf-8")
    problems = check_questions()
    for path in sample_files():
        if path.stat().st_size > MAX_BYTES:
            problems.append(f"{path.name}: larger than {MAX_BYTES:,} bytes")
    if README.read_text(encoding="utf-8") != readme_with(file_table()):
        problems.append("README.md: the list of files is out of date")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
