"""Line numbers and table headers of chunks and passages, and the strategy `structure`."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table in ("chunks", "passages"):
        op.add_column(table, sa.Column("first_line", sa.Integer))
        op.add_column(table, sa.Column("last_line", sa.Integer))
        op.add_column(table, sa.Column("table_header", sa.Text, nullable=False, server_default=""))
    op.add_column("members", sa.Column("strategy", sa.String, nullable=False, server_default="static"))
