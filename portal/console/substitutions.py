"""Substitutions: a material swapped for another, approved before or found after."""

from collections.abc import Sequence
from typing import Any

from flask import Response, abort
from markupsafe import Markup
from sqlalchemy import Connection, select

from ledger.trace.bill_of_materials import materials
from ledger.trace.material_lot import material_lots
from ledger.trace.product import products
from ledger.trace.shipment import shipped_from
from ledger.trace.substitution import (
    Substitution,
    SubstitutionFound,
    matter_of,
    substitution_lots,
)
from ledger.trace.substitution import substitutions as substitution_table
from portal.console.approvals import ApprovalPart, approval_part, own_step, progress_of
from portal.console.desk import session, snapshot, words
from portal.console.figures import figures_of
from portal.console.files import evidence
from portal.console.history import entries_about
from portal.console.known import caliper
from portal.console.listing import show
from portal.console.lots import into_table
from portal.console.names import Names, badge, code, link
from portal.console.options import choice_label
from portal.console.parties import TIMELINE
from portal.console.reads import batches_with_lots, lots_where, unique
from portal.console.sentences import Say
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.console.today import Waiting, some, waits
from portal.permissions import sees
from translations import Words, mark

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
    return show(
        "substitutions",
        title=mark("Substitutions"),
        commands=("substitution.find", "substitution.propose"),
        empty=mark(
            "A material used instead of another stands here: approved beforehand, or found afterwards."
        ),
        marks=lambda spoken, row: standing_badge(spoken, row["standing"]),
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
    approval = None if is_found else _approval(connection, Substitution(*row[: len(substitution_table.c)]))
    return page(
        "substitution.html",
        here="substitutions",
        substitution=row,
        badge=standing_badge(words(), row.standing),
        may_decide=approval is not None and approval.is_open,
        approval=approval,
        caliper=caliper(words(), row.effective_on, first.at.date()) if is_found else None,
        lots=[_lot(lot.id, lot.code) for lot in lots],
        evidence=[evidence(one.sha256) for one in first.event.evidence] if is_found else [],
        into=into_table(into, shipped),
        figures=figures_of(words(), sum(one.quantity for one in into), shipped) if into else None,
        timeline=happenings(entries),
    )


def _approval(connection: Connection, found: Substitution) -> ApprovalPart:
    matter = matter_of(found)
    what = words().text("{known} instead of {declared}.", known=found.known, declared=found.declared)
    is_done = found.standing != "proposed"
    return approval_part(connection, matter, progress_of(connection, matter), what, is_done=is_done)


@waits("substitution.decide")
def proposals(connection: Connection, spoken: Words) -> list[Waiting]:
    """Substitutions that wait for this person: others' proposals, and their own once a waiting time stands in."""
    standing = select(substitution_table).where(substitution_table.c.standing == "proposed")
    found = [
        Substitution(*row) for row in connection.execute(standing.order_by(substitution_table.c.recorded))
    ]
    own = session().account.actor
    others = [one for one in found if one.proposed_by != own]
    waited = [
        _waited(connection, spoken, one)
        for one in found
        if one.proposed_by == own and progress_of(connection, matter_of(one)).wait is not None
    ]
    return [*_to_decide(spoken, others), *waited]


def _to_decide(spoken: Words, found: Sequence[Substitution]) -> list[Waiting]:
    if not found:
        return []
    said = Say(spoken, Names()).plural(
        "{count} proposed substitution waits for your decision",
        "{count} proposed substitutions wait for your decision",
        len(found),
        is_bold=True,
    )
    reason = spoken.text("{codes}: proposed by somebody else.", codes=some(spoken, found))
    place = address("substitution", subject_id=found[0].id) if len(found) == 1 else address("substitutions")
    return [Waiting("person", said, reason, spoken.text("Decide"), place)]


def _waited(connection: Connection, spoken: Words, one: Substitution) -> Waiting:
    matter = matter_of(one)
    meaning, reason = own_step(connection, matter, progress_of(connection, matter))
    said = Say(spoken, Names()).text("Substitution {substitution} waits", substitution=code(one.code))
    return Waiting(
        meaning, said, reason, spoken.text("Look at it"), address("substitution", subject_id=one.id)
    )


def _lot(lot_id: str, label: str) -> Any:
    return link(address("material_lot", subject_id=lot_id), code(label))
