"""A vector store may have the weight of meaning that `tune` fitted to questions of its users."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("vector_stores", sa.Column("embedding_weight", sa.Float))
