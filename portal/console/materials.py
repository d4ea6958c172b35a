"""Materials and bills: what goes into products, and in which of their revisions it stands."""

from flask import Response, abort
from sqlalchemy import select

from ledger.trace.bill_of_materials import bom_lines, find_material
from ledger.trace.material_lot import material_lots
from ledger.trace.product import products
from portal.console.desk import snapshot, words
from portal.console.history import entries_about
from portal.console.listing import show, table
from portal.console.names import code, isolated, link
from portal.console.parties import TIMELINE
from portal.console.reads import lots_where
from portal.console.sentences import amount
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.permissions import sees
from translations import mark

LOT_HEADS = (
    (mark("Lot"), False),
    (mark("Supplier"), False),
    (mark("Arrived"), False),
    (mark("Quantity"), True),
)
BILL_HEADS = (
    (mark("Product"), False),
    (mark("Revision"), False),
    (mark("Specification"), False),
    (mark("For one unit"), True),
)


@console.get("/materials")
@sees("materials")
def materials() -> Response:
    """All materials, newest first."""
    return show(
        "materials",
        title=mark("Materials and bills"),
        commands=("material.register", "bill_of_materials.revise"),
        empty=mark(
            "What your products are made of stands here: those materials, at least, that matter for safety."
        ),
    )


@console.get("/materials/<subject_id>")
@sees("materials")
def material(subject_id: str) -> Response:
    """One material: its lots, the bills it stands in, and every entry about it."""
    connection = snapshot()
    found = find_material(connection, subject_id)
    if found is None:
        abort(404)
    lots = lots_where(connection, material_lots.c.material == found.id)
    bills = connection.execute(
        select(bom_lines, products.c.name)
        .join(products, products.c.id == bom_lines.c.product)
        .where(bom_lines.c.material == found.id)
        .order_by(bom_lines.c.recorded.desc())
    ).all()
    stretch = entries_about(connection, f"material:{found.id}", limit=TIMELINE)
    return page(
        "material.html",
        here="materials",
        material=found,
        lots=table(
            LOT_HEADS,
            [
                (
                    link(address("material_lot", subject_id=lot.id), lot.code, is_code=True),
                    link(address("party", subject_id=lot.supplier), isolated(lot.supplier_name)),
                    words().date(lot.arrived),
                    amount(words(), lot.quantity.amount, lot.quantity.unit),
                )
                for lot in lots
            ],
        ),
        bills=table(
            BILL_HEADS,
            [
                (
                    link(address("product", subject_id=row.product), isolated(row.name)),
                    code(row.revision),
                    isolated(row.specification),
                    amount(words(), row.amount, row.unit),
                )
                for row in bills
            ],
        ),
        timeline=happenings(stretch.entries),
        all_entries=address("log", about=f"material:{found.id}"),
    )
