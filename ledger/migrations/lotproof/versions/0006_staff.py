"""Accounts of staff: which there are, and in which roles."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("roles", sa.String, nullable=False),
        sa.Column("admitted_at", sa.String(24), nullable=False),
        sa.Column("ended_at", sa.String(24)),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
