"""HTML: all visible text in document order, with block structure. Not main content only: nothing is left unread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ingestion.parsers.blocks import Block, assemble, label, row
from ingestion.parsers.text import decode, encoding_named
from ingestion.types import Document, InvalidFileError, RawFile

MAX_DEPTH = 10_000  # lexbor takes quadratic time in it: 0.1 s here, 17 s at ten times this
MAX_ATTRIBUTES = 10_000  # of one element; quadratic as well
MAX_BYTES = 64 << 20  # the tree takes some ten times as much
HEAD_BYTES = 4096  # where a charset is declared


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_SKIPPED = _names("script style template noscript svg iframe object -comment")
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6, "title": 1}
_LISTS = _names("ul ol menu dir")
_BLOCKS = _names(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure "
    "footer form head header hgroup hr legend main nav p section summary tbody tfoot thead"
)
_SPACED = _names("option button input select textarea label img optgroup")

_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_LONG_TAG = re.compile(rf"<[A-Za-z][^<>]{{{2 * MAX_ATTRIBUTES},}}+")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_BREAK = "\0"  # <br> among the collapsed blanks; lexbor gives no NUL
_AROUND_BREAK = re.compile(f" ?{_BREAK} ?")

# Elements that the parser never nests, or whose end tag is mostly left out
_FLAT = _names(
    "area base br col embed hr img input link meta param source track wbr p li dt dd option optgroup td th tr tbody "
    "thead tfoot colgroup caption html head body rb rt rp rtc"
)


def read(file: RawFile) -> Document:
    from selectolax.lexbor import LexborHTMLParser

    data = file.whole(MAX_BYTES)
    text, warning = decode(data, file.filename, declared=_declared_charset(data))
    text = _LONG_TAG.sub(_bounded, text.replace("\0", ""))
    _check_depth(text, file.filename)
    walk = _Walk()
    walk.run(LexborHTMLParser(text).root)
    return assemble(walk.blocks, file.media_type, (warning,) if warning else ())


def _declared_charset(data: bytes) -> str:
    """Python's name of the charset in a meta element; "" where there is none that is known."""
    found = _CHARSET.search(_COMMENT.sub(b"", data[:HEAD_BYTES]))
    return encoding_named(found[1].decode()) if found else ""


def _bounded(tag: re.Match[str]) -> str:
    """The tag, without its attributes if it has too many: none of them is text."""
    many = len(_QUOTED.sub("", tag[0]).split()) > MAX_ATTRIBUTES
    return tag[0].split(None, 1)[0] if many else tag[0]


def _check_depth(text: str, filename: str) -> None:
    if text.count("<") <= MAX_DEPTH:
        return
    depth = 0
    for closing, name in _TAG.findall(text):
        if name.lower() not in _FLAT:
            depth = max(depth - 1, 0) if closing else depth + 1
            if depth > MAX_DEPTH:
                raise InvalidFileError(f"'{filename}' nests elements more than {MAX_DEPTH} deep")


@dataclass(slots=True)
class _List:
    ordered: bool
    items: int = 0


class _Walk:
    """Goes through the tree without recursion, as deep as it may be nested.

    `flows` are the lists that blocks go to: the page's, and one for each open table cell.
    """

    def __init__(self) -> None:
        self._inline: list[str] = []
        self._flows: list[list[Block]] = [[]]
        self._tables: list[list[list[list[Block]]]] = []
        self._lists: list[_List] = []
        self._marker = ""
        self._pre = 0

    @property
    def blocks(self) -> list[Block]:
        return self._flows[0]

    def run(self, root: Any) -> None:
        node = root
        while node is not None:
            child = self._start(node)
            if child is not None:
                node = child
                continue
            self._end(node.tag)
            while node.next is None:
                node = node.parent
                if node is None:
                    break
                self._end(node.tag)
            else:
                node = node.next
        self._flush()

    def _start(self, node: Any) -> Any:
        """Take in the node; its first child, or None where there is none to visit."""
        tag = node.tag
        if tag == "-text":
            self._inline.append(node.text_content or "")
            return None
        if tag in _SKIPPED:
            return None
        if tag == "br":
            self._inline.append("\n" if self._pre else _BREAK)
        elif tag in _SPACED:
            self._inline.append(f" {node.attributes.get('alt') or ''} " if tag == "img" else " ")
        elif tag in _BLOCKS or tag in _HEADINGS:
            self._flush()
        else:
            self._start_structure(tag)
        return node.child

    def _start_structure(self, tag: str) -> None:
        if tag in _LISTS:
            self._flush()
            self._lists.append(_List(ordered=tag == "ol"))
        elif tag == "li":
            self._flush()
            self._marker = self._next_marker()
        elif tag == "pre":
            self._flush()
            self._pre += 1
        elif tag == "table":
            self._flush()
            self._tables.append([])
        elif tag == "tr" and self._tables:
            self._tables[-1].append([])
        elif tag in {"td", "th"}:
            self._flush()
            self._flows.append([])

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._flush("heading", _HEADINGS[tag])
        elif tag in _BLOCKS or tag == "li":
            self._flush()
        elif tag in _SPACED:
            self._inline.append(" ")
        elif tag in _LISTS:
            self._flush()
            self._lists.pop()
        elif tag == "pre":
            self._flush("code")
            self._pre -= 1
        elif tag in {"td", "th"}:
            self._flush()
            self._end_cell()
        elif tag == "table":
            self._flush()
            self._flows[-1].extend(_table_blocks(self._tables.pop()))

    def _end_cell(self) -> None:
        cell = self._flows.pop()
        if self._tables and self._tables[-1]:
            self._tables[-1][-1].append(cell)
        else:
            self._flows[-1].extend(cell)

    def _next_marker(self) -> str:
        if not self._lists:
            return "- "
        innermost = self._lists[-1]
        innermost.items += 1
        mark = f"{innermost.items}. " if innermost.ordered else "- "
        return "  " * min(len(self._lists) - 1, 8) + mark

    def _flush(self, kind: str = "", level: int = 0) -> None:
        """End the current block: the inline text so far."""
        if not self._inline:
            return
        text = "".join(self._inline)
        self._inline.clear()
        if not self._pre:
            text = _AROUND_BREAK.sub("\n", _BLANKS.sub(" ", text)).strip()
        if not text.strip():
            return
        if kind == "heading":
            self._marker, text = "", label(text)
        elif self._pre:
            kind = "code"
        elif self._lists:
            kind, text, self._marker = "list", self._marker + text, ""
        self._flows[-1].append(Block(text, kind, level))


def _table_blocks(rows: list[list[list[Block]]]) -> list[Block]:
    """One table, or, where it only arranges the page, what is in its cells."""
    rows = [cells for cells in rows if any(cells)]
    inner = [block for cells in rows for cell in cells for block in cell]
    if max(map(len, rows), default=0) < 2 or any(block.kind in {"heading", "table", "code"} for block in inner):
        return inner
    lines = [row(" ".join(block.text for block in cell) for cell in cells) for cells in rows]
    return [Block("\n".join(lines), "table")]
