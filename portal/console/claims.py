"""Claims: who asks for what, and what may be done about it. What is personal comes from the vault."""

from flask import Response
from markupsafe import Markup
from sqlalchemy import select

from ledger.recall.claim import STEPS, Claim, claim_recalls, get_claim
from ledger.recall.recall import recalls as recall_table
from ledger.trace.batch import batches
from ledger.trace.product import products
from ledger.trace.unit import unit_at
from portal.console.desk import may, snapshot, words
from portal.console.history import entries_about
from portal.console.listing import show
from portal.console.names import badge, link
from portal.console.options import choice_label
from portal.console.parties import TIMELINE
from portal.console.persons import buyer_of
from portal.console.record import TITLES
from portal.console.shell import address, console, moment, page
from portal.console.timeline import happenings
from portal.permissions import sees
from portal.plate import plate
from translations import Words, mark

SHAPES = {
    "opened": ("person", "triangle"),
    "accepted": ("waiting", "pause"),
    "settled": ("done", "tick"),
    "declined": ("clear", "text-circle"),
}
DOUBTS = {
    "claimed_before": mark("This unit was claimed before. Compare both before you accept."),
    "no_serial": mark("No serial was given: only the batch is known. When in doubt, treat it as recalled."),
}
TO = {"accepted": "claim.accept", "settled": "claim.settle", "declined": "claim.decline"}


@console.get("/claims")
@sees("claims")
def claims() -> Response:
    """All claims, newest first."""
    return show(
        "claims",
        title=mark("Claims"),
        commands=(),
        empty=mark(
            "No claim here. Once a recall is published, buyers ask on the page that answers their number."
        ),
        marks=lambda spoken, row: standing_badge(spoken, row["standing"]),
    )


def standing_badge(spoken: Words, standing: str) -> Markup:
    """How a claim stands, with its shape."""
    return badge(*SHAPES[standing], choice_label(spoken, standing))


@console.get("/claims/<subject_id>")
@sees("claims")
def claim(subject_id: str) -> Response:
    """One claim: the unit, what is asked, who asks, and what may be done."""
    connection = snapshot()
    found = get_claim(connection, subject_id)
    names = connection.execute(
        select(products.c.name, products.c.brand, batches.c.code)
        .join(batches, batches.c.product == products.c.id)
        .where(batches.c.id == found.batch)
    ).one()
    buyer = buyer_of(connection, found)
    unit = unit_at(connection, found.position)
    recalls = connection.execute(
        select(recall_table.c.id, recall_table.c.code)
        .join(claim_recalls, claim_recalls.c.recall == recall_table.c.id)
        .where(claim_recalls.c.claim == found.id)
    ).all()
    return page(
        "claim.html",
        here="claims",
        claim=found,
        badge=standing_badge(words(), found.standing),
        doubt=words().text(DOUBTS[found.doubt]) if found.doubt in DOUBTS else "",
        product=f"{names.brand} {names.name}",
        batch_code=names.code,
        plate=plate(unit.shown, is_own_serial=unit.is_own) if unit else None,
        recalls=[link(address("recall", subject_id=row.id), row.code, is_code=True) for row in recalls],
        remedy=choice_label(words(), found.remedy),
        opened=moment(found.opened_at),
        buyer=buyer,
        actions=_actions(found, is_erased=buyer.is_erased),
        timeline=happenings(entries_about(connection, f"claim:{found.id}", limit=TIMELINE).entries),
    )


def _actions(found: Claim, *, is_erased: bool) -> list[tuple[str, str]]:
    """(words, address) of each step that its standing allows, the likeliest last."""
    steps = [
        (words().text(TITLES[TO[step]]), address("record_form", name=TO[step]) + f"?claim={found.id}")
        for step in reversed(STEPS[found.standing])
        if may(TO[step])
    ]
    if is_erased or not may("person.erase"):
        return steps
    erase = address("record_form", name="person.erase") + f"?person={found.id}"
    return [(words().text(TITLES["person.erase"]), erase), *steps]
