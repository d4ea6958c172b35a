"""Where the names of staff lie in the vault."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "staff_names",
        sa.Column("account", sa.String(16), primary_key=True),
        sa.Column("person", sa.String(16), nullable=False, unique=True),
        sa.Column("item", sa.String(16), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
