"""Text as every later step may take it: NFC, one kind of line end, no characters that are not text."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import import_module
from typing import Any

_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufeff\ufffe\uffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Soft hyphens, zero width spaces, marks of direction, tags: nobody sees them, and words with them are not found
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\U000e0000-\U000e007f]")
_PRESENTATION = re.compile("[\ufb00-\ufb06\ufe70-\ufefc]+")  # Latin ligatures, Arabic letters by their place in a word


def clean(text: str) -> str:
    """NFC, lines ending in a newline, without what cannot be seen; a lone surrogate becomes U+FFFD.

    Ligatures become their letters.

    Whatever adds spans must clean first. Cleaning pieces and joining them with newlines gives the
    same as cleaning the whole.
    """
    text = _NOT_TEXT.sub("", _LINE_ENDS.sub("\n", text))
    if text.isascii():
        return text
    text = _PRESENTATION.sub(lambda found: unicodedata.normalize("NFKC", found[0]), _UNSEEN.sub("", text))
    return unicodedata.normalize("NFC", _many_marks().sub(r"\1", _SURROGATES.sub("\ufffd", text)))


@cache
def _many_marks() -> Any:
    """More marks on a letter than Unicode's stream-safe format (UAX 15) allows; sorting them takes quadratic time."""
    return import_module("regex").compile(r"(\p{M}{30})\p{M}+")
