"""Outlook messages (msg): subject, who wrote to whom, the body, then every attachment as a part."""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass, replace
from email.parser import HeaderParser
from pathlib import PurePosixPath

from ingestion.media_types import MSG
from ingestion.parse import MAX_DEPTH, parse_part
from ingestion.parsers.blocks import Block, Part, assemble, label, stack
from ingestion.parsers.clean import clean
from ingestion.parsers.joined import join
from ingestion.parsers.members import Budget, LimitError, Members, budget_for
from ingestion.parsers.ole import Container, codec
from ingestion.parsers.text import decode
from ingestion.types import Document, IngestionError, InvalidFileError, RawFile

MAX_STORAGES = 20_000
MAX_RTF_BYTES = 64 << 20
MAX_HEADER_CHARS = 100_000

# Properties (MS-OXPROPS), by the first four digits of their stream's name
_SUBJECT, _BODY, _HTML, _RTF, _HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
_AUTHOR_NAME, _AUTHOR_ADDRESS, _AUTHOR_SMTP = 0x0042, 0x0065, 0x5D02
_TO, _CC = 0x0E04, 0x0E03
_SENT, _DELIVERED = 0x0039, 0x0E06
_MESSAGE_CODE_PAGE, _INTERNET_CODE_PAGE = 0x3FFD, 0x3FDE
_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME, _DATA = 0x3707, 0x3704, 0x3001, 0x3701

_UNICODE, _ANSI, _BINARY, _OBJECT = "001F", "001E", "0102", "000D"
_PROPERTIES = "__properties_version1.0"
_ATTACHMENT, _EMBEDDED = "__attach_version1.0_", "__substg1.0_3701000D"
_TOP_HEADER_BYTES, _EMBEDDED_HEADER_BYTES = 32, 24
_FILE_TIME_START = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)

_COMPRESSED, _STORED = 0x75465A4C, 0x414C454D  # "LZFu", "MELA" (MS-OXRTFCP)
_WINDOW = 4096
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    rb"MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def read(file: RawFile) -> Document:
    with Container(file) as container, budget_for(file) as budget:
        if len(container.tree()) > MAX_STORAGES:
            raise InvalidFileError(f"'{file.filename}' has more than {MAX_STORAGES:,} streams, the limit for a message")
        return _document(_Message(container, (), file.filename), file, Members(file, budget))


def _document(message: _Message, file: RawFile, members: Members) -> Document:
    warnings: list[str] = []
    documents = [_front(message), _body(message, file, members.budget, warnings)]
    for name in message.storages(_ATTACHMENT):
        _attach(message, name, members)
    warnings += members.warnings()
    return join([*documents, stack(members.parts, file.media_type)], file.media_type, warnings)


