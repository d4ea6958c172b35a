"""What we do about it: recalls with their versions and ranges, and claims."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "claim_recalls",
        sa.Column("claim", sa.String(16), primary_key=True),
        sa.Column("recall", sa.String(16), primary_key=True),
    )
    op.create_index("claim_recalls_by_recall", "claim_recalls", ["recall"])
    op.create_table(
        "claims",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("standing", sa.String, nullable=False),
        sa.Column("doubt", sa.String, nullable=False),
        sa.Column("product", sa.String(16), nullable=False),
        sa.Column("batch", sa.String(16), nullable=False),
        sa.Column("c", sa.Integer, nullable=False),
        sa.Column("i", sa.Integer, nullable=False),
        sa.Column("remedy", sa.String, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("person", sa.String(16), nullable=False),
        sa.Column("contact", sa.String(16), nullable=False),
        sa.Column("payout", sa.String(16)),
        sa.Column("opened_at", sa.String(24), nullable=False),
        sa.Column("opened", sa.Integer, nullable=False),
        sa.Column("moved_at", sa.String(24), nullable=False),
        sa.Column("moved", sa.Integer, nullable=False),
    )
    op.create_index("claims_by_position", "claims", ["c", "i"])
    op.create_index("claims_by_standing", "claims", ["standing"])
    op.create_table(
        "recall_batches",
        sa.Column("recall", sa.String(16), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("batch", sa.String(16), primary_key=True),
    )
    op.create_index("recall_batches_by_batch", "recall_batches", ["batch"])
    op.create_table(
        "recall_lots",
        sa.Column("recall", sa.String(16), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lot", sa.String(16), primary_key=True),
    )
    op.create_table(
        "recall_ranges",
        sa.Column("recall", sa.String(16), primary_key=True),
        sa.Column("c", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("end", sa.Integer, nullable=False),
    )
    op.create_index("recall_ranges_by_position", "recall_ranges", ["c", "start"])
    op.create_table(
        "recall_versions",
        sa.Column("recall", sa.String(16), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("statement", sa.String, nullable=False),
        sa.Column("drafted_by", sa.String, nullable=False),
        sa.Column("drafted", sa.Integer, nullable=False),
        sa.Column("approved_by", sa.String),
        sa.Column("approved", sa.Integer),
        sa.Column("published", sa.Integer),
    )
    op.create_table(
        "recalls",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("standing", sa.String, nullable=False),
        sa.Column("hazard", sa.String, nullable=False),
        sa.Column("statement", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("published_at", sa.String(24)),
        sa.Column("published_index", sa.Integer),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
