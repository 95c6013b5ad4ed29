"""CRC-32 of chunks, passages and vectors, as they are; a file that cannot be read has none, and counts as damaged."""

import json
from binascii import crc32
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
HEADINGS: sa.Column[Any] = sa.column("heading_path", sa.JSON)  # type: ignore[assignment]
CHUNK = (
    "number index start end tokens first_page last_page heading_path "
    "first_window end_window first_line last_line table_header"
)
PASSAGE = "index window start end page heading_path first_line last_line table_header"


def upgrade() -> None:
    op.execute("INSERT INTO counters (name, next) VALUES ('folder', 1 + (random() & 4611686018427387903))")
    made = op.create_table(
        "checksums",
        sa.Column(
            "member", NUMBER, sa.ForeignKey("members.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
        ),
        sa.Column("chunks", sa.LargeBinary, nullable=False),
        sa.Column("passages", sa.LargeBinary, nullable=False),
        sa.Column("vectors", sa.BigInteger, nullable=False),
    )
    database = op.get_bind()
    searchable = database.execute(sa.text("SELECT number FROM members WHERE chunks > 0")).scalars().all()
    for member in searchable:
        try:
            row = _row(database, member)
        except (sa.exc.SQLAlchemyError, AttributeError, TypeError, ValueError):
            continue
        database.execute(sa.insert(made).values(row))


def _row(database: sa.Connection, member: int) -> dict[str, Any]:
    query = sa.text("SELECT vectors FROM embeddings WHERE member = :member").bindparams(member=member)
    vectors = database.execute(query).scalar_one()
    return {
        "member": member,
        "chunks": _crcs(database, "chunks", CHUNK.split(), member, "text"),
        "passages": _crcs(database, "passages", PASSAGE.split(), member, None),
        "vectors": crc32(vectors),
    }


def _crcs(database: sa.Connection, table: str, names: Sequence[str], member: int, text: str | None) -> bytes:
    columns = [HEADINGS if name == "heading_path" else sa.column(name) for name in names]
    if text is not None:
        columns.append(sa.column(text))
    query = sa.select(*columns).select_from(sa.table(table)).where(sa.column("member") == member)
    found = b""
    for row in database.execute(query.order_by(sa.column("index"))):
        values = list(row)
        said = "" if text is None else values.pop()
        found += crc32(json.dumps(values).encode(), crc32(said.encode())).to_bytes(4, "big")
    return found
