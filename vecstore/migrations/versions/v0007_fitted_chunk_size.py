"""A vector store may have the chunk size that `tune` found best for questions of its users."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("vector_stores", sa.Column("chunk_size", sa.Integer))
