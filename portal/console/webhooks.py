"""Webhooks: other programs that are told of new entries, and how the last deliveries went."""

import secrets

from flask import Response, request
from markupsafe import Markup
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from ledger.people.webhook import (
    EndWebhook,
    SubscribeWebhook,
    Webhook,
    end_webhook,
    get_webhook,
    list_webhooks,
)
from ledger.work import WorkStatus, newest, retry
from portal import webhooks as telling
from portal.console.desk import by, desk, ledger, snapshot, words
from portal.console.forms import FORM_TOKEN, problems_of
from portal.console.listing import list_page, table
from portal.console.names import badge, code, link
from portal.console.settings_tabs import tabs
from portal.console.shell import address, console, entry_link, go_to, moment, page
from portal.forms import Problem, problems
from portal.permissions import does, sees
from translations import mark

HEADS = ((mark("Address"), False), (mark("Of which entries"), False), (mark("Since"), True))
SENT_HEADS = ((mark("Entry"), False), (mark("What became of it"), False), (mark("Tries"), True))
SHOWN = 20
SAMPLES = ("recall.*", "claim.*", "batch.produced", "shipment.*", "*")


@console.get("/webhooks")
@sees("webhooks")
def webhooks() -> Response:
    """Those that stand, oldest first."""
    rows = [
        (
            link(address("webhook", subject_id=one.id), one.address, is_code=True),
            words().list([code(kind) for kind in one.kinds]),
            entry_link(one.recorded),
        )
        for one in list_webhooks(snapshot())
    ]
    return list_page(
        here="webhooks",
        place="company",
        tabs=tabs("webhooks"),
        title=mark("Webhooks"),
        listing=table(HEADS, rows),
        commands=("webhook.subscribe",),
        empty=mark("An ERP, a shop or a chat can be told of every new recall, claim or batch."),
    )


@console.get("/webhooks/new")
@does("webhook.subscribe")
def new_webhook() -> Response:
    """The form: where to, and of what."""
    return _new("", "recall.*")


@console.post("/webhooks/new")
@does("webhook.subscribe")
def add_webhook() -> Response:
    """Subscribes, and shows the secret this once."""
    where, kinds = request.form.get("address", "").strip(), request.form.get("kinds", "")
    asked = SubscribeWebhook(address=where, kinds=tuple(kinds.split()))
    who, now = by(request.form.get(FORM_TOKEN, "")), ledger().clock.now()
    try:
        made, secret = telling.subscribe(ledger(), desk().state, asked, who, now=now)
    except LedgerError as error:
        wrong = problems_of(words(), error, {"address": where, "kinds": kinds})
        return _new(where, kinds, wrong, error.http_status)
    return _shown_once(made, secret)


@console.get("/webhooks/<subject_id>")
@sees("webhooks")
def webhook(subject_id: str) -> Response:
    """One webhook and its last deliveries."""
    return _show(get_webhook(snapshot(), subject_id))


@console.post("/webhooks/<subject_id>/secret")
@does("webhook.subscribe")
def another_secret(subject_id: str) -> Response:
    """Makes another secret, shown this once; from now on deliveries are signed with it."""
    found = get_webhook(snapshot(), subject_id)
    size = ledger().journal.standing(snapshot()).size
    secret = telling.new_secret(desk().state, found.id, next_index=size, now=ledger().clock.now())
    return _shown_once(found, secret)


@console.post("/webhooks/<subject_id>/again/<int:job>")
@does("webhook.subscribe")
def tell_again(subject_id: str, job: int) -> AnyResponse:
    """Tries a delivery again that was given up."""
    own = newest(desk().state, telling.DELIVER, f"{subject_id}-", SHOWN)
    if any(one.id == job for one in own):
        retry(desk().state, job, now=ledger().clock.now())
    return go_to(address("webhook", subject_id=subject_id))


@console.post("/webhooks/<subject_id>/end")
@does("webhook.end")
def stop_webhook(subject_id: str) -> AnyResponse:
    """Ends it; what is owed is not sent any more."""
    found, reason = get_webhook(snapshot(), subject_id), request.form.get("reason", "")
    try:
        who = by(request.form.get(FORM_TOKEN, ""))
        ledger().journal.write(end_webhook, EndWebhook(webhook=found.id, reason=reason), who)
    except LedgerError as error:
        return _show(found, problems_of(words(), error, {"reason": reason}), error.http_status, reason)
    return go_to(address("webhooks"))


def _new(where: str, kinds: str, wrong: list[Problem] | None = None, status: int = 200) -> Response:
    return page(
        "new_webhook.html",
        here="company",
        status=status,
        address=where,
        kinds=kinds,
        samples=words().list([code(one) for one in SAMPLES]),
        problems=problems(wrong or ()),
        form_token=secrets.token_urlsafe(16),
    )


def _shown_once(made: Webhook, secret: str) -> Response:
    return page("webhook_secret.html", here="company", webhook=made, secret=secret)


def _show(
    found: Webhook, wrong: list[Problem] | None = None, status: int = 200, reason: str = ""
) -> Response:
    sent = newest(desk().state, telling.DELIVER, f"{found.id}-", SHOWN)
    return page(
        "webhook.html",
        here="company",
        status=status,
        webhook=found,
        kinds=words().list([code(kind) for kind in found.kinds]),
        since=entry_link(found.recorded),
        is_signed=telling.has_secret(desk().state, found.id),
        sent=table(SENT_HEADS, [_row(one) for one in sent]),
        given_up=[one.id for one in sent if one.state == "dead"],
        reason=reason,
        problems=problems(wrong or ()),
        form_token=secrets.token_urlsafe(16),
    )


def _row(one: WorkStatus) -> tuple[Markup | str, ...]:
    return entry_link(int(str(one.payload["index"]))), _became(one), words().number(one.tries)


def _became(one: WorkStatus) -> Markup | str:
    spoken = words()
    if one.state == "done":
        return badge("done", "tick", spoken.text("taken")) + (moment(one.done_at) if one.done_at else "")
    if one.state == "dead":
        return badge("person", "triangle", spoken.text("given up")) + (one.error or "")
    if one.tries:
        said = spoken.text("Again at {moment}.", moment=moment(one.not_before))
        return badge("waiting", "clock", spoken.text("not taken yet")) + said
    return badge("waiting", "clock", spoken.text("waits"))
