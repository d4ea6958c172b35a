"""Lists: one `Listing` a noun. The console's table, its files and the API's pages are made from it.

    listing = LISTINGS["batches"]                                # may whoever asks see listing.area?
    asked = listing.read({"product": "VS-10", "made_from": "2025-05-01"})    # raises FilterNotUnderstood
    page = listing.rows(connection, asked, before=key_from(text), limit=100)
    body = [listing.public(row) for row in page.rows]            # plain JSON; page.older is the next `before`

Rows come newest first and pages go on by the log index of what recorded a row, never by an offset: however many
are added meanwhile, each row is met once. `listing.filters` and `listing.public_columns` say what an address may
ask for and what comes back, each column with its kind (`portal.listings.listing.Kind`). No count of all rows is
ever made. This package knows no web: words, links and badges are the console's.

A list is fast because no condition needs more than one walk over an index or one table: docs/lists.md has figures.
"""

from portal.listings.filters import Asked, Filter, FilterNotUnderstood
from portal.listings.listing import Column, Listing, NoSuchPlace, Page, Row, key_from
from portal.listings.made import BATCHES, LABELS, MATERIAL_LOTS, MATERIALS, PARTIES, PRODUCTS, SUBSTITUTIONS
from portal.listings.moved import SHIPMENTS, SITES
from portal.listings.put_right import CLAIMS, RECALLS

__all__ = [
    "LISTINGS",
    "Asked",
    "Column",
    "Filter",
    "FilterNotUnderstood",
    "Listing",
    "NoSuchPlace",
    "Page",
    "Row",
    "key_from",
]

LISTINGS = {
    one.name: one
    for one in (
        PRODUCTS,
        BATCHES,
        MATERIAL_LOTS,
        MATERIALS,
        SUBSTITUTIONS,
        PARTIES,
        SHIPMENTS,
        SITES,
        LABELS,
        RECALLS,
        CLAIMS,
    )
}
