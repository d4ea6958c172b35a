"""Shipments: what went where. A line is a batch and a quantity, with ranges where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import (
    Column,
    Connection,
    Date,
    Index,
    Integer,
    String,
    Table,
    column,
    func,
    select,
    update,
)

from ledger.database import code_key, insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Code, Country, Positive, Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.trace.batch import Batch, UnknownBatch, batches, get_batch
from ledger.trace.material_lot import refuse_future
from ledger.trace.party import TRACE
from ledger.trace.product import products
from ledger.trace.quality import PlaceHold, hold_on, place_hold
from ledger.trace.site import ANYWHERE, confined_to, get_site

shipments = Table(
    "shipments",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("channel", String, nullable=False),
    Column("country", String(2), nullable=False),
    Column("sent_on", Date, nullable=False),
    Column("recorded", Integer, nullable=False),
    Column("site", String(16)),
    Column("received_on", Date),
    Column("received", Integer),
    Index("shipments_by_site", "site"),
    Index("shipments_by_entry", "recorded"),
    Index("shipments_by_country", "country", "recorded"),
    Index("shipments_by_channel", "channel", "recorded"),
    Index("shipments_by_key", code_key(column("code"))),
)
shipment_lines = Table(
    "shipment_lines",
    TRACE,
    Column("shipment", String(16), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("batch", String(16), nullable=False),
    Column("quantity", Integer, nullable=False),
    Index("shipment_lines_by_batch", "batch"),
)

SHIPMENT = Noun("shipment", version=2, tables=(shipments, shipment_lines))


class ShipmentExists(Refused):
    """The code is taken."""

    message = "A shipment with the code “{code}” exists already."


class BatchHeld(Refused):
    """A held batch does not leave."""

    message = "Batch {batch} is on hold: {reason} Release the hold first, or leave the batch out."


class NotThatMany(Refused):
    """More would leave than was made."""

    message = "Batch {batch} has {left} units that were not shipped; {wanted} is more than that."


class UnknownShipment(NotFound):
    """No shipment has this code."""

    message = "No shipment has the code “{code}”."


class NotMadeYet(Refused):
    """A batch would leave before it was made."""

    message = "Batch {batch} was made on {made}; it cannot have left on {sent}."


class ReceivedAlready(Refused):
    """What was received stays so."""

    message = "Shipment {code} was received on {day} already. Record what is wrong with it as a hold."


class NotSentYet(Refused):
    """Goods would arrive before they left."""

    message = "Shipment {code} left on {sent}; it cannot have arrived on {received}."


class ShippedLine(Struct, frozen=True, forbid_unknown_fields=True):
    """How many units of a batch, and which positions where they are known."""

    batch: str
    quantity: int
    ranges: tuple[tuple[int, int, int], ...]


@SHIPMENT.event("shipment.sent/1")
class ShipmentSent(Event, frozen=True):
    shipment: str
    code: str
    channel: str
    country: str
    sent_on: date
    lines: tuple[ShippedLine, ...]


@SHIPMENT.event("shipment.routed/1")
class ShipmentRouted(Event, frozen=True):
    """The goods go to this site."""

    shipment: str
    site: str


@SHIPMENT.event("shipment.received/1")
class ShipmentReceived(Event, frozen=True):
    """The goods are there; `statement` says what differs from what was sent."""

    shipment: str
    received_on: date
    statement: str


@SHIPMENT.applies(ShipmentSent)
def apply_sent(state: State, entries: Sequence[Recorded[ShipmentSent]]) -> None:
    rows = [
        {
            "id": one.event.shipment,
            "code": one.event.code,
            "channel": one.event.channel,
            "country": one.event.country,
            "sent_on": one.event.sent_on,
            "recorded": one.index,
        }
        for one in entries
    ]
    lines = [
        {"shipment": one.event.shipment, "line": number, "batch": line.batch, "quantity": line.quantity}
        for one in entries
        for number, line in enumerate(one.event.lines)
    ]
    insert_into(state.connection, shipments, rows)
    insert_into(state.connection, shipment_lines, lines)


@SHIPMENT.applies(ShipmentRouted)
def apply_routed(state: State, entries: Sequence[Recorded[ShipmentRouted]]) -> None:
    for one in entries:
        change = update(shipments).where(shipments.c.id == one.event.shipment)
        state.connection.execute(change.values(site=one.event.site))


@SHIPMENT.applies(ShipmentReceived)
def apply_received(state: State, entries: Sequence[Recorded[ShipmentReceived]]) -> None:
    for one in entries:
        change = update(shipments).where(shipments.c.id == one.event.shipment)
        state.connection.execute(change.values(received_on=one.event.received_on, received=one.index))


class LineToShip(Struct, frozen=True, forbid_unknown_fields=True):
    """How many units of which batch."""

    batch: Annotated[Code, ask("Batch", ref="batch")]
    quantity: Annotated[Positive, ask("Units")]


class SendShipment(Request, frozen=True):
    """Record goods that left for a channel and a country."""

    code: Annotated[Code, ask("Shipment", "Your number for it.", example="SH-1042")]
    channel: Annotated[Code, ask("Channel", example="own shop")]
    country: Annotated[Country, ask("Country", "Two letters.", example="DE")]
    sent_on: Annotated[date, ask("Sent on")]
    lines: Annotated[tuple[LineToShip, ...], Meta(min_length=1, max_length=60), ask("Goods")]
    site: Annotated[
        str, ask("To site", "Where the goods will lie, if it is recorded as a site.", ref="site")
    ] = ""


class ReceiveShipment(Request, frozen=True):
    """Record that a shipment has arrived."""

    shipment: Annotated[Code, ask("Shipment", ref="shipment")]
    received_on: Annotated[date, ask("Arrived on")]
    statement: Annotated[
        Prose, ask("What differs", "Missing, damaged, other than written on the papers.")
    ] = ""


@command("shipment.send")
def send_shipment(tx: Tx, request: SendShipment) -> None:
    """Raises ShipmentExists, BatchHeld, NotThatMany, NotMadeYet, UnknownBatch, InTheFuture, UnknownSite."""
    if tx.connection.execute(select(shipments.c.id).where(shipments.c.code == request.code)).first():
        raise ShipmentExists(code=request.code)
    refuse_future(tx, request.sent_on)
    lines = _lines(tx, request)
    shipment = tx.new_id()
    event = ShipmentSent(
        shipment=shipment,
        code=request.code,
        channel=request.channel,
        country=request.country,
        sent_on=request.sent_on,
        lines=lines,
    )
    tx.record(event, f"shipment:{shipment}", *(f"batch:{line.batch}" for line in lines))
    if request.site:
        site = get_site(tx.connection, request.site).id
        tx.record(ShipmentRouted(shipment=shipment, site=site), f"shipment:{shipment}", f"site:{site}")


@command("shipment.receive")
def receive_shipment(tx: Tx, request: ReceiveShipment) -> None:
    """Raises UnknownShipment, ReceivedAlready, NotSentYet, InTheFuture."""
    shipment = find_shipment(tx.connection, request.shipment)
    if shipment.received_on is not None:
        raise ReceivedAlready(code=shipment.code, day=shipment.received_on)
    if request.received_on < shipment.sent_on:
        raise NotSentYet(code=shipment.code, sent=shipment.sent_on, received=request.received_on)
    refuse_future(tx, request.received_on)
    event = ShipmentReceived(
        shipment=shipment.id, received_on=request.received_on, statement=request.statement
    )
    about = [f"site:{shipment.site}"] if shipment.site else []
    tx.record(event, f"shipment:{shipment.id}", *about)


@receive_shipment.objects
def refuse_elsewhere(tx: Tx, request: ReceiveShipment) -> None:
    """Whoever is confined to a site receives there alone; of other shipments they learn nothing."""
    site = confined_to(tx.connection, tx.actor, "shipment.receive")
    if site is not ANYWHERE and find_shipment(tx.connection, request.shipment).site != site:
        raise UnknownShipment(code=request.shipment)


@place_hold.objects
def refuse_hold_elsewhere(tx: Tx, request: PlaceHold) -> None:
    """The same for holds: on batches of which something was sent there."""
    site = confined_to(tx.connection, tx.actor, "hold.place")
    if site is not ANYWHERE and not lies_at(tx.connection, get_batch(tx.connection, request.batch).id, site):
        raise UnknownBatch(code=request.batch)


def _lines(tx: Tx, request: SendShipment) -> tuple[ShippedLine, ...]:
    wanted: dict[str, int] = {}
    lines = []
    for line in request.lines:
        batch = get_batch(tx.connection, line.batch)
        wanted[batch.id] = wanted.get(batch.id, 0) + line.quantity
        _refuse_line(tx.connection, batch, wanted[batch.id], request.sent_on)
        lines.append(ShippedLine(batch.id, line.quantity, ()))
    return tuple(lines)


def _refuse_line(connection: Connection, batch: Batch, wanted: int, sent_on: date) -> None:
    hold = hold_on(connection, batch.id)
    if hold is not None:
        raise BatchHeld(batch=batch.code, reason=hold.reason)
    if sent_on < batch.made_on:
        raise NotMadeYet(batch=batch.code, made=batch.made_on, sent=sent_on)
    left = batch.quantity - sum(one.quantity for one in shipped_from(connection, [batch.id]))
    if wanted > left:
        raise NotThatMany(batch=batch.code, left=left, wanted=wanted)


@dataclass(frozen=True, slots=True)
class Shipped:
    """Units of one batch (its id) that went to one channel in one country."""

    batch: str
    channel: str
    country: str
    quantity: int


def shipped_from(connection: Connection, batches: Sequence[str]) -> list[Shipped]:
    """Where the units of these batches (ids) went, added up by channel and country."""
    rows = connection.execute(
        select(
            shipment_lines.c.batch,
            shipments.c.channel,
            shipments.c.country,
            func.sum(shipment_lines.c.quantity),
        )
        .join(shipments, shipments.c.id == shipment_lines.c.shipment)
        .where(shipment_lines.c.batch.in_(batches))
        .group_by(shipment_lines.c.batch, shipments.c.channel, shipments.c.country)
        .order_by(shipment_lines.c.batch, shipments.c.country, shipments.c.channel)
    )
    return [Shipped(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment as sent."""

    id: str
    code: str
    channel: str
    country: str
    sent_on: date
    recorded: int
    site: str | None
    received_on: date | None
    received: int | None