@dataclass(frozen=True, slots=True)
class _Message:
    """A storage with properties: the message itself, an attachment, a message attached to it."""

    container: Container
    path: tuple[str, ...]
    filename: str

    def storages(self, prefix: str) -> list[str]:
        return sorted(name for name in self.container.children(self.path) if name.startswith(prefix))

    def below(self, *names: str) -> _Message:
        return replace(self, path=(*self.path, *names))

    def bytes_of(self, number: int, kind: str = _BINARY) -> bytes | None:
        """None where there is no such property."""
        path = (*self.path, f"__substg1.0_{number:04X}{kind}")
        return self.container.read(*path) if self.container.has(*path) else None

    def text_of(self, *numbers: int) -> str:
        """The first of them that is there and not empty."""
        for number in numbers:
            found = self.bytes_of(number, _UNICODE)
            if found is not None and len(found) >= 2:
                return found[: len(found) // 2 * 2].decode("utf-16-le", "replace").rstrip("\0")
            found = self.bytes_of(number, _ANSI)
            if found:
                return self._decoded(found.rstrip(b"\0"), _MESSAGE_CODE_PAGE)
        return ""

    def html(self) -> bytes | None:
        """As UTF-8 with a mark where it is a text or declares its code page; else as it stands."""
        found = self.bytes_of(_HTML)
        if found is None:
            text = self.text_of(_HTML)
            return b"\xef\xbb\xbf" + text.encode("utf-8", "replace") if text.strip() else None
        if self._number(_INTERNET_CODE_PAGE) and found.strip(b"\0 \r\n\t"):
            return b"\xef\xbb\xbf" + self._decoded(found, _INTERNET_CODE_PAGE).encode("utf-8", "replace")
        return found if found.strip(b"\0 \r\n\t") else None

    def _decoded(self, text: bytes, code_page_property: int) -> str:
        name = codec(self._number(code_page_property) or self._number(_INTERNET_CODE_PAGE))
        if name and not text.isascii():
            try:
                return text.decode(name)
            except UnicodeError:
                pass
        return decode(text, self.filename, name)[0] if text else ""

    def date(self) -> str:
        """When it was sent, or else delivered; "" where it does not say."""
        ticks = self._number(_SENT, size=8) or self._number(_DELIVERED, size=8)
        try:
            moment = _FILE_TIME_START + dt.timedelta(microseconds=ticks // 10)
        except OverflowError:
            return ""
        return moment.strftime("%Y-%m-%d %H:%M UTC") if ticks else ""

    def _number(self, wanted: int, size: int = 4) -> int:
        """A property of a fixed size; 0 where there is none. An embedded message's list has a shorter head."""
        path = (*self.path, _PROPERTIES)
        if not self.container.has(*path):
            return 0
        data = self.container.read(*path)
        for at in range(_EMBEDDED_HEADER_BYTES if self.path else _TOP_HEADER_BYTES, len(data) - 15, 16):
            if int.from_bytes(data[at + 2 : at + 4], "little") == wanted:
                return int.from_bytes(data[at + 8 : at + 8 + size], "little")
        return 0


def _front(message: _Message) -> Document:
    """The subject as a heading, and the fields that tell who, to whom and when."""
    headers = HeaderParser().parsestr(message.text_of(_HEADERS)[:MAX_HEADER_CHARS])
    subject = " ".join(message.text_of(_SUBJECT).split())
    fields = {
        "From": _sender(message) or " ".join(str(headers.get("From", "")).split()),
        "To": message.text_of(_TO) or " ".join(str(headers.get("To", "")).split()),
        "Cc": message.text_of(_CC),
        "Date": " ".join(str(headers.get("Date", "")).split()) or message.date(),
    }
    told = [f"{name}: {value.strip()}" for name, value in fields.items() if value.strip()]
    document = assemble([Block(f"Subject: {subject}".rstrip(), "heading", 1), Block("\n".join(told))], MSG)
    spans = tuple(replace(span, label=label(clean(subject))) for span in document.spans if subject)
    return replace(document, spans=spans)


def _sender(message: _Message) -> str:
    name = message.text_of(_AUTHOR_NAME, _SENDER_NAME).strip()
    address = message.text_of(_AUTHOR_SMTP, _SENDER_SMTP, _AUTHOR_ADDRESS, _SENDER_ADDRESS).strip()
    if "@" not in address or address == name:
        return name or address
    return f"{name} <{address}>" if name else address


def _body(message: _Message, file: RawFile, budget: Budget, warnings: list[str]) -> Document:
    """The plain text; else the HTML; else the rich text."""
    text = message.text_of(_BODY)
    if text.strip():
        return assemble([Block(text)], MSG)
    for name, data in (("body.html", message.html()), ("body.rtf", message.bytes_of(_RTF))):
        if not data:
            continue
        try:
            content = unpacked_rtf(data, file.filename) if name == "body.rtf" else data
            budget.spend(len(content))
            return replace(parse_part(content, name, file), media_type=MSG)
        except LimitError:
            raise
        except IngestionError as error:
            warnings.append(f"the {name[5:].upper()} of the message cannot be read: {error}")
    return assemble([], MSG)


def _attach(message: _Message, storage: str, members: Members) -> None:
    attachment = message.below(storage)
    name = _name(attachment) or f"attachment {len(members.parts) + len(members.failures) + 1}"
    members.budget.count_member()
    if _EMBEDDED in attachment.storages(_EMBEDDED):
        inner = attachment.below(_EMBEDDED)
        if inner.storages(_PROPERTIES):
            _attach_message(inner, name, members)
        else:
            members.failures.append(f"'{name}' is an embedded object")
        return
    data = attachment.bytes_of(_DATA)
    if data is None:
        members.failures.append(f"'{name}' is not in the message")
        return
    members.budget.spend(len(data))
    members.read(data, name)


def _attach_message(message: _Message, name: str, members: Members) -> None:
    holder = members.holder
    if holder.depth + 1 > MAX_DEPTH:
        members.failures.append(f"'{name}' is nested more than {MAX_DEPTH} files deep")
        return
    inner = replace(holder, filename=name, media_type=MSG, depth=holder.depth + 1)
    try:
        document = _document(message, inner, Members(inner, members.budget))
    except LimitError:
        raise
    except IngestionError as error:
        members.failures.append(str(error))
        return
    members.add(Part("part", name, len(members.parts) + 1, document))


def _name(attachment: _Message) -> str:
    """The last step of the name that it declares: a label, never a place to write to."""
    declared = clean(attachment.text_of(_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME))
    return PurePosixPath(declared.replace("\\", "/").replace("\n", " ")).name.strip()


def unpacked_rtf(data: bytes, filename: str) -> bytes:
    """Compressed rich text (MS-OXRTFCP): runs are copied out of a window of 4096 bytes."""
    if len(data) < 16:
        raise InvalidFileError(f"'{filename}' is damaged: its rich text has {len(data)} bytes")
    _, size, kind, _ = struct.unpack_from("<4I", data)
    if size > MAX_RTF_BYTES:
        raise InvalidFileError(f"'{filename}' has {size:,} bytes of rich text, the limit is {MAX_RTF_BYTES:,}")
    if kind == _STORED:
        return data[16 : 16 + size]
    if kind != _COMPRESSED:
        raise InvalidFileError(f"'{filename}' is damaged: its rich text is packed in an unknown way")
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\0"))
    place, at = len(_DICTIONARY), 16
    plain = bytearray()
    while at < len(data) and len(plain) < size:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data):
                break
            if control >> bit & 1:
                token = int.from_bytes(data[at : at + 2], "big")
                at += 2
                start, run = token >> 4, (token & 0xF) + 2
                if start == place or at > len(data):
                    return bytes(plain[:size])
            else:
                start, run = -1, 1
                at += 1
            for i in range(run):
                byte = window[(start + i) % _WINDOW] if start >= 0 else data[at - 1]
                plain.append(byte)
                window[place] = byte
                place = (place + 1) % _WINDOW
    return bytes(plain[:size])
