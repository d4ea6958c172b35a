"""Sites, who works at them, and which shipment went to which and was received there."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "sites",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("party", sa.String(16), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_index("sites_by_entry", "sites", ["recorded"])
    op.create_table(
        "site_staff",
        sa.Column("account", sa.String(16), primary_key=True),
        sa.Column("site", sa.String(16), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.add_column("shipments", sa.Column("site", sa.String(16)))
    op.add_column("shipments", sa.Column("received_on", sa.Date))
    op.add_column("shipments", sa.Column("received", sa.Integer))
    op.create_index("shipments_by_site", "shipments", ["site"])
