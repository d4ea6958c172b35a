"""What a buyer sees: ask, answer, notice, help. Public, without accounts, without scripts."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request
from markupsafe import Markup
from werkzeug import Response as AnyResponse

from ledger.digital_link import Link, NotADigitalLink, parse
from ledger.recall.answer import SpokenFor
from ledger.recall.hazards import hazard_of
from portal.address import as_segment, number_after, raw_path, readable
from portal.answer_page import AnswerPages, seal_slots
from portal.kept_answers import FOUND
from portal.language import negotiated, offered, speak
from portal.services import House, Notice, current
from translations import Words, mark, words_for

buyer = Blueprint("buyer", __name__)
PAGES = "lotproof-answer-pages"

MISSING_NUMBER = mark("Type the number on the product.")
NO_NUMBER_IN_LINK = mark("This link holds no number of ours. Type the number on the product.")
HELP_PAGES = ("hot", "unreadable", "gone", "message")


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal's words, for pages that are rendered at every request."""

    as_of: Markup
    size: Markup
    root_start: Markup
    root: Markup


def seal_of(words: Words, spoken: SpokenFor, zone: str) -> Seal:
    """The seal of a page that speaks for `spoken`."""
    slots = seal_slots(words, spoken, zone)
    return Seal(**{name: Markup(text) for name, text in slots.items()})  # noqa: S704  # seal_slots escapes


@buyer.get("/")
def start() -> AnyResponse:
    """Sends the reader to the start page in their language."""
    response = redirect(f"/{negotiated()}/", code=302)
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


@buyer.get("/<language:locale>/")
def ask(locale: str) -> Response:
    """The start page: which number?"""
    return _ask_page(speak(locale))


@buyer.get("/<language:locale>/check")
def check(locale: str) -> AnyResponse:
    """Takes a number or a pasted address from the form, and goes to its answer."""
    words = speak(locale)
    typed = readable(request.args.get("number", ""))
    if not typed:
        return _ask_page(words, problem=words.text(MISSING_NUMBER))
    number = _number_in(typed)
    if not number:
        return _ask_page(words, problem=words.text(NO_NUMBER_IN_LINK), typed=typed)
    return redirect(f"/{locale}/s/{as_segment(number)}", code=303)


@buyer.get("/s/<number:number>")
@buyer.get("/S/<number:number>")
def answer_scanned(number: str) -> Response:  # read from the raw path, where %2F is no slash
    """The answer to a scanned code, in the negotiated language, at the address that was scanned."""
    return _negotiated(_answer_page(negotiated(), number_after(raw_path(request.environ), "s")))


@buyer.get("/01/<number:rest>")
def answer_digital_link(rest: str) -> Response:  # read from the raw path, where %2F is no slash
    """The answer to a GS1 Digital Link. 400 where it is none."""
    tag = negotiated()
    link = parse(raw_path(request.environ))
    number = link.serial or link.batch
    return _negotiated(_answer_page(tag, number, link.gtin) if number else _ask_page(speak(tag)))


@buyer.get("/<language:locale>/s/<number:number>")
def answer_in(locale: str, number: str) -> Response:  # read from the raw path, as above
    """The answer in the language of the address."""
    return _answer_page(locale, number_after(raw_path(request.environ), "s"))


@buyer.get("/<language:locale>/recalls/<code>")
def notice(locale: str, code: str) -> Response:
    """A published recall in full, with everything that the law wants a notice to say."""
    words = speak(locale)
    found = current().find_notice(code)
    if found is None:
        abort(404)
    seal = seal_of(words, found.spoken_for, current().house().zone)
    hazard = hazard_of(found.hazard)
    return _page(
        "buyer/notice.html",
        notice=found,
        hazard=hazard,
        to_do=tuple(map(words.text, hazard.steps)),
        rows=notice_facts(words, found, current().house()),
        seal=seal,
    )


@buyer.get(f"/<language:locale>/help/<any({','.join(HELP_PAGES)}):topic>")
def help_page(locale: str, topic: str) -> Response:
    """Hot or burnt, unreadable, no longer there, a message that could be a fraud."""
    speak(locale)
    return _page(f"buyer/help_{topic}.html", models=current().recalled_models())


def notice_facts(words: Words, found: Notice, house: House) -> list[tuple[str, str]]:
    """When, where and by whom it was sold, who recalls it, under which code and since when."""
    rows = [
        (words.text("Recall"), found.code),
        (words.text("Published"), words.day(found.published_at, house.zone)),
        (words.text("Sold"), _sold_between(words, found)),
        (words.text("Sold in"), words.list([words.country(code) for code in found.countries])),
        (words.text("Sold by"), words.list(found.sold_by)),
        (words.text("Recalled by"), house.operator),
    ]
    return [(name, value) for name, value in rows if value]


def _sold_between(words: Words, found: Notice) -> str:
    if found.sold_from is None:
        return ""
    start = words.date(found.sold_from)
    if found.sold_until is None:
        return words.text("since {start}", start=start)
    return words.text("{start} to {end}", start=start, end=words.date(found.sold_until))


def _answer_page(tag: str, number: str, gtin: str | None = None) -> Response:
    if not number:
        return _ask_page(speak(tag))
    services = current()
    answer = request.environ.get(FOUND) or services.find_answer(number, gtin)
    request.environ[FOUND] = answer
    models = services.recalled_models() if not answer.matches else ()
    picked = request.args.get("product") if request.environ["QUERY_STRING"] else None
    pages = cast(AnswerPages, current_app.extensions[PAGES])
    page = pages.page(words_for(tag, "buyer"), answer, services.house(), models, picked)
    return Response(page, content_type="text/html; charset=utf-8")


def _ask_page(words: Words, *, problem: str = "", typed: str = "") -> Response:
    services = current()
    seal = seal_of(words, services.spoken_for(), services.house().zone)
    page = _page("buyer/ask.html", problem=problem, typed=typed, seal=seal, next="")
    page.status_code = 422 if problem else 200
    return page


def _page(template: str, **values: Any) -> Response:
    """A page rendered now; `next` leads the language chooser back to it."""
    values.setdefault("next", quote(quote(request.path.removeprefix("/").partition("/")[2]), safe="/"))
    return Response(
        render_template(template, house=current().house(), **values), content_type="text/html; charset=utf-8"
    )


def _negotiated(response: Response) -> Response:
    """Says to caches that the reader's language decided."""
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response


def _number_in(typed: str) -> str:
    """The number itself, or the one in a pasted address; "" for an address without one."""
    if "/" not in typed:
        return typed
    try:
        return readable(_named(parse(_without_language(typed))))
    except NotADigitalLink:
        return "" if "://" in typed else typed


def _named(link: Link) -> str:
    return link.serial or link.batch or ""


def _without_language(address: str) -> str:
    """An address of this portal, copied from the browser, without the language in it."""
    for tag in offered():
        address = address.replace(f"/{tag}/s/", "/s/")
    return address
