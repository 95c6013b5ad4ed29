"""Mail (.eml) and web archives (.mht): subject, who wrote to whom, the body, then every attachment as a part."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from pathlib import PurePosixPath

from ingestion.media_types import HTML, MAIL, SUPPORTED
from ingestion.parse import MAX_DEPTH
from ingestion.parsers import html
from ingestion.parsers.blocks import Block, Part, assemble, label, stack
from ingestion.parsers.clean import clean
from ingestion.parsers.joined import join
from ingestion.parsers.members import Members, budget_for
from ingestion.parsers.text import decode, encoding_named
from ingestion.types import Document, InvalidFileError, RawFile

MAX_BYTES = 256 << 20  # the tree takes as much again, and every decoded part
MAX_PARTS = 1000
MAX_NESTING = 50  # of parts in parts, which the library reads by recursion
MAX_HEADER_CHARS = 10_000  # decoding takes quadratic time
SHOWN_FIELDS = ("From", "To", "Cc", "Date")

_BODIES = ("text/plain", "text/html", "application/xhtml+xml")
_DECORATION = re.compile(
    r"image/|font/|audio/|video/|text/css|text/javascript|application/(?:x-)?javascript|application/font"
)
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_SEALED = ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted")
_BOUNDARY = re.compile(rb"^--\S", re.MULTILINE)
_EXTENSIONS = {media_type: extension for extension, media_type in SUPPORTED.items()} | {
    "text/plain": ".txt",
    HTML: ".html",
    MAIL: ".eml",
    "message/delivery-status": ".txt",
    "text/rfc822-headers": ".txt",
    "text/calendar": ".txt",
    "text/vcard": ".txt",
}


def read(file: RawFile) -> Document:
    message = _parsed(_bytes(file), file.filename)
    with budget_for(file) as budget:
        return _document(message, file, Members(file, budget))


def _bytes(file: RawFile) -> bytes:
    """A mail that was saved in UTF-16 or with a mark as UTF-8."""
    data = file.whole(MAX_BYTES)
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:64]:
        return decode(data, file.filename)[0].encode("utf-8", "replace")
    return data


def _parsed(data: bytes, filename: str) -> Message:
    if len(_BOUNDARY.findall(data)) > 20 * MAX_PARTS and _boundaries(data) > 2 * MAX_PARTS:
        raise InvalidFileError(f"'{filename}' has more than {MAX_PARTS:,} parts, the limit for a mail")
    try:
        return email.message_from_bytes(data.lstrip(b"\r\n"))
    except RecursionError as error:
        raise InvalidFileError(f"'{filename}' nests parts more than {MAX_NESTING} deep") from error


def _boundaries(data: bytes) -> int:
    """How many lines begin a part of the outermost boundary."""
    found = re.search(rb"boundary\s*=\s*\"?([^\s\";]+)", data[: 1 << 16], re.IGNORECASE)
    return data.count(b"\n--" + found[1]) if found else 0


@dataclass(slots=True)
class _Content:
    """A mail's leaves in order: what is its body, what is attached, what only decorates it."""

    bodies: list[Message] = field(default_factory=list)
    attached: list[Message] = field(default_factory=list)
    decoration: int = 0
    sealed: bool = False


def _document(message: Message, file: RawFile, members: Members) -> Document:
    content = _content(message, file.filename)
    warnings: list[str] = []
    front = _front(message)
    bodies = [_body(part, file, warnings) for part in content.bodies]
    for number, part in enumerate(content.attached, 1):
        _attach(part, number, members)
    if content.sealed and not content.bodies:
        raise InvalidFileError(f"'{file.filename}' is encrypted: the mail can be read with its receiver's key only")
    if content.decoration:
        warnings.append(f"left out: inline images and other decoration ({content.decoration:,})")
    warnings += members.warnings()
    return join([front, *bodies, stack(members.parts, file.media_type)], file.media_type, warnings)


def _front(message: Message) -> Document:
    """The subject as a heading, and the fields that tell who, to whom and when."""
    subject = _field(message, "Subject")
    fields = [f"{name}: {value}" for name in SHOWN_FIELDS if (value := _field(message, name))]
    heading = [Block(f"Subject: {subject}", "heading", 1)] if subject else []
    document = assemble([*heading, Block("\n".join(fields))], MAIL)
    return replace(document, spans=tuple(replace(span, label=label(clean(subject))) for span in document.spans))


def _content(message: Message, filename: str) -> _Content:
    """The parts in order, of alternatives the best one only."""
    found = _Content()
    waiting = [(message, 0)]
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > MAX_PARTS:
            raise InvalidFileError(f"'{filename}' has more than {MAX_PARTS:,} parts, the limit for a mail")
        if depth > MAX_NESTING:
            raise InvalidFileError(f"'{filename}' nests parts more than {MAX_NESTING} deep")
        kind = part.get_content_type()
        children = _children(part)
        if kind in _SEALED:
            found.sealed = True
        elif kind == "multipart/alternative" and children:
            waiting.append((_best(children), depth + 1))
        elif kind == "multipart/related" and children:
            root = next((child for child in children if _leaf_type(child) in _BODIES), children[0])
            waiting += [(child, depth + 1) for child in reversed(children) if child is not root]
            waiting.append((root, depth + 1))
        elif kind.startswith("multipart/") and children:
            waiting += [(child, depth + 1) for child in reversed(children)]
        else:
            _sort_leaf(part, kind, found)
    return found


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _leaf_type(part: Message) -> str:
    """The type of the first leaf: an alternative may be a page with its images."""
    for _ in range(MAX_NESTING):
        children = _children(part)
        if not children or not part.get_content_type().startswith("multipart/"):
            break
        part = children[0]
    return part.get_content_type()


