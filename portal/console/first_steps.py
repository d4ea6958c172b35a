"""From nothing to the first label: five steps, each leading on to the next with what was just recorded filled in.

Company, product, who makes it, batch, serials; then there is a label. The path is finished for everybody once there are
serials or a shipment; whoever wants none of it puts it away for themselves.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import current_app, request
from sqlalchemy import Connection, Table, exists, select
from werkzeug import Response as AnyResponse

from ledger.database import reading
from ledger.identifiers import search_key
from ledger.trace.batch import batches
from ledger.trace.bill_of_materials import bom_lines, materials
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.seller import get_seller, sellers
from ledger.trace.shipment import shipments
from ledger.trace.unit import unit_sets
from portal.console.desk import ledger, may, snapshot, words
from portal.console.shell import address, console, go_to
from portal.language import A_YEAR
from portal.permissions import for_all
from portal.security import STAFF_PATH
from translations import mark

AWAY_COOKIE = "console_first_steps"
AWAY = "away"
_FINISHED = "lotproof-first-steps-finished"  # once true, true for ever: asked for no more
MAKE_SERIALS = "unit.commission"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A step as it is written down: what must be there, its words, and the command that makes it so."""

    table: Table
    title: str
    reason: str
    command: str


PATH = (
    Wanted(
        sellers,
        mark("Describe the company"),
        mark("It stands on labels and on buyers’ pages."),
        "seller.describe",
    ),
    Wanted(
        products,
        mark("Register a product"),
        mark("With its GTIN, if it has one."),
        "product.register",
    ),
    Wanted(
        parties,
        mark("Say who makes it"),
        mark("A factory of yours or somebody else’s."),
        "party.register",
    ),
    Wanted(batches, mark("Record a batch"), mark("How many were made, and when."), "batch.produce"),
    Wanted(
        unit_sets,
        mark("Make its serials"),
        mark("One a unit; then the label is ready to print."),
        MAKE_SERIALS,
    ),
)
# What may follow, in any order: whoever records it can trace a fault to its lot.
FURTHER = (
    Wanted(
        materials,
        mark("Register its materials"),
        mark("Those that matter for safety, at least."),
        "material.register",
    ),
    Wanted(
        bom_lines,
        mark("Record its bill of materials"),
        mark("What one unit is made of."),
        "bill_of_materials.revise",
    ),
    Wanted(
        material_lots,
        mark("Record the lots that arrived"),
        mark("With the supplier’s own code."),
        "material_lot.receive",
    ),
    Wanted(shipments, mark("Record where it went"), mark("By channel and country."), "shipment.send"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One of the steps: done, or where it is taken."""

    title: str
    reason: str
    address: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Steps:
    """What Today shows: the path and what may follow. Empty once it is walked, or put away."""

    path: tuple[Step, ...] = ()
    further: tuple[Step, ...] = ()
    is_away: bool = False  # put away, and not walked: a link brings it back


@dataclass(frozen=True, slots=True)
class Guide:
    """The bar above a form of the path: which step it is, of how many."""

    number: int
    count: int
    title: str
    reason: str


def steps_of(connection: Connection) -> Steps:
    """The path as far as it was walked, for whoever may walk it. One query, none once all is there."""
    if current_app.extensions.get(_FINISHED):
        return Steps()
    there = _there(connection)
    if all(there):
        current_app.extensions[_FINISHED] = True
        return Steps()
    is_walked = _is_walked(there)
    path = () if is_walked else _steps(connection, PATH, there[: len(PATH)])
    if not any(may(one.command) for one in PATH):
        return Steps()
    if request.cookies.get(AWAY_COOKIE) == AWAY:
        return Steps(is_away=True)
    further = _steps(connection, FURTHER, there[len(PATH) :])
    return Steps(path, further if any(not one.is_done for one in further) else ())


def leads_on(command: str) -> str:
    """Where the path goes on after this command was carried out, "" for whoever is not on it.

    The request's snapshot is of before: there the command was the step to take.
    """
    there = _there(snapshot())
    place = _next(there)
    if _is_off() or place is None or PATH[place].command != command or _is_walked(there):
        return ""
    with reading(ledger().engine) as connection:
        following = _next(_there(connection))
        return "" if following is None else _address(connection, PATH[following].command)


def guide() -> Guide | None:
    """The bar for the page that is asked for, None where it is no step to take now."""
    command = _command_here()
    if not command or _is_off() or current_app.extensions.get(_FINISHED):
        return None
    there = _there(snapshot())
    place = _next(there)
    if place is None or PATH[place].command != command or _is_walked(there):
        return None
    step = PATH[place]
    return Guide(place + 1, len(PATH), words().text(step.title), words().text(step.reason))


console.add_app_template_global(guide, "guide")


@console.post("/first-steps")
@for_all
def put_steps() -> AnyResponse:
    """Puts the first steps away for this person (`to=away`), or back."""
    response = go_to(address("today"))
    if request.form.get("to") != AWAY:
        response.delete_cookie(AWAY_COOKIE, path=STAFF_PATH)
        return response
    response.set_cookie(
        AWAY_COOKIE,
        AWAY,
        max_age=A_YEAR,
        path=STAFF_PATH,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _command_here() -> str:
    """The command that the page asked for has the form of."""
    name = (request.endpoint or "").rpartition(".")[2]
    if name in ("record_form", "record"):
        return str((request.view_args or {}).get("name", ""))
    return MAKE_SERIALS if name in ("units", "make_serials") else ""


def _is_off() -> bool:
    return request.cookies.get(AWAY_COOKIE) == AWAY


def _there(connection: Connection) -> tuple[bool, ...]:
    """For each step, of the path and beyond, whether there is what it makes."""
    asked = select(*(exists(select(one.table.c[0])) for one in (*PATH, *FURTHER)))
    return tuple(map(bool, connection.execute(asked).one()))


def _is_walked(there: tuple[bool, ...]) -> bool:
    """There are serials, or what was made went out without."""
    return there[len(PATH) - 1] or there[-1]


def _next(there: tuple[bool, ...]) -> int | None:
    return next((place for place, _ in enumerate(PATH) if not there[place]), None)


def _steps(connection: Connection, wanted: tuple[Wanted, ...], there: tuple[bool, ...]) -> tuple[Step, ...]:
    return tuple(
        Step(words().text(one.title), words().text(one.reason), _address(connection, one.command), is_done)
        for one, is_done in zip(wanted, there, strict=True)
        if may(one.command)
    )


def _address(connection: Connection, command: str) -> str:
    """The form of a step, with what is known filled in."""
    if command == MAKE_SERIALS:
        batch = connection.scalar(select(batches.c.id).order_by(batches.c.recorded.desc()).limit(1))
        return address("units", subject_id=batch) if batch else address("batches")
    known = FILLED_IN[command](connection) if command in FILLED_IN else {}
    return address("record_form", name=command) + (f"?{urlencode(known)}" if known else "")


def _for_product(connection: Connection) -> dict[str, str]:
    seller = get_seller(connection)
    return {"brand": seller.brand} if seller else {}


def _for_maker(connection: Connection) -> dict[str, str]:
    """Whoever makes it themselves need only say in which country."""
    seller = get_seller(connection)
    if seller is None:
        return {"role": "factory"}
    return {"code": search_key(seller.brand), "name": seller.company, "role": "factory"}


def _for_batch(connection: Connection) -> dict[str, str]:
    newest: dict[str, Any] = {
        name: connection.scalar(select(table.c.code).order_by(table.c.recorded.desc()).limit(1))
        for name, table in (("product", products), ("factory", parties))
    }
    return {name: code for name, code in newest.items() if code}


FILLED_IN = {
    "product.register": _for_product,
    "party.register": _for_maker,
    "batch.produce": _for_batch,
}
