"""Today: what waits for somebody, what was recorded just now, and the first steps of an empty company."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response
from markupsafe import Markup
from sqlalchemy import Connection, exists, select

from ledger.log import store
from ledger.people.roles import may_see
from ledger.trace.batch import batches
from ledger.trace.bill_of_materials import bom_lines, materials
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.quality import holds
from ledger.trace.seller import sellers
from ledger.trace.shipment import shipments
from portal.console.desk import ledger, may, roles, session, snapshot, words
from portal.console.history import newest_entries, without_seals
from portal.console.names import Names
from portal.console.sentences import Say
from portal.console.shell import address, console, page, zone
from portal.console.timeline import Happening, happenings
from portal.permissions import for_all
from translations import Words, mark

RECENT = 8
LOOKED_AT = 40  # every other entry may be a seal


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person: what, why, and what to do about it."""

    meaning: str
    sentence: Markup
    reason: Markup | str
    verb: str
    address: str


@dataclass(frozen=True, slots=True)
class Step:
    """One of the first steps, done or not."""

    title: str
    reason: str
    address: str
    is_done: bool


STEPS = (
    (
        sellers,
        mark("Describe the company"),
        mark("It stands on labels and on buyers’ pages."),
        "seller.describe",
    ),
    (parties, mark("Register your parties"), mark("Suppliers, factories, warehouses."), "party.register"),
    (products, mark("Register a product"), mark("With its GTIN, if it has one."), "product.register"),
    (
        materials,
        mark("Register its materials"),
        mark("Those that matter for safety, at least."),
        "material.register",
    ),
    (
        bom_lines,
        mark("Record its bill of materials"),
        mark("What one unit is made of."),
        "bill_of_materials.revise",
    ),
    (
        material_lots,
        mark("Record the lots that arrived"),
        mark("With the supplier’s own code."),
        "material_lot.receive",
    ),
    (batches, mark("Record a batch"), mark("And the lots that went into it."), "batch.produce"),
    (shipments, mark("Record where it went"), mark("By channel and country."), "shipment.send"),
)

Wait = Callable[[Connection, Words], list[Waiting]]
# Each noun that may wait for somebody adds a function here, with the command that it waits for; it reads at most once.
WAITING: list[tuple[str, Wait]] = []


def waits(command: str) -> Callable[[Wait], Wait]:
    """Register what may wait for somebody who may carry out this command."""

    def register(found: Wait) -> Wait:
        WAITING.append((command, found))
        return found

    return register


@console.get("/")
@for_all
def today() -> Response:
    """The first page after the door."""
    connection = snapshot()
    waiting = [one for command, found in WAITING if may(command) for one in found(connection, words())]
    return page(
        "today.html",
        here="today",
        day=words().day(ledger().clock.now(), zone()),
        person=session().account.name,
        waiting=waiting,
        recent=_recent(connection) if may_see(roles(), "log") else None,
        steps=first_steps(connection),
    )


def _recent(connection: Connection) -> list[Happening]:
    newest = newest_entries(connection, end=store.size(connection), limit=LOOKED_AT).entries
    return happenings(without_seals(newest)[:RECENT])


def first_steps(connection: Connection) -> list[Step]:
    """The first steps in order, or none once all are done. One query."""
    found = connection.execute(select(*(exists(select(table.c[0])) for table, *_ in STEPS))).one()
    if all(found):
        return []
    return [
        Step(words().text(title), words().text(reason), address("record_form", name=name), bool(is_done))
        for (_, title, reason, name), is_done in zip(STEPS, found, strict=True)
        if may(name)
    ]


def some(spoken: Words, rows: Sequence[Any]) -> str:
    """The first few of these rows by their codes."""
    return spoken.list([row.code for row in rows[:5]])


@waits("hold.release")
def held(connection: Connection, spoken: Words) -> list[Waiting]:
    """Batches that may not leave."""
    standing = select(batches.c.id, batches.c.code).join(holds, holds.c.batch == batches.c.id)
    rows = connection.execute(standing.where(holds.c.released.is_(None)).order_by(holds.c.placed)).all()
    if not rows:
        return []
    said = Say(spoken, Names()).plural(
        "{count} batch is on hold", "{count} batches are on hold", len(rows), is_bold=True
    )
    reason = spoken.text(
        "{codes}: cannot be shipped until the hold is released.",
        codes=some(spoken, rows),
    )
    place = address("batch", subject_id=rows[0].id) if len(rows) == 1 else address("batches")
    return [Waiting("waiting", said, reason, spoken.text("Look at it"), place)]
