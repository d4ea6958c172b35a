"""The lists of what is made, of what, and by whom."""

from typing import Any

from sqlalchemy import ColumnElement, func, select

from ledger.recall.recall import recall_batches, recalls
from ledger.trace.batch import batch_inputs, batches
from ledger.trace.bill_of_materials import bom_lines, materials
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.quality import holds
from ledger.trace.substitution import substitution_lots, substitutions
from ledger.trace.unit import unit_sets
from portal.listings.filters import choice, code_of, days, one_of, same, words
from portal.listings.listing import Column, Listing
from translations import mark

ROLES = ("supplier", "factory", "warehouse", "marketplace", "shop", "laboratory")
PUBLIC_STANDINGS = ("published", "closed")


def _sum(value: ColumnElement[Any], *where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.coalesce(value, 0)).where(*where).scalar_subquery()


PRODUCTS = Listing(
    name="products",
    area="products",
    page="product",
    table=products,
    source=products,
    key=products.c.recorded,
    columns=(
        Column("title", "text", products.c.brand + " " + products.c.name, mark("Product"), is_public=False),
        Column("code", "code", products.c.code, mark("Code")),
        Column("gtin", "code", products.c.gtin, mark("GTIN")),
        Column("brand", "text", products.c.brand),
        Column("name", "text", products.c.name),
        Column("model", "text", products.c.model),
        Column("batches", "count", _sum(func.count(), batches.c.product == products.c.id), mark("Batches")),
        Column(
            "units",
            "count",
            _sum(func.sum(batches.c.quantity), batches.c.product == products.c.id),
            mark("Units made"),
        ),
    ),
    filters=(
        words(
            codes=(products.c.code, products.c.gtin, products.c.model),
            names=(products.c.brand + " " + products.c.name,),
        ),
    ),
)

MATERIALS = Listing(
    name="materials",
    area="materials",
    page="material",
    table=materials,
    source=materials,
    key=materials.c.recorded,
    columns=(
        Column("name", "text", materials.c.name, mark("Material")),
        Column("code", "code", materials.c.code, mark("Code")),
        Column(
            "products",
            "count",
            _sum(func.count(bom_lines.c.product.distinct()), bom_lines.c.material == materials.c.id),
            mark("Products"),
        ),
        Column("lots", "count", _sum(func.count(), material_lots.c.material == materials.c.id), mark("Lots")),
    ),
    filters=(words(codes=(materials.c.code,), names=(materials.c.name,)),),
)

_lots_swapped = select(substitution_lots.c.lot)
MATERIAL_LOTS = Listing(
    name="material_lots",
    area="lots",
    page="material_lot",
    table=material_lots,
    source=material_lots.join(materials, materials.c.id == material_lots.c.material).join(
        parties, parties.c.id == material_lots.c.supplier
    ),
    key=material_lots.c.recorded,
    columns=(
        Column("code", "code", material_lots.c.code, mark("Lot")),
        Column("material", "text", materials.c.name, mark("Material")),
        Column("material_code", "code", materials.c.code),
        Column("supplier", "text", parties.c.name, mark("Supplier")),
        Column("supplier_party_code", "code", parties.c.code),
        Column("supplier_code", "code", material_lots.c.supplier_code, mark("Supplier’s code")),
        Column("declared", "text", material_lots.c.declared),
        Column("arrived_on", "date", material_lots.c.occurred_on, mark("Arrived")),
        Column("quantity", "quantity", material_lots.c.amount, mark("Quantity"), unit=material_lots.c.unit),
        Column(
            "is_swapped", "flag", _lots_swapped.where(substitution_lots.c.lot == material_lots.c.id).exists()
        ),
    ),
    filters=(
        words(
            codes=(material_lots.c.code, material_lots.c.supplier_code),
            names=(
                (material_lots.c.material, materials.c.name),
                (material_lots.c.supplier, parties.c.name),
            ),
        ),
        code_of("material", mark("Material"), "material", material_lots.c.material, materials),
        code_of("supplier", mark("Supplier"), "party", material_lots.c.supplier, parties),
        choice("state", mark("State"), {"swapped": material_lots.c.id.in_(_lots_swapped)}),
        *days("arrived", mark("Arrived from"), mark("Arrived until"), material_lots.c.occurred_on),
    ),
)

