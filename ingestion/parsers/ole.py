"""OLE containers (the files of Office 97 and of Outlook): their streams, decrypted with a password, and code pages."""

from __future__ import annotations

import codecs
import io
import re
import struct
from collections.abc import Sequence
from functools import cached_property
from types import SimpleNamespace, TracebackType
from typing import Any, Self

from ingestion.types import InvalidFileError, RawFile, UnsupportedFileError

MAX_ENCRYPTED_BYTES = 128 << 20  # decrypting takes some ten times as much
MAX_SPIN_COUNT = 1_000_000  # Office writes 100,000; a million hashes take a second
DEFAULT_PASSWORD = "VelvetSweatshop"  # noqa: S105 - what Excel encrypts with where the user gave none (MS-OFFCRYPTO)

# Windows' numbers of code pages that Python calls otherwise
_CODE_PAGES = {
    10000: "mac_roman",
    10006: "mac_greek",
    10007: "mac_cyrillic",
    10029: "mac_latin2",
    10081: "mac_turkish",
    1200: "utf-16-le",
    20127: "ascii",
    20866: "koi8_r",
    20932: "euc_jp",
    20936: "gb2312",
    21866: "koi8_u",
    50220: "iso2022_jp",
    50225: "iso2022_kr",
    51932: "euc_jp",
    51936: "gb2312",
    51949: "euc_kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
    936: "gb18030",
}
_DOCTYPE = b"<!DOCTYPE"
MAX_SUMMARY_BYTES, MAX_PROPERTIES = 1 << 20, 1_000
_SUMMARY = "\x05SummaryInformation"
_CODE_PAGE, _TITLE = 1, 2  # numbers of properties
_NARROW, _WIDE = 30, 31  # types of values: bytes in the code page, UTF-16
_SPIN_COUNT = re.compile(rb"spinCount\s*=\s*[\"']\s*(\d+)")


def codec(code_page: int) -> str:
    """Python's name for a Windows code page; "" for an unknown one."""
    for name in (_CODE_PAGES.get(code_page), f"iso8859-{code_page - 28590}", f"cp{code_page}"):
        try:
            if name:
                return codecs.lookup(name).name
        except LookupError:
            continue
    return ""


