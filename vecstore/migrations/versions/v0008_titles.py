"""A file in a vector store may have the title that its metadata gives it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("members", sa.Column("title", sa.Text, nullable=False, server_default=""))
