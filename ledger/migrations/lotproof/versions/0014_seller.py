"""How the seller's pages look, and the legal entities that answer for its products."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "seller_styles",
        sa.Column(
            "only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False
        ),
        sa.Column("logo", sa.String(64)),
        sa.Column("accent", sa.String(7), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "legal_entities",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("address", sa.JSON, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("registration", sa.String, nullable=False),
        sa.Column("vat", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("markets", sa.JSON, nullable=False),
        sa.Column("ended_at", sa.String(24)),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
