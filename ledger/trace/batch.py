"""Batches: what was made, from which lots, when and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Column, Connection, Date, Index, Integer, String, Table, func, select

from ledger.database import insert_into
from ledger.errors import NotFound, Refused
from ledger.identifiers import check_foreign_code, search_key
from ledger.journal.fields import Code, Positive, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.quantities import Quantity
from ledger.trace.bill_of_materials import UnknownRevision, refuse_nothing, revisions
from ledger.trace.material_lot import MaterialLot, get_material_lot, refuse_future
from ledger.trace.party import TRACE, get_party
from ledger.trace.product import get_product

batches = Table(
    "batches",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False),
    Column("search_key", String, nullable=False),
    Column("product", String(16), nullable=False),
    Column("revision", String),
    Column("factory", String(16), nullable=False),
    Column("line", String, nullable=False),
    Column("made_on", Date, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("recorded", Integer, nullable=False, unique=True),
    Index("batches_by_key", "search_key"),
    Index("batches_by_product", "product", "search_key", unique=True),
    # With the quantity, so that what was made of a product is summed up from the index alone.
    Index("batches_by_product_and_entry", "product", "recorded", "quantity"),
    Index("batches_by_factory", "factory", "recorded"),
)
batch_inputs = Table(
    "batch_inputs",
    TRACE,
    Column("batch", String(16), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("lot", String(16), nullable=False),
    Column("amount", Integer, nullable=False),
    Column("unit", String, nullable=False),
    Column("base_amount", Integer, nullable=False),
    Column("occurred_on", Date, nullable=False),
    Index("batch_inputs_by_lot", "lot"),
)

batch_codes = Table(
    "batch_codes",
    TRACE,
    Column("search_key", String, primary_key=True),
    Column("batch", String(16), primary_key=True),
    Column("code", String, nullable=False),
)

BATCH = Noun("batch", version=1, tables=(batches, batch_inputs, batch_codes))


class UnknownBatch(NotFound):
    """No batch has this code."""

    message = "No batch has the code “{code}”. Record it first, or check the code."


class AmbiguousBatch(Refused):
    """Two products use the code."""

    message = "Several products have a batch “{code}”. Name the product too, as PRODUCT/BATCH."


class BatchExists(Refused):
    """The code is taken for this product."""

    message = "{product} has a batch “{code}” already."


class NotThatMuch(Refused):
    """More would be consumed than was received."""

    message = "Lot {lot} holds {left} that nothing has consumed; {wanted} is more than that."


class LotNotThereYet(Refused):
    """A lot would be consumed before it arrived."""

    message = "Lot {lot} arrived on {arrived}; it cannot have gone into a batch made on {made}."


class ConsumedLot(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of which lot went into a batch."""

    lot: str
    quantity: Quantity


@BATCH.event("batch.produced/1")
class BatchProduced(Event, frozen=True):
    batch: str
    code: str
    product: str
    revision: str | None
    factory: str
    line: str
    made_on: date
    quantity: int
    inputs: tuple[ConsumedLot, ...]
    date_codes: tuple[str, ...]  # printed on the goods beside, or instead of, the batch code


@BATCH.applies(BatchProduced)
def apply_produced(state: State, entries: Sequence[Recorded[BatchProduced]]) -> None:
    insert_into(state.connection, batches, [_batch_row(one) for one in entries])
    insert_into(state.connection, batch_codes, [row for one in entries for row in _code_rows(one.event)])
    inputs = [
        {
            "batch": one.event.batch,
            "line": number,
            "lot": consumed.lot,
            "amount": consumed.quantity.amount,
            "unit": consumed.quantity.unit,
            "base_amount": consumed.quantity.base_amount,
            "occurred_on": one.event.made_on,
        }
        for one in entries
        for number, consumed in enumerate(one.event.inputs)
    ]
    if inputs:
        insert_into(state.connection, batch_inputs, inputs)


def _code_rows(event: BatchProduced) -> list[dict[str, object]]:
    """What buyers may find on the goods: each code once, in the form it is searched by."""
    by_key = {search_key(code): code for code in (*event.date_codes, event.code)}
    return [{"search_key": key, "batch": event.batch, "code": code} for key, code in by_key.items()]


def _batch_row(one: Recorded[BatchProduced]) -> dict[str, object]:
    return {
        "id": one.event.batch,
        "code": one.event.code,
        "search_key": search_key(one.event.code),
        "product": one.event.product,
        "revision": one.event.revision,
        "factory": one.event.factory,
        "line": one.event.line,
        "made_on": one.event.made_on,
        "quantity": one.event.quantity,
        "recorded": one.index,
    }


