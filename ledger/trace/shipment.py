"""Shipments: what went where. A line is a batch and a quantity, with ranges where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Column, Connection, Date, Index, Integer, String, Table, column, func, select

from ledger.database import code_key, insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Code, Country, Positive, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.trace.batch import Batch, batches, get_batch
from ledger.trace.material_lot import refuse_future
from ledger.trace.party import TRACE
from ledger.trace.product import products
from ledger.trace.quality import hold_on

shipments = Table(
    "shipments",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("channel", String, nullable=False),
    Column("country", String(2), nullable=False),
    Column("sent_on", Date, nullable=False),
    Column("recorded", Integer, nullable=False),
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

SHIPMENT = Noun("shipment", version=1, tables=(shipments, shipment_lines))


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


@command("shipment.send")
def send_shipment(tx: Tx, request: SendShipment) -> None:
    """Raises ShipmentExists, BatchHeld, NotThatMany, NotMadeYet, UnknownBatch, InTheFuture."""
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
