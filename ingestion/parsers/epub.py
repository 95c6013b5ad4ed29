"""EPUB: the chapters in the order of the spine, each a part under its title from the table of contents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from ingestion.media_types import HTML
from ingestion.parsers import html
from ingestion.parsers.blocks import Block, Part, assemble, stack
from ingestion.parsers.clean import clean
from ingestion.parsers.joined import join
from ingestion.parsers.members import budget_for, told
from ingestion.parsers.package import Package
from ingestion.parsers.text import decode
from ingestion.parsers.xml import parse_markup
from ingestion.types import Document, IngestionError, InvalidFileError, RawFile

MAX_CHAPTERS = 5000
CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # they hide no text
_CHAPTERS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")

# In XHTML <title/> is empty; to an HTML parser it is open, and swallows what follows
_EMPTY = re.compile(r"<([A-Za-z][\w:-]*)((?:\s[^<>]{0,2000})?)/>")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_TITLE = re.compile(r"<title\b[^<>]{0,500}>([^<]{0,1000})</title\s*>", re.IGNORECASE)


def read(file: RawFile) -> Document:
    with budget_for(file):
        book = _Book(file)
        parts = list(book.parts())
    if not parts:
        reasons = "; ".join(book.failures[:3]) or "its spine is empty"
        raise InvalidFileError(f"'{file.filename}' holds no chapter that could be read ({reasons})")
    return join([book.front(), stack(parts, file.media_type)], file.media_type, told(book.failures))


class _Book:
    """The package document, and what it points to."""

    def __init__(self, file: RawFile) -> None:
        self._file = file
        self._package = Package(file)
        self.failures: list[str] = []
        self._path = self._package_path()
        self._folder = self._path.rpartition("/")[0]
        self._root = self._tree(self._path)
        self._items = {item.get("id", ""): item for item in _all(self._root, "item")}
        self._spine = self._chapters()
        self._check_encryption()

    def front(self) -> Document:
        """The title and who wrote it."""
        titles, authors = self._metadata("title")[:1], self._metadata("creator")
        return assemble([*(Block(title, "heading", 1) for title in titles), Block(", ".join(authors))], HTML)

    def parts(self) -> Iterator[Part]:
        titles = self._titles()
        number = 0
        for name in self._spine:
            try:
                document, own_title = self._chapter(name)
            except IngestionError as error:
                self.failures.append(str(error))
                continue
            if document.text.strip():
                number += 1
                headings = (span.label for span in document.spans if span.kind == "heading")
                title = titles.get(name) or next(headings, "") or titles.get(f"{name}#") or own_title
                yield Part("part", title, number, document)

    def _package_path(self) -> str:
        if CONTAINER in self._package.names:
            for found in _all(self._tree(CONTAINER), "rootfile"):
                path = unquote(str(found.get("full-path", ""))).lstrip("/")
                if path in self._package.names:
                    return path
        packages = sorted(name for name in self._package.names if name.lower().endswith(".opf"))
        if not packages:
            raise InvalidFileError(f"'{self._file.filename}' is damaged: it has no package document (.opf)")
        return packages[0]

    def _tree(self, name: str) -> Any:
        text, _ = decode(self._package.read(name), name)
        try:
            return parse_markup(clean(text))[0]
        except ValueError as error:
            raise InvalidFileError(
                f"'{self._file.filename}' is damaged: {name} is not well-formed ({error})"
            ) from error

    def _chapters(self) -> list[str]:
        """The spine's documents, each once: it may name one many times."""
        names: dict[str, None] = {}
        other = 0
        for reference in _all(self._root, "itemref"):
            item = self._items.get(reference.get("idref", ""))
            name = "" if item is None else _resolved(self._folder, item.get("href", ""))
            if item is None or name not in self._package.names:
                self.failures.append(f"a chapter that is not in the book ({reference.get('idref', '')[:100]})")
            elif item.get("media-type", _CHAPTERS[0]) in _CHAPTERS or name.endswith("html"):
                names[name] = None
            else:
                other += 1
        if other:
            self.failures.append(f"{other:,} chapters that are images or other media")
        if len(names) > MAX_CHAPTERS:
            raise InvalidFileError(
                f"'{self._file.filename}' has {len(names):,} chapters, the limit is {MAX_CHAPTERS:,}"
            )
        return list(names)

    def _check_encryption(self) -> None:
        if ENCRYPTION not in self._package.names:
            return
        for data in _all(self._tree(ENCRYPTION), "EncryptedData"):
            algorithms = [method.get("Algorithm", "") for method in _all(data, "EncryptionMethod")]
            names = [_resolved("", reference.get("URI", "")) for reference in _all(data, "CipherReference")]
            if not any(algorithm in _FONT_ALGORITHMS for algorithm in algorithms) and set(names) & set(self._spine):
                raise InvalidFileError(
                    f"'{self._file.filename}' is encrypted: its publisher's reader is needed to open it"
                )

    def _metadata(self, name: str) -> list[str]:
        found = (" ".join("".join(element.itertext()).split()) for element in _all(self._root, name))
        return [text for text in found if text]

    def _chapter(self, name: str) -> tuple[Document, str]:
        """The document, and its title where that is not the book's; the title element is no text of the page."""
        text, warning = decode(self._package.read(name), name)
        text = _EMPTY.sub(_opened, text)
        title = _TITLE.search(text, 0, 10_000)
        if title:
            text = text[: title.start()] + text[title.end() :]
        data = b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
        document = html.read(replace(self._file, data=data, filename=name, media_type=HTML))
        said = (warning,) if warning else ()
        own = " ".join(title[1].split()) if title else ""
        return replace(document, warnings=said + document.warnings), "" if own in self._metadata("title") else own

    def _titles(self) -> dict[str, str]:
        """Document -> its title in the table of contents; document# -> that of the first place in it."""
        titles: dict[str, str] = {}
        for name, href, text in self._contents():
            target = _resolved(name.rpartition("/")[0], href)
            title = " ".join(text.split())
            if title:
                titles.setdefault(f"{target}#" if "#" in href else target, title)
        return titles

    def _contents(self) -> Iterator[tuple[str, str, str]]:
        """The table of contents' own name, and each entry's target and words."""
        for item in self._items.values():
            name = _resolved(self._folder, item.get("href", ""))
            if name not in self._package.names:
                continue
            try:
                if "nav" in item.get("properties", "").split():
                    for link in _all(self._tree(name), "a"):
                        yield name, link.get("href", ""), "".join(link.itertext())
                elif item.get("media-type") == "application/x-dtbncx+xml":
                    for point in _all(self._tree(name), "navPoint"):
                        label, target = _first(point, "navLabel"), _first(point, "content")
                        if label is not None and target is not None:
                            yield name, target.get("src", ""), "".join(label.itertext())
            except InvalidFileError as error:
                self.failures.append(f"a table of contents: {error}")


def _all(root: Any, name: str) -> Iterator[Any]:
    return (element for element in root.iter() if str(element.tag).rpartition("}")[2] == name)


def _first(element: Any, name: str) -> Any:
    return next((child for child in element if str(child.tag).rpartition("}")[2] == name), None)


def _opened(empty: re.Match[str]) -> str:
    name = empty[1]
    return empty[0] if name.lower() in _VOID else f"<{name}{empty[2]}></{name}>"


def _resolved(folder: str, href: str) -> str:
    """A link without its fragment as a name in the package."""
    steps = folder.split("/") if folder else []
    for step in unquote(href.partition("#")[0]).split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step not in {"", "."}:
            steps.append(step)
    return "/".join(steps)
