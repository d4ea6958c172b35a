"""Indexes that lists go by: the entry that recorded a row, alone and under what people look for most."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BY_COLUMNS = {
    "batches_by_factory": ("batches", ["factory", "recorded"]),
    "batches_by_product_and_entry": ("batches", ["product", "recorded", "quantity"]),
    "bom_lines_by_material": ("bom_lines", ["material", "product"]),
    "claims_by_country": ("claims", ["country", "opened"]),
    "claims_by_entry": ("claims", ["opened"]),
    "claims_by_product": ("claims", ["product", "opened"]),
    "claims_by_standing": ("claims", ["standing", "opened"]),
    "material_lots_by_entry": ("material_lots", ["recorded"]),
    "material_lots_by_material": ("material_lots", ["material", "recorded"]),
    "material_lots_by_supplier": ("material_lots", ["supplier", "recorded"]),
    "materials_by_entry": ("materials", ["recorded"]),
    "parties_by_entry": ("parties", ["recorded"]),
    "products_by_entry": ("products", ["recorded"]),
    "recalls_by_entry": ("recalls", ["recorded"]),
    "shipments_by_channel": ("shipments", ["channel", "recorded"]),
    "shipments_by_country": ("shipments", ["country", "recorded"]),
    "shipments_by_entry": ("shipments", ["recorded"]),
    "substitutions_by_entry": ("substitutions", ["recorded"]),
}
BY_KEY = {
    "material_lots_by_key": ("material_lots", "code"),
    "material_lots_by_supplier_key": ("material_lots", "supplier_code"),
    "shipments_by_key": ("shipments", "code"),
}


def upgrade() -> None:
    op.drop_index("claims_by_standing", "claims")
    for name, (table, columns) in BY_COLUMNS.items():
        op.create_index(name, table, columns)
    for name, (table, code) in BY_KEY.items():
        op.create_index(name, table, [sa.text(f"upper(replace(replace({code}, '-', ''), ' ', ''))")])
