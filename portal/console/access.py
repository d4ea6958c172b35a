"""Access for others: tokens for programs, links for auditors and counsel; and the page that a link leads to."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast, get_args
from zoneinfo import ZoneInfo

from flask import Response, abort, request
from markupsafe import Markup, escape
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from ledger.people.roles import covers
from ledger.people.roles import roles as all_roles
from ledger.people.token import Issued, find_issued, list_issued
from portal.about import subject_named
from portal.console.desk import by, desk, ledger, may, roles, snapshot, words
from portal.console.forms import FORM_TOKEN, problems_of, said
from portal.console.history import entries_about
from portal.console.listing import table
from portal.console.names import badge, code, isolated, link, names_of
from portal.console.options import choice_label, options_of
from portal.console.parties import TIMELINE
from portal.console.people import WORK, Choice
from portal.console.scopes import scopes_said
from portal.console.settings_tabs import tabs
from portal.console.shell import address, console, go_to, moment, page, zone
from portal.console.timeline import happenings
from portal.forms import Problem, Problems, problems
from portal.links import LinkEnded, followed, start_link_session
from portal.permissions import does, sees
from portal.security import refuse_foreign, set_session_cookie, sign_out
from portal.tokens import (
    NewToken,
    NoSuchDay,
    Token,
    Use,
    Wanted,
    end_of,
    issue,
    note_use,
    revoke,
    token_of,
    tokens,
)
from translations import mark

HEADS = (
    (mark("Name"), False),
    (mark("Sees and does"), False),
    (mark("Last used"), False),
    (mark("Until"), False),
)
AUDITOR = ("auditor",)
# Enough to judge one recall, and to approve it.
COUNSEL = (
    "do:recall.approve",
    *(
        f"see:{area}"
        for area in ("recalls", "batches", "products", "lots", "materials", "shipments", "files")
    ),
)
USUAL_DAYS: dict[Use, int] = {"program": 365, "auditor": 30, "counsel": 14}
TITLES: dict[Use, str] = {
    "program": mark("A token for a program"),
    "auditor": mark("A link for an auditor"),
    "counsel": mark("A link for counsel"),
}


@dataclass(frozen=True, slots=True)
class Access:
    """One token as pages show it: what state.db and the log know of it together."""

    id: str
    name: str
    kept: Token | None  # None where state.db was lost: its secret opens nothing any more
    issued: Issued | None  # None for one of the time before, and where a crash came between

    @property
    def is_old(self) -> bool:
        return self.kept is not None and self.kept.ends_at is None

    def works(self, now: datetime) -> bool:
        is_known = self.is_old or (self.issued is not None and self.issued.works(now))
        return self.kept is not None and self.kept.works(now) and is_known


@console.get("/access")
@sees("accounts")
def access() -> Response:
    """Everybody who was ever given a token or a link, those that still work first."""
    now = ledger().clock.now()
    found = sorted(_accesses(), key=lambda one: (not one.works(now), one.name.casefold()))
    rows = [
        (
            link(address("access_of", subject_id=one.id), isolated(one.name)) + _over(one, now),
            _may_said(one),
            _last_used(one),
            _until(one),
        )
        for one in found
    ]
    ways = [(words().text(title), address("new_access", use=use)) for use, title in TITLES.items()]
    return page(
        "access.html",
        here="company",
        tabs=tabs("access"),
        table=table(HEADS, rows),
        ways=ways if may("token.issue") else (),
    )


@console.get("/access/new/<use>")
@does("token.issue")
def new_access(use: str) -> Response:
    """The form: who, to do what, until when."""
    return _new(_use(use))


@console.post("/access/new/<use>")
@does("token.issue")
def give_access(use: str) -> AnyResponse:
    """Issues the token and shows it, or the link, this once."""
    wanted_use, now = _use(use), ledger().clock.now()
    try:
        made = issue(ledger(), desk().state, _wanted(wanted_use), now=now, by=by(_form_token()))
    except LedgerError as error:
        answers = {name: request.form.get(name, "") for name in ("name", "until", "further", "recall")}
        return _new(wanted_use, problems_of(words(), error, answers), status=error.http_status)
    return _given(made)


@console.get("/access/<subject_id>")
@sees("accounts")
def access_of(subject_id: str) -> Response:
    """One token: what it may do, every entry about it, and its end."""
    return _show(_access(subject_id))


@console.post("/access/<subject_id>/revoke")
@does("token.revoke")
def revoke_access(subject_id: str) -> AnyResponse:
    """Makes the token worthless at once."""
    found, reason = _access(subject_id), request.form.get("reason", "")
    if found.kept is None:
        abort(404)
    try:
        now = ledger().clock.now()
        revoke(ledger(), desk().state, found.kept, reason, now=now, by=by(_form_token()))
    except LedgerError as error:
        wrong = problems_of(words(), error, {"reason": reason})
        return _show(found, wrong, reason=reason, status=error.http_status)
    return go_to(address("access_of", subject_id=found.id))


@console.get("/link/<token>")
def link_page(token: str) -> Response:
    """What a link lets one see and do, and a button. Opening it does nothing: mail scanners open links."""
    try:
        found = followed(desk().state, token, now=ledger().clock.now())
    except LinkEnded as error:
        return page("link.html", status=error.http_status, token="", problem=said(words(), error))
    return page(
        "link.html",
        token=token,
        problem="",
        name=found.name,
        until=moment(found.ends_at) if found.ends_at else "",
        may_said=_may_said(
            Access(found.id, found.name, found, find_issued(snapshot(), found.id)), has_links=False
        ),
    )


@console.post("/link/<token>")
def follow_link(token: str) -> AnyResponse:
    """Begins a session as the token; an older one of this browser ends."""
    refuse_foreign(request)
    state, now = desk().state, ledger().clock.now()
    try:
        found = followed(state, token, now=now)
    except LinkEnded as error:
        return page("link.html", status=error.http_status, token="", problem=said(words(), error))
    sign_out(request, state)
    note_use(state, found, now=now)
    entered = go_to(address("today"))
    lasts = found.ends_at - now if found.ends_at else timedelta()
    set_session_cookie(request, entered, start_link_session(state, found, now=now).token, lasts=lasts)
    return entered


# --- what is asked for


def _wanted(use: Use) -> Wanted:
    """What the form asks for. Raises NoSuchDay, EndsTooLate, UnknownRecall."""
    form = request.form
    scopes: Sequence[str] = (*form.getlist("roles"), *form.get("further", "").split())
    about = None
    if use == "auditor":
        scopes = AUDITOR
    elif use == "counsel":
        scopes, about = COUNSEL, subject_named(snapshot(), f"recall:{form.get('recall', '')}")
    return Wanted(form.get("name", ""), use, scopes, end_of(_day(form.get("until", "")), zone()), about)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise NoSuchDay(example=_usual_day("auditor").isoformat(), text=text) from None


def _usual_day(use: Use) -> date:
    """The last day, where nobody chooses another."""
    return ledger().clock.now().astimezone(ZoneInfo(zone())).date() + timedelta(days=USUAL_DAYS[use])


def _use(text: str) -> Use:
    if text not in get_args(Use):
        abort(404)
    return cast(Use, text)


def _form_token() -> str:
    return request.form.get(FORM_TOKEN, "")


# --- what is shown


def _new(use: Use, found: Sequence[Problem] = (), *, status: int = 200) -> Response:
    form = request.form
    return page(
        "new_access.html",
        here="company",
        status=status,
        title=words().text(TITLES[use]),
        use=use,
        action=address("give_access", use=use),
        name=form.get("name", ""),
        until=form.get("until", _usual_day(use).isoformat()),
        choices=_choices(form.getlist("roles")),
        further=form.get("further", ""),
        recall=form.get("recall", ""),
        recalls=[(one.value, one.label) for one in options_of(snapshot(), words(), "recall")],
        problems=problems(found),
        form_token=secrets.token_urlsafe(16),
    )


def _given(made: NewToken) -> Response:
    is_link = made.token.use != "program"
    shown = address("link_page", token=made.secret, _external=True) if is_link else made.secret
    return page("given_access.html", here="company", token=made.token, shown=shown, is_link=is_link)


def _show(found: Access, wrong: Sequence[Problem] = (), *, reason: str = "", status: int = 200) -> Response:
    now = ledger().clock.now()
    about = entries_about(snapshot(), f"token:{found.id}", limit=TIMELINE)
    return page(
        "access_of.html",
        here="company",
        status=status,
        access=found,
        works=found.works(now),
        may_said=_may_said(found),
        until=_until(found),
        last_used=_last_used(found),
        reason=reason,
        problems=problems(wrong) if wrong else Problems(),
        timeline=happenings(about.entries),
        form_token=secrets.token_urlsafe(16),
    )


def _choices(chosen: Sequence[str]) -> list[Choice]:
    """The roles that whoever is signed in may hand on."""
    spoken = words()
    return [
        Choice(name, choice_label(spoken, name), spoken.text(WORK[name]), name in chosen)
        for name in all_roles()
        if covers(roles(), name)
    ]


def _accesses() -> list[Access]:
    issued = {one.id: one for one in list_issued(snapshot())}
    kept = {one.id: one for one in tokens(desk().state)}
    return [
        Access(one, kept[one].name if one in kept else one, kept.get(one), issued.get(one))
        for one in {**kept, **issued}
    ]


def _access(token: str) -> Access:
    kept, issued = token_of(desk().state, token), find_issued(snapshot(), token)
    if kept is None and issued is None:
        abort(404)
    return Access(token, kept.name if kept else token, kept, issued)


def _may_said(one: Access, *, has_links: bool = True) -> Markup:
    if one.is_old:
        return isolated(words().text("reads the log’s entries, and nothing else"))
    scopes = isolated(scopes_said(words(), one.issued.scopes if one.issued else ()))
    if one.issued is None or one.issued.about is None:
        return scopes
    names = names_of(snapshot(), [one.issued.about])
    subject = names.link(*one.issued.about.split(":"))
    if not has_links:
        subject = code(names.labels.get(one.issued.about, one.issued.about))
    only = escape(words().pattern("Only about {subject}")).format(subject=subject)
    return Markup("{}<br>{}").format(scopes, only)


def _until(one: Access) -> str:
    ends_at = one.kept.ends_at if one.kept else one.issued.ends_at if one.issued else None
    return moment(ends_at) if ends_at else words().text("until it is revoked")


def _last_used(one: Access) -> str:
    used = one.kept.last_used_at if one.kept else None
    return moment(used) if used else words().text("never")


def _over(one: Access, now: datetime) -> Markup:
    return Markup() if one.works(now) else badge("clear", "text-circle", words().text("ended"))
