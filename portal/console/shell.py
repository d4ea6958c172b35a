"""The console's frame: its blueprint, who may enter, navigation, seal, language, and its error pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, g, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import Table, exists, select
from werkzeug import Response as AnyResponse
from werkzeug.exceptions import HTTPException

from ledger.errors import LedgerError
from ledger.people.roles import is_confined
from ledger.recall.claim import claims
from ledger.recall.recall import recalls
from ledger.trace.site import zone_of_site
from ledger.trace.substitution import substitutions
from portal.about import AboutAnother
from portal.assets import POLICY_WITH_SCRIPTS
from portal.console.desk import (
    LANGUAGE_COOKIE,
    close_snapshot,
    desk,
    holding,
    house,
    ledger,
    may,
    roles,
    session,
    snapshot,
    words,
)
from portal.console.forms import said
from portal.language import A_YEAR
from portal.limits import limit, wait_seconds
from portal.links import Guest
from portal.permissions import Rule, rule_of
from portal.second_factor import must_set_up
from portal.security import STAFF_PATH, local_path, refuse_forged, signed_in
from portal.watch import acting
from translations import Words, catalogues, mark

OPEN_TO_ALL = {
    "console.sign_in",
    "console.sign_in_form",
    "console.second_step",
    "console.second_step_form",
    "console.passkey_options",
    "console.passkey_sign_in",
    "console.change_language",
    "console.welcome",
    "console.choose_password",
    "console.link_page",
    "console.follow_link",
}
# All that is open to an account without the second factor that the company demands.
RECEIVE = "shipment.receive"  # what a partner's people are there for
SETTING_UP = tuple(
    f"{STAFF_PATH}/{path}" for path in ("account/second-factor", "account/confirm", "sign-out")
)
# Of the pages for everybody who is signed in, those that are also for whoever came by a link. All others are about
# one's own account.
OPEN_TO_LINKS = {
    f"console.{name}"
    for name in ("today", "search_page", "scanner", "record_something", "nowhere", "sign_out")
}
console = Blueprint("console", __name__, url_prefix=STAFF_PATH)
console.teardown_request(close_snapshot)
console.add_app_template_global(may, "may")


@dataclass(frozen=True, slots=True)
class Place:
    """One row of the navigation; `endpoint` is its page, and a place without one is left out."""

    endpoint: str
    title: str
    count: int = 0
    unused: Table | None = None  # under "More" while this holds nothing,
    whose: frozenset[str] = frozenset()  # unless these are all the roles that somebody has


_RECALLING = frozenset({"coordinator", "support"})
_USED = "lotproof-places-used"
# By the trade: made, moved, put right, kept.
PLACES: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("", (Place("today", mark("Today")),)),
    (
        mark("Made"),
        (
            Place("products", mark("Products")),
            Place("batches", mark("Batches")),
            Place("material_lots", mark("Material lots")),
            Place("materials", mark("Materials and bills")),
            Place("substitutions", mark("Substitutions"), unused=substitutions, whose=frozenset({"quality"})),
            Place("parties", mark("Parties")),
        ),
    ),
    (
        mark("Moved"),
        (
            Place("own_site", mark("Your site")),
            Place("shipments", mark("Shipments")),
            Place("sites", mark("Sites")),
            Place("labels", mark("Labels")),
        ),
    ),
    (
        mark("Put right"),
        (
            Place("recalls", mark("Recalls"), unused=recalls, whose=_RECALLING),
            Place("claims", mark("Claims"), unused=claims, whose=_RECALLING),
        ),
    ),
    (
        mark("Kept"),
        (
            Place("log", mark("Log")),
            Place("company", mark("Company")),
            Place("people", mark("People")),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint, as the foot of every page shows it."""

    as_of: str
    size: str
    root_start: str
    is_old: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """All that stands around a page."""

    brand: str
    logo: str | None
    accent_sheet: str
    zone: str  # whose clocks the page's times are of; "" at the door
    parts: Sequence[tuple[str, Sequence[tuple[Place, str, bool]]]]  # title; place, address, is here
    more: Sequence[tuple[Place, str, bool]]  # what nobody has used yet
    languages: Sequence[tuple[str, str, str]]  # tag, name, address
    account: str
    guest_until: str  # for whoever came by a link, until when; they have no page of their own
    csrf: str
    sealed: Sealed | None
    recorded: Markup | None  # the entry that led to this page, as a link


