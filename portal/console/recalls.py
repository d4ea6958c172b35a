"""Recalls: whom they reach, how far they have come, and who said so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response
from markupsafe import Markup
from sqlalchemy import Connection, Select, String, cast, func, literal, null, select, union_all

from ledger.moments import parse_moment
from ledger.recall.approving import matter_of
from ledger.recall.claim import claim_recalls, claims
from ledger.recall.recall import (
    Recall,
    RecallVersion,
    find_recall,
    get_recall,
    recall_batches,
    recall_versions,
    versions_of,
)
from ledger.recall.recall import recalls as recall_table
from ledger.trace.batch import batches as batch_table
from ledger.trace.shipment import Shipped, shipped_from
from portal.charts import Chart, line
from portal.console.approvals import approval_part, own_step, progress_of
from portal.console.desk import may, session, snapshot, words
from portal.console.figures import Figures, Term, countries_of, figures_of, slices
from portal.console.history import entries_about
from portal.console.listing import Table, show, table
from portal.console.lots import into_table
from portal.console.names import Names, badge
from portal.console.options import choice_label, hazard_said
from portal.console.parties import TIMELINE
from portal.console.reads import batches_where
from portal.console.record import CONSEQUENCES, TITLES
from portal.console.sentences import Say
from portal.console.shell import address, console, entry_link, page, zone
from portal.console.timeline import actor, happenings
from portal.console.today import Waiting, waits
from portal.permissions import sees
from translations import Words, mark

VERSION_HEADS = (
    (mark("Version"), False),
    (mark("Drafted by"), False),
    (mark("Approved by"), False),
    (mark("Published"), False),
    (mark("Units"), True),
)
SHAPES = {
    "drafted": ("person", "triangle"),
    "approved": ("waiting", "pause"),
    "published": ("recalled", "octagon"),
    "closed": ("recalled", "octagon"),
    "retracted": ("clear", "text-circle"),
}
BEING_HANDLED = ("opened", "accepted")


@console.get("/recalls")
@sees("recalls")
def recalls() -> Response:
    """All recalls, newest first; drafts among them, which nobody outside sees."""
    return show(
        "recalls",
        title=mark("Recalls"),
        commands=("recall.draft",),
        empty=mark("No recall, and none drafted. A draft shows whom it would reach before anybody is told."),
        marks=lambda spoken, row: standing_badge(spoken, row["standing"]),
    )


def standing_badge(spoken: Words, standing: str) -> Markup:
    """How a recall stands, with its shape."""
    return badge(*SHAPES[standing], choice_label(spoken, standing))


@console.get("/recalls/<subject_id>")
@sees("recalls")
def recall(subject_id: str) -> Response:
    """One recall: whom it reaches, its versions, its batches, and every entry about it."""
    connection = snapshot()
    found = get_recall(connection, subject_id)
    versions = versions_of(connection, found.id)
    newest = versions[-1]
    into = batches_where(connection, batch_table.c.id.in_(_batches_of(newest)))
    shipped = shipped_from(connection, [one.id for one in into])
    matter = matter_of(connection, found, newest)
    progress = progress_of(connection, matter)
    counted, settled = _claims_of(connection, found)
    return page(
        "recall.html",
        here="recalls",
        recall=found,
        badge=standing_badge(words(), found.standing),
        hazard=hazard_said(words(), found.hazard),
        published=words().day(found.published_at, zone()) if found.published_at else "",
        actions=actions_of(found, newest, session().account.actor, is_free=progress.is_free),
        approval=approval_part(
            connection,
            matter,
            progress,
            extent(words(), newest, len(into), len(countries_of(shipped))),
            is_done=newest.published is not None or found.standing in ("closed", "retracted"),
        ),
        countries=len(countries_of(shipped)),
        units=newest.units,
        figures=_progress(counted, newest.units, shipped),
        put_right=_put_right(settled),
        versions=_versions(versions),
        into=into_table(into, shipped),
        timeline=happenings(entries_about(connection, f"recall:{found.id}", limit=TIMELINE).entries),
        all_entries=address("log", about=f"recall:{found.id}"),
    )


def extent(spoken: Words, version: RecallVersion, batches: int, countries: int) -> str:
    """What is approved with a version, in numbers."""
    return spoken.list(
        [
            spoken.text("version {version}", version=spoken.number(version.version)),
            spoken.plural("{count} unit", "{count} units", version.units),
            spoken.plural("{count} batch", "{count} batches", batches),
            spoken.plural("{count} country", "{count} countries", countries),
        ]
    )


def actions_of(found: Recall, newest: RecallVersion, asking: str, *, is_free: bool) -> list[tuple[str, str]]:
    """What this person may do next: (words, address), the main one last. `is_free`: approved, or waited for."""
    names = []
    if found.is_public and newest.published is not None:
        names = ["recall.retract", "recall.close", "recall.draft_widening"]
        if found.standing == "closed":
            names = ["recall.retract"]
    elif not is_free:
        names = [] if newest.drafted_by == asking else ["recall.approve"]
    elif found.standing in ("drafted", "approved", "published"):
        names = ["recall.publish" if newest.version == 1 else "recall.widen"]
    return [
        (words().text(TITLES[name]), address("record_form", name=name) + f"?recall={found.code}")
        for name in names
        if may(name)
    ]


def _batches_of(version: RecallVersion) -> Select[Any]:
    return select(recall_batches.c.batch).where(
        recall_batches.c.recall == version.recall, recall_batches.c.version == version.version
    )


def _claims_of(connection: Connection, found: Recall) -> tuple[list[Any], list[datetime]]:
    """(how many units by standing and remedy; when each claim was settled). One query."""
    own = claims.join(claim_recalls, claim_recalls.c.claim == claims.c.id)
    units = func.count(func.distinct(claims.c.c * 2**31 + claims.c.i))
    counted = (
        select(
            claims.c.standing,
            claims.c.remedy,
            units.label("units"),
            cast(null(), String(24)).label("moved_at"),
        )
        .select_from(own)
        .where(claim_recalls.c.recall == found.id)
        .group_by(claims.c.standing, claims.c.remedy)
    )
    settled = (
        select(claims.c.standing, claims.c.remedy, literal(0), cast(claims.c.moved_at, String(24)))
        .select_from(own)
        .where(claim_recalls.c.recall == found.id, claims.c.standing == "settled")
    )
    rows = connection.execute(union_all(counted, settled)).all()
    times = [parse_moment(row.moved_at) for row in rows if row.moved_at is not None]
    return [row[:3] for row in rows if row.moved_at is None], times


def _progress(counted: Sequence[Any], units: int, shipped: Sequence[Shipped]) -> Figures:
    """Affected = refunded + replaced + being handled + in stock + no answer yet; units, not claims."""
    by_state = {(standing, remedy): count for standing, remedy, count in counted}
    base = figures_of(words(), units, shipped)
    refunded, replaced = by_state.get(("settled", "refund"), 0), by_state.get(("settled", "replacement"), 0)
    handled = sum(count for (standing, _), count in by_state.items() if standing in BEING_HANDLED)
    stock = base.made - base.shipped
    silent = max(0, units - refunded - replaced - handled - stock)
    parts = [
        ("out", refunded, words().text("refunded")),
        ("out", replaced, words().text("replaced")),
        ("way", handled, words().text("being handled")),
        ("held", stock, words().text("in stock")),
        ("open", silent, words().text("no answer yet")),
    ]
    terms = [Term(words().number(units), words().text("affected"), "")]
    terms += [Term(words().number(count), said, part) for part, count, said in parts if count]
    cut = tuple(slices([(part, count) for part, count, _ in parts]))
    return Figures(base.made, base.shipped, tuple(terms), cut, base.by_country, base.in_stock)


def _put_right(settled: Sequence[datetime]) -> Chart | None:
    """How many claims were settled in all, by the day."""
    here = ZoneInfo(zone())
    days = [(moved_at.astimezone(here).date(), 1) for moved_at in settled]
    return line(words(), words().text("Claims settled, in all"), days)


def _versions(versions: Sequence[RecallVersion]) -> Table:
    spoken = words()
    rows = [
        (
            spoken.number(one.version),
            Markup("{} {}").format(actor(spoken, one.drafted_by), entry_link(one.drafted)),
            _approval(spoken, one),
            entry_link(one.published) if one.published is not None else "",
            spoken.number(one.units),
        )
        for one in reversed(versions)
    ]
    return table(VERSION_HEADS, rows)


def _approval(spoken: Words, one: RecallVersion) -> Markup | str:
    if one.approved is None or one.approved_by is None:
        return spoken.text("a waiting time") if one.published is not None else ""
    return Markup("{} {}").format(actor(spoken, one.approved_by), entry_link(one.approved))


def reach(connection: Connection, spoken: Words, code: str) -> str:
    """What publishing will do, in numbers; nothing for a code that no recall has."""
    found = find_recall(connection, code)
    if found is None:
        return ""
    newest = versions_of(connection, found.id)[-1]
    batches: list[str] = list(connection.scalars(_batches_of(newest)))
    countries = len(countries_of(shipped_from(connection, batches)))
    return spoken.text(
        "From then on {units} units, shipped to {countries} countries, are answered as recalled. Everybody can see it.",
        units=spoken.number(newest.units),
        countries=spoken.number(countries),
    )


def approves(connection: Connection, spoken: Words, code: str) -> str:
    """What exactly is approved, and by which digest: what was drafted anew meanwhile is shown before it is approved."""
    found = find_recall(connection, code)
    if found is None:
        return ""
    newest = versions_of(connection, found.id)[-1]
    batches: list[str] = list(connection.scalars(_batches_of(newest)))
    countries = len(countries_of(shipped_from(connection, batches)))
    return spoken.text(
        "You approve exactly this: {extent}. Its content is {digest}.",
        extent=extent(spoken, newest, len(batches), countries),
        digest=matter_of(connection, found, newest).digest[:8],
    )


def what_closing_does(connection: Connection, spoken: Words, code: str) -> str:
    """What closing will do, in numbers; nothing for a code that no recall has."""
    found = find_recall(connection, code)
    if found is None:
        return ""
    return spoken.plural(
        "{units} units stay answered as recalled, for ever. {count} claim is still being handled; it stays open.",
        "{units} units stay answered as recalled, for ever. {count} claims are still being handled; they stay open.",
        _being_handled(connection, found),
        units=spoken.number(versions_of(connection, found.id)[-1].units),
    )


def what_retracting_does(connection: Connection, spoken: Words, code: str) -> str:
    """What retracting will do, in numbers; nothing for a code that no recall has."""
    found = find_recall(connection, code)
    if found is None:
        return ""
    return spoken.plural(
        "{units} units are answered as recalled no more, unless they stand in another recall. Everybody can see it. "
        "{count} claim is still being handled; it stays open.",
        "{units} units are answered as recalled no more, unless they stand in another recall. Everybody can see it. "
        "{count} claims are still being handled; they stay open.",
        _being_handled(connection, found),
        units=spoken.number(versions_of(connection, found.id)[-1].units),
    )


def _being_handled(connection: Connection, found: Recall) -> int:
    """How many claims about it nobody has settled or declined."""
    count: int = connection.execute(
        select(func.count())
        .select_from(claims.join(claim_recalls, claim_recalls.c.claim == claims.c.id))
        .where(claim_recalls.c.recall == found.id, claims.c.standing.in_(BEING_HANDLED))
    ).scalar_one()
    return count


CONSEQUENCES.update(
    {
        "recall.publish": reach,
        "recall.widen": reach,
        "recall.approve": approves,
        "recall.close": what_closing_does,
        "recall.retract": what_retracting_does,
    }
)


@waits("recall.approve")
def drafts(connection: Connection, spoken: Words) -> list[Waiting]:
    """Versions that wait for this person's approval or for a second person, and those that can be published."""
    newest = (
        select(recall_versions.c.recall)
        .join(recall_table, recall_table.c.id == recall_versions.c.recall)
        .where(
            recall_versions.c.published.is_(None),
            recall_table.c.standing.in_(("drafted", "approved", "published")),
        )
        .order_by(recall_versions.c.drafted)
    )
    recalls_waiting = dict.fromkeys(connection.scalars(newest))
    return [_draft(connection, spoken, get_recall(connection, one)) for one in recalls_waiting]


