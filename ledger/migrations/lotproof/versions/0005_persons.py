"""Persons who were erased, values whose time ran out, and how long each kind is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "erased_persons",
        sa.Column("person", sa.String(16), primary_key=True),
        sa.Column("erased_at", sa.String(24), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "expired_items",
        sa.Column("item", sa.String(16), primary_key=True),
        sa.Column("person", sa.String(16), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("expired_at", sa.String(24), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_index("expired_items_person", "expired_items", ["person"])
    op.create_table(
        "retention_rules",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
