"""Damaged copies of real files, the same for the same seed: inside containers too, so that they still open."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from ingestion.parsers.archive import DAMAGE

MAX_BYTES = 4 << 20  # of a mutated file, and of what is unpacked from a container
MAX_CHANGES = 8

_ANY = (
    *(
        b"\0",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x80",
        b"\x7f\xff\xff\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
    ),
    *("\u0301".encode() * 40, "\u202e\u2066".encode(), "\u2028\ufeff".encode(), "\U0001f469\u200d\U0001f680".encode()),
    *(
        b"\r",
        b"\x0c",
        b"\x85",
        b"-1",
        b"0",
        b"9" * 30,
        b"1e999",
        b"nan",
        b"2147483648",
        b"A" * 3000,
        b" " * 3000,
        b"\n" * 500,
    ),
)
_XML = (
    *(b"<", b"</", b">", b"/>", b"<a>", b"</a>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&#x110000;", b"&#0;", b"&x;"),
    *(
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b'<?xml version="1.0" encoding="utf-16"?>',
        b" xmlns='x'",
        b"<w:p>",
        b"<w:tbl>",
    ),
    *(b"<w:tr><w:tc>", b"<w:sdt><w:sdtContent>", b"<a:p><a:r><a:t>x</a:t></a:r></a:p>", b"<text:s text:c='99999999'/>"),
    *(b'<table:table-cell table:number-columns-repeated="99999999"/>', b'r="XFD1048576"', b'<c t="s"><v>-1</v></c>'),
)
_HTML = (
    b"<table>",
    b"<tr>",
    b"<td colspan=9999>",
    b"<li>",
    b"<ul>",
    b"<pre>",
    b"<h1>",
    b"<script>",
    b"<template>",
    b"<svg>",
    b"<br>",
)
_PDF = (
    *(
        b"<<",
        b">>",
        b"[",
        b"]",
        b"(",
        b")",
        b"stream\n",
        b"\nendstream",
        b"1 0 obj",
        b"endobj",
        b"xref",
        b"startxref\n0\n%%EOF",
    ),
    *(
        b"/Kids [1 0 R]",
        b"/Count -1",
        b"/Length 99999999",
        b"/Type /Page",
        b"/Rotate 45",
        b"/Prev 0",
        b"/Filter /FlateDecode",
    ),
    *(
        b"/MediaBox [0 0 0 0]",
        b"/MediaBox [0 0 1e9 1e9]",
        b"/UserUnit 1e9",
        b" Tj",
        b" Tf 0",
        b" 0 0 0 0 0 0 Tm",
        b"q ",
        b" Do",
    ),
)
_RTF = (
    b"{",
    b"}",
    b"\\bin99999 ",
    b"{\\*\\x",
    b"\\u-1?",
    b"\\u99999 ",
    b"\\uc9",
    b"\\'ff",
    b"\\'z",
    b"\\ansicpg0",
    b"\\trowd",
    b"\\cell",
    b"\\row",
)
_MAIL = (
    *(
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"--b\n",
        b"--b--\n",
        b"Content-Type: message/rfc822\n\n",
        b"=?utf-8?b?//8=?=",
    ),
    *(
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: x-uuencode\n",
        b"Content-Type: text/plain; charset=x\n",
        b"=FF=",
    ),
    *(
        b"Content-Type: text/html; charset=utf-7\n\n",
        b"filename*0*=utf-8''a",
        b"From: \n",
        b"Date: 99 Xxx 99999\n",
        b"\n\n",
    ),
)
_TEXT = (
    *(
        b"```\n",
        b"~~~",
        b"# ",
        b"\n===\n",
        b"\n---\n",
        b"|a|b|\n|-|-|\n",
        b"- ",
        b"1. ",
        b"> ",
        b"[a](",
        b"![",
        b"`",
        b"    ",
        b"\t",
    ),
    *(
        b"\\begin{a}",
        b"\\end{a}",
        b"\\section{",
        b"\\verb|",
        b"$",
        b"$$",
        b"\\\\",
        b"%",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b'{"a":',
        b",",
    ),
    *(
        b"def f():\n",
        b"class A:\n",
        b"function a() {",
        b"'''",
        b'"""',
        b"/*",
        b"*/",
        b"//",
        b"\\u0000",
        b"\\ud800",
        b";",
        b'""',
        b"\r\n",
    ),
)
_OF_PARSER = {
    "pdf": _PDF,
    "rtf": _RTF,
    "mail": _MAIL + _HTML,
    "html": _XML + _HTML,
    **dict.fromkeys(("word", "powerpoint", "sheets", "opendocument", "xml"), _XML),
    "epub": _XML + _HTML,
}
_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)

