"""Build the PDF and Word files of data/samples, and the list of files in README.md.

The text of these files lives in data/sources/*.md, a small part of Markdown: a header
between --- lines, #/##/### headings, paragraphs, "- " and "1. " lists, tables with pipes.
All other samples are plain files and are edited directly.

    python data/build_samples.py

Packages: reportlab 5.1 and python-docx 1.2 (pip install reportlab python-docx); reportlab is
no dependency of vecstore. tests/test_samples.py checks the result and the questions about it.
The output is the same byte for byte with the same package versions: dates and
identifiers are fixed.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).resolve().parent
SAMPLES = DATA / "samples"
SOURCES = DATA / "sources"
README = DATA / "README.md"
BEGIN, END = "<!-- files:begin -->", "<!-- files:end -->"
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


# --- the list of files -------------------------------------------------------


def sample_files() -> list[Path]:
    """All sample files, sorted by their name below data/samples."""
    found = (path for path in SAMPLES.rglob("*") if path.is_file())
    return sorted(
        (path for path in found if "__pycache__" not in path.parts),
        key=lambda path: path.relative_to(SAMPLES).as_posix(),
    )


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
        print(f"{target}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    build()
    README.write_text(readme_with(file_table()), encoding="utf-8")
