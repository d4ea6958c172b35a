"""What is shown of pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "renditions",
        sa.Column("original", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("display", sa.String(64), nullable=False),
        sa.Column("small", sa.String(64), nullable=False),
        sa.Column("made_at", sa.String(24), nullable=False),
    )
