"""Batches, expiry, projects and uploads; the meter by project. A file that never existed may be listed as failed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
PROJECT = "proj_default"


def number() -> sa.Column[Any]:
    return sa.Column("number", NUMBER, primary_key=True, autoincrement=True)


def project() -> sa.Column[Any]:
    return sa.Column("project_id", sa.String, nullable=False, server_default=PROJECT)


def strategy() -> list[sa.Column[Any]]:
    return [
        sa.Column("max_chunk_size_tokens", sa.Integer, nullable=False),
        sa.Column("chunk_overlap_tokens", sa.Integer, nullable=False),
    ]


def upgrade() -> None:
    projects = op.create_table(
        "projects",
        number(),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("price_per_gb_day", sa.String),
        sqlite_autoincrement=True,
    )
    op.execute(sa.insert(projects).values(id=PROJECT, name="default", created_at=0))
    op.add_column("files", project())
    op.add_column("files", sa.Column("expires_at", sa.BigInteger))
    op.create_index("ix_files_expires_at", "files", ["expires_at"])
    op.add_column("vector_stores", project())
    for name in ("in_progress", "cancelled"):
        op.add_column("vector_stores", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("vector_stores", sa.Column("expires_after_days", sa.Integer))
    op.add_column("vector_stores", sa.Column("expires_at", sa.BigInteger))
    op.add_column("vector_stores", sa.Column("expired_at", sa.BigInteger))
    op.create_index("ix_vector_stores_expires_at", "vector_stores", ["expires_at"])
    _members()
    _batches()
    _meter()
    _uploads()


def _members() -> None:
    """Made anew without the foreign key to files; numbers go on where they were."""
    op.create_table(
        "members_new",
        number(),
        sa.Column("vector_store_id", sa.String, sa.ForeignKey("vector_stores.id"), nullable=False),
        sa.Column("file_id", sa.String, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("error_code", sa.String),
        sa.Column("error_message", sa.Text),
        sa.Column("attributes", sa.JSON, nullable=False),
        *strategy(),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("usage_bytes", sa.BigInteger, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("strategy", sa.String, nullable=False, server_default="static"),
        sa.Column("parsed_by", sa.String, nullable=False, server_default=""),
        sa.UniqueConstraint("vector_store_id", "file_id"),
        sqlite_autoincrement=True,
    )
    kept = (
        "number, vector_store_id, file_id, created_at, status, error_code, error_message, attributes, "
        "max_chunk_size_tokens, chunk_overlap_tokens, media_type, warnings, usage_bytes, chunks, sequence, strategy"
    )
    op.execute(f"INSERT INTO members_new ({kept}, position) SELECT {kept}, number FROM members")  # noqa: S608 - our own names
    highest = op.get_bind().scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'members'")) or 0
    op.drop_table("members")
    op.rename_table("members_new", "members")
    op.execute("DELETE FROM sqlite_sequence WHERE name IN ('members', 'members_new')")
    op.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('members', :seq)").bindparams(seq=highest))
    op.create_index("ix_members_file_id", "members", ["file_id"])
    op.create_index("members_by_sequence", "members", ["vector_store_id", "sequence"])
    op.create_index("members_by_position", "members", ["vector_store_id", "position"])
    op.execute(sa.text("INSERT INTO counters (name, next) VALUES ('position', :next)").bindparams(next=highest + 1))


def _batches() -> None:
    op.create_table(
        "batches",
        number(),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("vector_store_id", sa.String, sa.ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("cancelled_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("in_progress", sa.Integer, nullable=False),
        sa.Column("completed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cancelled", sa.Integer, nullable=False, server_default="0"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batches_vector_store_id", "batches", ["vector_store_id"])
    op.create_index("ix_batches_in_progress", "batches", ["in_progress"])
    op.create_table(
        "batch_files",
        number(),
        sa.Column("batch", NUMBER, sa.ForeignKey("batches.number", ondelete="CASCADE"), nullable=False),
        sa.Column("vector_store_id", sa.String, nullable=False),
        sa.Column("file_id", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("error_code", sa.String),
        sa.Column("error_message", sa.Text),
        sa.Column("attributes", sa.JSON, nullable=False),
        *strategy(),
        sa.Column("strategy", sa.String, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in ("deaths", "pages", "chunks")),
        sa.UniqueConstraint("batch", "file_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("batch_files_by_status", "batch_files", ["batch", "status"])
    op.create_index("batch_files_by_file", "batch_files", ["file_id", "status"])


def _meter() -> None:
    op.drop_index("ix_ledger_vector_store_id", "ledger")
    op.add_column("ledger", project())
    op.create_index("ledger_by_store", "ledger", ["vector_store_id", "at"])
    op.create_index("ledger_by_project", "ledger", ["project_id", "at"])
    op.create_table(
        "marks",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("level", sa.BigInteger, nullable=False),
        sa.Column("byte_seconds", sa.String, nullable=False),
        sa.Column("billable_byte_seconds", sa.String, nullable=False),
    )
    op.create_table(
        "search_calls",
        sa.Column("vector_store_id", sa.String, primary_key=True),
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("project_id", sa.String, nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
    )
    op.create_index("search_calls_by_minute", "search_calls", ["minute"])


def _uploads() -> None:
    op.create_table(
        "uploads",
        number(),
        sa.Column("id", sa.String, nullable=False, unique=True),
        project(),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("mime_type", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("file_expires_after_s", sa.BigInteger),
        sa.Column("file_id", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "upload_parts",
        number(),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("upload_id", sa.String, sa.ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_upload_parts_upload_id", "upload_parts", ["upload_id"])
    op.create_index("ix_upload_parts_sha256", "upload_parts", ["sha256"])
