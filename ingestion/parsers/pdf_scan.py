"""Pages that are pictures: how they are told, and what OCR reads on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ingestion.parsers import ocr
from ingestion.parsers.clean import clean
from ingestion.parsers.pdf_lines import Line

FEW_CHARS = 20  # on a page that its image covers: a stamp, a page number
COVERED = 0.5  # of the page, by an image
MIN_PATHS = 200  # on a page without text or image: letters drawn as shapes
MAX_OBJECTS = 2000  # looked at on a page
MAX_OCR_PAGES = 200  # a file
MAX_IMAGE_PIXELS = 100_000_000  # unpacked, by the largest image of a page
DPI = 200
POINTS = 72  # an inch
KEPT_CPU_S = 20  # of what the process may use: for the pages after the last one that OCR reads

GARBLED = 0.3  # of a page's characters: unmapped, private or control characters
MIN_SIGN_CHARS = 200
SIGNS = 0.6  # of a page's characters: punctuation where letters should be

_UNMAPPED = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd\ufffd\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f]|\\(cid:\\d+\\)")
_SIGN = re.compile(r"[!-,:-@\[-^`{}~]")  # ASCII punctuation without what rules and leaders are made of


def is_garbled(text: str) -> bool:
    """Whether the fonts of a page do not say which letters they show."""
    chars = len("".join(text.split()))
    if not chars:
        return False
    unmapped = sum(len(found) for found in _UNMAPPED.findall(text)) if not text.isascii() or "\x03" in text else 0
    return unmapped > GARBLED * chars or (chars >= MIN_SIGN_CHARS and len(_SIGN.findall(text)) > SIGNS * chars)


def looks_scanned(page: Any, chars: int) -> bool:
    """Whether what there is to read on a page with `chars` characters of text is in its pictures."""
    import pypdfium2.raw as pdfium

    if chars >= FEW_CHARS:
        return False
    images = paths = 0
    covered, area = 0.0, page.get_width() * page.get_height()
    for at, item in enumerate(page.get_objects(max_depth=4)):
        if at >= MAX_OBJECTS:
            break
        if item.type == pdfium.FPDF_PAGEOBJ_PATH:
            paths += 1
        elif item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            images += 1
            left, bottom, right, top = item.get_bounds()
            covered = max(covered, (right - left) * (top - bottom) / area if area else 1.0)
    if chars:
        return covered >= COVERED
    return images > 0 or paths >= MIN_PATHS


@dataclass(slots=True)
class Reading:
    """OCR of one file: counts the pages. `why_not` says why there is none from the start."""

    why_not: str
    pages: int = 0

    def read(self, page: Any) -> tuple[list[Line], str]:
        """The page's lines, without places; or why it was not read."""
        why = self.why_not or self._limit() or _too_large(page)
        if why:
            return [], why
        self.pages += 1
        scale = min(DPI / POINTS, ocr.MAX_SIDE_PIXELS / max(page.get_width(), page.get_height(), 1))
        bitmap = page.render(scale=scale, rev_byteorder=False, prefer_bgrx=False)
        pixels = bitmap.to_numpy()
        text = ocr.read_image(pixels[:, :, :3] if pixels.ndim == 3 else pixels[:, :, None].repeat(3, 2))
        bitmap.close()
        return [Line(line) for line in clean(text).split("\n")] if text.strip() else [], ""

    def _limit(self) -> str:
        if self.pages >= MAX_OCR_PAGES:
            return f"OCR reads {MAX_OCR_PAGES} pages of a file"
        return "the time for this file is over" if _cpu_s_left() < KEPT_CPU_S else ""


def _too_large(page: Any) -> str:
    import ctypes

    import pypdfium2.raw as pdfium

    width, height = ctypes.c_uint(), ctypes.c_uint()
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        if not pdfium.FPDFImageObj_GetImagePixelSize(item, width, height):
            continue
        if width.value * height.value > MAX_IMAGE_PIXELS:
            return f"an image of {width.value} x {height.value} pixels is over the limit of {MAX_IMAGE_PIXELS:,}"
    return ""


def _cpu_s_left() -> float:
    """Of what the system lets this process use; endless where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return float("inf")
    limit, _ = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return float("inf") if limit == resource.RLIM_INFINITY else limit - used.ru_utime - used.ru_stime
