"""Approvals by two people, the rules about what stands in for the second, and who had which roles when."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("recorded", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("how", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("statement", sa.String, nullable=False),
        sa.Column("waiting_hours", sa.Integer),
        sa.Column("credential", sa.String),
    )
    op.create_index("approvals_by_subject", "approvals", ["subject"])
    op.create_table(
        "approval_rules",
        sa.Column("recorded", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("command", sa.String, nullable=False),
        sa.Column("stand_in", sa.String, nullable=False),
        sa.Column("waiting_hours", sa.Integer, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
    )
    op.create_table(
        "staff_roles",
        sa.Column("recorded", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("account", sa.String(16), nullable=False),
        sa.Column("roles", sa.String, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
    )
