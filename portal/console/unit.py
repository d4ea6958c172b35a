"""One unit: its number as on the label, where it belongs, whether it is recalled or on hold, who claimed for it."""

from flask import Response, abort
from markupsafe import Markup
from sqlalchemy import select

from ledger.people.roles import may_see
from ledger.recall.answer import Match, find_answer
from ledger.recall.claim import claims
from ledger.trace.batch import batches as batch_table
from ledger.trace.quality import holds
from ledger.trace.unit import unit_at
from portal.console.batches import on_hold, recalled
from portal.console.desk import ledger, roles, snapshot, words
from portal.console.names import badge, isolated, link
from portal.console.options import choice_label
from portal.console.shell import address, console, entry_link, page
from portal.permissions import sees


@console.get("/units/<int:c>/<int:i>")
@sees("units")
def unit(c: int, i: int) -> Response:
    """The unit at a position: place `i` of the set that entry `c` made."""
    if max(c, i) >= 2**31:
        abort(404)
    connection = snapshot()
    found = unit_at(connection, (c, i))
    if found is None:
        abort(404)
    answer = find_answer(connection, ledger().journal.standing(connection), found.serial)
    match = next((one for one in answer.matches if one.position == (c, i)), None)
    batch = connection.execute(select(batch_table).where(batch_table.c.id == found.batch)).one()
    is_held = holds.c.batch == batch.id, holds.c.released.is_(None)
    hold = connection.execute(select(holds.c.reason, holds.c.placed).where(*is_held)).first()
    return page(
        "unit.html",
        here="batches",
        shown=found.shown,
        badges=_badges(match, is_held=hold is not None),
        product=link(
            address("product", subject_id=found.product), isolated(match.product if match else batch.code)
        ),
        batch=batch,
        made_on=words().date(batch.made_on),
        set_entry=entry_link(c),
        place=words().number(i + 1),
        recalls=_recalls(match),
        hold=hold,
        claims=_claims(c, i),
        label=address("label", subject_id=batch.id, serial=found.serial),
    )


def _badges(match: Match | None, *, is_held: bool) -> Markup:
    marks = on_hold(words()) if is_held else Markup()
    if match is not None and match.status == "recalled":
        return recalled(words()) + marks
    if match is not None and match.status == "settled":
        return badge("done", "tick", words().text("recalled and put right")) + marks
    return marks


def _recalls(match: Match | None) -> list[Markup]:
    """The public recalls that the unit stands in, as links for whom they are of use."""
    found = match.recalls if match is not None else ()
    return [link(address("recall", subject_id=one.id), one.code, is_code=True) for one in found]


def _claims(c: int, i: int) -> list[tuple[Markup, str]]:
    """The claims for this unit with their standing; none for who may not see claims."""
    if not may_see(roles(), "claims"):
        return []
    query = (
        select(claims.c.id, claims.c.standing)
        .where(claims.c.c == c, claims.c.i == i)
        .order_by(claims.c.opened)
    )
    rows = snapshot().execute(query)
    return [
        (link(address("claim", subject_id=row.id), row.id, is_code=True), choice_label(words(), row.standing))
        for row in rows
    ]
