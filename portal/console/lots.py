"""Material lots: what arrived, what it was said to be, what it is known to be, and what it went into."""

from collections.abc import Sequence

from flask import Response, abort
from markupsafe import Markup

from ledger.trace.material_lot import material_lots as lot_table
from ledger.trace.shipment import Shipped, shipped_from
from ledger.trace.substitution import found_in
from portal.console.desk import snapshot, words
from portal.console.figures import by_batch, countries_of, figures_of
from portal.console.history import entries_about
from portal.console.known import compared
from portal.console.listing import Table, show, table
from portal.console.names import badge, isolated, link, names_of
from portal.console.parties import TIMELINE
from portal.console.reads import BatchLine, batches_with_lots, lots_where, unique
from portal.console.sentences import Say, amount
from portal.console.shell import address, console, page
from portal.console.timeline import happenings
from portal.listings import Row
from portal.permissions import sees
from translations import Words, mark

INTO_HEADS = (
    (mark("Batch"), False),
    (mark("Product"), False),
    (mark("Countries"), False),
    (mark("Shipped"), True),
    (mark("Units"), True),
)
MOST_COUNTRIES = 6


@console.get("/lots")
@sees("lots")
def material_lots() -> Response:
    """All lots, newest first."""
    return show(
        "material_lots",
        title=mark("Material lots"),
        commands=("material_lot.receive", "substitution.find"),
        empty=mark("Record each lot of material as it arrives, with the code that the supplier gave it."),
        marks=_marks,
    )


def _marks(spoken: Words, row: Row) -> Markup:
    return swapped(spoken) if row["is_swapped"] else Markup()


def swapped(spoken: Words) -> Markup:
    """The mark on whatever holds a swapped material."""
    return badge("recalled", "swap", spoken.text("swapped"))


@console.get("/lots/<subject_id>")
@sees("lots")
def material_lot(subject_id: str) -> Response:
    """One lot: declared and known, what it went into, and every entry about it."""
    connection = snapshot()
    lot = next(iter(lots_where(connection, lot_table.c.id == subject_id)), None)
    if lot is None:
        abort(404)
    found = found_in(connection, [lot.id])
    findings = [one.recorded for one in found.get(lot.id, ())]
    entries = entries_about(connection, f"material_lot:{lot.id}", limit=TIMELINE, also=findings).entries
    names = names_of(connection, (subject for one in entries for subject in one.subjects))
    into = unique(batches_with_lots(connection, [lot.id]))
    shipped = shipped_from(connection, [one.id for one in into]) if into else []
    made = sum(one.quantity for one in into)
    return page(
        "lot.html",
        here="material_lots",
        lot=lot,
        quantity=amount(words(), lot.quantity.amount, lot.quantity.unit),
        compared=compared(Say(words(), names), [lot], found, {one.index: one.at for one in entries}),
        is_swapped=lot.id in found,
        into=into_table(into, shipped),
        figures=figures_of(words(), made, shipped) if into else None,
        timeline=happenings(entries, names),
        all_entries=address("log", about=f"material_lot:{lot.id}"),
    )


def into_table(into: Sequence[BatchLine], shipped: Sequence[Shipped]) -> Table:
    """The batches that lots went into, and in which countries they are."""
    of_batch = by_batch(into, shipped)
    rows = [
        (
            link(address("batch", subject_id=one.id), one.code, is_code=True),
            isolated(one.product_name),
            countries_said(words(), of_batch[one.id]),
            words().number(sum(line.quantity for line in of_batch[one.id])),
            words().number(one.quantity),
        )
        for one in into
    ]
    return table(INTO_HEADS, rows)


def countries_said(spoken: Words, shipped: Sequence[Shipped]) -> Markup:
    """DE 4,826 · FR 1,519: the countries with their figures, the largest first."""
    counted = countries_of(shipped)
    said = [
        Markup('<span class="pair"><abbr title="{}">{}</abbr> {}</span>').format(
            spoken.country(country), country, spoken.number(count)
        )
        for country, count in counted[:MOST_COUNTRIES]
    ]
    if len(counted) > MOST_COUNTRIES:
        left = len(counted) - MOST_COUNTRIES
        said.append(Markup("{}").format(spoken.plural("{count} more", "{count} more", left)))
    return Markup(" · ").join(said)
