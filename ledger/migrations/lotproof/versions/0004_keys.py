"""The log's keys, and the sizes of the checkpoints that each must sign."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "log_keys",
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("vkey", sa.String, nullable=False),
        sa.Column("first_size", sa.Integer, nullable=False),
        sa.Column("last_size", sa.Integer),
        sa.Column("is_vouched", sa.Boolean, nullable=False),
        sa.Column("statement", sa.Text),
    )
    op.create_table(
        "master_key_rotations",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(24), nullable=False),
    )
