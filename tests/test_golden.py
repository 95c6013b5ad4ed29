"""What each document of tests/documents becomes: one golden file a document.

`pytest tests/test_golden.py --update-golden` writes them anew; the diff is then read like code.
"""

import json
from pathlib import Path

import pytest

from ingestion import StaticStrategy, chunk, parse

DOCUMENTS = sorted(
    path for path in (Path(__file__).parent / "documents").iterdir() if path.suffix not in {".py", ".md"}
)
GOLDEN = Path(__file__).parent / "golden"
NEEDS_OCR = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
PASSWORDS = {"locked": "tern-4471"}  # in the name of a file that needs one


def password_of(path):
    return next((password for word, password in PASSWORDS.items() if word in path.stem), "")


def what_became_of(path):
    document = parse(path.read_bytes(), path.name, password=password_of(path), ocr=False)
    chunks = chunk(document, StaticStrategy(200, 50)).chunks
    return {
        "media_type": document.media_type,
        "title": document.title,
        "warnings": list(document.warnings),
        "spans": [f"{s.kind} {s.level} {s.start}:{s.end} {s.label}".rstrip() for s in document.spans],
        "chunks": [
            {
                "place": f"{c.start}:{c.end}, {c.tokens} tokens",
                "pages": c.pages,
                "lines": c.lines,
                "heading_path": c.heading_path,
                "table_header": c.table_header,
                "text": c.text.split("\n"),
            }
            for c in chunks
        ],
    }


@pytest.mark.parametrize(
    "path",
    [path for path in DOCUMENTS if path.suffix not in NEEDS_OCR and "scan" not in path.stem],
    ids=lambda p: p.name,
)
def test_a_document_becomes_what_it_did(path, request):
    found = json.loads(json.dumps(what_became_of(path)))
    golden = GOLDEN / f"{path.name}.json"
    if request.config.getoption("--update-golden"):
        golden.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    assert found == json.loads(golden.read_text())


def test_every_golden_file_has_its_document():
    assert {path.stem for path in GOLDEN.glob("*.json")} <= {path.name for path in DOCUMENTS}
