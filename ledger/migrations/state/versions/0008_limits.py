"""How often one source may do one thing; when a worker and a backup were last seen."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "limits",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("whole_at", sa.String(24), nullable=False),
    )
    op.create_index("limits_whole_at", "limits", ["whole_at"])
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("uptime", sa.Float, nullable=False),
        sa.Column("boot", sa.String, nullable=False),
    )
