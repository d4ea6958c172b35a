"""Reads that pages share: what stands in several nouns' tables, each in one query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from ledger.quantities import Quantity
from ledger.trace.batch import batch_inputs, batches
from ledger.trace.bill_of_materials import materials
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products

PAGE = 100


@dataclass(frozen=True, slots=True)
class LotLine:
    """A lot with the names of its material and supplier; `quantity` is what was received, or consumed."""

    id: str
    code: str
    supplier_code: str
    supplier: str
    material: str
    material_name: str
    supplier_name: str
    declared: str
    arrived: date
    quantity: Quantity
    recorded: int


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch with its product's name, and the lot through which it was found."""

    id: str
    code: str
    product: str
    product_name: str
    made_on: date
    quantity: int
    recorded: int
    lot: str


_LOT = (
    material_lots.c.id,
    material_lots.c.code,
    material_lots.c.supplier_code,
    material_lots.c.supplier,
    material_lots.c.material,
    materials.c.name.label("material_name"),
    parties.c.name.label("supplier_name"),
    material_lots.c.declared,
    material_lots.c.occurred_on,
    material_lots.c.recorded,
)
LOTS = (
    select(*_LOT, material_lots.c.amount, material_lots.c.unit)
    .join(materials, materials.c.id == material_lots.c.material)
    .join(parties, parties.c.id == material_lots.c.supplier)
)
_CONSUMED = (
    select(*_LOT, batch_inputs.c.amount, batch_inputs.c.unit)
    .select_from(batch_inputs)
    .join(material_lots, material_lots.c.id == batch_inputs.c.lot)
    .join(materials, materials.c.id == material_lots.c.material)
    .join(parties, parties.c.id == material_lots.c.supplier)
    .order_by(batch_inputs.c.line)
)
_BATCHES = (
    batches.c.id,
    batches.c.code,
    batches.c.product,
    products.c.name.label("product_name"),
    batches.c.made_on,
    batches.c.quantity,
    batches.c.recorded,
)


def lot_line(row: Any) -> LotLine:
    """A row of LOTS."""
    return LotLine(
        row.id,
        row.code,
        row.supplier_code,
        row.supplier,
        row.material,
        row.material_name,
        row.supplier_name,
        row.declared,
        row.occurred_on,
        Quantity(row.amount, row.unit),
        row.recorded,
    )


def lots_where(connection: Connection, *conditions: Any) -> list[LotLine]:
    """The lots that meet these conditions, newest first."""
    query = LOTS.where(*conditions).order_by(material_lots.c.recorded.desc()).limit(PAGE)
    return [lot_line(row) for row in connection.execute(query)]


def lots_in(connection: Connection, batch: str) -> list[LotLine]:
    """The lots that went into a batch (its id), in the order given, with what was consumed of each."""
    return [lot_line(row) for row in connection.execute(_CONSUMED.where(batch_inputs.c.batch == batch))]


def batches_with_lots(connection: Connection, lots: Iterable[str]) -> list[BatchLine]:
    """The batches that these lots (ids) went into, a line for each pair, oldest batch first."""
    query = (
        select(*_BATCHES, batch_inputs.c.lot)
        .select_from(batch_inputs)
        .join(batches, batches.c.id == batch_inputs.c.batch)
        .join(products, products.c.id == batches.c.product)
        .where(batch_inputs.c.lot.in_(list(lots)))
        .distinct()
        .order_by(batches.c.recorded)
    )
    return [BatchLine(*row) for row in connection.execute(query)]


def batches_where(connection: Connection, *conditions: Any) -> list[BatchLine]:
    """The batches that meet these conditions, newest first."""
    query = (
        select(*_BATCHES)
        .join(products, products.c.id == batches.c.product)
        .where(*conditions)
        .order_by(batches.c.recorded.desc())
        .limit(PAGE)
    )
    return [BatchLine(*row, "") for row in connection.execute(query)]


def unique(lines: Sequence[BatchLine]) -> list[BatchLine]:
    """Each batch once."""
    return list({line.id: line for line in lines}.values())
