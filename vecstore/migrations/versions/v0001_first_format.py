"""The first format. Nothing is older, so there is nothing to do: new databases are made from the schema."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    pass
