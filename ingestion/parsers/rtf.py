"""RTF: one pass over its control words; bytes are read in the code page of the font that they are set in."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from ingestion.parsers.blocks import Block, assemble
from ingestion.parsers.drawingml import MIN_IMAGE_BYTES
from ingestion.parsers.flows import not_read
from ingestion.parsers.rtf_text import MAX_LIST_LEVEL, Flow, Paragraph
from ingestion.types import Document, InvalidFileError, RawFile

MAX_BYTES = 64 << 20  # as many tokens take a minute
MAX_DEPTH = 100_000
MAX_FLOWS = 16  # notes in boxes in notes ...; what is deeper belongs to the innermost of these
MAX_HEADING_LEVEL = 6
MAX_MARKER_CHARS = 12
MAX_UNICODE_BYTES = 8

_TOKEN = re.compile(
    rb"\\(?:(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})? ?|'(?P<hex>[0-9A-Fa-f]{2})|(?P<sign>[^A-Za-z]))"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_HEADING = re.compile(r"heading ([1-9])\b", re.IGNORECASE)


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Groups that hold no text of the document. A group that begins with \* and is not known is left out as well.
_SKIPPED = _words(
    "colortbl filetbl info pict nonshppict shprslt sp fldinst bkmkstart bkmkend xe tc txe rxe listtable template "
    "listoverridetable ftnsep ftnsepc ftncn aftnsep aftnsepc aftncn nonesttables datafield formfield objdata objclass "
    "objname objalias objsect objtime mmathPict mchr mbegChr mendChr msepChr mtype mpos mvertJc mlimLoc mgrow msubHide "
    "msupHide mdegHide pgptbl pntxta pntxtb nesttableprops upr"
)
_COUNTED = _words("pict objdata")
_SILENT = _COUNTED | {"upr", "skipped"}
_KNOWN = _words("shpinst shppict do dptxbxtext ud atnauthor annotation moMath moMathPara footnote pntext listtext")
_MARGINS = {f"{kind}{pages}": kind for kind in ("header", "footer") for pages in ("", "l", "r", "f")}
_FLOWS = _words("footnote annotation shptxt dptxbxtext") | set(_MARGINS)
_CAPTURED = _words("atnauthor pntext listtext stylesheet fonttbl")
_SIGNS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "nestcell": "\t", "nestrow": "\n", "emdash": "\u2014", "endash": "\u2013",
    "emspace": " ", "enspace": " ", "qmspace": " ", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019",
    "ldblquote": "\u201c", "rdblquote": "\u201d", "~": "\u00a0", "_": "-", "{": "{", "}": "}", "\\": "\\",
}  # fmt: skip
_SYSTEMS = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_PARAGRAPH_ENDS = _words("par sect page column")

# \fcharset -> code page (RTF 1.9.1, font table); 0, 1 and 2 mean the document's own
_CHARSETS = {
    77: "mac_roman", 78: "cp932", 79: "cp950", 80: "cp949", 81: "mac_arabic", 82: "cp1255", 83: "mac_greek",
    84: "mac_cyrillic", 85: "cp936", 86: "mac_romanian", 87: "mac_cyrillic", 88: "cp874", 89: "mac_latin2",
    128: "cp932", 129: "cp949", 130: "johab", 134: "cp936", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip


def read(file: RawFile) -> Document:
    data = file.whole(MAX_BYTES)
    reader = _Reader(file)
    reader.run(data)
    document = assemble(reader.blocks(), file.media_type)
    warnings = tuple(reader.warnings())
    if warnings and not document.text.strip():
        raise InvalidFileError(f"'{file.filename}' has no text: {'; '.join(warnings)}")
    return replace(document, warnings=warnings)


@dataclass(slots=True)
class _State:
    """What a group inherits, and its end restores."""

    destination: str = ""  # whose group is open; "skipped" for one that holds no text
    font: int = -1
    hidden: bool = False
    deleted: bool = False
    unicode_bytes: int = 1  # what follows each \\u for readers that do not know it
    flows: int = 1  # that are open in it
    start: int = 0  # of the destination, in the file


class _Reader:
    def __init__(self, file: RawFile) -> None:
        self._filename = file.filename
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._default_font = -1
        self._headings: dict[int, int] = {}
        self._state = _State()
        self._groups: list[_State] = []
        self._flows = [Flow("", self._headings)]
        self._margins: dict[str, list[Block]] = {"header": [], "footer": []}
        self._bytes = bytearray()  # text that is not decoded yet: a character may be two of them
        self._captured: list[str] = []
        self._style = Paragraph()  # of the style sheet's entry that is open
        self._author = ""
        self._starred = False
        self._ignored_bytes = 0  # still to come behind a \\u
        self._notes = self._images = self._objects = self._hidden_chars = 0

    def blocks(self) -> list[Block]:
        while len(self._flows) > 1:  # the file may end in the middle of a note
            self._end_flow()
        return [*self._margins["header"], *self._flows[0].end(), *self._margins["footer"]]

    def warnings(self) -> list[str]:
        hidden = [f"hidden text was left out: {self._hidden_chars:,} characters"] if self._hidden_chars else []
        return [*hidden, *not_read(self._images, "image"), *not_read(self._objects, "embedded file")]

    def run(self, data: bytes) -> None:
        position = 0
        while position >= 0:
            position = self._run(data, position)
        self._flush()

    def _run(self, data: bytes, position: int) -> int:
        """To the end, which is -1, or to where binary data has been left out."""
        for token in _TOKEN.finditer(data, position):
            kind = token.lastgroup
            if kind == "text":
                self._take_bytes(token["text"])
            elif kind == "hex":
                self._take_bytes(bytes((int(token["hex"], 16),)))
            elif kind == "brace":
                self._flush()
                if token["brace"] == b"{":
                    self._open()
                elif not self._groups:
                    return -1
                else:
                    self._close(token.end())
            elif kind == "sign":
                self._flush()
                self._take_sign(token["sign"].decode("latin-1"))
            elif token["word"] == b"bin":
                end = token.end() + int(token["number"] or 0)
                if token.end() < end <= len(data):  # otherwise the file is cut, or the number wrong
                    return end
            else:
                self._flush()
                number = token["number"]
                self._take_word(token["word"].decode("ascii"), None if number is None else int(number), token.end())
        return -1

    # text

    def _take_bytes(self, taken: bytes) -> None:
        self._starred = False
        if self._ignored_bytes:
            left_out = min(self._ignored_bytes, len(taken))
            self._ignored_bytes -= left_out
            taken = taken[left_out:]
        if self._state.destination not in _SILENT:
            self._bytes += taken

    def _flush(self) -> None:
        if self._bytes:
            text = self._bytes.decode(self._fonts.get(self._state.font, self._encoding), "replace")
            self._bytes.clear()
            self._tell(text)

    def _tell(self, text: str) -> None:
        state = self._state
        if state.destination in _CAPTURED:
            self._captured.append(text)
        elif state.hidden and state.destination not in _SILENT:
            self._hidden_chars += len(text.strip())
        elif state.destination not in _SILENT and not state.deleted:
            self._flows[-1].add(text)

    def _take_sign(self, sign: str) -> None:
        self._ignored_bytes = 0
        self._starred = sign == "*"
        if sign in _SIGNS:
            self._tell(_SIGNS[sign])
        elif sign in "\r\n":
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        if self._state.destination not in _SILENT | _CAPTURED:
            self._flows[-1].end_paragraph()

    # groups

    def _open(self) -> None:
        if len(self._groups) >= MAX_DEPTH:
            raise InvalidFileError(f"'{self._filename}' nests groups more than {MAX_DEPTH:,} deep")
        self._ignored_bytes, self._starred = 0, False
        state = self._state
        self._groups.append(state)
        self._state = _State(
            state.destination, state.font, state.hidden, state.deleted, state.unicode_bytes, state.flows, state.start
        )

    def _close(self, position: int) -> None:
        self._ignored_bytes, self._starred = 0, False
        closed, self._state = self._state, self._groups.pop()
        if closed.destination == "stylesheet":
            self._end_style()
        elif closed.destination != self._state.destination:
            self._end_destination(closed.destination, position - closed.start)
        while len(self._flows) > self._state.flows:
            self._end_flow()

    def _end_destination(self, name: str, length_bytes: int) -> None:
        if name == "pict":
            self._images += length_bytes >= 2 * MIN_IMAGE_BYTES  # two digits a byte
        elif name == "objdata":
            self._objects += 1
        elif name == "atnauthor":
            self._author = " ".join("".join(self._captured).split())
        elif name in {"pntext", "listtext"}:
            marker = "".join("".join(self._captured).split())
            numbered = 1 < len(marker) <= MAX_MARKER_CHARS and any(map(str.isalnum, marker))
            self._flows[-1].paragraph.marker = marker if numbered else "-"

    def _end_style(self) -> None:
        """A paragraph's style is a heading by its outline level or by its name."""
        name = _HEADING.match("".join(self._captured).strip())
        level = self._style.outline or (min(int(name[1]), MAX_HEADING_LEVEL) if name else 0)
        if level and self._style.style >= 0:
            self._headings[self._style.style] = level
        self._captured.clear()
        self._style = Paragraph()

    def _begin_flow(self, word: str) -> None:
        if len(self._flows) > MAX_FLOWS:
            return
        mark = ""
        if word == "footnote":
            self._notes += 1
            mark = f"[{self._notes}] "
            self._tell(mark.strip())
        elif word == "annotation":
            mark = f"Comment by {self._author}: " if self._author else "Comment: "
        self._flows.append(Flow(word, self._headings, mark))
        self._state.destination = ""
        self._state.flows = len(self._flows)

    def _end_flow(self) -> None:
        flow = self._flows.pop()
        blocks = [block for block in flow.end() if block.text.strip()]
        if flow.kind in _MARGINS:
            margin = self._margins[_MARGINS[flow.kind]]
            margin += [block for block in blocks if block not in margin]
        elif blocks and flow.mark:
            self._flows[-1].after += [Block(flow.mark + blocks[0].text.strip()), *blocks[1:]]
        else:
            self._flows[-1].after += blocks

    # control words

    def _take_word(self, word: str, number: int | None, position: int) -> None:
        starred, self._starred, self._ignored_bytes = self._starred, False, 0
        state = self._state
        if state.destination in _SILENT:
            if word == "ud" and state.destination == "upr" and len(self._groups) > 1:
                state.destination = self._groups[-2].destination
        elif word in _SKIPPED or (starred and word not in _KNOWN | _FLOWS):
            state.destination = word if word in _SILENT else "skipped"
            state.start = position
        elif word in _CAPTURED:
            state.destination = word
            self._captured.clear()
        elif word in _FLOWS:
            self._begin_flow(word)
        elif word == "u" and number is not None:
            self._tell(chr(number & 0xFFFF))
            self._ignored_bytes = state.unicode_bytes
        elif word in _SIGNS:
            self._tell(_SIGNS[word])
        elif state.destination == "fonttbl":
            self._define_font(word, number or 0)
        elif state.destination == "stylesheet":
            _set_paragraph(self._style, word, number)
        elif not self._set_characters(word, 1 if number is None else number):
            self._set_document(word, number)
            if state.destination not in _CAPTURED:
                self._take_structure(word, number)

    def _define_font(self, word: str, number: int) -> None:
        if word == "f":
            self._state.font = number
        elif word == "fcharset" and number in _CHARSETS:
            self._fonts[self._state.font] = _CHARSETS[number]
        elif word == "cpg":
            self._fonts[self._state.font] = _code_page(number, self._encoding)

    def _set_characters(self, word: str, number: int) -> bool:
        state = self._state
        if word == "f":
            state.font = number
        elif word == "v":
            state.hidden = number != 0
        elif word == "deleted":
            state.deleted = number != 0
        elif word == "plain":
            state.font, state.hidden, state.deleted = self._default_font, False, False
        elif word == "uc":
            state.unicode_bytes = min(max(number, 0), MAX_UNICODE_BYTES)
        else:
            return False
        return True

    def _set_document(self, word: str, number: int | None) -> None:
        if word == "ansicpg":
            self._encoding = _code_page(number or 0, self._encoding)
        elif word in _SYSTEMS:
            self._encoding = _SYSTEMS[word]
        elif word == "deff":
            self._default_font = self._state.font = number or 0

    def _take_structure(self, word: str, number: int | None) -> None:
        flow = self._flows[-1]
        if word in _PARAGRAPH_ENDS:
            flow.end_paragraph()
        elif word == "pard":
            flow.paragraph = Paragraph(marker=flow.paragraph.marker)
        elif word == "cell":
            flow.end_cell()
        elif word == "row":
            flow.end_row()
        else:
            _set_paragraph(flow.paragraph, word, number)


def _set_paragraph(paragraph: Paragraph, word: str, number: int | None) -> None:
    if word == "s":
        paragraph.style = number or 0
    elif word == "outlinelevel":
        paragraph.outline = min((number or 0) + 1, MAX_HEADING_LEVEL) if 0 <= (number or 0) < 9 else 0
    elif word == "intbl":
        paragraph.in_table = number != 0
    elif word == "ilvl":
        paragraph.level = min(max(number or 0, 0), MAX_LIST_LEVEL)


def _code_page(number: int, otherwise: str) -> str:
    """Python's name of a Windows code page; the text before it stays readable where there is none."""
    try:
        return codecs.lookup(f"cp{number}").name
    except LookupError:
        return otherwise
