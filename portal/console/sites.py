"""Sites: where goods lie; and the one page of a partner's people, who see their own site alone."""

from typing import Any

from flask import Response, abort
from sqlalchemy import Connection, select

from ledger.recall.recall import recall_batches, recalls
from ledger.trace.party import parties
from ledger.trace.quality import holds
from ledger.trace.shipment import Shipment, lines_of, shipments_to
from ledger.trace.shipment import shipments as shipment_table
from ledger.trace.site import site_of, site_staff
from ledger.trace.site import sites as site_table
from portal.console.batches import on_hold, recalled
from portal.console.desk import account_name, session, snapshot, words
from portal.console.history import entries_about
from portal.console.listing import Cell, Table, show, table
from portal.console.names import badge, code, isolated, link
from portal.console.parties import TIMELINE
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.permissions import sees
from translations import mark

MOST_SHIPMENTS = 100
SENT_HEADS = (
    (mark("Shipment"), False),
    (mark("Sent on"), False),
    (mark("Arrived on"), True),
)
GOODS_HEADS = ((mark("Batch"), False), (mark("Product"), False), (mark("Units"), True))
_SITES = select(site_table, parties.c.name.label("runs")).join(parties, parties.c.id == site_table.c.party)


@console.get("/sites")
@sees("sites")
def sites() -> Response:
    """All sites, newest first."""
    return show(
        "sites",
        title=mark("Sites"),
        commands=("site.open",),
        empty=mark("Warehouses stand here, your own and your partners’, once you record them."),
    )


@console.get("/sites/<subject_id>")
@sees("sites")
def site(subject_id: str) -> Response:
    """One site: what was sent there, who works there, and every entry about it."""
    connection = snapshot()
    row = connection.execute(_SITES.where(site_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    staff = connection.scalars(select(site_staff.c.account).where(site_staff.c.site == row.id))
    people = [account_name(f"account:{account}") or account for account in staff]
    return page(
        "site.html",
        here="sites",
        site=row,
        people=words().list(people) if people else "",
        shipments=_shipments(shipments_to(connection, row.id, MOST_SHIPMENTS), "shipment"),
        timeline=happenings(entries_about(connection, f"site:{row.id}", limit=TIMELINE).entries),
    )


@console.get("/site")
@sees("own_site")
def own_site() -> Response:
    """What was sent to the site at which whoever is signed in works, what has not arrived first."""
    connection = snapshot()
    row = _own(connection)
    arriving = shipments_to(connection, row.id, MOST_SHIPMENTS) if row is not None else []
    return page("own_site.html", here="own_site", site=row, shipments=_shipments(arriving, "own_shipment"))


@console.get("/site/<shipment_id>")
@sees("own_site")
def own_shipment(shipment_id: str) -> Response:
    """One shipment to one's own site, with what is on hold or recalled in it; of others nothing is said."""
    connection = snapshot()
    row, own = _sent(connection, shipment_id), _own(connection)
    if row is None or own is None or row.site != own.id:
        abort(404)
    goods = [
        (
            code(line.batch_code) + _marks(connection, line.batch),
            isolated(line.product_name),
            words().number(line.quantity),
        )
        for line in lines_of(connection, row.id)
    ]
    return page("own_shipment.html", here="own_site", shipment=row, goods=table(GOODS_HEADS, goods))


def _own(connection: Connection) -> Any:
    here = site_of(connection, session().account.actor)
    return connection.execute(_SITES.where(site_table.c.id == here)).first() if here else None


def _sent(connection: Connection, shipment_id: str) -> Any:
    return connection.execute(select(shipment_table).where(shipment_table.c.id == shipment_id)).first()


def _shipments(found: list[Shipment], endpoint: str) -> Table:
    rows = [
        (
            link(address(endpoint, **_named(endpoint, one.id)), one.code, is_code=True),
            words().date(one.sent_on),
            _arrived(one),
        )
        for one in found
    ]
    return table(SENT_HEADS, rows)


def _named(endpoint: str, shipment: str) -> dict[str, str]:
    return {"subject_id" if endpoint == "shipment" else "shipment_id": shipment}


def _arrived(one: Shipment) -> Cell:
    if one.received_on is not None:
        return words().date(one.received_on)
    return badge("waiting", "clock", words().text("on its way"))


def _marks(connection: Connection, batch: str) -> Cell:
    """What stands beside a batch's code: on hold, recalled."""
    held = select(holds.c.id).where(holds.c.batch == batch, holds.c.released.is_(None))
    public = (
        select(recalls.c.id)
        .join(
            recall_batches,
            (recall_batches.c.recall == recalls.c.id) & (recall_batches.c.version == recalls.c.version),
        )
        .where(recall_batches.c.batch == batch, recalls.c.standing.in_(("published", "closed")))
    )
    found = connection.execute(select(held.exists(), public.exists())).one()
    return (recalled(words()) if found[1] else "") + (on_hold(words()) if found[0] else "")