def page(template: str, *, here: str = "", status: int = 200, **values: Any) -> Response:
    """A page of the console; `here` is the endpoint of its place in the navigation."""
    words()
    rendered = render_template(f"console/{template}", frame=_frame(here), **values)
    return Response(rendered, status=status, content_type="text/html; charset=utf-8")


def address(endpoint: str, **values: Any) -> str:
    """The address of a page of the console."""
    return url_for(f"console.{endpoint}", **values)


def moment(when: datetime) -> str:
    """A time, as the clocks of `zone()` show it."""
    return words().moment(when, zone())


def zone() -> str:
    """The zone (IANA name) of this page's times: one's own, for a partner's people their site's, else the seller's."""
    if "zone" not in g:
        g.zone = _own_zone() if "session" in g else house().zone
    return cast(str, g.zone)


def _own_zone() -> str:
    site = None
    if not session().account.zone and is_confined(roles(), RECEIVE):
        site = zone_of_site(snapshot(), session().account.actor)
    return session().account.zone or site or house().zone


@console.before_request
def admit() -> AnyResponse | None:
    """Whoever is not signed in is led to the door; a form without the session's token is refused."""
    if request.method == "POST":
        limit("form", request.remote_addr)
        if request.mimetype == "multipart/form-data":
            limit("upload", request.remote_addr)
    if request.endpoint in OPEN_TO_ALL:
        return None
    found = signed_in(request, desk().state, desk().names, now=ledger().clock.now())
    if found is None:
        here = request.full_path.rstrip("?") if request.method == "GET" else request.path
        return redirect(address("sign_in", next=here), code=303)
    g.session = found
    acting(found.account.actor)
    if request.method == "POST":
        refuse_forged(request, found)
    is_guest = isinstance(found.account, Guest)
    g.is_setting_up = found.needs_factor and must_set_up(desk().state, found.account.id)
    if g.is_setting_up and not request.path.startswith(SETTING_UP):
        return redirect(address("own_factors"), code=303)
    _demand(_rule(request.endpoint or ""), is_guest=is_guest)
    return None


def _demand(rule: Rule | None, *, is_guest: bool) -> None:
    """Refuse what the route's rule does not allow; a route without one is for nobody."""
    if rule is None:
        abort(403)  # a route that says nothing is for nobody
    if is_guest and rule == Rule() and request.endpoint not in OPEN_TO_LINKS:
        abort(403)
    rule.demand(roles(), request.view_args or {})
    if request.method == "POST":
        _demand_about(rule)


def _demand_about(rule: Rule) -> None:
    """Raise AboutAnother where whoever came by a link about one subject orders something about another.

    A form made from a command's questions names its subject itself: `record` looks at that.
    """
    about = holding().about
    subject = f"{rule.command.partition('.')[0]}:{(request.view_args or {}).get('subject_id', '')}"
    if about is not None and rule.command and subject != about:
        raise AboutAnother()