_recalled = (
    select(recall_batches.c.batch)
    .join(
        recalls, (recalls.c.id == recall_batches.c.recall) & (recalls.c.version == recall_batches.c.version)
    )
    .where(recalls.c.standing.in_(PUBLIC_STANDINGS))
)
_held = select(holds.c.batch).where(holds.c.released.is_(None))
_swapped = select(batch_inputs.c.batch).join(substitution_lots, substitution_lots.c.lot == batch_inputs.c.lot)
BATCHES = Listing(
    name="batches",
    area="batches",
    page="batch",
    table=batches,
    source=batches.join(products, products.c.id == batches.c.product).join(
        parties, parties.c.id == batches.c.factory
    ),
    key=batches.c.recorded,
    columns=(
        Column("code", "code", batches.c.code, mark("Batch")),
        Column("product", "text", products.c.name, mark("Product")),
        Column("product_code", "code", products.c.code),
        Column("made_on", "date", batches.c.made_on, mark("Made on")),
        Column("factory", "text", parties.c.name, mark("Factory")),
        Column("factory_code", "code", parties.c.code),
        Column("line", "text", batches.c.line),
        Column("revision", "text", batches.c.revision),
        Column("units", "count", batches.c.quantity, mark("Units")),
        Column("is_recalled", "flag", _recalled.where(recall_batches.c.batch == batches.c.id).exists()),
        Column("is_held", "flag", _held.where(holds.c.batch == batches.c.id).exists()),
        Column("is_swapped", "flag", _swapped.where(batch_inputs.c.batch == batches.c.id).exists()),
    ),
    filters=(
        words(
            codes=(batches.c.search_key,),
            names=((batches.c.product, products.c.name), (batches.c.factory, parties.c.name)),
        ),
        code_of("product", mark("Product"), "product", batches.c.product, products),
        code_of("factory", mark("Factory"), "party", batches.c.factory, parties),
        choice(
            "state",
            mark("State"),
            {
                "recalled": batches.c.id.in_(_recalled),
                "on_hold": batches.c.id.in_(_held),
                "swapped": batches.c.id.in_(_swapped),
            },
        ),
        *days("made", mark("Made from"), mark("Made until"), batches.c.made_on),
    ),
)

LABELS = Listing(
    name="labels",
    area="labels",
    page="units",
    table=batches,
    source=batches.join(products, products.c.id == batches.c.product),
    key=batches.c.recorded,
    columns=(
        Column("batch", "code", batches.c.code, mark("Batch")),
        Column("product", "text", products.c.name, mark("Product")),
        Column("product_code", "code", products.c.code),
        Column(
            "serials",
            "count",
            _sum(func.sum(unit_sets.c.count), unit_sets.c.batch == batches.c.id),
            mark("Serials"),
        ),
        Column("units", "count", batches.c.quantity, mark("Units")),
    ),
    filters=(
        words(codes=(batches.c.search_key,), names=((batches.c.product, products.c.name),)),
        code_of("product", mark("Product"), "product", batches.c.product, products),
    ),
)

SUBSTITUTIONS = Listing(
    name="substitutions",
    area="substitutions",
    page="substitution",
    table=substitutions,
    source=substitutions.join(materials, materials.c.id == substitutions.c.material).outerjoin(
        products, products.c.id == substitutions.c.product
    ),
    key=substitutions.c.recorded,
    columns=(
        Column("code", "code", substitutions.c.code, mark("Substitution")),
        Column("standing", "state", substitutions.c.standing),
        Column("material", "text", materials.c.name, mark("Material")),
        Column("material_code", "code", materials.c.code),
        Column("product_code", "code", products.c.code),
        Column("declared", "text", substitutions.c.declared, mark("Declared")),
        Column("known", "text", substitutions.c.known, mark("Instead")),
        Column("effective_on", "date", substitutions.c.effective_on, mark("In effect")),
    ),
    filters=(
        words(
            codes=(substitutions.c.code,),
            names=(
                substitutions.c.declared,
                substitutions.c.known,
                (substitutions.c.material, materials.c.name),
            ),
        ),
        one_of(
            "standing",
            mark("State"),
            substitutions.c.standing,
            ("found", "proposed", "approved", "refused"),
        ),
        code_of("material", mark("Material"), "material", substitutions.c.material, materials),
        *days("effective", mark("In effect from"), mark("In effect until"), substitutions.c.effective_on),
    ),
)

PARTIES = Listing(
    name="parties",
    area="parties",
    page="party",
    table=parties,
    source=parties,
    key=parties.c.recorded,
    columns=(
        Column("name", "text", parties.c.name, mark("Name")),
        Column("code", "code", parties.c.code, mark("Code")),
        Column("role", "state", parties.c.role, mark("Role")),
        Column("country", "country", parties.c.country, mark("Country")),
    ),
    filters=(
        words(codes=(parties.c.code,), names=(parties.c.name,)),
        one_of("role", mark("Role"), parties.c.role, ROLES),
        same("country", mark("Country"), parties.c.country, "country"),
    ),
)
