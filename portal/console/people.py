"""People: the accounts there are, letting somebody in by a link, their roles, and the end of an account."""

import secrets
from collections.abc import Container, Sequence
from dataclasses import dataclass

from flask import Response, abort, request
from markupsafe import Markup
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from ledger.journal.journal import By
from ledger.people.account import Staff, find_staff, list_staff
from ledger.people.roles import roles as all_roles
from ledger.trace.site import site_of
from portal.accounts import account_of
from portal.console.confirming import demand_recent
from portal.console.desk import account_name, by, desk, ledger, session, snapshot, words
from portal.console.forms import FORM_TOKEN, is_typed, not_typed, problems_of, said
from portal.console.history import entries_about
from portal.console.listing import list_page, table
from portal.console.names import isolated, link, names_of
from portal.console.options import choice_label
from portal.console.own_account import factors_said
from portal.console.parties import TIMELINE
from portal.console.shell import address, console, go_to, moment, page
from portal.console.sign_in import go_on_as
from portal.console.timeline import happenings
from portal.forms import Problem, Problems, problems
from portal.invitations import InvitationEnded, accept, invite, invited
from portal.permissions import does, sees
from portal.second_factor import demand_of_all, factors_of, is_demanded, remove_factors, with_factors
from portal.security import refuse_foreign
from portal.staff import end, let_in_by_link, set_roles
from translations import mark

