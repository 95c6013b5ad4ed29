"""Images: PNG, JPEG, GIF, BMP, TIFF and WebP, read by OCR frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from warnings import catch_warnings

from ingestion.parsers import ocr
from ingestion.parsers.clean import clean
from ingestion.types import Document, InvalidFileError, RawFile, Span, UnsupportedFileError

MAX_PIXELS = 60_000_000  # of a frame: A3 at 600 dpi is 70 million, A4 35; each takes 3 bytes and more
MAX_FRAMES = 200
ANIMATED = ("image/gif", "image/webp")  # of these only the first frame is read
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")


def read(file: RawFile) -> Document:
    why = ocr.unread_because(wanted=file.options.ocr)
    if why:
        raise UnsupportedFileError(f"'{file.filename}' is an image; reading it needs OCR: {why}")
    warnings: list[str] = []
    texts = [clean(text) for text in _texts(file, warnings)]
    if not any(text.strip() for text in texts):
        raise InvalidFileError(f"'{file.filename}' has no text that could be read")
    spans, length = [], 0
    for number, text in enumerate(texts, 1):
        spans.append(Span("page", length, length + len(text) + 1, str(number), number))
        length += len(text) + 1
    return Document("".join(text + "\n" for text in texts), file.media_type, tuple(spans), tuple(warnings))


def _texts(file: RawFile, warnings: list[str]) -> Iterator[str]:
    """The text of each frame. What is guessed or left out is put into `warnings`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with (
            catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
            Image.open(file.open(), formats=FORMATS) as image,
        ):
            _check_pixels(image, file.filename)
            frames = 1 if file.media_type in ANIMATED else int(getattr(image, "n_frames", 1))
            if frames > MAX_FRAMES:
                warnings.append(f"only the first {MAX_FRAMES} of {frames} pages were read by OCR")
            if getattr(image, "is_animated", False) and frames == 1:
                warnings.append("only the first frame was read by OCR")
            for number in range(min(frames, MAX_FRAMES)):
                image.seek(number)
                _check_pixels(image, file.filename)
                yield ocr.read_image(_pixels(image))
    except Image.DecompressionBombError as error:
        raise InvalidFileError(f"'{file.filename}' has more pixels than the limit of {MAX_PIXELS:,}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InvalidFileError(f"'{file.filename}' is damaged: it cannot be read as an image ({error})") from error


def _check_pixels(image: Any, filename: str) -> None:
    """Before the frame is unpacked."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InvalidFileError(f"'{filename}' has {width} x {height} pixels, the limit is {MAX_PIXELS:,}")


def _pixels(image: Any) -> Any:
    """The frame upright as its EXIF data says, on white, not larger than OCR takes: (height, width, 3) uint8, BGR."""
    import numpy as np
    from PIL import Image, ImageOps

    image.draft("RGB", (ocr.MAX_SIDE_PIXELS, ocr.MAX_SIDE_PIXELS))  # JPEG: unpacked at a fraction of its size
    frame = image.copy()
    frame.thumbnail((ocr.MAX_SIDE_PIXELS, ocr.MAX_SIDE_PIXELS), reducing_gap=2.0)
    frame = ImageOps.exif_transpose(frame)
    if frame.has_transparency_data:
        frame = frame.convert("RGBA")
        frame = Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame)
    return np.ascontiguousarray(np.asarray(frame.convert("RGB"))[:, :, ::-1])
