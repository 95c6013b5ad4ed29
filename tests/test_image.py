"""Images are read frame by frame, within limits. Reading is skipped without the extra `ocr`."""

import io
import struct
import zlib
from pathlib import Path

import pytest
from parsed import spans

from ingestion import InvalidFileError, UnsupportedFileError, parse
from ingestion.parsers import image, ocr
from ingestion.types import RawFile

DOCUMENTS = Path(__file__).parent / "documents"

needs_ocr = pytest.mark.skipif(not ocr.available(), reason="the extra ocr is not installed")


def read_file(name, **options):
    return parse((DOCUMENTS / name).read_bytes(), name, **options)


def png(width, height, rows=b""):
    def part(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


@needs_ocr
@pytest.mark.parametrize("name", ["tern-slip.png", "tern-slip.jpg"])
def test_an_image_is_one_page(name):
    document = read_file(name)
    assert document.text.startswith("TERNHOLM SKERRY WORKS\nDelivery slip 7731\n")
    assert [span[:2] for span in spans(document, "page")] == [("1", 1)]


@needs_ocr
def test_frames_of_a_tiff_are_pages():
    first, second = spans(read_file("tern-slips.tif"), "page")
    assert first[:2] == ("1", 1)
    assert "slip 7731" in first[2]
    assert second[:2] == ("2", 2)
    assert "slip 7732" in second[2]


@needs_ocr
@pytest.mark.parametrize("kind", ["gif", "bmp", "webp"])
def test_other_kinds_are_read_too(kind):
    from PIL import Image

    file = io.BytesIO()
    Image.open(DOCUMENTS / "tern-slip.png").convert("RGB").save(file, kind)
    assert "Delivery slip 7731" in image.read(RawFile(file.getvalue(), f"a.{kind}", f"image/{kind}")).text


@needs_ocr
def test_transparent_images_are_read_on_white():
    from PIL import Image, ImageChops

    ink = ImageChops.invert(Image.open(DOCUMENTS / "tern-slip.png").convert("L"))
    picture, file = Image.new("RGBA", ink.size), io.BytesIO()
    picture.putalpha(ink)  # black everywhere, to be seen only where the letters are
    picture.save(file, "png")
    assert "Delivery slip 7731" in parse(file.getvalue(), "a.png").text


@needs_ocr
def test_an_animation_is_read_once_and_told():
    from PIL import Image

    slip, file = Image.open(DOCUMENTS / "tern-slip.png").convert("L"), io.BytesIO()
    slip.save(file, "gif", save_all=True, append_images=[slip.point(lambda value: 255 - value)])
    document = parse(file.getvalue(), "a.gif")
    assert document.warnings == ("only the first frame was read by OCR",)
    assert len(spans(document, "page")) == 1


@needs_ocr
def test_an_image_without_text_is_invalid():
    with pytest.raises(InvalidFileError, match=r"^'a\.png' has no text that could be read$"):
        parse(png(64, 64, b"\x00" + b"\xff" * 8 + (b"\x00" + b"\xff" * 8) * 63), "a.png")


@needs_ocr
def test_pixels_are_counted_before_they_are_unpacked():
    with pytest.raises(InvalidFileError, match=r"^'a\.png' has 10000 x 10000 pixels, the limit is 60,000,000$"):
        parse(png(10_000, 10_000), "a.png")


@needs_ocr
def test_far_too_many_pixels_are_told_too():
    with pytest.raises(InvalidFileError, match=r"^'a\.png' has more pixels than the limit of 60,000,000$"):
        parse(png(50_000, 50_000), "a.png")


@needs_ocr
def test_a_damaged_image_is_invalid():
    with pytest.raises(InvalidFileError, match=r"^'a\.png' is damaged: it cannot be read as an image"):
        parse((DOCUMENTS / "tern-slip.png").read_bytes()[:900], "a.png")


def test_without_ocr_an_image_is_unsupported():
    with pytest.raises(UnsupportedFileError, match=r"^'tern-slip\.png' is an image; reading it needs OCR: "):
        read_file("tern-slip.png", ocr=False)
