"""Serials of a batch: made here or imported, listed, printed as labels."""

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Response, abort, request
from sqlalchemy import select
from werkzeug import Response as AnyResponse

from labels import unit_png
from ledger.errors import LedgerError
from ledger.identifiers import grouped, is_own_serial, search_key
from ledger.journal.asking import build, questions
from ledger.recall.errors import IntoRecalledBatch
from ledger.trace.batch import Batch
from ledger.trace.batch import batches as batch_table
from ledger.trace.commissioning import MakeSerials, commission_made
from ledger.trace.product import get_product
from ledger.trace.seller import get_seller
from ledger.trace.unit import find_units, sets_of, unit_sets
from ledger.work import enqueue
from portal.console.desk import by, desk, ledger, session, snapshot, words
from portal.console.forms import FORM_TOKEN, FormMaker, problems_of
from portal.console.listing import show, table
from portal.console.reads import batches_where
from portal.console.shell import address, console, entry_link, go_to, page
from portal.forms import Problems, problems
from portal.jobs import LABELS_SHEET
from portal.label_contents import batch_label, serials_of, unit_labels
from portal.limits import limit
from portal.permissions import does, sees
from translations import catalogues, mark

SHOWN = 60
MOST_LABELS = 20_000  # on one sheet: 1,334 pages
SET_HEADS = ((mark("Set"), False), (mark("Origin"), False), (mark("Serials"), True))


@console.get("/labels")
@sees("labels")
def labels() -> Response:
    """The batches, with how many of their units carry a serial."""
    return show(
        "labels",
        title=mark("Labels"),
        commands=(),
        first="batch.produce",
        empty=mark("Labels are made for the units of a batch: record a batch first."),
    )


@console.get("/batches/<subject_id>/units")
@sees("units")
def units(subject_id: str) -> Response:
    """The serials of a batch, and what can be done with them."""
    return _show(_batch(subject_id))


@console.post("/batches/<subject_id>/units")
@does("unit.commission")
def make_serials(subject_id: str) -> AnyResponse:
    """Makes random serials for a batch, once however often the form is sent."""
    batch = _batch(subject_id)
    answers: dict[str, object] = {"batch": batch.id, "count": request.form.get("count", "")}
    reason = request.form.get("not_recalled_because", "")
    try:
        receipt = commission_made(
            ledger().journal,
            ledger().keys.units,
            build(MakeSerials, answers),
            by(request.form.get(FORM_TOKEN, "")),
            not_recalled_because=reason,
        )
    except LedgerError as error:
        found = problems_of(words(), error, answers)
        asks_why = bool(reason) or isinstance(error, IntoRecalledBatch)
        return _show(
            batch, answers, problems(found), status=error.http_status, reason=reason, asks_why=asks_why
        )
    return go_to(address("units", subject_id=batch.id), receipt.entries[0].index)


@console.post("/batches/<subject_id>/labels")
@does("label.print")
def make_sheet(subject_id: str) -> AnyResponse:
    """Asks for a PDF of labels, which a worker makes; the same one asked for twice is made once."""
    limit("labels", session().account.id)
    batch = _batch(subject_id)
    count = sum(one.count for one in sets_of(snapshot(), batch.id))
    template = "unit" if count and request.form.get("template") != "batch" else "batch"
    end = min(count, MOST_LABELS) if template == "unit" else 1
    language = _language(request.form.get("language", ""))
    payload: dict[str, Any] = {
        "batch": batch.id,
        "start": 0,
        "end": end,
        "language": language,
        "template": template,
    }
    seller = get_seller(snapshot())
    said_by = seller.recorded if seller else 0  # other words on the label make another sheet
    dedupe = f"{batch.id}:0-{end}:{language}:{template}:{said_by}"
    job = enqueue(desk().state, LABELS_SHEET, payload, dedupe=dedupe, now=ledger().clock.now())
    return go_to(address("job", job_id=job, back=batch.id))


@console.get("/batches/<subject_id>/labels/<serial>.png")
@sees("labels")
def label(subject_id: str, serial: str) -> Response:
    """The label of one unit as a picture, its code read back before it leaves the house."""
    connection = snapshot()
    batch = _batch(subject_id)
    found = [unit for unit in find_units(connection, serial) if unit.batch == batch.id]
    if not found:
        abort(404)
    language = _language(request.args.get("language", ""))
    host = ledger().settings.host
    content = batch_label(connection, host, batch, language)
    product = get_product(connection, batch.product)
    one = next(iter(unit_labels(content, host, product, batch, [found[0].serial])))
    name = f"{batch.code}-{search_key(found[0].serial)}.png".replace('"', "")
    disposition = {"Content-Disposition": f'inline; filename="{name}"'} if name.isascii() else {}
    return Response(unit_png(one, 300), content_type="image/png", headers=disposition)


def _show(
    batch: Batch,
    answers: Mapping[str, object] | None = None,
    found: Problems | None = None,
    *,
    status: int = 200,
    reason: str = "",
    asks_why: bool = False,
) -> Response:
    connection = snapshot()
    sets = sets_of(connection, batch.id)
    count = sum(one.count for one in sets)
    left = batch.quantity - count
    form = FormMaker(connection, words(), answers or {"count": str(left)}).make(
        [one for one in questions(MakeSerials) if one.name == "count"]
    )
    serials = serials_of(connection, batch, 0, SHOWN)
    line = batches_where(connection, batch_table.c.id == batch.id)[0]
    return page(
        "units.html",
        status=status,
        here="labels",
        batch=batch,
        product=line.product_name,
        count=count,
        left=left,
        form=form,
        problems=found or problems(()),
        form_token=secrets.token_urlsafe(16),
        reason=reason,
        asks_why=asks_why,
        sets=table(SET_HEADS, [_set_row(one) for one in sets]),
        serials=[(grouped(one) if is_own_serial(one) else one, one) for one in serials],
        label_languages=[(one.tag, one.name) for one in catalogues().offering("labels")],
        first=serials[0] if serials else "",
        is_first_label="recorded" in request.args and len(sets) == 1 and _is_first(sets[0].c),
        most=min(count, MOST_LABELS),
    )


def _is_first(index: int) -> bool:
    """Whether no serials were recorded before this entry."""
    earlier = select(unit_sets.c.c).where(unit_sets.c.c < index).limit(1)
    return snapshot().execute(earlier).first() is None


def _set_row(one: Any) -> tuple[Any, ...]:
    origin = (
        words().text("made here") if one.received_sha256 is None else words().text("from the factory’s file")
    )
    return (entry_link(one.c), origin, words().number(one.count))


def _batch(subject_id: str) -> Batch:
    """By its id alone: a code may stand for several."""
    row = snapshot().execute(select(batch_table).where(batch_table.c.id == subject_id)).first()
    if row is None:
        abort(404)
    return Batch(*row)


def _language(tag: str) -> str:
    """The wanted language, if labels speak it."""
    offered = [one.tag for one in catalogues().offering("labels")]
    return tag if tag in offered else words().lang if words().lang in offered else offered[0]
