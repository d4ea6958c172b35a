"""Batches: what was made of what, what was found in it later, where its units went, what happened to it."""

from collections.abc import Sequence
from typing import Any

from flask import Response, abort
from markupsafe import Markup
from sqlalchemy import Connection, func, select

from ledger.recall.recall import recall_batches, recalls
from ledger.trace.batch import batches as batch_table
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.quality import holds
from ledger.trace.shipment import shipped_from
from ledger.trace.substitution import Substitution, found_in
from ledger.trace.unit import unit_sets
from portal.console.desk import snapshot, words
from portal.console.figures import by_batch, figures_of
from portal.console.graph import Graph, draw, shown_batches
from portal.console.history import entries_about
from portal.console.known import compared
from portal.console.listing import show, table
from portal.console.lots import swapped
from portal.console.names import badge, names_of
from portal.console.parties import TIMELINE
from portal.console.reads import LotLine, batches_with_lots, lots_in
from portal.console.sentences import Say
from portal.console.shell import address, console, page, zone
from portal.console.timeline import happenings
from portal.listings import Row
from portal.permissions import sees
from translations import Words, mark

COUNTRY_HEADS = ((mark("Country"), False), (mark("Channels"), False), (mark("Units"), True))
# A batch with all that its page's head says, in one row: of several public recalls the newest.
_NEWEST = (
    select(recall_batches.c.batch, func.max(recalls.c.recorded).label("recorded"))
    .join(
        recalls,
        (recall_batches.c.recall == recalls.c.id) & (recall_batches.c.version == recalls.c.version),
    )
    .where(recalls.c.standing.in_(("published", "closed")))
    .group_by(recall_batches.c.batch)
    .subquery()
)
_BATCH = (
    select(
        batch_table,
        products.c.name.label("product_name"),
        products.c.brand,
        products.c.code.label("product_code"),
        parties.c.name.label("factory_name"),
        holds.c.reason.label("hold_reason"),
        holds.c.placed.label("hold_placed"),
        recalls.c.id.label("recall"),
        recalls.c.code.label("recall_code"),
        recalls.c.published_at,
    )
    .join(products, products.c.id == batch_table.c.product)
    .join(parties, parties.c.id == batch_table.c.factory)
    .outerjoin(holds, (holds.c.batch == batch_table.c.id) & holds.c.released.is_(None))
    .outerjoin(_NEWEST, _NEWEST.c.batch == batch_table.c.id)
    .outerjoin(recalls, recalls.c.recorded == _NEWEST.c.recorded)
)


@console.get("/batches")
@sees("batches")
def batches() -> Response:
    """All batches, newest first, those on hold and those with a swapped material marked."""
    return show(
        "batches",
        title=mark("Batches"),
        commands=("batch.produce", "hold.place"),
        empty=mark("Record each batch that was made, with the lots that went into it."),
        marks=_marks,
    )


def _marks(spoken: Words, row: Row) -> Markup:
    marks = Markup()
    if row["is_recalled"]:
        marks += recalled(spoken)
    elif row["is_swapped"]:
        marks += swapped(spoken)
    return marks + on_hold(spoken) if row["is_held"] else marks


def recalled(spoken: Words) -> Markup:
    """The mark on what is recalled."""
    return badge("recalled", "octagon", spoken.text("recalled"))


def on_hold(spoken: Words) -> Markup:
    """The mark on a batch that may not leave."""
    return badge("waiting", "pause", spoken.text("on hold"))


@console.get("/batches/<subject_id>")
@sees("batches")
def batch(subject_id: str) -> Response:
    """One batch, in at most ten reads."""
    connection = snapshot()
    serials = select(func.coalesce(func.sum(unit_sets.c.count), 0)).where(
        unit_sets.c.batch == batch_table.c.id
    )
    query = _BATCH.add_columns(serials.scalar_subquery().label("serials"))
    row = connection.execute(query.where(batch_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    lots = lots_in(connection, row.id)
    found = found_in(connection, [lot.id for lot in lots])
    findings = [one.recorded for several in found.values() for one in several]
    entries = entries_about(connection, f"batch:{row.id}", limit=TIMELINE, also=findings).entries
    names = names_of(connection, (subject for one in entries for subject in one.subjects))
    graph, shipped = _touched(connection, row.id, lots, found)
    return page(
        "batch.html",
        here="batches",
        batch=row,
        serials=row.serials,
        recalled_since=words().day(row.published_at, zone()) if row.recall else "",
        is_swapped=bool(found),
        compared=compared(Say(words(), names), lots, found, {one.index: one.at for one in entries}),
        figures=figures_of(words(), row.quantity, shipped, is_held=row.hold_placed is not None),
        heads=table(COUNTRY_HEADS, ()).heads,
        graph=graph,
        timeline=happenings(entries, names),
        all_entries=address("log", about=f"batch:{row.id}"),
    )


def _touched(
    connection: Connection, here: str, lots: Sequence[LotLine], found: dict[str, list[Substitution]]
) -> tuple[Graph | None, list[Any]]:
    """(the graph, or None where nothing was found; what was shipped of this batch). Two reads."""
    if not found:
        return None, shipped_from(connection, [here])
    edges = batches_with_lots(connection, [lot.id for lot in lots])
    shown = shown_batches(edges, found, here)
    shipped = by_batch(shown, shipped_from(connection, [one.id for one in shown]))
    known = {lot: several[-1].known for lot, several in found.items()}
    graph = draw(words(), lots=lots, edges=edges, hit_lots=known, shipped=shipped, here=here)
    return graph, shipped[here]
