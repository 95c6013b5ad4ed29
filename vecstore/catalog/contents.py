"""What files hold: by content, so that the same one need not be worked on twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from ingestion.types import Chunk, ChunkingStrategy, Window
from vecstore.catalog import rows
from vecstore.catalog.checksums import is_as_written
from vecstore.catalog.database import Database
from vecstore.catalog.schema import checksums, chunks, embeddings, files, members, passages, vector_stores, windows
from vecstore.catalog.statements import PreparedFile
from vecstore.types import AttributeMap, File, VectorStoreInfo

_SAME = (  # made once: it is asked for every file
    sa.select(*members.c, files.c.filename)
    .join_from(members, files, files.c.id == members.c.file_id)
    .join(vector_stores, vector_stores.c.id == members.c.vector_store_id)
    .where(
        members.c.chunks > 0,
        *(
            column == sa.bindparam(column.name)
            for column in (
                files.c.sha256,
                members.c.parsed_by,
                members.c.strategy,
                members.c.max_chunk_size_tokens,
                members.c.chunk_overlap_tokens,
                vector_stores.c.project_id,
                vector_stores.c.embedder,
                vector_stores.c.dimensions,
            )
        ),
    )
    .order_by(members.c.number)
)


def kind_of(filename: str) -> str:
    """What of a name a parser may look at: its extensions, or all of it where there are none."""
    path = PurePath(filename)
    return "".join(path.suffixes).lower() or path.name.lower()


def renamed(warnings: Iterable[str], before: str, now: str) -> tuple[str, ...]:
    """The same warnings of a copy with another name."""
    return tuple(warning.replace(f"'{before}'", f"'{now}'") for warning in warnings)


def contents_of(database: Database, store_id: str) -> list[str]:
    """The SHA-256 of the files that a vector store has."""
    query = sa.select(files.c.sha256).join_from(members, files, files.c.id == members.c.file_id)
    with database.read() as tx:
        return list(tx.execute(query.where(members.c.vector_store_id == store_id)).scalars())


def prepared_before(
    database: Database,
    store: VectorStoreInfo,
    file: File,
    *,
    attributes: AttributeMap,
    strategy: ChunkingStrategy,
    parsed_by: str,
) -> PreparedFile | None:
    """The file as it would be prepared, from a vector store of the same project and embedder that has its content.

    Of the same kind of name, cut by the same strategy, read by the same revision of the parsers.
    """
    same = {
        "sha256": file.sha256,
        "parsed_by": parsed_by,
        "project_id": store.project_id,
        "embedder": store.embedder,
        "dimensions": store.dimensions,
        **rows.strategy_row(strategy),
    }
    with database.read() as tx:
        for row in tx.execute(_SAME, same):
            if kind_of(row.filename) == kind_of(file.filename):
                found = prepared_of(tx, row, store.dimensions, file=file, attributes=attributes)
                if found is not None:
                    return found
    return None


def prepared_of(
    tx: sa.Connection, member: Any, dimensions: int, *, file: File, attributes: AttributeMap
) -> PreparedFile | None:
    """None where it was damaged on the disk: then it is parsed and embedded as if nobody had it."""

    def held(table: sa.Table, order: str) -> list[Any]:
        return list(tx.execute(sa.select(table).where(table.c.member == member.number).order_by(table.c[order])))

    chunk_rows, passage_rows = held(chunks, "number"), held(passages, "index")
    [embedded], [stored] = held(embeddings, "member") or [None], held(checksums, "member") or [None]
    if embedded is None or not is_as_written(stored, chunk_rows, passage_rows, embedded.vectors):
        return None
    return PreparedFile(
        file=file,
        attributes=attributes,
        strategy=rows.strategy_of(member),
        media_type=member.media_type,
        warnings=renamed(member.warnings, member.filename, file.filename),
        chunks=tuple(_chunk(row) for row in chunk_rows),
        windows=tuple(Window(row.start, row.end) for row in held(windows, "index")),
        passages=tuple(map(rows.passage_as_read, passage_rows)),
        vectors=rows.unpack_vectors(embedded.vectors, dimensions),
        usage_bytes=member.usage_bytes,
        title=member.title,
        parsed_by=member.parsed_by,
    )


def _chunk(row: Any) -> Chunk:
    return Chunk(
        index=row.index,
        text=row.text,
        start=row.start,
        end=row.end,
        tokens=row.tokens,
        pages=rows.pages_of(row),
        lines=rows.lines_of(row),
        heading_path=tuple(row.heading_path),
        table_header=row.table_header,
        windows=(row.first_window, row.end_window),
    )
