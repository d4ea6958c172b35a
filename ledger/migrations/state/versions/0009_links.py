"""Tokens that end, and sessions of whoever followed a link."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("tokens", sa.Column("use", sa.String))
    op.add_column("tokens", sa.Column("ends_at", sa.String(24)))
    op.add_column("tokens", sa.Column("last_used_at", sa.String(24)))
    op.create_table(
        "link_sessions",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("token", sa.String(16), sa.ForeignKey("tokens.id"), nullable=False),
        sa.Column("csrf", sa.String, nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
    )
