"""The list of what left the house."""

from sqlalchemy import func, select

from ledger.trace.shipment import shipment_lines, shipments
from portal.listings.filters import days, same, words
from portal.listings.listing import Column, Listing
from translations import mark

_units = select(func.coalesce(func.sum(shipment_lines.c.quantity), 0)).where(
    shipment_lines.c.shipment == shipments.c.id
)
SHIPMENTS = Listing(
    name="shipments",
    area="shipments",
    page="shipment",
    table=shipments,
    source=shipments,
    key=shipments.c.recorded,
    columns=(
        Column("code", "code", shipments.c.code, mark("Shipment")),
        Column("channel", "text", shipments.c.channel, mark("Channel")),
        Column("country", "country", shipments.c.country, mark("Country")),
        Column("sent_on", "date", shipments.c.sent_on, mark("Sent on")),
        Column("units", "count", _units.scalar_subquery(), mark("Units")),
    ),
    filters=(
        words(codes=(shipments.c.code,)),
        same("channel", mark("Channel"), shipments.c.channel),
        same("country", mark("Country"), shipments.c.country, "country"),
        *days("sent", mark("Sent from"), mark("Sent until"), shipments.c.sent_on),
    ),
)
