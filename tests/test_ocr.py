"""OCR: what is read in pictures, and that nothing else is done. Skipped without the extra `ocr`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.parsers import ocr

DOCUMENTS = Path(__file__).parent / "documents"

needs_ocr = pytest.mark.skipif(not ocr.available(), reason="the extra ocr is not installed")


def pixels(name, turns=0):
    import numpy as np
    from PIL import Image

    return np.ascontiguousarray(np.rot90(np.asarray(Image.open(DOCUMENTS / name).convert("RGB")), turns)[:, :, ::-1])


@needs_ocr
def test_lines_are_read_from_top_to_bottom():
    lines = ocr.read_image(pixels("tern-slip.png")).split("\n")
    assert lines[:2] == ["TERNHOLM SKERRY WORKS", "Delivery slip 7731"]


@needs_ocr
@pytest.mark.parametrize("turns", [1, 2])
def test_a_picture_on_its_side_or_head_is_turned(turns):
    assert "Delivery slip 7731\nForty barrels of pine tar" in ocr.read_image(pixels("tern-slip.png", turns))


@needs_ocr
def test_two_columns_are_kept_apart():
    import numpy as np
    import pypdfium2

    pdf = pypdfium2.PdfDocument(DOCUMENTS / "tern-report.pdf")
    page = np.ascontiguousarray(pdf[2].render(scale=2).to_numpy()[:, :, :3])
    pdf.close()
    text = ocr.read_image(page)
    assert text.index("set aside for masts") < text.index("Oak keels come from")


@needs_ocr
def test_a_white_picture_has_no_text():
    import numpy as np

    assert ocr.read_image(np.full((200, 400, 3), 255, "uint8")) == ""


@needs_ocr
def test_reading_logs_nothing_and_leaves_no_files(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(DOCUMENTS.parent.parent)!r})
from pathlib import Path
from ingestion import parse
document = parse(Path({str(DOCUMENTS / "tern-slip.png")!r}).read_bytes(), "a.png")
assert "7731" in document.text
"""
    # Where onnxruntime keeps what it means to send; the variable that forbids it is for ocr.py to set.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env=environment | {"HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.rglob("*")) == []


def test_what_is_missing_is_told():
    assert ocr.unread_because(wanted=False) in {ocr.SWITCHED_OFF, ocr.INSTALL}
    assert ocr.INSTALL == "pip install 'rapidocr>=3,<4' onnxruntime pillow"
