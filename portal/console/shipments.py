"""Shipments: what went to which channel and country, and when."""

from flask import Response, abort
from sqlalchemy import select

from ledger.trace.shipment import lines_of
from ledger.trace.shipment import shipments as shipment_table
from portal.console.desk import house, ledger, snapshot, words
from portal.console.history import entries_about
from portal.console.listing import show, table
from portal.console.names import isolated, link, names_of
from portal.console.parties import TIMELINE
from portal.console.shell import address, console, moment, page
from portal.console.timeline import happenings
from portal.papers import paper_of
from portal.permissions import sees
from translations import mark

LINE_HEADS = ((mark("Batch"), False), (mark("Product"), False), (mark("Units"), True))


@console.get("/shipments")
@sees("shipments")
def shipments() -> Response:
    """All shipments, newest first."""
    return show(
        "shipments",
        title=mark("Shipments"),
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
