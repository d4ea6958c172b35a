"""Somebody's own time zone; how far a background job has come."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("zone", sa.String, nullable=False, server_default=""))
    op.add_column("work", sa.Column("steps_done", sa.Integer, nullable=False, server_default="0"))
    op.add_column("work", sa.Column("steps", sa.Integer, nullable=False, server_default="0"))
