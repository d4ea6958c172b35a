"""What webhooks are signed with, and how far each was told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "webhook_secrets",
        sa.Column("webhook", sa.String(16), primary_key=True),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("next_index", sa.Integer, nullable=False),
        sa.Column("made_at", sa.String(24), nullable=False),
    )
