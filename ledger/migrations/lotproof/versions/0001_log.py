"""The log, whose rows are only ever inserted, and what every log needs derived."""

import sqlalchemy as sa
from alembic import op

from ledger.migrations.environment import protect

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "log_entries",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    protect("log_entries", "log_tiles", "log_checkpoints")
    op.create_table(
        "subject_heads",
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("body", sa.String(64), nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "status_map",
        sa.Column(
            "only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False
        ),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("leaves", sa.Integer, nullable=False),
    )
    op.create_table(
        "projections",
        sa.Column("noun", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
