"""Where others' programs are told of new entries."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("kinds", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
        sa.Column("ended", sa.Integer),
    )