@console.after_request
def keep_private(response: AnyResponse) -> AnyResponse:
    """What staff see stays in no cache; the language and the session decide what a page says. Scripts add to it."""
    response.headers.setdefault("Content-Security-Policy", POLICY_WITH_SCRIPTS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@console.get("/language")
def change_language() -> AnyResponse:
    """Remembers the language (`to`) and goes back to the page (`next`)."""
    response = redirect(local_path(request.args.get("next", "")), code=303)
    tag = request.args.get("to", "")
    if tag in (one.tag for one in catalogues().offering("console")):
        response.set_cookie(
            LANGUAGE_COOKIE,
            tag,
            max_age=A_YEAR,
            path=STAFF_PATH,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return response


@console.errorhandler(LedgerError)
def show_refusal(error: LedgerError) -> Response:
    """What the ledger refused, where the page itself had nothing better to say."""
    refused = _trouble(error.http_status, said(words(), error))
    if wait := wait_seconds(error):
        refused.headers["Retry-After"] = str(wait)
    return refused


TROUBLES = {
    403: mark("This is not for your account."),
    400: mark("The request was not complete. Go back, reload the page and try once more."),
    404: mark("The address is mistyped, or what it names is not recorded here."),
    405: mark("This address takes no form. Go back and try once more."),
    413: mark("What you sent is too large: at most 12 MB fit. Split the file, or send fewer files at once."),
}


@console.errorhandler(HTTPException)
def show_trouble(error: HTTPException) -> Response:
    """A wrong address, a file that is too large."""
    code = error.code or 500
    return _trouble(code, words().text(TROUBLES.get(code, TROUBLES[400])))


def _trouble(status: int, what: str) -> Response:
    title = words().text("There is nothing here") if status == 404 else words().text("This was not done")
    return page("trouble.html", status=status, title=title, what=what)


def _frame(here: str) -> Frame:
    account = session() if "session" in g else None
    recorded = request.args.get("recorded", "")
    put_away = _put_away(here) if account else []
    return Frame(
        brand=house().brand,
        logo=house().logo,
        accent_sheet=house().accent_sheet,
        zone=zone() if account else "",
        parts=_parts(here, put_away) if account and not g.get("is_setting_up") else (),
        more=[_row(place, here) for place in put_away],
        languages=_languages(),
        account=account.account.name if account else "",
        guest_until=_guest_until(),
        csrf=account.csrf if account else "",
        sealed=_sealed(words()) if account else None,
        recorded=entry_link(int(recorded)) if recorded.isdecimal() and len(recorded) < 16 else None,
    )


def _guest_until() -> str:
    account = session().account if "session" in g else None
    return moment(account.ends_at) if isinstance(account, Guest) else ""


def entry_link(index: int) -> Markup:
    """A link to an entry's page, by its index in the log."""
    return Markup('<a href="{}" class="code"><bdi dir="ltr">#{}</bdi></a>').format(
        address("entry", index=index), index
    )


def _parts(here: str, put_away: Sequence[Place]) -> list[tuple[str, list[tuple[Place, str, bool]]]]:
    """The navigation, as far as it is of use to whoever is signed in."""
    parts = [
        (title, [place for place in places if is_open_to_me(place.endpoint) and place not in put_away])
        for title, places in PLACES
    ]
    return [(title, [_row(place, here) for place in places]) for title, places in parts if places]


def _row(place: Place, here: str) -> tuple[Place, str, bool]:
    return place, address(place.endpoint), place.endpoint == here


def _put_away(here: str) -> list[Place]:
    """The places that nobody has used yet. What was used once is asked for no more."""
    used: set[str] = current_app.extensions.setdefault(_USED, set())
    places = [place for _, places in PLACES for place in places if place.unused is not None]
    unsure = [place for place in places if place.endpoint not in used]
    if unsure:
        asked = [exists(select(place.unused.c[0])) for place in unsure if place.unused is not None]
        found = snapshot().execute(select(*asked)).one()
        used.update(place.endpoint for place, is_used in zip(unsure, found, strict=True) if is_used)
    return [
        place
        for place in unsure
        if place.endpoint not in used
        and place.endpoint != here
        and is_open_to_me(place.endpoint)
        and not set(roles()) <= place.whose
    ]


def is_open_to_me(endpoint: str) -> bool:
    """Whether a link to this page is of use to whoever is signed in."""
    rule = _rule(f"console.{endpoint}")
    return rule is not None and rule.is_open_to(roles())


def _rule(endpoint: str) -> Rule | None:
    """For whom a route is; None for one that is not there, or has not said so."""
    view = current_app.view_functions.get(endpoint)
    return rule_of(view) if view else None


def _languages() -> list[tuple[str, str, str]]:
    back = quote(request.full_path.rstrip("?") if request.method == "GET" else request.path, safe="/")
    return [
        (one.tag, one.name, f"{address('change_language')}?to={one.tag}&next={back}")
        for one in catalogues().offering("console")
    ]


def _sealed(words: Words) -> Sealed:
    standing = ledger().journal.standing(snapshot())
    return Sealed(
        as_of=moment(standing.as_of),
        size=words.number(standing.size),
        root_start=f"{standing.root[:4]} {standing.root[4:8]}",
        is_old=standing.is_old,
    )


def go_to(where: str, recorded: int | None = None) -> AnyResponse:
    """Leads on after a form was taken; `recorded` names the entry on the page that follows."""
    if recorded is None:
        return redirect(where, code=303)
    joint = "&" if "?" in where else "?"
    return redirect(f"{where}{joint}recorded={recorded}", code=303)
