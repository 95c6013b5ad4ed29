"""Text in pictures, by rapidocr and its models inside the wheel. The one module that knows it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from typing import Any

from ingestion import deadline
from ingestion.parsers.pdf_layout import arrange, in_columns
from ingestion.parsers.pdf_lines import Line

INSTALL = "pip install 'rapidocr>=3,<4' onnxruntime pillow"
SWITCHED_OFF = "it is switched off"

MAX_SIDE_PIXELS = 2000  # of what is read: A4 at 170 dpi; rapidocr makes larger ones smaller
FIND_SIDE_PIXELS = 960  # lines are looked for in a smaller picture: half the memory, the same recall on our pages
AT_ONCE = 1  # lines read together: 6 take 500 MB more of address space and are no faster
THREADS = 1
PAGE_CPU_S = 20  # asked for before each; dense ones take 15
SURE = 0.75  # mean confidence below which the picture may lie on its head
FATAL = 4  # onnxruntime's level of its log
TALL = 1.5  # a line's height by its width, in a picture that lies on its side


def available() -> bool:
    """Whether the extra is installed, with its models."""
    return bool(find_spec("rapidocr") and find_spec("onnxruntime") and len(_models()) == 2)


def unread_because(*, wanted: bool) -> str:
    """Why pictures cannot be read; "" if they can."""
    if not available():
        return INSTALL
    return "" if wanted else SWITCHED_OFF


def read_image(pixels: Any) -> str:
    """The lines of text from top to bottom, columns one after the other. pixels: (height, width, 3) uint8, BGR.

    A picture that lies on its side or on its head is turned. "" if there is no text.
    """
    return "".join(line.text if line.joins else line.text + "\n" for line in read_image_lines(pixels)).rstrip()


def read_image_lines(pixels: Any) -> list[Line]:
    """`read_image` with places: points of one pixel, from the bottom upwards."""
    import numpy as np

    deadline.extend(PAGE_CPU_S)
    found, score = _found(pixels)
    if found and median(line.right - line.left for line in found) * TALL < median(line.size for line in found):
        turned = [_found(np.ascontiguousarray(np.rot90(pixels, turns))) for turns in (1, 3)]
        found, score = max(turned, key=lambda read: read[1])
    elif found and score < SURE:
        other, other_score = _found(np.ascontiguousarray(np.rot90(pixels, 2)))
        found = other if other_score > score else found
    return in_columns(found) or arrange(list(_side_by_side(found)))


def _found(pixels: Any) -> tuple[list[Line], float]:
    """Every piece of text as a line of its own, and the mean confidence."""
    height = pixels.shape[0]
    result = _engine()(pixels)
    if result.boxes is None or not result.txts:
        return [], 0.0
    lines = []
    for box, text in zip(result.boxes, result.txts, strict=True):
        xs, ys = [float(x) for x, _ in box], [float(y) for _, y in box]
        top, bottom = height - min(ys), height - max(ys)
        lines.append(Line(text, min(xs), max(xs), bottom, top, size=top - bottom))
    return lines, mean(float(score) for score in result.scores)


def _side_by_side(lines: list[Line]) -> Iterator[Line]:
    """Row by row from the top, in each row from the left; what is in a row is put on one baseline."""
    left = sorted(lines, key=lambda line: -(line.top + line.bottom))
    at = 0
    while at < len(left):
        first = left[at]
        middle = (first.top + first.bottom) / 2
        end = at + 1
        while end < len(left) and left[end].top > middle and (left[end].top + left[end].bottom) / 2 > first.bottom:
            end += 1
        for line in sorted(left[at:end], key=lambda line: line.left):
            line.bottom, line.top, line.size = first.bottom, first.top, first.size
            yield line
        at = end


@cache
def _engine() -> Any:
    """Loads the models: 0.5 s, 500 MB of address space. It writes, logs, sends and downloads nothing."""
    # From 1.29 on, onnxruntime sends what models are run to its maker, unless this is set before it is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where something else has imported it before
    onnxruntime.set_default_logger_severity(FATAL)
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").handlers.clear()
    find, read = _models()
    settings = {
        "Global.log_level": "critical",
        "Global.use_cls": False,
        "Global.max_side_len": MAX_SIDE_PIXELS,
        "Det.model_path": str(find),
        "Det.limit_type": "max",
        "Det.limit_side_len": FIND_SIDE_PIXELS,
        "Rec.model_path": str(read),
        "Rec.rec_batch_num": AT_ONCE,
        "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
        "EngineConfig.onnxruntime.inter_op_num_threads": THREADS,
    }
    return RapidOCR(params=settings)


@cache
def _models() -> tuple[Path, ...]:
    """The model that finds lines and the one that reads them; fewer if the wheel has not both."""
    package = find_spec("rapidocr")
    if package is None or not package.origin:
        return ()
    folder = Path(package.origin).parent / "models"
    found = (sorted(folder.glob(pattern)) for pattern in ("*_det_*.onnx", "*_rec_*.onnx"))
    return tuple(paths[0] for paths in found if paths)
