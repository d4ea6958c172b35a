"""Shipments: what went to which channel and country, and when."""

from flask import Response, abort
from sqlalchemy import func, select

from ledger.trace.batch import batches
from ledger.trace.product import products
from ledger.trace.shipment import shipment_lines
from ledger.trace.shipment import shipments as shipment_table
from portal.console.desk import snapshot, words
from portal.console.history import entries_about
from portal.console.listing import before, list_page, table
from portal.console.names import isolated, link
from portal.console.parties import TIMELINE
from portal.console.reads import listed
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from translations import mark

HEADS = (
    (mark("Shipment"), False),
    (mark("Channel"), False),
    (mark("Country"), False),
    (mark("Sent on"), False),
    (mark("Units"), True),
)
LINE_HEADS = ((mark("Batch"), False), (mark("Product"), False), (mark("Units"), True))


@console.get("/shipments")
def shipments() -> Response:
    """All shipments, newest first."""
    units = (
        select(func.sum(shipment_lines.c.quantity))
        .where(shipment_lines.c.shipment == shipment_table.c.id)
        .scalar_subquery()
    )
    found = listed(snapshot(), select(shipment_table, units.label("units")), shipment_table, before())
    rows = [
        (
            link(address("shipment", subject_id=row.id), row.code, is_code=True),
            isolated(row.channel),
            words().country(row.country),
            words().date(row.sent_on),
            words().number(row.units or 0),
        )
        for row in found.rows
    ]
    return list_page(
        here="shipments",
        title=mark("Shipments"),
        listing=table(HEADS, rows),
        older=found.older,
        commands=("shipment.send",),
        empty=mark("Record what leaves, by channel and country: a recall can only reach what it can find."),
    )


@console.get("/shipments/<subject_id>")
def shipment(subject_id: str) -> Response:
    """One shipment: its lines, and every entry about it."""
    connection = snapshot()
    row = connection.execute(select(shipment_table).where(shipment_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    lines = connection.execute(
        select(shipment_lines, batches.c.code, products.c.name)
        .join(batches, batches.c.id == shipment_lines.c.batch)
        .join(products, products.c.id == batches.c.product)
        .where(shipment_lines.c.shipment == row.id)
        .order_by(shipment_lines.c.line)
    ).all()
    goods = [
        (
            link(address("batch", subject_id=line.batch), line.code, is_code=True),
            isolated(line.name),
            words().number(line.quantity),
        )
        for line in lines
    ]
    return page(
        "shipment.html",
        here="shipments",
        shipment=row,
        goods=table(LINE_HEADS, goods),
        units=words().number(sum(line.quantity for line in lines)),
        timeline=happenings(entries_about(connection, f"shipment:{row.id}", limit=TIMELINE).entries),
    )
