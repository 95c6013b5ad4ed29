"""Archives: every file in a ZIP or tar is a part under its path; a packed single file is that file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO

from ingestion.media_types import BZIP2, GZIP, SUPPORTED, TAR, XZ, ZIP
from ingestion.parse import parse_part
from ingestion.parsers.blocks import stack
from ingestion.parsers.clean import clean
from ingestion.parsers.members import MAX_MEMBER_BYTES, Budget, LimitError, Members, budget_for
from ingestion.parsers.text import encoding_named
from ingestion.types import Document, IngestionError, InvalidFileError, RawFile

MAX_ENTRIES = 20_000  # folders and what is skipped counted in
BLOCK_BYTES = 1 << 20
TAR_MARK = slice(257, 262)  # where every tar since POSIX.1-1988 has "ustar"
MAX_NAME_CHARS = 1000

# What the readers raise on archives that are broken or packed in a way they do not know
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    OverflowError,
)
_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {GZIP: gzip.open, BZIP2: bz2.open, XZ: lzma.open}
_ENDINGS = {".tgz": ".tar", ".tbz2": ".tar", ".tbz": ".tar", ".txz": ".tar"}
# What ZIP programs of the time before Unicode wrote names in
_NAME_ENCODINGS = (
    "cp932 shift_jis gb18030 gbk gb2312 big5 cp949 euc_kr cp866 cp850 cp852 cp737 cp775 cp857 cp862 cp864 cp437"
).split()

_ENCRYPTED = 0x1  # ZIP: bits of an entry's flags
_UTF8_NAME = 0x800


def read(file: RawFile) -> Document:
    with budget_for(file) as budget:
        try:
            if file.media_type == ZIP:
                return _Archive(file, budget).read_zip()
            if file.media_type == TAR:
                return _Archive(file, budget).read_tar(file.open(), "r:")
            return _unpacked(file, budget)
        except DAMAGE as error:
            raise InvalidFileError(f"'{file.filename}' is damaged: {_reason(error)}") from error


def _unpacked(file: RawFile, budget: Budget) -> Document:
    """What a gzip, bzip2 or xz file holds: the files of a tar, or one file."""
    opener = _OPENERS[file.media_type]
    with opener(file.open()) as packed:
        is_tar = packed.read(512)[TAR_MARK] == b"ustar"
    with opener(file.open()) as packed:
        if is_tar:
            return _Archive(file, budget).read_tar(_Counted(packed, budget), "r|")
        content = _content(packed, file.filename, budget)
    budget.count_member()
    if not content:
        raise InvalidFileError(f"'{file.filename}' holds an empty file")
    try:
        return parse_part(content, _inner_name(file), file)
    except IngestionError as error:
        raise type(error)(f"'{file.filename}': {error}") from error


class _Counted:
    """A stream whose bytes are counted as they are unpacked."""

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, size: int) -> bytes:
        content = self._stream.read(min(size, BLOCK_BYTES))
        self._budget.spend(len(content))
        return content


class _Archive:
    """Reads what can be read, and counts what is skipped."""

    def __init__(self, file: RawFile, budget: Budget) -> None:
        self._file, self._budget = file, budget
        self._members = Members(file, budget)
        self._skipped: Counter[str] = Counter()

    def read_zip(self) -> Document:
        with zipfile.ZipFile(self._file.open()) as archive:
            entries = archive.infolist()
            self._check_entries(len(entries))
            names = _zip_names(entries)
            for entry, name in zip(entries, names, strict=True):
                why = "folder" if entry.is_dir() else _skipped_zip_entry(entry) or _skipped_name(name)
                if why or not entry.file_size:
                    self._skipped[why or "empty file"] += 1
                else:
                    self._member(name, entry.file_size, partial(archive.open, entry))
        return self._document()

    def read_tar(self, stream: Any, mode: Any) -> Document:
        # a stream is counted as it is unpacked; of a plain tar each member is
        budget = Budget(self._file.filename, self._budget.limit_bytes) if mode == "r|" else self._budget
        with tarfile.open(fileobj=stream, mode=mode, errors="surrogateescape") as archive:
            for number, entry in enumerate(archive, 1):
                self._check_entries(number)
                name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                why = _skipped_tar_entry(entry) or _skipped_name(name)
                if why or not entry.size:
                    self._skipped[why or "empty file"] += 1
                else:
                    self._member(name, entry.size, partial(archive.extractfile, entry), budget)
        return self._document()

    def _check_entries(self, number: int) -> None:
        if number > MAX_ENTRIES:
            raise InvalidFileError(f"'{self._file.filename}' has more than {MAX_ENTRIES:,} entries, the limit")

    def _member(self, name: str, size: int, open_it: Callable[[], Any], budget: Budget | None = None) -> None:
        name = clean(name)[-MAX_NAME_CHARS:].replace("\n", " ")
        self._budget.count_member()
        failures = self._members.failures
        if size > MAX_MEMBER_BYTES:
            failures.append(f"'{name}' has {size:,} bytes, the limit for a member is {MAX_MEMBER_BYTES:,}")
            return
        try:
            with open_it() as packed:
                content = _content(packed, name, budget or self._budget)
        except DAMAGE as error:
            if self._file.media_type in _OPENERS:
                raise  # the stream is broken: there is nothing after it
            failures.append(f"'{name}' is damaged: {_reason(error)}")
        else:
            self._members.read(content, name)

    def _document(self) -> Document:
        said = [*self._members.warnings(), *self._sentences()]
        if not self._members.parts:
            reasons = "; ".join(said[:3]) or "it is empty"
            raise InvalidFileError(f"'{self._file.filename}' holds no file that could be read ({reasons})")
        return stack(self._members.parts, self._file.media_type, said)

    def _sentences(self) -> Iterable[str]:
        for what, number in sorted(self._skipped.items()):
            if what != "folder":
                yield f"left out: {number:,} {what}{'' if number == 1 else 's'}"


def _content(packed: IO[bytes], name: str, budget: Budget) -> bytes:
    """All of it, counted as it comes: an archive may declare what it likes."""
    parts, size = [], 0
    while part := packed.read(BLOCK_BYTES):
        parts.append(part)
        size += len(part)
        budget.spend(len(part))
        if size > MAX_MEMBER_BYTES:
            raise LimitError(f"'{name}' unpacks to more than {MAX_MEMBER_BYTES:,} bytes, the limit for a member")
    return b"".join(parts)


def _skipped_zip_entry(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted file"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return "link" if kind == stat.S_IFLNK else "" if kind in {0, stat.S_IFREG} else "device"


def _skipped_tar_entry(entry: tarfile.TarInfo) -> str:
    if entry.isdir():
        return "folder"
    if entry.issym() or entry.islnk():
        return "link"
    if entry.issparse():
        return "sparse file"
    return "" if entry.isreg() else "device"


def _skipped_name(name: str) -> str:
    """Hidden files are settings, caches and what macOS notes about the others."""
    steps = PurePosixPath(name.replace("\\", "/")).parts
    hidden = any(step == "__MACOSX" or (step.startswith(".") and step.strip(".")) for step in steps)
    return "hidden file" if hidden else ""


def _zip_names(entries: list[zipfile.ZipInfo]) -> list[str]:
    """The names in UTF-8 where the archive or their bytes say so, else in the encoding all of them look like."""
    raw = [b"" if entry.flag_bits & _UTF8_NAME else _raw_name(entry) for entry in entries]
    encoding = _names_encoding(b"\n".join(name for name in raw if not name.isascii()))
    return [
        name.decode(encoding, "replace") if name else entry.filename for name, entry in zip(raw, entries, strict=True)
    ]


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    try:
        return entry.filename.encode("cp437")  # what zipfile has taken it for
    except UnicodeEncodeError:
        return b""


def _names_encoding(names: bytes) -> str:
    try:
        names.decode("utf-8")
    except UnicodeDecodeError:
        import chardet

        for found in chardet.detect_all(names[:BLOCK_BYTES], ignore_threshold=True):
            name = encoding_named(str(found["encoding"] or ""))
            if name in _NAME_ENCODINGS:
                return name
        return "cp437"
    return "utf-8"


def _inner_name(file: RawFile) -> str:
    """The name of the one file in a packed one: as gzip noted it, else the packed one's without its last ending."""
    path = PurePosixPath(file.filename)
    ending = path.suffix.lower()
    inner = path.stem + _ENDINGS.get(ending, "") if ending in SUPPORTED or ending in _ENDINGS else path.name
    noted = _gzip_name(file.data[: 2 * MAX_NAME_CHARS]) if file.media_type == GZIP else ""
    known = PurePosixPath(noted).suffix.lower() in SUPPORTED
    return noted if known and PurePosixPath(inner).suffix.lower() not in SUPPORTED else inner


def _gzip_name(head: bytes) -> str:
    """RFC 1952: after ten bytes and the extra field, in Latin-1, up to a NUL."""
    flags, start = head[3], 10
    if not flags & 0x8:
        return ""
    if flags & 0x4:
        start += 2 + int.from_bytes(head[10:12], "little")
    end = head.find(b"\0", start)
    return PurePosixPath(clean(head[start:end].decode("latin-1"))).name if end > start else ""


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
