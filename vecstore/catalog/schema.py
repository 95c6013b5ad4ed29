"""The catalogue's tables. `migrations/` brings an older database here; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

HEAD = "0002"  # the newest revision in migrations/versions; the data folder's format version

# SQLite counts rows up only in a column of type INTEGER; other databases want 64 bits said.
Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

files = Table(
    "files",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),  # order of upload, ties of created_at broken
    Column("id", String, nullable=False, unique=True),
    Column("filename", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("purpose", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("source", Text),  # absolute path it was added from, so that adding it again replaces it
    sqlite_autoincrement=True,
)

vector_stores = Table(
    "vector_stores",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", Text, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_active_at", BigInteger, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("usage_bytes", BigInteger, nullable=False, default=0),
    Column("completed", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("sequence", BigInteger, nullable=False, default=0),
    sqlite_autoincrement=True,
)

# One row an attachment: attaching a file again makes a new one, so numbers are never reused.
members = Table(
    "members",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("vector_store_id", ForeignKey("vector_stores.id"), nullable=False),
    Column("file_id", ForeignKey("files.id"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("error_code", String),
    Column("error_message", Text),
    Column("attributes", JSON, nullable=False),
    Column("max_chunk_size_tokens", Integer, nullable=False),
    Column("chunk_overlap_tokens", Integer, nullable=False),
    Column("media_type", String, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("usage_bytes", BigInteger, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),  # the store's, when this row became visible
    Column("strategy", String, nullable=False, server_default="static"),
    UniqueConstraint("vector_store_id", "file_id"),
    Index("members_by_sequence", "vector_store_id", "sequence"),
    sqlite_autoincrement=True,
)

chunks = Table(
    "chunks",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("member", ForeignKey("members.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("index", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("first_page", Integer),
    Column("last_page", Integer),
    Column("heading_path", JSON, nullable=False),
    Column("first_window", Integer, nullable=False),
    Column("end_window", Integer, nullable=False),
    Column("first_line", Integer),
    Column("last_line", Integer),
    Column("table_header", Text, nullable=False, server_default=""),
)

windows = Table(
    "windows",
    metadata,
    Column("member", ForeignKey("members.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("index", Integer, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
)

passages = Table(
    "passages",
    metadata,
    Column("member", ForeignKey("members.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("index", Integer, primary_key=True),
    Column("window", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("heading_path", JSON, nullable=False),
    Column("first_line", Integer),
    Column("last_line", Integer),
    Column("table_header", Text, nullable=False, server_default=""),
    Index("passages_by_window", "member", "window"),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("member", ForeignKey("members.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("vectors", LargeBinary, nullable=False),  # one a window: (n, dimensions) little-endian float16, unit norm
)

# What an index that has applied an older sequence number must forget.
removals = Table(
    "removals",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("vector_store_id", ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("member", BigInteger, nullable=False),
    Index("removals_by_sequence", "vector_store_id", "sequence"),
    sqlite_autoincrement=True,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("vector_store_id", ForeignKey("vector_stores.id", ondelete="CASCADE"), primary_key=True),
    Column("folder", String, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("files", JSON, nullable=False),
)

# The meter: it outlives the stores it speaks of, so no foreign key.
ledger = Table(
    "ledger",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("vector_store_id", String, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("delta_bytes", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("next", BigInteger, nullable=False),
)

revision = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
