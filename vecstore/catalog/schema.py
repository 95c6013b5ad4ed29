"""The catalogue's tables. `migrations/` brings an older database here; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
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

HEAD = "0008"  # the newest revision in migrations/versions; the data folder's format version

# SQLite counts rows up only in a column of type INTEGER; other databases want 64 bits said.
Number = BigInteger().with_variant(Integer, "sqlite")

DEFAULT_PROJECT = "proj_default"
FOLDER_ID = "folder"  # among the counters: a number of the data folder's own; older ones have none

metadata = MetaData()

projects = Table(
    "projects",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("price_per_gb_day", String),  # a decimal; NULL is the usual price
    sqlite_autoincrement=True,
)

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
    Column("project_id", String, nullable=False, server_default=DEFAULT_PROJECT),
    Column("expires_at", BigInteger, index=True),
    Index("files_by_project", "project_id", "number"),
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
    Column("project_id", String, nullable=False, server_default=DEFAULT_PROJECT),
    Column("in_progress", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    Column("expires_after_days", Integer),
    Column("expires_at", BigInteger, index=True),  # last_active_at and these days, but not before the policy was set
    Column("expired_at", BigInteger),  # when it did, once its files were taken out
    Column("description", Text),
    Column("embedding_weight", Float),  # 0 to 1, that `tune` fitted; NULL is one half
    Column("chunk_size", Integer),  # tokens, that `tune` found best for files to come; NULL is auto
    Index("vector_stores_by_project", "project_id", "number"),
    sqlite_autoincrement=True,
)

# One row an attachment. What an index knows it by is its number: a file that is indexed again has a
# new one, and keeps its position. The file need not exist: one that never did is listed as failed.
members = Table(
    "members",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("vector_store_id", ForeignKey("vector_stores.id"), nullable=False),
    Column("file_id", String, nullable=False, index=True),
    Column("position", BigInteger, nullable=False),  # order of attachment, the same for ever
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
    Column("parsed_by", String, nullable=False, server_default=""),  # ingestion.revision() of the parsers that read it
    Column("title", Text, nullable=False, server_default=""),  # that the file's metadata gives it
    UniqueConstraint("vector_store_id", "file_id"),
    Index("members_by_sequence", "vector_store_id", "sequence"),
    Index("members_by_position", "vector_store_id", "position"),
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

# CRC-32 of the rows above, by which a flipped bit is found. A member that is searchable has one of these.
checksums = Table(
    "checksums",
    metadata,
    Column("member", ForeignKey("members.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("chunks", LargeBinary, nullable=False),  # four bytes a chunk, big-endian, by its index
    Column("passages", LargeBinary, nullable=False),  # as those
    Column("vectors", BigInteger, nullable=False),
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

# Many files that are attached together. The counts are those of its rows in batch_files.
batches = Table(
    "batches",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("vector_store_id", ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("cancelled_at", BigInteger),  # when it was asked for, with something left to do
    Column("finished_at", BigInteger),
    Column("in_progress", Integer, nullable=False, index=True),
    Column("completed", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

batch_files = Table(
    "batch_files",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("batch", ForeignKey("batches.number", ondelete="CASCADE"), nullable=False),
    Column("vector_store_id", String, nullable=False),
    Column("file_id", String, nullable=False),
    Column("status", String, nullable=False),
    Column("error_code", String),
    Column("error_message", Text),
    Column("attributes", JSON, nullable=False),
    Column("max_chunk_size_tokens", Integer, nullable=False),
    Column("chunk_overlap_tokens", Integer, nullable=False),
    Column("strategy", String, nullable=False),
    Column("deaths", Integer, nullable=False, server_default="0"),  # of a process that was parsing it
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("chunks", Integer, nullable=False, server_default="0"),
    UniqueConstraint("batch", "file_id"),
    Index("batch_files_by_number", "batch", "number"),
    Index("batch_files_by_status", "batch", "status"),
    Index("batch_files_by_file", "file_id", "status"),
    sqlite_autoincrement=True,
)

# The meter: it outlives the stores it speaks of, so no foreign key. `at` never falls within a store.
ledger = Table(
    "ledger",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("vector_store_id", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("delta_bytes", BigInteger, nullable=False),
    Column("project_id", String, nullable=False, server_default=DEFAULT_PROJECT),
    Index("ledger_by_store", "vector_store_id", "at"),
    Index("ledger_by_project", "project_id", "at"),
    sqlite_autoincrement=True,
)

# What the ledger of a store or project adds up to at the beginning of a day (UTC), from its first row on: a cache.
marks = Table(
    "marks",
    metadata,
    Column("scope", String, primary_key=True),  # the id of a vector store or a project
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("level", BigInteger, nullable=False),  # bytes
    Column("byte_seconds", String, nullable=False),  # a whole number, of more than 64 bits
    Column("billable_byte_seconds", String, nullable=False),  # above the free bytes; of projects only
)

search_calls = Table(
    "search_calls",
    metadata,
    Column("vector_store_id", String, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),  # Unix seconds at its beginning
    Column("project_id", String, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Index("search_calls_by_minute", "minute"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("project_id", String, nullable=False, server_default=DEFAULT_PROJECT),
    Column("filename", Text, nullable=False),
    Column("purpose", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # that the parts must add up to
    Column("mime_type", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("file_expires_after_s", BigInteger),
    Column("file_id", String),
    sqlite_autoincrement=True,
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("upload_id", ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("bytes", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("project_id", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),  # of the secret, which is nowhere
    Column("hint", String, nullable=False),  # the last characters of the secret, for people to tell keys by
    Column("scopes", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    sqlite_autoincrement=True,
)

# What requests with an Idempotency-Key were answered; `status` is NULL while one is under way.
answers = Table(
    "answers",
    metadata,
    Column("scope", String, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", LargeBinary),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("next", BigInteger, nullable=False),
)

revision = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
