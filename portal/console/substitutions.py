"""Substitutions: a material swapped for another, approved before or found after."""

from typing import Any

from flask import Response, abort
from markupsafe import Markup
from sqlalchemy import select

from ledger.trace.bill_of_materials import materials
from ledger.trace.material_lot import material_lots
from ledger.trace.product import products
from ledger.trace.shipment import shipped_from
from ledger.trace.substitution import SubstitutionFound, substitution_lots
from ledger.trace.substitution import substitutions as substitution_table
from portal.console.desk import session, snapshot, words
from portal.console.figures import figures_of
from portal.console.files import evidence
from portal.console.history import entries_about
from portal.console.known import caliper
from portal.console.listing import before, list_page, table
from portal.console.lots import into_table
from portal.console.names import badge, code, isolated, link
from portal.console.options import choice_label
from portal.console.parties import TIMELINE
from portal.console.reads import batches_with_lots, listed, lots_where, unique
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.permissions import sees
from translations import Words, mark

HEADS = (
    (mark("Substitution"), False),
    (mark("Material"), False),
    (mark("Declared"), False),
    (mark("Instead"), False),
    (mark("In effect"), True),
)
SHAPES = {
    "found": ("recalled", "swap"),
    "proposed": ("person", "triangle"),
    "approved": ("done", "tick"),
    "refused": ("clear", "text-circle"),
}
_ALL = (
    select(substitution_table, materials.c.name.label("material_name"), products.c.name.label("product_name"))
    .join(materials, materials.c.id == substitution_table.c.material)
    .outerjoin(products, products.c.id == substitution_table.c.product)
)


@console.get("/substitutions")
@sees("substitutions")
def substitutions() -> Response:
    """All of them, newest first."""
    found = listed(snapshot(), _ALL, substitution_table, before())
    rows = [
        (
            link(address("substitution", subject_id=row.id), row.code, is_code=True)
            + standing_badge(words(), row.standing),
            isolated(row.material_name),
            isolated(row.declared),
            isolated(row.known),
            words().date(row.effective_on),
        )
        for row in found.rows
    ]
    return list_page(
        here="substitutions",
        title=mark("Substitutions"),
        listing=table(HEADS, rows),
        older=found.older,
        commands=("substitution.find", "substitution.propose"),
        empty=mark(
            "A material used instead of another stands here: approved beforehand, or found afterwards."
        ),
    )


def standing_badge(spoken: Words, standing: str) -> Markup:
    """How a substitution stands, with its shape."""
    meaning, shape = SHAPES[standing]
    return badge(meaning, shape, choice_label(spoken, standing))


@console.get("/substitutions/<subject_id>")
@sees("substitutions")
def substitution(subject_id: str) -> Response:
    """One substitution: declared and known, the lots it touches, and what these went into."""
    connection = snapshot()
    row = connection.execute(_ALL.where(substitution_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    touched = select(substitution_lots.c.lot).where(substitution_lots.c.substitution == row.id)
    lots = lots_where(connection, material_lots.c.id.in_(touched))
    into = unique(batches_with_lots(connection, [lot.id for lot in lots])) if lots else []
    shipped = shipped_from(connection, [one.id for one in into]) if into else []
    entries = entries_about(connection, f"substitution:{row.id}", limit=TIMELINE).entries
    first = entries[-1]
    is_found = isinstance(first.event, SubstitutionFound)
    return page(
        "substitution.html",
        here="substitutions",
        substitution=row,
        badge=standing_badge(words(), row.standing),
        may_decide=row.standing == "proposed" and row.proposed_by != session().account.actor,
        caliper=caliper(words(), row.effective_on, first.at.date()) if is_found else None,
        lots=[_lot(lot.id, lot.code) for lot in lots],
        evidence=[evidence(one.sha256) for one in first.event.evidence] if is_found else [],
        into=into_table(into, shipped),
        figures=figures_of(words(), sum(one.quantity for one in into), shipped) if into else None,
        timeline=happenings(entries),
    )


def _lot(lot_id: str, label: str) -> Any:
    return link(address("material_lot", subject_id=lot_id), code(label))