HEADS = (
    (mark("Name"), False),
    (mark("Roles"), False),
    (mark("Second factor"), False),
    (mark("Since"), False),
)
WORK = {
    "warehouse": mark("Receives, labels, packs and ships."),
    "partner": mark("Receives what is sent to their own site and puts it on hold; sees nothing else."),
    "quality": mark("Records what goods are made of, tests, holds, drafts recalls."),
    "seller": mark("Runs the company: products, suppliers, decisions; drafts and approves recalls."),
    "coordinator": mark("Leads recalls and claims from beginning to end."),
    "support": mark("Answers buyers and settles their claims."),
    "auditor": mark("Sees everything but what buyers left of themselves, and changes nothing."),
    "admin": mark("Lets people in and out, and sees to personal data."),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A role to choose: its name, what it is called, what it is for."""

    name: str
    title: str
    work: str
    is_chosen: bool


@console.get("/people")
@sees("accounts")
def people() -> Response:
    """Everybody who was ever let in, those who may act first."""
    found = sorted(list_staff(snapshot()), key=lambda one: (one.ended_at is not None, one.recorded))
    protected = with_factors(desk().state)
    rows = [
        (
            link(address("person", subject_id=one.id), isolated(_name_of(one))),
            _roles_said(one),
            _has_factor_said(one, protected),
            moment(one.ended_at or one.admitted_at),
        )
        for one in found
    ]
    return list_page(
        here="people",
        title=mark("People"),
        listing=table(HEADS, rows),
        commands=("account.admit",),
        empty=mark("Nobody was let in yet."),
        template="people.html",
        is_demanded=is_demanded(desk().state),
    )


@console.post("/people/second-factor")
@does("account.admit")
@demand_recent("people")
def demand_factors() -> AnyResponse:
    """Demands a second factor of everybody, or no longer."""
    is_on = request.form.get("demanded") == "yes"
    demand_of_all(desk().state, is_on=is_on, actor=session().account.actor, now=ledger().clock.now())
    return go_to(address("people"))


@console.get("/people/new")
@does("account.admit")
def new_person() -> Response:
    """The form: who, and to do what."""
    return _new(name="", chosen=())


@console.post("/people/new")
@does("account.admit")
def let_person_in() -> AnyResponse:
    """Lets somebody in and shows the link by which they choose a password, this once."""
    name, chosen = request.form.get("name", ""), request.form.getlist("roles")
    now = ledger().clock.now()
    try:
        made, token = let_in_by_link(ledger(), desk().state, name, chosen, now=now, by=_by())
    except LedgerError as error:
        return _new(
            name=name,
            chosen=chosen,
            found=problems_of(words(), error, {"name": name}),
            status=error.http_status,
        )
    return _invited(made.id, made.name, token)


@console.get("/people/<subject_id>")
@sees("accounts")
def person(subject_id: str) -> Response:
    """One account: its roles, what may be done about it, and every entry about it."""
    return _person(_staff(subject_id))


@console.post("/people/<subject_id>/roles")
@does("account.give_roles")
def change_roles(subject_id: str) -> AnyResponse:
    """Gives somebody other roles."""
    found = _staff(subject_id)
    try:
        set_roles(ledger(), found.id, request.form.getlist("roles"), by=_by())
    except LedgerError as error:
        return _person(found, problems_of(words(), error, {}), status=error.http_status)
    return go_to(address("person", subject_id=found.id))


@console.post("/people/<subject_id>/link")
@does("account.admit")
def new_link(subject_id: str) -> AnyResponse:
    """Shows a new link by which somebody chooses another password; the one before ends."""
    found = _staff(subject_id)
    if found.ended_at is not None:
        abort(404)
    return _invited(found.id, _name_of(found), invite(desk().state, found.id, now=ledger().clock.now()))


@console.post("/people/<subject_id>/factors")
@does("account.admit")
@demand_recent("person")
def remove_persons_factors(subject_id: str) -> AnyResponse:
    """Takes somebody's second factors away, who lost them; their sessions end."""
    remove_factors(desk().state, _staff(subject_id).id)
    return go_to(address("person", subject_id=subject_id))


@console.post("/people/<subject_id>/end")
@does("account.end")
def end_account(subject_id: str) -> AnyResponse:
    """Ends somebody's account for good."""
    found, reason = _staff(subject_id), request.form.get("reason", "")
    if not is_typed(_name_of(found), request):
        return _person(found, [not_typed(words(), _name_of(found))], status=422, reason=reason)
    try:
        end(ledger(), desk().state, found.id, reason, now=ledger().clock.now(), by=_by())
    except LedgerError as error:
        return _person(
            found, problems_of(words(), error, {"reason": reason}), status=error.http_status, reason=reason
        )
    return go_to(address("person", subject_id=found.id))


@console.get("/welcome/<token>")
def welcome(token: str) -> Response:
    """The form for a password, for whoever has the link. Opening it does nothing."""
    try:
        return _welcome(token, invited(desk().state, desk().names, token, now=ledger().clock.now()).name)
    except InvitationEnded as error:
        return _welcome("", "", problem=said(words(), error), status=error.http_status)


@console.post("/welcome/<token>")
def choose_password(token: str) -> AnyResponse:
    """Takes the password, ends the link, and signs in."""
    refuse_foreign(request)
    now, state, names, name = ledger().clock.now(), desk().state, desk().names, ""
    try:
        name = invited(state, names, token, now=now).name
        account = accept(state, names, token, request.form.get("password", ""), now=now)
    except InvitationEnded as error:
        return _welcome("", "", problem=said(words(), error), status=error.http_status)
    except LedgerError as error:
        return _welcome(token, name, problem=said(words(), error), status=error.http_status)
    return go_on_as(account, address("today"))


def _new(*, name: str, chosen: Sequence[str], found: Sequence[Problem] = (), status: int = 200) -> Response:
    return page(
        "new_person.html",
        here="people",
        status=status,
        name=name,
        choices=_choices(chosen),
        problems=problems(found),
        form_token=secrets.token_urlsafe(16),
    )


def _invited(account: str, name: str, token: str) -> Response:
    return page(
        "invited.html",
        here="people",
        name=name,
        account=account,
        link=address("welcome", token=token, _external=True),
    )


def _person(found: Staff, wrong: Sequence[Problem] = (), *, status: int = 200, reason: str = "") -> Response:
    kept = account_of(desk().state, desk().names, found.id)
    timeline = entries_about(snapshot(), f"account:{found.id}", limit=TIMELINE)
    return page(
        "person.html",
        here="people",
        status=status,
        account=found,
        name=_name_of(found),
        is_here=kept is not None,
        is_own=found.id == session().account.id,
        since=moment(found.admitted_at),
        ended=moment(found.ended_at) if found.ended_at else "",
        roles=_roles_said(found),
        site=_site_of(found),
        factors=factors_said(words(), factors_of(desk().state, found.id)),
        choices=_choices(found.roles),
        reason=reason,
        problems=problems(wrong) if wrong else Problems(),
        timeline=happenings(timeline.entries),
        form_token=secrets.token_urlsafe(16),
    )


def _welcome(token: str, name: str, *, problem: str = "", status: int = 200) -> Response:
    return page("welcome.html", status=status, token=token, name=name, problem=problem)


def _staff(account: str) -> Staff:
    found = find_staff(snapshot(), account)
    if found is None:
        abort(404)
    return found


def _name_of(found: Staff) -> str:
    """By what people call them; the id where `state.db` was lost, or is another installation's."""
    return account_name(f"account:{found.id}") or found.id


def _site_of(found: Staff) -> Markup | str:
    here = site_of(snapshot(), f"account:{found.id}")
    return names_of(snapshot(), [f"site:{here}"]).link("site", here) if here else ""


def _roles_said(found: Staff) -> str:
    if found.ended_at is not None:
        return words().text("ended")
    return words().list([choice_label(words(), role) for role in found.roles]) or words().text("nothing")


def _has_factor_said(found: Staff, protected: Container[str]) -> str:
    if found.ended_at is not None:
        return ""
    return words().text("set up") if found.id in protected else choice_label(words(), "none")


def _choices(chosen: Sequence[str]) -> list[Choice]:
    spoken = words()
    return [
        Choice(name, choice_label(spoken, name), spoken.text(WORK[name]), name in chosen)
        for name in all_roles()
    ]


def _by() -> By:
    return by(request.form.get(FORM_TOKEN, ""))
