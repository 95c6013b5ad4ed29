"""What a question quotes."""

from __future__ import annotations

import re

QUOTED = re.compile(  # each alternative ends at the next mark of its kind, so all of them together are linear
    r""""[^"]*"|＂[^＂]*＂|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|「[^「」]*」|『[^『』]*』|《[^《》]*》|`[^`]*`"""
    r"""|(?<!\S)'[^']*'(?!\w)|(?<!\w)‘[^‘’]*’(?!\w)"""
)


def quoted(text: str) -> list[str]:
    """What stands between quotation marks, without them, in reading order."""
    return [each[1:-1] for each in QUOTED.findall(text)]