Packed = tuple[dict[str, bytes], Callable[[dict[str, bytes]], bytes]]


def mutated(rng: random.Random, seeds: Sequence[bytes], parser: str) -> bytes:
    """A damaged copy of one of the seeds; now and then of something inside it, packed again."""
    data = rng.choice(seeds)
    tokens = _ANY + _OF_PARSER.get(parser, _TEXT)
    opened = unpacked(data) if rng.random() < 0.8 else None
    if not opened or not opened[0]:
        return _changed(rng, data, seeds, tokens)
    members, pack = opened
    for name in rng.sample(sorted(members), min(len(members), rng.choice((1, 1, 2)))):
        members[name] = _changed(rng, members[name], list(members.values()), tokens)
    if rng.random() < 0.1:
        del members[rng.choice(sorted(members))]
    return pack(members)


def unpacked(data: bytes) -> Packed | None:
    """What is inside a container by name, and how to pack it again; None for anything else, or where it is damaged."""
    with suppress(*DAMAGE):
        if data.startswith(b"PK\x03\x04"):
            return _zip_members(data), _zip
        for magic, opened, closed in _COMPRESSED:
            if data.startswith(magic):
                return {"": opened(data)[:MAX_BYTES]}, partial(_single, closed)
        if data.startswith(b"%PDF-"):
            return _pdf_streams(data)
    return None


_COMPRESSED: tuple[tuple[bytes, Callable[[bytes], bytes], Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress, gzip.compress),
    (b"BZh", bz2.decompress, bz2.compress),
    (b"\xfd7zXZ", lzma.decompress, lzma.compress),
)


def _single(closed: Callable[[bytes], bytes], members: dict[str, bytes]) -> bytes:
    return closed(members.get("", b""))


def _zip_members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        small = [each for each in archive.infolist() if each.file_size <= MAX_BYTES and not each.flag_bits & 1]
        return {each.filename: archive.read(each) for each in small}


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), content, stored)
    return file.getvalue()


def _pdf_streams(data: bytes) -> Packed:
    """The objects' plain text, and the deflated streams; what is packed again has wrong offsets, which is repaired."""
    streams = {}
    for found in _STREAM.finditer(data):
        with suppress(zlib.error):
            streams[f"{found.start(1)}:{found.end(1)}"] = zlib.decompress(found[1])[:MAX_BYTES]
    original = dict(streams)

    def pack(members: dict[str, bytes]) -> bytes:
        made, at = [], 0
        for name, before in original.items():
            start, end = map(int, name.split(":"))
            content = members.get(name, b"")
            made += [data[at:start], data[start:end] if content == before else zlib.compress(content)]
            at = end
        return b"".join([*made, data[at:]])

    return streams, pack


def _changed(rng: random.Random, data: bytes, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    changed = bytearray(data[:MAX_BYTES])
    for _ in range(rng.randint(1, MAX_CHANGES)):
        _CHANGES[rng.randrange(len(_CHANGES))](rng, changed, seeds, tokens)
    return bytes(changed[:MAX_BYTES])


def _range(rng: random.Random, data: bytearray) -> slice:
    start = rng.randrange(len(data) + 1)
    longest = rng.choice((1, 4, 16, 256, 4096))
    return slice(start, min(start + rng.randint(1, longest), len(data)))


def _flip(rng: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    layout = rng.choice(("<B", "<H", ">H", "<I", ">I"))
    number = rng.choice(_INTEGERS) & ((1 << 8 * struct.calcsize(layout)) - 1)
    data[at : at + struct.calcsize(layout)] = struct.pack(layout, number)


def _delete(rng: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    del data[_range(rng, data)]


def _repeat(rng: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    where = _range(rng, data)
    times = rng.choice((1, 2, 20, 1000))
    data[where.stop : where.stop] = (bytes(data[where]) * times)[: 1 << 18]


def _insert(rng: random.Random, data: bytearray, _: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(tokens) * rng.choice((1, 1, 1, 2, 50))


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes], _: Sequence[bytes]) -> None:
    other = bytearray(rng.choice(seeds))
    data[_range(rng, data)] = other[_range(rng, other)]


def _zero(rng: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    where = _range(rng, data)
    data[where] = bytes(where.stop - where.start)


def _truncate(rng: random.Random, data: bytearray, _: Sequence[bytes], __: Sequence[bytes]) -> None:
    if rng.random() < 0.3:
        del data[rng.randrange(len(data) + 1) :]


_CHANGES = (_flip, _flip, _overwrite, _delete, _repeat, _insert, _insert, _insert, _splice, _zero, _truncate)