def list_shipments(connection: Connection) -> list[Shipment]:
    """All of them, newest first."""
    rows = connection.execute(select(shipments).order_by(shipments.c.recorded.desc()))
    return [Shipment(*row) for row in rows]


def find_shipment(connection: Connection, code: str) -> Shipment:
    """The shipment with this code. Raises UnknownShipment."""
    row = connection.execute(select(shipments).where(shipments.c.code == code)).first()
    if row is None:
        raise UnknownShipment(code=code)
    return Shipment(*row)


def shipments_to(connection: Connection, site: str, limit: int) -> list[Shipment]:
    """The newest shipments to a site (its id), those first that have not arrived."""
    to_site = select(shipments).where(shipments.c.site == site)
    order = to_site.order_by(shipments.c.received.is_not(None), shipments.c.recorded.desc())
    return [Shipment(*row) for row in connection.execute(order.limit(limit))]


def lies_at(connection: Connection, batch: str, site: str | None) -> bool:
    """Whether some of a batch (its id) was sent to this site."""
    sent = select(shipment_lines.c.line).join(shipments, shipments.c.id == shipment_lines.c.shipment)
    there = sent.where(shipment_lines.c.batch == batch, shipments.c.site == site)
    return connection.execute(there.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class ShipmentLine:
    """One line of a shipment, with the names that a paper prints."""

    batch: str
    batch_code: str
    product_name: str
    quantity: int


def lines_of(connection: Connection, shipment_id: str) -> list[ShipmentLine]:
    """What a shipment (its id) holds, in the order in which it was recorded."""
    rows = connection.execute(
        select(shipment_lines.c.batch, batches.c.code, products.c.name, shipment_lines.c.quantity)
        .join(batches, batches.c.id == shipment_lines.c.batch)
        .join(products, products.c.id == batches.c.product)
        .where(shipment_lines.c.shipment == shipment_id)
        .order_by(shipment_lines.c.line)
    )
    return [ShipmentLine(*row) for row in rows]
