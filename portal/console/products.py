"""Products: what is sold, of what it is made, and the batches of it."""

from itertools import groupby
from typing import Any

from flask import Response, abort
from sqlalchemy import select

from ledger.trace.batch import batches
from ledger.trace.bill_of_materials import bom_lines, materials
from ledger.trace.product import Product, find_product
from ledger.trace.shipment import shipped_from
from portal.charts import bars, columns
from portal.console.desk import snapshot, words
from portal.console.figures import countries_of
from portal.console.history import entries_about
from portal.console.listing import Table, show, table
from portal.console.names import isolated, link
from portal.console.parties import BATCH_HEADS, TIMELINE
from portal.console.reads import batches_where
from portal.console.sentences import amount
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.permissions import sees
from translations import mark

BILL_HEADS = ((mark("Material"), False), (mark("Specification"), False), (mark("For one unit"), True))


@console.get("/products")
@sees("products")
def products() -> Response:
    """All products, newest first."""
    return show(
        "products",
        title=mark("Products"),
        commands=("product.register",),
        empty=mark("What you sell stands here. Register the first product, with its GTIN if it has one."),
    )


@console.get("/products/<subject_id>")
@sees("products")
def product(subject_id: str) -> Response:
    """One product: its facts, its bills of materials, its batches, and every entry about it."""
    connection = snapshot()
    found = find_product(connection, subject_id)
    if found is None:
        abort(404)
    made = batches_where(connection, batches.c.product == found.id)
    stretch = entries_about(connection, f"product:{found.id}", limit=TIMELINE)
    by_country = countries_of(shipped_from(connection, [one.id for one in made]))
    rows = [
        (
            link(address("batch", subject_id=one.id), one.code, is_code=True),
            words().date(one.made_on),
            words().number(one.quantity),
        )
        for one in made
    ]
    return page(
        "product.html",
        here="products",
        product=found,
        bills=_bills(found),
        batches=table([head for head in BATCH_HEADS if head[0] != "Product"], rows),
        by_month=columns(
            words(), words().text("Units made, by month"), [(one.made_on, one.quantity) for one in made]
        ),
        by_country=bars(words(), [(words().country(country), count) for country, count in by_country]),
        timeline=happenings(stretch.entries),
        all_entries=address("log", about=f"product:{found.id}"),
    )


def _bills(found: Product) -> list[tuple[str, Table]]:
    """(revision, its materials), the newest revision first."""
    query = (
        select(bom_lines, materials.c.name)
        .join(materials, materials.c.id == bom_lines.c.material)
        .where(bom_lines.c.product == found.id)
        .order_by(bom_lines.c.recorded.desc(), bom_lines.c.line)
    )
    rows = snapshot().execute(query).all()
    return [
        (revision, table(BILL_HEADS, [_bill_row(line) for line in lines]))
        for revision, lines in groupby(rows, key=lambda row: row.revision)
    ]


def _bill_row(line: Any) -> tuple[Any, ...]:
    return (
        link(address("material", subject_id=line.material), isolated(line.name)),
        isolated(line.specification),
        amount(words(), line.amount, line.unit),
    )
