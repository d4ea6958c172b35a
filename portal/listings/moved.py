"""The lists of what left the house, and of where it lies."""

from sqlalchemy import func, select

from ledger.trace.party import parties
from ledger.trace.shipment import shipment_lines, shipments
from ledger.trace.site import sites
from portal.listings.filters import code_of, days, same, words
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
    source=shipments.outerjoin(sites, sites.c.id == shipments.c.site),
    key=shipments.c.recorded,
    columns=(
        Column("code", "code", shipments.c.code, mark("Shipment")),
        Column("channel", "text", shipments.c.channel, mark("Channel")),
        Column("country", "country", shipments.c.country, mark("Country")),
        Column("sent_on", "date", shipments.c.sent_on, mark("Sent on")),
        Column("site", "code", sites.c.code, mark("To site")),
        Column("received_on", "date", shipments.c.received_on, mark("Arrived on")),
        Column("units", "count", _units.scalar_subquery(), mark("Units")),
    ),
    filters=(
        words(codes=(shipments.c.code,)),
        same("channel", mark("Channel"), shipments.c.channel),
        same("country", mark("Country"), shipments.c.country, "country"),
        code_of("site", mark("To site"), "site", shipments.c.site, sites),
        *days("sent", mark("Sent from"), mark("Sent until"), shipments.c.sent_on),
    ),
)
SITES = Listing(
    name="sites",
    area="sites",
    page="site",
    table=sites,
    source=sites.join(parties, parties.c.id == sites.c.party),
    key=sites.c.recorded,
    columns=(
        Column("name", "text", sites.c.name, mark("Site")),
        Column("code", "code", sites.c.code, mark("Code")),
        Column("runs", "text", parties.c.name, mark("Who runs it")),
        Column("country", "country", sites.c.country, mark("Country")),
    ),
    filters=(
        words(codes=(sites.c.code,), names=(sites.c.name,)),
        same("country", mark("Country"), sites.c.country, "country"),
    ),
)
