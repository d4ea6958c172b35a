"""Shipments: what went to which channel and country, and when."""

from flask import Response, abort
from sqlalchemy import func, select

from ledger.trace.shipment import lines_of, shipment_lines
from ledger.trace.shipment import shipments as shipment_table
from portal.console.desk import house, ledger, snapshot, words
from portal.console.history import entries_about
from portal.console.listing import before, list_page, table
from portal.console.names import isolated, link, names_of
from portal.console.parties import TIMELINE
from portal.console.reads import listed
from portal.console.shell import address, console, moment, page
from portal.console.timeline import happenings
from portal.papers import paper_of
from portal.permissions import sees
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
@sees("shipments")
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
@sees("shipments")
def shipment(subject_id: str) -> Response:
    """One shipment: its lines, and every entry about it. Printed, it is the packing list, with a checkpoint."""
    connection = snapshot()
    row = connection.execute(select(shipment_table).where(shipment_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    lines = lines_of(connection, row.id)
    standing = ledger().journal.standing(connection)
    goods = [
        (
            link(address("batch", subject_id=line.batch), line.batch_code, is_code=True),
            isolated(line.product_name),
            words().number(line.quantity),
        )
        for line in lines
    ]
    return page(
        "shipment.html",
        here="shipments",
        shipment=row,
        goods=table(LINE_HEADS, goods),
        site=names_of(connection, [f"site:{row.site}"]).link("site", row.site) if row.site else "",
        units=words().number(sum(line.quantity for line in lines)),
        sender=house().operator,
        printed=moment(standing.as_of),
        paper=paper_of(standing),
        timeline=happenings(entries_about(connection, f"shipment:{row.id}", limit=TIMELINE).entries),
    )