class Container:
    """The streams of an OLE file by their paths. Raises InvalidFileError where it is damaged."""

    def __init__(self, file: RawFile) -> None:
        import olefile

        self._filename = file.filename
        try:
            self._ole: Any = olefile.OleFileIO(file.open())
            self._entries: list[list[str]] = self._ole.listdir(streams=True, storages=True)
            self._streams: list[list[str]] = self._ole.listdir(streams=True, storages=False)
        except Exception as error:  # a damaged directory raises anything
            raise self._damaged(f"its OLE directory cannot be read ({error})") from error
        self._size = len(file.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ole.close()

    def has(self, *path: str) -> bool:
        return bool(self._ole.exists(list(path)))

    def children(self, path: Sequence[str] = ()) -> list[str]:
        """The names of what lies in a storage, in the directory's order."""
        return list(self._children.get(tuple(path), ()))

    @cached_property
    def _children(self) -> dict[tuple[str, ...], dict[str, None]]:
        found: dict[tuple[str, ...], dict[str, None]] = {}
        for entry in self._entries:
            found.setdefault(tuple(entry[:-1]), {})[entry[-1]] = None
        return found

    def tree(self) -> list[tuple[str, ...]]:
        """The paths of all streams."""
        return [tuple(entry) for entry in self._streams]

    def title(self) -> str:
        """What the summary (MS-OLEPS) calls it; "" where it has none. Raises InvalidFileError, struct.error.

        olefile's own reader of it takes any size, reads other streams, too, and loses the zeros of UTF-16.
        """
        if not self.has(_SUMMARY) or self._ole.get_size([_SUMMARY]) > MAX_SUMMARY_BYTES:
            return ""
        data = self.read(_SUMMARY)
        (section,) = struct.unpack_from("<I", data, 44)
        (count,) = struct.unpack_from("<I", data, section + 4)
        at = dict(struct.unpack_from("<II", data, section + 8 + 8 * i) for i in range(min(count, MAX_PROPERTIES)))
        if _TITLE not in at:
            return ""
        code_page = struct.unpack_from("<H", data, section + at[_CODE_PAGE] + 4)[0] if _CODE_PAGE in at else 1252
        kind, length = struct.unpack_from("<II", data, section + at[_TITLE])
        begin = section + at[_TITLE] + 8
        if kind == _WIDE:
            return data[begin : begin + 2 * length].decode("utf-16-le", errors="replace").rstrip("\0")
        text = data[begin : begin + length].decode(codec(code_page) or "cp1252", errors="replace")
        return text.rstrip("\0") if kind == _NARROW else ""

    def read(self, *path: str) -> bytes:
        try:
            size = self._ole.get_size(list(path))
            if size > self._size:  # its sectors would be read in a circle until there are so many bytes
                raise self._damaged(f"its stream {'/'.join(path)} says it has {size:,} bytes")
            with self._ole.openstream(list(path)) as stream:
                return bytes(stream.read())
        except InvalidFileError:
            raise
        except Exception as error:  # a damaged chain of sectors raises anything
            raise self._damaged(f"its stream {'/'.join(path)} cannot be read ({error})") from error

    def _damaged(self, what: str) -> InvalidFileError:
        return InvalidFileError(f"'{self._filename}' is damaged: {what}")


def decrypted(file: RawFile) -> bytes:
    """The file without its encryption. Raises InvalidFileError without a password, or with a wrong one."""
    data = file.whole(MAX_ENCRYPTED_BYTES)
    password = file.options.password
    try:
        return _decrypted(data, password or DEFAULT_PASSWORD, file.filename)
    except _WrongPasswordError as error:
        if password:
            raise InvalidFileError(f"'{file.filename}' is encrypted: the password does not open it") from error
        raise InvalidFileError(f"'{file.filename}' is encrypted: a password is needed to open it") from error
    except _UnknownEncryptionError as error:
        if password:
            raise UnsupportedFileError(
                f"'{file.filename}' is encrypted in a way that cannot be read ({error})"
            ) from error
        raise InvalidFileError(f"'{file.filename}' is encrypted: a password is needed to open it") from error


class _WrongPasswordError(Exception):
    pass


class _UnknownEncryptionError(Exception):
    pass


def _decrypted(data: bytes, password: str, filename: str) -> bytes:
    import msoffcrypto
    from msoffcrypto.exceptions import InvalidKeyError
    from msoffcrypto.format import doc97, ppt97, xls97

    for module in (doc97, ppt97, xls97):  # they write to a temporary file, which the sandbox has not
        module.tempfile = SimpleNamespace(TemporaryFile=io.BytesIO)
    _check_key_work(data, filename)
    plain = io.BytesIO()
    try:
        office = msoffcrypto.OfficeFile(io.BytesIO(data))
        if office.format == "ooxml":
            office.load_key(password=password, verify_password=True)
        else:
            office.load_key(password=password)
        office.decrypt(plain)
    except InvalidKeyError as error:
        raise _WrongPasswordError from error
    except Exception as error:  # it raises anything on what it does not know
        raise _UnknownEncryptionError(f"{type(error).__name__}: {error}"[:200]) from error
    return plain.getvalue()


def _check_key_work(data: bytes, filename: str) -> None:
    """A file says itself how often its password is to be hashed."""
    with Container(RawFile(data, filename, "")) as container:
        if not container.has("EncryptionInfo"):
            return
        described = container.read("EncryptionInfo")
    if _DOCTYPE in described.upper():
        raise InvalidFileError(f"'{filename}' has a DOCTYPE in its EncryptionInfo, which no Office file needs")
    for count in _SPIN_COUNT.findall(described):
        if len(count) > len(str(MAX_SPIN_COUNT)) or int(count) > MAX_SPIN_COUNT:
            raise InvalidFileError(
                f"'{filename}' wants its password hashed {count[:20].decode()} times, the limit is {MAX_SPIN_COUNT:,}"
            )
