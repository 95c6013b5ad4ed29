"""The ZIP package of an Office file, read within limits."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from typing import Any

from ingestion.types import InvalidFileError

MAX_ENTRIES = 20_000
MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 200  # a package may unpack to 200 times its size ...
FREE_BYTES = 64 << 20  # ... and this much more

_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)|<\0!\0D\0O\0C\0T|\0<\0!\0D\0O\0C\0T")

# What zipfile raises on archives that are broken, encrypted or packed in a way it does not know.
DAMAGE = (zipfile.BadZipFile, OSError, RuntimeError, EOFError, ValueError, KeyError)


class Package:
    """Raises InvalidFileError where the archive is damaged, over a limit, or has a DOCTYPE in a part."""

    def __init__(self, data: bytes, filename: str) -> None:
        self._filename = filename
        try:
            self._archive = zipfile.ZipFile(BytesIO(data))
        except DAMAGE as error:
            raise InvalidFileError(f"'{filename}' is damaged: {error}") from error
        entries = self._archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise InvalidFileError(f"'{filename}' has {len(entries)} parts, the limit is {MAX_ENTRIES}")
        self._left = min(MAX_UNPACKED_BYTES, MAX_RATIO * len(data) + FREE_BYTES)
        declared = sum(entry.file_size for entry in entries)
        if declared > self._left:
            raise InvalidFileError(f"'{filename}' unpacks to {declared} bytes, the limit for it is {self._left}")
        self.names = frozenset(entry.filename for entry in entries)

    def read(self, name: str) -> bytes:
        """The part's bytes, counted as they come: a part may be longer than it declares."""
        try:
            with self._archive.open(name) as part:
                content = part.read(self._left + 1)
        except DAMAGE as error:
            raise InvalidFileError(
                f"'{self._filename}' is damaged: its part {name} cannot be read ({error})"
            ) from error
        self._left -= len(content)
        if self._left < 0:
            raise InvalidFileError(f"'{self._filename}' unpacks to more than the limit for it")
        return content

    def xml(self, name: str) -> Any:
        """The root element of the part."""
        from lxml import etree

        content = self.read(name)
        if _DOCTYPE.search(content):
            raise InvalidFileError(f"'{self._filename}' has a DOCTYPE in {name}, which no Office file needs")
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            return etree.fromstring(content, parser)
        except etree.XMLSyntaxError as error:
            raise InvalidFileError(f"'{self._filename}' is damaged: {name} is not well-formed ({error})") from error

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """For each relation of the part: id -> (the last word of its type, the part it points to)."""
        folder, _, base = name.rpartition("/")
        path = f"{folder}/_rels/{base}.rels" if folder else f"_rels/{base}.rels"
        if path not in self.names:
            return {}
        found = {}
        for relation in self.xml(path):
            if relation.get("TargetMode") != "External":
                kind = relation.get("Type", "").rpartition("/")[2]
                found[relation.get("Id", "")] = (kind, _resolved(folder, relation.get("Target", "")))
        return found


def _resolved(folder: str, target: str) -> str:
    """`target` as a name in the package; relative to `folder` unless it begins with a slash."""
    steps: list[str] = [] if target.startswith("/") or not folder else folder.split("/")
    for step in target.split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step not in {"", "."}:
            steps.append(step)
    return "/".join(steps)