def _best(alternatives: list[Message]) -> Message:
    """Plain text if there is some, else HTML, else the last one, which the writer thought the best."""
    for kind in _BODIES:
        for part in alternatives:
            if _leaf_type(part) == kind and (kind != "text/plain" or _payload(part).strip() or _children(part)):
                return part
    return alternatives[-1]


def _sort_leaf(part: Message, kind: str, found: _Content) -> None:
    attached = part.get_content_disposition() == "attachment"
    named = bool(_filename(part))
    if kind in _SIGNATURES:
        return
    if not attached and (kind in _BODIES or kind.startswith("multipart/")) and not (named and found.bodies):
        in_web_archive = bool(part["Content-Location"]) and bool(found.bodies)
        (found.attached if in_web_archive else found.bodies).append(part)
    elif not attached and _DECORATION.match(kind):
        found.decoration += 1
    else:
        found.attached.append(part)


def _body(part: Message, file: RawFile, warnings: list[str]) -> Document:
    if part.get_content_type() in _BODIES[1:]:
        # with a mark, since what the mail says of the charset counts more than what the page says
        data = b"\xef\xbb\xbf" + _text(part, file.filename, warnings).encode("utf-8", "replace")
        return html.read(replace(file, data=data, media_type=HTML))
    return assemble([Block(_text(part, file.filename, warnings))], file.media_type)


def _text(part: Message, filename: str, warnings: list[str]) -> str:
    declared = str(part.get_param("charset") or "")
    if not isinstance(part.get_payload(), str):
        return "\n\n".join(_lines(child) for child in _children(part))
    text, warning = decode(_payload(part), filename, encoding_named(declared))
    if warning and declared and not encoding_named(declared):
        warning += f" (it declares the unknown charset {declared[:40]})"
    if warning:
        warnings.append(warning)
    return text


def _lines(part: Message) -> str:
    """The fields of a report on delivery."""
    return "\n".join(f"{name}: {_decoded(str(value))}" for name, value in part.raw_items())


def _attach(part: Message, number: int, members: Members) -> None:
    kind = part.get_content_type()
    named = _filename(part) or _location(part)
    members.budget.count_member()
    if kind == MAIL and _children(part):
        _attach_mail(_children(part)[0], named, members)
        return
    name = named or f"attachment {number}{_EXTENSIONS.get(kind, '')}"
    payload = part.get_payload()
    data = _payload(part) if isinstance(payload, str) else "\n\n".join(map(_lines, _children(part))).encode()
    members.budget.spend(len(data))
    if data.strip():
        members.read(data, name)


def _attach_mail(message: Message, named: str, members: Members) -> None:
    holder = members.holder
    name = named or _field(message, "Subject") or "attached mail"
    if holder.depth + 1 > MAX_DEPTH:
        members.failures.append(f"'{name}' is nested more than {MAX_DEPTH} files deep")
        return
    inner = replace(holder, filename=name, media_type=MAIL, depth=holder.depth + 1)
    try:
        document = _document(message, inner, Members(inner, members.budget))
    except InvalidFileError as error:
        if type(error) is not InvalidFileError:  # the budget is spent
            raise
        members.failures.append(str(error))
        return
    members.add(Part("part", name, len(members.parts) + 1, document))


def _payload(part: Message) -> bytes:
    """The bytes of a leaf, without its transfer encoding; as they stand where that is damaged."""
    if not isinstance(part.get_payload(), str):
        return b""
    try:
        found = part.get_payload(decode=True)
    except (ValueError, MessageError, LookupError):
        found = None
    return found if isinstance(found, bytes) else str(part.get_payload()).encode("utf-8", "surrogateescape")


def _filename(part: Message) -> str:
    """The last step of the name that it declares: a label, never a place to write to."""
    try:
        name = part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        name = ""
    return _last_step(_decoded(name))


def _location(part: Message) -> str:
    return _last_step(_decoded(str(part["Content-Location"] or "")).partition("?")[0])


def _last_step(name: str) -> str:
    return PurePosixPath(clean(name).replace("\\", "/").replace("\n", " ")).name.strip()


def _field(message: Message, name: str) -> str:
    return ", ".join(_values(message, name))[:MAX_HEADER_CHARS]


def _values(message: Message, name: str) -> Iterator[str]:
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            yield " ".join(_decoded(str(value)).split())


def _decoded(value: str) -> str:
    """A header's text: encoded words (RFC 2047), and raw bytes, which the library keeps as surrogates."""
    value = value[:MAX_HEADER_CHARS]
    if not value.isascii():
        value = decode(value.encode("utf-8", "surrogateescape"), "header")[0]
    if "=?" not in value:
        return value
    try:
        words = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(_word(*word) for word in words)


def _word(word: str | bytes, charset: str | None) -> str:
    if isinstance(word, str):
        return word
    if charset is None:
        return word.decode("raw-unicode-escape", "replace")  # as decode_header has encoded it
    return decode(word, "header", encoding_named(charset))[0]
