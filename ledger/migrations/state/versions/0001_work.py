"""Background work, taken with leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "work",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("dedupe", sa.String, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("not_before", sa.String(24), nullable=False),
        sa.Column("lease_until", sa.String(24)),
        sa.Column("leased_by", sa.String),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("done_at", sa.String(24)),
        sa.UniqueConstraint("kind", "dedupe"),
    )
    op.create_index("work_waiting", "work", ["state", "not_before", "id"])
    op.create_index("work_leased", "work", ["state", "lease_until"])
