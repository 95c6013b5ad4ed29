"""The ZIP package of an Office file, read within limits."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from ingestion.parsers.xmlevents import START, DoctypeError, Event, Events, MalformedError, safe_parser, value
from ingestion.types import InvalidFileError, RawFile

MAX_ENTRIES = 20_000
MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 200  # a package may unpack to 200 times its size ...
FREE_BYTES = 64 << 20  # ... and this much more
CHUNK_BYTES = 1 << 16

_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)|<\0!\0D\0O\0C\0T|\0<\0!\0D\0O\0C\0T")

# What zipfile raises on archives that are broken, encrypted or packed in a way it does not know.
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError, ValueError, KeyError)


class DamagedPartError(InvalidFileError):
    """One part cannot be read; the others may be."""


class Package:
    """Raises InvalidFileError where the archive is damaged, over a limit, or has a DOCTYPE in a part."""

    def __init__(self, file: RawFile) -> None:
        filename = self._filename = file.filename
        try:
            self._archive = zipfile.ZipFile(file.open())
        except DAMAGE as error:
            raise InvalidFileError(f"'{filename}' is damaged: {error}") from error
        entries = self._archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise InvalidFileError(f"'{filename}' has {len(entries)} parts, the limit is {MAX_ENTRIES}")
        self._left = min(MAX_UNPACKED_BYTES, MAX_RATIO * len(file.data) + FREE_BYTES)
        declared = sum(entry.file_size for entry in entries)
        if declared > self._left:
            raise InvalidFileError(f"'{filename}' unpacks to {declared} bytes, the limit for it is {self._left}")
        self._sizes = {entry.filename: entry.file_size for entry in entries}
        self.names = frozenset(self._sizes)

    def size(self, name: str) -> int:
        """The bytes that the part declares, 0 where there is none of that name."""
        return self._sizes.get(name, 0)

    def read(self, name: str) -> bytes:
        """The part's bytes. Raises DamagedPartError where it cannot be read."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The part's bytes, counted as they come: a part may be longer than it declares."""
        try:
            with self._archive.open(name) as part:
                while chunk := part.read(CHUNK_BYTES):
                    self._left -= len(chunk)
                    if self._left < 0:
                        raise InvalidFileError(f"'{self._filename}' unpacks to more than the limit for it")
                    yield chunk
        except DAMAGE as error:
            raise DamagedPartError(
                f"'{self._filename}' is damaged: its part {name} cannot be read ({error})"
            ) from error

    def events(self, name: str) -> PartEvents:
        """The part's XML in document order. Raises DamagedPartError where it stops being well-formed."""
        return PartEvents(self, name, self._filename)

    def xml(self, name: str) -> Any:
        """The root element of the part, for small parts: a tree takes ten times the bytes."""
        from lxml import etree

        content = self.read(name)
        if _DOCTYPE.search(content):
            raise _has_doctype(self._filename, name)
        try:
            return etree.fromstring(content, safe_parser())
        except etree.XMLSyntaxError as error:
            raise _malformed(self._filename, name, error) from error

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """For each relation of the part: id -> (the last word of its type, the part it points to)."""
        folder, _, base = name.rpartition("/")
        path = f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels"
        found: dict[str, tuple[str, str]] = {}
        if path in self.names:
            for event, element, attributes in self.events(path):
                if event == START and element == "Relationship" and attributes.get("TargetMode") != "External":
                    kind = value(attributes, "Type").rpartition("/")[2]
                    found[value(attributes, "Id")] = (kind, _resolved(folder, value(attributes, "Target")))
        return found


class PartEvents(Events):
    def __init__(self, package: Package, name: str, filename: str) -> None:
        super().__init__(package.chunks(name))
        self._name, self._filename = name, filename

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from super().__iter__()
        except DoctypeError as error:
            raise _has_doctype(self._filename, self._name) from error
        except MalformedError as error:
            raise _malformed(self._filename, self._name, error) from error


def _has_doctype(filename: str, name: str) -> DamagedPartError:
    return DamagedPartError(f"'{filename}' has a DOCTYPE in {name}, which no Office file needs")


def _malformed(filename: str, name: str, error: Exception) -> DamagedPartError:
    return DamagedPartError(f"'{filename}' is damaged: {name} is not well-formed ({error})")


def _resolved(folder: str, target: str) -> str:
    """`target` as a name in the package; relative to `folder` unless it begins with a slash."""
    steps: list[str] = [] if target.startswith("/") or not folder else folder.split("/")
    for step in target.split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in {"", "."}:
            steps.append(step)
    return "/".join(steps)
