"""Materials, and the bills of materials that say what a product is made of, revision by revision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct
from sqlalchemy import Column, Connection, Index, Integer, String, Table, bindparam, func, select

from ledger.database import Prepared, insert_into
from ledger.errors import LedgerError, NotFound, Refused
from ledger.journal.fields import Code, Name, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.quantities import Quantity
from ledger.trace.party import TRACE
from ledger.trace.product import get_product

materials = Table(
    "materials",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("recorded", Integer, nullable=False),
    Index("materials_by_entry", "recorded"),
)
bom_lines = Table(
    "bom_lines",
    TRACE,
    Column("product", String(16), primary_key=True),
    Column("revision", String, primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("material", String(16), nullable=False),
    Column("amount", Integer, nullable=False),
    Column("unit", String, nullable=False),
    Column("specification", String, nullable=False),
    Column("recorded", Integer, nullable=False),
    Index("bom_lines_by_material", "material", "product"),
)

BILL_OF_MATERIALS = Noun("bill_of_materials", version=1, tables=(materials, bom_lines))


class UnknownMaterial(NotFound):
    """No material has this code."""

    message = "No material has the code “{code}”. Register it first, or check the code."


class MaterialExists(Refused):
    """The code is taken."""

    message = "A material with the code “{code}” exists already."


class UnknownRevision(NotFound):
    """The product has no such revision."""

    message = "{product} has no bill of materials with the revision “{revision}”."


class RevisionExists(Refused):
    """Revisions are never edited."""

    message = "{product} has a revision “{revision}” already. A change is a new revision."


class NotPositive(LedgerError):
    """A quantity of nothing, or of less: it would give back what was consumed."""

    message = "{quantity} is not more than nothing. Give the quantity that it was."


class BomLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One material of a product: how much of it one unit needs, and to which specification."""

    material: str
    quantity: Quantity
    specification: str


@BILL_OF_MATERIALS.event("material.registered/1")
class MaterialRegistered(Event, frozen=True):
    material: str
    code: str
    name: str


@BILL_OF_MATERIALS.event("bill_of_materials.revised/1")
class BillOfMaterialsRevised(Event, frozen=True):
    product: str
    revision: str
    lines: tuple[BomLine, ...]


@BILL_OF_MATERIALS.applies(MaterialRegistered)
def apply_material(state: State, entries: Sequence[Recorded[MaterialRegistered]]) -> None:
    rows = [
        {"id": one.event.material, "code": one.event.code, "name": one.event.name, "recorded": one.index}
        for one in entries
    ]
    insert_into(state.connection, materials, rows)


@BILL_OF_MATERIALS.applies(BillOfMaterialsRevised)
def apply_revised(state: State, entries: Sequence[Recorded[BillOfMaterialsRevised]]) -> None:
    rows = [
        {
            "product": one.event.product,
            "revision": one.event.revision,
            "line": number,
            "material": line.material,
            "amount": line.quantity.amount,
            "unit": line.quantity.unit,
            "specification": line.specification,
            "recorded": one.index,
        }
        for one in entries
        for number, line in enumerate(one.event.lines)
    ]
    insert_into(state.connection, bom_lines, rows)


class RegisterMaterial(Request, frozen=True):
    """Register a material that goes into your products."""

    code: Annotated[Code, ask("Code", example="SEPARATOR")]
    name: Annotated[Name, ask("Name", example="Separator film")]


class NeededMaterial(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a bill of materials, by code."""

    material: Annotated[Code, ask("Material", ref="material")]
    quantity: Annotated[Quantity, ask("For one unit", example="2 pcs")]
    specification: Annotated[Name, ask("Specification", example="ceramic-coated, 16 µm")]


class ReviseBillOfMaterials(Request, frozen=True):
    """Record what a product is made of, as a new revision."""

    product: Annotated[Code, ask("Product", ref="product")]
    revision: Annotated[Code, ask("Revision", example="C")]
    lines: Annotated[tuple[NeededMaterial, ...], Meta(min_length=1), ask("Materials")]


@command("material.register")
def register_material(tx: Tx, request: RegisterMaterial) -> None:
    """Raises MaterialExists."""
    if find_material(tx.connection, request.code) is not None:
        raise MaterialExists(code=request.code)
    material = tx.new_id()
    tx.record(
        MaterialRegistered(material=material, code=request.code, name=request.name), f"material:{material}"
    )


@command("bill_of_materials.revise")
def revise_bill_of_materials(tx: Tx, request: ReviseBillOfMaterials) -> None:
    """Raises UnknownProduct, UnknownMaterial, RevisionExists, NotPositive."""
    product = get_product(tx.connection, request.product)
    if request.revision in revisions(tx.connection, product.id):
        raise RevisionExists(product=product.name, revision=request.revision)
    for line in request.lines:
        refuse_nothing(line.quantity)
    lines = tuple(
        BomLine(get_material(tx.connection, line.material).id, line.quantity, line.specification)
        for line in request.lines
    )
    event = BillOfMaterialsRevised(product=product.id, revision=request.revision, lines=lines)
    tx.record(event, f"product:{product.id}", *(f"material:{line.material}" for line in lines))


@dataclass(frozen=True, slots=True)
class Material:
    """A material as registered."""

    id: str
    code: str
    name: str
    recorded: int


_BY_CODE = Prepared(
    select(materials).where((materials.c.code == bindparam("code")) | (materials.c.id == bindparam("code")))
)


def find_material(connection: Connection, code: str) -> Material | None:
    """The material with this code or id, or None."""
    rows = _BY_CODE.fetch(connection, code=code)
    return Material(*rows[0]) if rows else None


def get_material(connection: Connection, code: str) -> Material:
    """The material with this code or id. Raises UnknownMaterial."""
    material = find_material(connection, code)
    if material is None:
        raise UnknownMaterial(code=code)
    return material


def refuse_nothing(quantity: Quantity) -> None:
    """Raise NotPositive for a quantity of zero or less."""
    if quantity.amount <= 0:
        raise NotPositive(quantity=quantity)


def list_materials(connection: Connection) -> list[Material]:
    """All materials by code."""
    return [Material(*row) for row in connection.execute(select(materials).order_by(materials.c.code))]


def revisions(connection: Connection, product: str) -> list[str]:
    """The revisions of a product (its id), oldest first."""
    rows = connection.execute(
        select(bom_lines.c.revision)
        .where(bom_lines.c.product == product)
        .group_by(bom_lines.c.revision)
        .order_by(func.min(bom_lines.c.recorded))
    )
    return [row.revision for row in rows]
