"""Claims as buyers make them: the form, what is wrong with it, and the page behind an unguessable link."""

import os
import unicodedata
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, Response, abort, redirect, render_template, request
from flask_wtf.csrf import generate_csrf, validate_csrf
from sqlalchemy.exc import SQLAlchemyError
from werkzeug import Response as AnyResponse
from wtforms import ValidationError

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.recall.answer import Answer, Match
from ledger.recall.claim import Claim, find_claim
from ledger.recall.claiming import Wish, file_claim
from ledger.recall.links import claim_secret, new_form_token, opens_claim
from ledger.trace.batch import get_batch
from ledger.trace.unit import unit_at
from portal.address import as_segment, number_after, raw_path
from portal.forms import Problem, Problems, problems
from portal.language import speak
from portal.limits import LimitReached, limit, wait_said, wait_seconds
from portal.live import Live
from portal.services import current
from translations import Words, mark

claims = Blueprint("claims", __name__)

REMEDIES = {"refund": mark("Your money back"), "replacement": mark("A new one")}
STATES = {
    "opened": ("waiting", mark("We are looking at it")),
    "accepted": ("waiting", mark("Accepted: not paid or sent yet")),
    "declined": ("person", mark("Declined: please ask us")),
    "settled": ("done", mark("Done: paid or sent")),
}
HAPPENED = {
    "accepted": mark("We accepted your claim."),
    "declined": mark("We declined your claim. Ask us why, and tell us if you disagree."),
    "settled": mark("We sent your money or a new one."),
}
FORM_STALE = mark("This form was open too long, or another site sent it. Please send it once more.")
CHOOSE_REMEDY = mark("Choose your money back, or a new one.")
CHOOSE_COUNTRY = mark("Choose the country you live in.")
NEED_EMAIL = mark("Type an e-mail address, such as name@mail.example.")
NEED_PAYOUT = mark("Say where the money goes: an IBAN, or the address of a PayPal account.")
NEED_ADDRESS = mark("Type the address that the new one goes to.")
TOO_LONG = mark("This is too long. Use at most {count} characters.")
LONGEST = {"email": 254, "name": 200, "payout": 200, "address": 600}
NO_COUNTRIES = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}  # CLDR's regions and placeholders
NOT_NOW = mark("We could not record your claim. Nothing was sent. Please try again in a minute.")


@dataclass(frozen=True, slots=True)
class Filled:
    """What was typed into the form."""

    remedy: str = ""
    country: str = ""
    name: str = ""
    email: str = ""
    payout: str = ""
    address: str = ""

    @classmethod
    def from_request(cls) -> "Filled":
        """As typed, in NFC: some keyboards send an accent apart from its letter, which the vault refuses."""
        return cls(**{name: _text(request.form.get(name, "")) for name in cls.__dataclass_fields__})


def _text(typed: str) -> str:
    return unicodedata.normalize("NFC", typed).strip()


def live() -> Live:
    """The services, with the ledger behind them."""
    services = current()
    assert isinstance(services, Live)
    return services


@claims.before_request
def count_forms() -> None:
    """Raises LimitReached."""
    if request.method == "POST":
        _count("form")


def _count(purpose: str) -> None:
    """Raise LimitReached. Where nobody can count, nobody is refused: a claim is worth more than the count of claims."""
    try:
        limit(purpose, request.remote_addr)
    except LimitReached:
        raise
    except (LedgerError, SQLAlchemyError):
        return


@claims.get("/<language:locale>/claim/<number:number>")
def form(locale: str, number: str) -> AnyResponse:  # read from the raw path, where %2F is no slash
    """The form, for a number that is recalled; any other goes to its answer."""
    words, answer = speak(locale), _answer()
    if _recalled(answer) is None:
        return redirect(f"/{locale}/s/{as_segment(answer.number)}", code=303)
    return _form_page(words, answer, Filled(), Problems())


@claims.post("/<language:locale>/claim/<number:number>")
def send(locale: str, number: str) -> AnyResponse:
    """File the claim and show its page; the same form sent twice makes one claim."""
    words, answer, filled = speak(locale), _answer(), Filled.from_request()
    match = _recalled(answer)
    if match is None:
        return redirect(f"/{locale}/s/{as_segment(answer.number)}", code=303)
    if "only_language" in request.form:
        return _form_page(words, answer, filled, Problems())
    found = _problems(words, filled)
    if found.all:
        return _form_page(words, answer, filled, found)
    try:
        _count("claim")
    except LimitReached as error:
        return _wait(words, answer, filled, error)
    try:
        claim = _file(locale, match, filled)
    except LedgerError:
        # Under a new token: the old one may be spent on another content, and would be refused for ever.
        token = new_form_token(live().ledger.keys.links, os.urandom)
        found = problems([Problem("remedy", words.text(NOT_NOW))])
        return _form_page(words, answer, filled, found, form_token=token)
    return redirect(f"{_claim_path(locale, claim)}?new=1", code=303)


@claims.get("/<language:locale>/claims/<claim>/<secret>")
def status(locale: str, claim: str, secret: str) -> Response:
    """How far a claim is. Only its own link opens it; a wrong one says no more than a missing page."""
    words, services = speak(locale), live()
    if not opens_claim(services.ledger.keys.links, claim, secret):
        abort(404)
    with reading(services.ledger.engine) as connection:
        found = find_claim(connection, claim)
        if found is None:
            abort(404)
        unit = unit_at(connection, found.position)
        shown = unit.shown if unit else get_batch(connection, found.batch).code
    return _no_store(_status_page(words, found, shown))