def _draft(connection: Connection, spoken: Words, found: Recall) -> Waiting:
    matter = matter_of(connection, found, versions_of(connection, found.id)[-1])
    progress = progress_of(connection, matter)
    meaning = "recalled"
    if progress.approval is not None:
        said = spoken.text("Recall {recall} is approved and not published", recall=found.code)
        reason = spoken.text("Nobody has been told yet.")
    elif matter.author == session().account.actor:
        said = spoken.text("Recall {recall} waits for a second person", recall=found.code)
        meaning, reason = own_step(connection, matter, progress)
    else:
        said = spoken.text("Recall {recall} waits for your approval", recall=found.code)
        reason = spoken.text("Somebody else drafted it. Nobody has been told yet.")
    place = address("recall", subject_id=found.id)
    return Waiting(meaning, Markup("{}").format(said), reason, spoken.text("Look at it"), place)


@waits("claim.accept")
def open_claims(connection: Connection, spoken: Words) -> list[Waiting]:
    """Claims that nobody has looked at."""
    count = connection.execute(
        select(func.count()).select_from(claims).where(claims.c.standing == "opened")
    ).scalar_one()
    if not count:
        return []
    said = Say(spoken, Names()).plural(
        "{count} claim waits for you", "{count} claims wait for you", count, is_bold=True
    )
    reason = spoken.text("Buyers who ask for their money back, or for a new one.")
    return [
        Waiting("person", said, reason, spoken.text("Look at them"), address("claims", standing="opened"))
    ]
