"""What happened: parties, products, materials, lots, batches, units, holds, substitutions, shipments."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "batch_codes",
        sa.Column("search_key", sa.String, primary_key=True),
        sa.Column("batch", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False),
    )
    op.create_table(
        "batch_inputs",
        sa.Column("batch", sa.String(16), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lot", sa.String(16), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("unit", sa.String, nullable=False),
        sa.Column("base_amount", sa.Integer, nullable=False),
        sa.Column("occurred_on", sa.Date, nullable=False),
    )
    op.create_index("batch_inputs_by_lot", "batch_inputs", ["lot"])
    op.create_table(
        "batches",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("search_key", sa.String, nullable=False),
        sa.Column("product", sa.String(16), nullable=False),
        sa.Column("revision", sa.String),
        sa.Column("factory", sa.String(16), nullable=False),
        sa.Column("line", sa.String, nullable=False),
        sa.Column("made_on", sa.Date, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False, unique=True),
    )
    op.create_index("batches_by_key", "batches", ["search_key"])
    op.create_index("batches_by_product", "batches", ["product", "search_key"], unique=True)
    op.create_table(
        "bom_lines",
        sa.Column("product", sa.String(16), primary_key=True),
        sa.Column("revision", sa.String, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("material", sa.String(16), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("unit", sa.String, nullable=False),
        sa.Column("specification", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("batch", sa.String(16), nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("placed", sa.Integer, nullable=False),
        sa.Column("released", sa.Integer),
    )
    op.create_index("holds_by_batch", "holds", ["batch"])
    op.create_table(
        "material_lots",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("supplier_code", sa.String, nullable=False),
        sa.Column("supplier", sa.String(16), nullable=False),
        sa.Column("material", sa.String(16), nullable=False),
        sa.Column("amount", sa.Integer, nullable=False),
        sa.Column("unit", sa.String, nullable=False),
        sa.Column("declared", sa.String, nullable=False),
        sa.Column("occurred_on", sa.Date, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "materials",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "parties",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("gtin", sa.String(14), unique=True),
        sa.Column("brand", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("label_lines", sa.JSON, nullable=False),
        sa.Column("picture", sa.String(64)),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "sellers",
        sa.Column(
            "only", sa.Integer, sa.CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False
        ),
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("brand", sa.String, nullable=False),
        sa.Column("company", sa.String, nullable=False),
        sa.Column("address", sa.JSON, nullable=False),
        sa.Column("support_email", sa.String, nullable=False),
        sa.Column("support_phone", sa.String, nullable=False),
        sa.Column("only_own_serials", sa.Boolean, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "shipment_lines",
        sa.Column("shipment", sa.String(16), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("batch", sa.String(16), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
    )
    op.create_index("shipment_lines_by_batch", "shipment_lines", ["batch"])
    op.create_table(
        "shipments",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("sent_on", sa.Date, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
    )
    op.create_table(
        "stagings",
        sa.Column("unit_set", sa.String(16), primary_key=True),
        sa.Column("begun", sa.String(24), nullable=False),
    )
    op.create_table(
        "substitution_lots",
        sa.Column("substitution", sa.String(16), primary_key=True),
        sa.Column("lot", sa.String(16), primary_key=True),
    )
    op.create_index("substitution_lots_by_lot", "substitution_lots", ["lot"])
    op.create_table(
        "substitutions",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("code", sa.String, nullable=False, unique=True),
        sa.Column("standing", sa.String, nullable=False),
        sa.Column("material", sa.String(16), nullable=False),
        sa.Column("product", sa.String(16)),
        sa.Column("declared", sa.String, nullable=False),
        sa.Column("known", sa.String, nullable=False),
        sa.Column("effective_on", sa.Date, nullable=False),
        sa.Column("statement", sa.String, nullable=False),
        sa.Column("proposed_by", sa.String, nullable=False),
        sa.Column("recorded", sa.Integer, nullable=False),
        sa.Column("decided", sa.Integer),
    )
    op.create_table(
        "unit_sets",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("c", sa.Integer, nullable=False, unique=True),
        sa.Column("batch", sa.String(16), nullable=False),
        sa.Column("product", sa.String(16), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
        sa.Column("list_sha256", sa.String(64), nullable=False),
        sa.Column("received_sha256", sa.String(64)),
    )
    op.create_index("unit_sets_by_batch", "unit_sets", ["batch"])
    op.create_index("unit_sets_by_received", "unit_sets", ["received_sha256"])
    op.create_table(
        "units",
        sa.Column("unit_set", sa.String(16), primary_key=True),
        sa.Column("i", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("serial", sa.String, nullable=False),
        sa.Column("search_key", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("units_by_key", "units", ["search_key"])
