"""A file's bytes become chunks: parsed once, however often the same content is given."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from ingestion import Chunked, ChunkingStrategy, Document, chunk, revision, tokens
from ingestion.worker import Workers
from vecstore.catalog import Catalog, PreparedFile, kind_of, prepared_before, renamed
from vecstore.failpoints import reach
from vecstore.indexing import ReadFile
from vecstore.types import AttributeMap, File, VectorStoreInfo

RECENT_FILES = 256  # that are kept for a while, since their copies often follow them
RECENT_CHARS = 16_000_000  # of all their texts


@dataclass(slots=True)
class Reader:
    """Parses and chunks in sandboxed workers. Thread-safe.

    What the catalogue has already of the same content, name's extension, strategy, embedder and
    project is taken from there, vectors and all; but never what took a password to read.
    """

    catalog: Catalog
    workers: Workers
    _recent: OrderedDict[Hashable, tuple[Document, Chunked, str]] = field(default_factory=OrderedDict)
    _recent_chars: int = 0
    _busy: dict[Hashable, threading.Event] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def warm(self) -> None:
        """Starts what parses and loads what cuts, so that the first file is no slower than others."""
        self.workers.sandbox()
        tokens.encoding()

    def read(
        self,
        store: VectorStoreInfo,
        file: File,
        content: BinaryIO | bytes,
        *,
        attributes: AttributeMap,
        strategy: ChunkingStrategy,
        password: str = "",
    ) -> ReadFile | PreparedFile:
        """Ready to be embedded, or to be committed. Raises IngestionError, and WorkersError."""
        if password:
            document = self.workers.parse(content, file.filename, password=password)
            return ReadFile(file, attributes, strategy, document, chunk(document, strategy))
        before = self.prepared_before(store, file, attributes, strategy)
        if before is not None:
            return before
        document, chunked, name = self._parsed_once(file, content, strategy, store.project_id)
        copied = name != file.filename
        if copied:
            document = replace(document, warnings=renamed(document.warnings, name, file.filename))
        return ReadFile(file, attributes, strategy, document, chunked, parsed_by=revision(), copied=copied)

    def prepared_before(
        self, store: VectorStoreInfo, file: File, attributes: AttributeMap, strategy: ChunkingStrategy
    ) -> PreparedFile | None:
        """The file with what the catalogue has of its content."""
        return prepared_before(
            self.catalog.database, store, file, attributes=attributes, strategy=strategy, parsed_by=revision()
        )

    def _parsed_once(
        self, file: File, content: BinaryIO | bytes, strategy: ChunkingStrategy, project_id: str
    ) -> tuple[Document, Chunked, str]:
        """And the name of the file that it was parsed for.

        Whoever comes while the same content is parsed waits for it, and parses it too where that failed.
        """
        key = (file.sha256, kind_of(file.filename), strategy, project_id)
        with self._guard:
            done = self._recent.get(key)
            if done is not None:
                self._recent.move_to_end(key)
            busy = self._busy.get(key)
            mine = threading.Event()
            if busy is None:
                self._busy[key] = mine
        if done is None and busy is not None:
            busy.wait()
            with self._guard:
                done = self._recent.get(key)
        try:
            return done or self._parsed(key, file, content, strategy)
        finally:
            if busy is None:
                with self._guard:
                    del self._busy[key]
                mine.set()

    def _parsed(
        self, key: Hashable, file: File, content: BinaryIO | bytes, strategy: ChunkingStrategy
    ) -> tuple[Document, Chunked, str]:
        document = self.workers.parse(content, file.filename)
        reach("read.parsed")
        parsed = document, chunk(document, strategy), file.filename
        with self._guard:
            if key not in self._recent:
                self._recent[key] = parsed
                self._recent_chars += len(document.text)
            while len(self._recent) > RECENT_FILES or self._recent_chars > RECENT_CHARS:
                _, (oldest, *_) = self._recent.popitem(last=False)
                self._recent_chars -= len(oldest.text)
        return parsed
