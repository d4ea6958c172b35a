"""Material lots: what a supplier delivered, under their code and ours, with what they declared about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from sqlalchemy import Column, Connection, Date, Index, Integer, String, Table, bindparam, column, select

from ledger.database import code_key, insert_into
from ledger.errors import LedgerError, NotFound, Refused
from ledger.journal.fields import Code, Name, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.quantities import Quantity
from ledger.trace.bill_of_materials import get_material, refuse_nothing
from ledger.trace.party import TRACE, get_party

material_lots = Table(
    "material_lots",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("supplier_code", String, nullable=False),
    Column("supplier", String(16), nullable=False),
    Column("material", String(16), nullable=False),
    Column("amount", Integer, nullable=False),
    Column("unit", String, nullable=False),
    Column("declared", String, nullable=False),
    Column("occurred_on", Date, nullable=False),
    Column("recorded", Integer, nullable=False),
    Index("material_lots_by_supplier_code", "supplier_code"),
    Index("material_lots_by_entry", "recorded"),
    Index("material_lots_by_material", "material", "recorded"),
    Index("material_lots_by_supplier", "supplier", "recorded"),
    Index("material_lots_by_key", code_key(column("code"))),
    Index("material_lots_by_supplier_key", code_key(column("supplier_code"))),
)

MATERIAL_LOT = Noun("material_lot", version=1, tables=(material_lots,))


class UnknownMaterialLot(NotFound):
    """No material lot has this code."""

    message = "No material lot has the code “{code}”. Record its arrival first, or check the code."


class MaterialLotExists(Refused):
    """The code is taken."""

    message = "A material lot with the code “{code}” exists already."


class InTheFuture(LedgerError):
    """Something that happened cannot lie ahead."""

    message = "{day} lies in the future. Give the day on which it happened."


@MATERIAL_LOT.event("material_lot.received/1")
class MaterialLotReceived(Event, frozen=True):
    lot: str
    code: str
    supplier_code: str
    supplier: str
    material: str
    quantity: Quantity
    declared: str
    occurred_on: date


@MATERIAL_LOT.applies(MaterialLotReceived)
def apply_received(state: State, entries: Sequence[Recorded[MaterialLotReceived]]) -> None:
    rows = [
        {
            "id": one.event.lot,
            "code": one.event.code,
            "supplier_code": one.event.supplier_code,
            "supplier": one.event.supplier,
            "material": one.event.material,
            "amount": one.event.quantity.amount,
            "unit": one.event.quantity.unit,
            "declared": one.event.declared,
            "occurred_on": one.event.occurred_on,
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, material_lots, rows)


class ReceiveMaterialLot(Request, frozen=True):
    """Record a lot of material that arrived."""

    code: Annotated[Code, ask("Lot", "Your own code for it.", example="SF-0412")]
    supplier_code: Annotated[Code, ask("Supplier's lot code", "As printed on it.", example="TFW-250412")]
    supplier: Annotated[Code, ask("Supplier", ref="party")]
    material: Annotated[Code, ask("Material", ref="material")]
    quantity: Annotated[Quantity, ask("Quantity", example="4000 m")]
    declared: Annotated[
        Name, ask("Declared specification", "What the supplier says it is.", example="ceramic-coated, 16 µm")
    ]
    occurred_on: Annotated[date, ask("Arrived on")]


@command("material_lot.receive")
def receive_material_lot(tx: Tx, request: ReceiveMaterialLot) -> None:
    """Raises UnknownParty, UnknownMaterial, MaterialLotExists, InTheFuture, NotPositive."""
    if find_material_lot(tx.connection, request.code) is not None:
        raise MaterialLotExists(code=request.code)
    refuse_future(tx, request.occurred_on)
    refuse_nothing(request.quantity)
    supplier = get_party(tx.connection, request.supplier)
    material = get_material(tx.connection, request.material)
    lot = tx.new_id()
    event = MaterialLotReceived(
        lot=lot,
        code=request.code,
        supplier_code=request.supplier_code,
        supplier=supplier.id,
        material=material.id,
        quantity=request.quantity,
        declared=request.declared,
        occurred_on=request.occurred_on,
    )
    tx.record(event, f"material_lot:{lot}", f"material:{material.id}", f"party:{supplier.id}")


def refuse_future(tx: Tx, day: date) -> None:
    """Raise InTheFuture for a day after the entry's own, in the zone that is furthest ahead."""
    if (day - tx.at.date()).days > 1:
        raise InTheFuture(day=day)


@dataclass(frozen=True, slots=True)
class MaterialLot:
    """A lot as received; `supplier` and `material` are ids."""

    id: str
    code: str
    supplier_code: str
    supplier: str
    material: str
    amount: int
    unit: str
    declared: str
    occurred_on: date
    recorded: int

    @property
    def quantity(self) -> Quantity:
        return Quantity(self.amount, self.unit)


_BY_CODE = select(material_lots).where(
    (material_lots.c.code == bindparam("code")) | (material_lots.c.id == bindparam("code"))
)


def find_material_lot(connection: Connection, code: str) -> MaterialLot | None:
    """The lot with this code or id, or None."""
    row = connection.execute(_BY_CODE, {"code": code}).first()
    return None if row is None else MaterialLot(*row)


def get_material_lot(connection: Connection, code: str) -> MaterialLot:
    """The lot with this code or id. Raises UnknownMaterialLot."""
    lot = find_material_lot(connection, code)
    if lot is None:
        raise UnknownMaterialLot(code=code)
    return lot


def list_material_lots(connection: Connection) -> list[MaterialLot]:
    """All lots by code."""
    return [
        MaterialLot(*row) for row in connection.execute(select(material_lots).order_by(material_lots.c.code))
    ]