class Consumption(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of which lot went in, by the lot's code."""

    lot: Annotated[Code, ask("Lot", ref="material_lot")]
    quantity: Annotated[Quantity, ask("Quantity", example="1200 m")]


class ProduceBatch(Request, frozen=True):
    """Record a batch that was made."""

    code: Annotated[Code, ask("Batch code", "As printed on it.", example="25W21-A")]
    product: Annotated[Code, ask("Product", ref="product")]
    factory: Annotated[Code, ask("Factory", ref="party")]
    made_on: Annotated[date, ask("Made on")]
    quantity: Annotated[Positive, ask("Units made", example="20000")]
    inputs: Annotated[tuple[Consumption, ...], Meta(max_length=60), ask("Lots consumed")] = ()
    revision: Annotated[str, ask("Revision", "Of the bill of materials.", example="C")] = ""
    line: Annotated[Annotated[str, Meta(max_length=60)], ask("Line", example="3")] = ""
    date_codes: Annotated[
        tuple[Code, ...], Meta(max_length=20), ask("Date codes", "Printed on goods that carry no serial.")
    ] = ()


@command("batch.produce")
def produce_batch(tx: Tx, request: ProduceBatch) -> None:
    """Raises BatchExists, NotThatMuch, LotNotThereYet, NotPositive and what the names given may raise."""
    product = get_product(tx.connection, request.product)
    code = check_foreign_code(request.code)
    if find_batch_of(tx.connection, product.id, code) is not None:
        raise BatchExists(product=product.name, code=code)
    if request.revision and request.revision not in revisions(tx.connection, product.id):
        raise UnknownRevision(product=product.name, revision=request.revision)
    refuse_future(tx, request.made_on)
    factory = get_party(tx.connection, request.factory)
    inputs = _inputs(tx, request)
    batch = tx.new_id()
    event = BatchProduced(
        batch=batch,
        code=code,
        product=product.id,
        revision=request.revision or None,
        factory=factory.id,
        line=request.line,
        made_on=request.made_on,
        quantity=request.quantity,
        inputs=inputs,
        date_codes=tuple(check_foreign_code(code) for code in request.date_codes),
    )
    about = (f"batch:{batch}", f"product:{product.id}", f"party:{factory.id}")
    tx.record(event, *about, *(f"material_lot:{one.lot}" for one in inputs))


def _inputs(tx: Tx, request: ProduceBatch) -> tuple[ConsumedLot, ...]:
    """The lots by id, each checked to have arrived and to hold as much; the same lot twice counts twice."""
    wanted: dict[str, tuple[MaterialLot, Quantity]] = {}
    inputs = []
    for one in request.inputs:
        lot = get_material_lot(tx.connection, one.lot)
        refuse_nothing(one.quantity)
        if request.made_on < lot.occurred_on:
            raise LotNotThereYet(lot=lot.code, arrived=lot.occurred_on, made=request.made_on)
        earlier = wanted.get(lot.id)
        wanted[lot.id] = (lot, one.quantity if earlier is None else earlier[1] + one.quantity)
        inputs.append(ConsumedLot(lot.id, one.quantity))
    for lot, quantity in wanted.values():
        left = unconsumed(tx.connection, lot)
        if left < quantity:
            raise NotThatMuch(lot=lot.code, left=left, wanted=quantity)
    return tuple(inputs)


def unconsumed(connection: Connection, lot: MaterialLot) -> Quantity:
    """What is left of a lot."""
    used = connection.execute(
        select(func.coalesce(func.sum(batch_inputs.c.base_amount), 0)).where(batch_inputs.c.lot == lot.id)
    ).scalar_one()
    smallest = {"count": "pcs", "mass": "mg", "length": "mm", "volume": "ml", "area": "mm2"}
    return lot.quantity - Quantity(int(used), smallest[lot.quantity.dimension])


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as produced; product and factory are ids, `recorded` its place in the log and so its position."""

    id: str
    code: str
    search_key: str
    product: str
    revision: str | None
    factory: str
    line: str
    made_on: date
    quantity: int
    recorded: int


@dataclass(frozen=True, slots=True)
class BatchInput:
    """One lot in a batch, by id."""

    batch: str
    lot: str
    quantity: Quantity


def find_batch_of(connection: Connection, product: str, code: str) -> Batch | None:
    """The batch of a product (its id) with this code, or None."""
    wanted = (batches.c.product == product) & (batches.c.search_key == search_key(code))
    row = connection.execute(select(batches).where(wanted)).first()
    return None if row is None else Batch(*row)


def find_batches(connection: Connection, code: str) -> list[Batch]:
    """The batches of any product that a code stands for; PRODUCT/BATCH and a batch's id name one."""
    product, slash, rest = code.partition("/")
    wanted = (batches.c.search_key == search_key(code)) | (batches.c.id == code)
    rows = connection.execute(select(batches).where(wanted).order_by(batches.c.recorded)).all()
    if rows or not slash or not rest:
        return [Batch(*row) for row in rows]
    named = find_batch_of(connection, get_product(connection, product).id, rest)
    return [] if named is None else [named]


def get_batch(connection: Connection, code: str) -> Batch:
    """The one batch that a code stands for. Raises UnknownBatch, AmbiguousBatch."""
    found = find_batches(connection, code)
    if not found:
        raise UnknownBatch(code=code)
    if len(found) > 1:
        raise AmbiguousBatch(code=code)
    return found[0]


def list_batches(connection: Connection) -> list[Batch]:
    """All batches, newest first."""
    return [Batch(*row) for row in connection.execute(select(batches).order_by(batches.c.recorded.desc()))]


def inputs_of(connection: Connection, batch: str) -> list[BatchInput]:
    """The lots in a batch (its id), in the order given."""
    rows = connection.execute(
        select(batch_inputs.c.batch, batch_inputs.c.lot, batch_inputs.c.amount, batch_inputs.c.unit)
        .where(batch_inputs.c.batch == batch)
        .order_by(batch_inputs.c.line)
    )
    return [BatchInput(row.batch, row.lot, Quantity(row.amount, row.unit)) for row in rows]


def batches_with(connection: Connection, lot: str) -> list[Batch]:
    """The batches that a lot (its id) went into."""
    consumed = select(batch_inputs.c.batch).where(batch_inputs.c.lot == lot)
    rows = connection.execute(select(batches).where(batches.c.id.in_(consumed)).order_by(batches.c.recorded))
    return [Batch(*row) for row in rows]
