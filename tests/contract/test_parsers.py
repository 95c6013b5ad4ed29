"""Every parser keeps the same promises: about the text, about the spans, and about bad input."""

import ctypes
import io
import pickle
import random
import unicodedata
from pathlib import Path

import docx
import pypdfium2
import pytest
from pypdfium2 import raw as pdfium

from ingestion import AUTO, Document, IngestionError, chunk, parse

NASTY = "Cafe\u0301 \x01caf\u00e9\x0c next\r\nline\x00 \u2028 end \ufeff"
MARKDOWN = "---\ntitle: x\n---\n# One\n\ntext `code`\n\nTwo\n---\n\n- a\n- b\n\n|h|i|\n|-|-|\n|1|2|\n\n```\n# no\n```\n"
HTML = "<title>T</title><h1>One</h1><p>text<br>more<ul><li>a<li>b</ul><table><tr><td>1<td>2</table><pre>x\n  y</pre>"
PYTHON = "import os\n\n\n@dec\nclass A:\n    def b(self):\n        return 1\n\n\nasync def c(): ...\n"


def pdf_bytes(*pages):
    pdf = pypdfium2.PdfDocument.new()
    for text in pages:
        page = pdf.new_page(612, 792)
        item = pdfium.FPDFPageObj_NewTextObj(pdf, b"Helvetica", 12)
        encoded = text.encode("utf-16-le") + b"\0\0"
        pdfium.FPDFText_SetText(item, ctypes.cast(encoded, ctypes.POINTER(ctypes.c_ushort)))
        page.insert_obj(pypdfium2.PdfObject(item, page=None, pdf=pdf))
        page.gen_content()
    file = io.BytesIO()
    pdf.save(file)
    pdf.close()
    return file.getvalue()


def docx_bytes():
    document = docx.Document()
    document.add_heading("One", 1)
    document.add_paragraph("Some text.")
    document.add_paragraph("item", style="List Bullet")
    document.add_table(2, 2).cell(0, 0).text = "cell"
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


FOLDER = Path(__file__).parent.parent / "documents"
NOT_HERE = {".py", ".md", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".webp"}  # images need OCR, which takes long
DOCUMENTS = {
    path.name: path.read_bytes()
    for path in sorted(FOLDER.iterdir())
    if path.suffix not in NOT_HERE and "locked" not in path.stem and "scan" not in path.stem
}

SAMPLES = {
    "a.pdf": pdf_bytes("First page", "Second page"),
    "a.docx": docx_bytes(),
    "a.html": HTML.encode(),
    "a.md": MARKDOWN.encode(),
    "a.txt": "Some text.\n\nMore of it.\n".encode("utf-16"),
    "a.csv": b"name;age\nAnna;3\nBert;4\n",
    "a.tsv": b"name\tage\nAnna\t3\n",
    "a.json": b'{"a": [1, 2, {"b": null}]}',
    "a.py": PYTHON.encode(),
    "a.js": b"export class A {\n  run() {}\n}\nconst f = async (x) => x\n",
    "a.java": b"public class A {\n  public static void main(String[] args) {\n  }\n}\n",
    "a.tex": b"\\documentclass{article}\n\\section{One}\nText $x^2$.\n\\begin{itemize}\\item a\\end{itemize}\n",
    "a.xml": b"<a><b>text</b></a>",
}
TEXT_NAMES = [name for name in SAMPLES if not name.endswith(("pdf", "docx"))]
EVERY = SAMPLES | DOCUMENTS
names = pytest.mark.parametrize("name", EVERY)


def outcome(data, name, workers):
    """As the product parses it: what kills the parser would kill only a worker, but nothing here may do so."""
    try:
        document = workers.parse(data, name, ocr=False)
    except IngestionError as error:
        sentence = str(error)
        assert "broke its parser" not in sentence
        return sentence
    check(document)
    return document


def check(document):
    text = document.text
    assert text.strip()
    assert unicodedata.is_normalized("NFC", text)
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t" for char in text)
    keys = [(span.start, -span.end) for span in document.spans]
    assert keys == sorted(keys)
    for span in document.spans:
        assert 0 <= span.start < span.end <= len(text)
        assert 1 <= span.level <= 6 if span.kind == "heading" else True
        assert "\n" not in span.label
    chunk(document, AUTO)


@names
def test_a_sample_is_read(name):
    document = parse(EVERY[name], name)
    check(document)
    assert isinstance(document.media_type, str)
    assert all(isinstance(warning, str) for warning in document.warnings)


@names
def test_the_same_bytes_give_the_same_document(name):
    assert parse(EVERY[name], name) == parse(EVERY[name], name)


@names
def test_documents_travel_between_processes(name):
    document = parse(EVERY[name], name)
    assert pickle.loads(pickle.dumps(document)) == document


@names
def test_a_truncated_file_ends_in_a_document_or_a_sentence(name, workers):
    data = EVERY[name]
    for length in range(0, len(data), max(1, len(data) // 40)):
        found = outcome(data[:length], name, workers)
        assert isinstance(found, Document) or name in found


@names
def test_a_damaged_file_ends_in_a_document_or_a_sentence(name, workers):
    rng = random.Random(7)
    for _ in range(60):
        data = bytearray(EVERY[name])
        for _ in range(rng.randint(1, 30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        found = outcome(bytes(data), name, workers)
        assert isinstance(found, Document) or name in found


@names
def test_noise_under_any_name_ends_in_a_document_or_a_sentence(name, workers):
    rng = random.Random(11)
    for size in (1, 2, 3, 17, 1000):
        for head in (b"", EVERY[name][:8], b"%PDF-1.4\n", b"PK\x03\x04", b"\xff\xfe"):
            outcome(head + rng.randbytes(size), name, workers)


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_text_is_made_clean_before_spans_are_found(name):
    document = parse(EVERY[name].decode("utf-16" if name == "a.txt" else "utf-8").encode() + NASTY.encode(), name)
    check(document)
    assert "Caf\u00e9 caf\u00e9" in document.text
    assert "\r" not in document.text


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_white_space_alone_is_no_text(name):
    with pytest.raises(IngestionError, match="has no text"):
        parse(b" \n\t\n ", name)
