"""Lots are found by their supplier's code too."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_index("material_lots_by_supplier_code", "material_lots", ["supplier_code"])
