"""Tokens: which were issued, to do what, until when."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "issued_tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("about", sa.String),
        sa.Column("ends_at", sa.String(24), nullable=False),
        sa.Column("issued_at", sa.String(24), nullable=False),
        sa.Column("revoked_at", sa.String(24)),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
