"""API keys, answers of requests with an Idempotency-Key, descriptions; lists in parts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# From now on a vector store has files of its own project only; the oldest use of a file says which.
_FILES_GO_WHERE_THEY_ARE_USED = """
UPDATE files SET project_id = coalesce(
    (SELECT vector_stores.project_id FROM members
        JOIN vector_stores ON vector_stores.id = members.vector_store_id
        WHERE members.file_id = files.id ORDER BY members.number LIMIT 1),
    project_id
)
"""


def upgrade() -> None:
    op.create_index("files_by_project", "files", ["project_id", "number"])
    op.execute(_FILES_GO_WHERE_THEY_ARE_USED)
    op.create_index("batch_files_by_number", "batch_files", ["batch", "number"])
    op.add_column("vector_stores", sa.Column("description", sa.Text))
    op.create_index("vector_stores_by_project", "vector_stores", ["project_id", "number"])
    op.create_table(
        "api_keys",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("project_id", sa.String, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("hint", sa.String, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "answers",
        sa.Column("scope", sa.String, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.JSON),
        sa.Column("body", sa.LargeBinary),
    )
    op.create_index("ix_answers_created_at", "answers", ["created_at"])