def _answer() -> Answer:
    return current().find_answer(number_after(raw_path(request.environ), "claim"))


def _recalled(answer: Answer) -> Match | None:
    """The match that a claim is for: the product asked for, or the first that is recalled."""
    wanted = request.values.get("product")
    recalled = [match for match in answer.matches if match.status == "recalled"]
    return next(
        (match for match in recalled if match.product_id == wanted), recalled[0] if recalled else None
    )


def _picked(answer: Answer) -> str:
    """The query that keeps the product chosen, where several carry the number."""
    match = _recalled(answer)
    return f"?product={quote(match.product_id)}" if match is not None and len(answer.matches) > 1 else ""


def _problems(words: Words, filled: Filled) -> Problems:
    found = []
    try:
        validate_csrf(request.form.get("csrf_token", ""))
    except ValidationError:
        found.append(Problem("remedy", words.text(FORM_STALE)))
    if filled.remedy not in REMEDIES:
        found.append(Problem("remedy", words.text(CHOOSE_REMEDY)))
    if filled.country not in dict(_countries(words)):
        found.append(Problem("country", words.text(CHOOSE_COUNTRY)))
    if not _is_email(filled.email):
        found.append(Problem("email", words.text(NEED_EMAIL)))
    if filled.remedy == "refund" and not filled.payout:
        found.append(Problem("payout", words.text(NEED_PAYOUT)))
    if filled.remedy == "replacement" and not filled.address:
        found.append(Problem("address", words.text(NEED_ADDRESS)))
    for name, most in LONGEST.items():
        if len(getattr(filled, name)) > most:
            found.append(Problem(name, words.text(TOO_LONG, count=most)))
    return problems(found)


def _is_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _file(locale: str, match: Match, filled: Filled) -> str:
    services = live()
    wish = Wish(
        product=match.product_id,
        batch=match.batch_id,
        position=match.position,
        remedy="refund" if filled.remedy == "refund" else "replacement",
        country=filled.country,
        language=locale,
    )
    contact = {"email": filled.email, "name": filled.name}
    if filled.remedy == "replacement":
        contact["address"] = filled.address
    return file_claim(
        services.ledger,
        wish,
        form_token=request.form.get("form_token", ""),
        contact=dict(contact),
        payout={"account": filled.payout} if filled.remedy == "refund" else None,
    )


def _wait(words: Words, answer: Answer, filled: Filled, error: LimitReached) -> Response:
    """The form as it was filled in, to be sent again a little later."""
    page = _form_page(words, answer, filled, problems([Problem("remedy", wait_said(words, error))]))
    page.status_code = error.http_status
    page.headers["Retry-After"] = str(wait_seconds(error))
    return page


def _form_page(
    words: Words, answer: Answer, filled: Filled, found: Problems, *, form_token: str = ""
) -> Response:
    """The form as it was filled in, under the token it came with unless another is given."""
    services = live()
    place = f"claim/{as_segment(answer.number)}{_picked(answer)}"
    page = render_template(
        "buyer/claim.html",
        house=services.house(),
        number=answer.number,
        shown=answer.shown,
        is_own_serial=answer.is_own_serial,
        form_address=f"/{words.lang}/{place}",
        here=place,
        next="",
        csrf_token=generate_csrf(),
        form_token=form_token
        or request.form.get("form_token")
        or new_form_token(services.ledger.keys.links, os.urandom),
        countries=_countries(words),
        problems=found,
        values=filled,
    )
    return _no_store(
        Response(page, status=422 if found.all else 200, content_type="text/html; charset=utf-8")
    )


def _status_page(words: Words, claim: Claim, shown: str) -> Response:
    services = live()
    house = services.house()
    path = _claim_path(words.lang, claim.id)
    state, state_text = STATES[claim.standing]
    events = [
        (words.moment(claim.opened_at, house.zone), None, "", words.text(mark("We have your claim.")), "")
    ]
    if claim.moved != claim.opened:
        meaning = "done" if claim.standing == "settled" else ""
        happened = words.text(HAPPENED[claim.standing])
        events.append((words.moment(claim.moved_at, house.zone), None, meaning, happened, ""))
    if claim.doubt and claim.standing == "opened":
        state, state_text = "person", mark("We need a little more: please write to us")
    page = render_template(
        "buyer/claim_status.html",
        house=house,
        next=path.removeprefix(f"/{words.lang}/"),
        reference=claim.id,
        shown=shown,
        is_new="new" in request.args and claim.moved == claim.opened,
        remedy_text=words.text(REMEDIES[claim.remedy]),
        state=state,
        state_text=words.text(state_text),
        link=f"{request.host_url.rstrip('/')}{path}",
        events=events,
    )
    return Response(page, content_type="text/html; charset=utf-8")


def _claim_path(locale: str, claim: str) -> str:
    return f"/{locale}/claims/{claim}/{quote(claim_secret(live().ledger.keys.links, claim), safe='')}"


@cache
def _countries(words: Words) -> tuple[tuple[str, str], ...]:
    """(code, name) of the countries, by name in the reader's language.  Source: CLDR."""
    names = words.locale.territories
    found = [(code, name) for code, name in names.items() if code.isalpha() and code not in NO_COUNTRIES]
    return tuple(sorted(found, key=lambda pair: pair[1]))


def _no_store(response: Response) -> Response:
    """Personal: no cache keeps it."""
    response.headers["Cache-Control"] = "no-store"
    return response
