"""Parties: who supplies, makes, keeps and sells; and what came from them."""

from flask import Response, abort
from sqlalchemy import select

from ledger.trace.batch import batches
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties as party_table
from portal.console.desk import snapshot, words
from portal.console.history import entries_about
from portal.console.listing import show, table
from portal.console.names import code, isolated, link
from portal.console.options import choice_label
from portal.console.reads import batches_where, lots_where
from portal.console.sentences import amount
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.permissions import sees
from translations import mark

TIMELINE = 12
LOT_HEADS = (
    (mark("Lot"), False),
    (mark("Material"), False),
    (mark("Supplier’s code"), False),
    (mark("Arrived"), False),
    (mark("Quantity"), True),
)
BATCH_HEADS = (
    (mark("Batch"), False),
    (mark("Product"), False),
    (mark("Made on"), False),
    (mark("Units"), True),
)


@console.get("/parties")
@sees("parties")
def parties() -> Response:
    """All parties, newest first."""
    return show(
        "parties",
        title=mark("Parties"),
        commands=("party.register",),
        empty=mark("Suppliers, factories, warehouses and shops stand here, once you register them."),
    )


@console.get("/parties/<subject_id>")
@sees("parties")
def party(subject_id: str) -> Response:
    """One party: what came from it, what was made there, and every entry about it."""
    connection = snapshot()
    row = connection.execute(select(party_table).where(party_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    lots = lots_where(connection, material_lots.c.supplier == row.id)
    made = batches_where(connection, batches.c.factory == row.id)
    stretch = entries_about(connection, f"party:{row.id}", limit=TIMELINE)
    return page(
        "party.html",
        here="parties",
        party=row,
        role=choice_label(words(), row.role),
        lots=table(
            LOT_HEADS,
            [
                (
                    link(address("material_lot", subject_id=lot.id), lot.code, is_code=True),
                    isolated(lot.material_name),
                    code(lot.supplier_code),
                    words().date(lot.arrived),
                    amount(words(), lot.quantity.amount, lot.quantity.unit),
                )
                for lot in lots
            ],
        ),
        batches=table(
            BATCH_HEADS,
            [
                (
                    link(address("batch", subject_id=one.id), one.code, is_code=True),
                    isolated(one.product_name),
                    words().date(one.made_on),
                    words().number(one.quantity),
                )
                for one in made
            ],
        ),
        timeline=happenings(stretch.entries),
        all_entries=address("log", about=f"party:{row.id}"),
    )
