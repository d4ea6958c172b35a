"""Company: who we are, how our pages look, which legal entities answer for us, in which languages we speak."""

import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from flask import Response, abort, request
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from ledger.files import FileRef
from ledger.journal.asking import build, questions
from ledger.trace.accent import accent_of
from ledger.trace.legal_entity import LegalEntity, find_legal_entity, list_legal_entities
from ledger.trace.seller import StyleSeller, get_seller, style_seller
from portal.console.desk import by, house, ledger, may, snapshot, words
from portal.console.files import keeper
from portal.console.forms import FORM_TOKEN, FormMaker, answers_from, problems_of, said
from portal.console.history import entries_about
from portal.console.listing import list_page, table
from portal.console.names import code, isolated, link
from portal.console.options import choice_label
from portal.console.parties import TIMELINE
from portal.console.record import order_of
from portal.console.settings_tabs import tabs
from portal.console.shell import address, console, entry_link, go_to, moment, page
from portal.console.timeline import happenings
from portal.forms import Problem, problems
from portal.permissions import does, sees
from portal.uploads import takes_files
from translations import catalogues, mark

PREVIEW, WITHOUT_LOGO = "preview", "without_logo"
HEADS = (
    (mark("Legal entity"), False),
    (mark("Roles"), False),
    (mark("Answers for"), False),
    (mark("Recorded"), True),
)
DOMAINS = (("buyer", mark("Buyers’ pages")), ("labels", mark("Labels")), ("console", mark("Console")))


@console.get("/company")
@sees("company")
def company() -> Response:
    """Who we are, as labels and buyers' pages say it, and how they look."""
    return page(
        "company.html",
        here="company",
        tabs=tabs("company"),
        seller=get_seller(snapshot()),
        actions=[order_of(name) for name in ("seller.style", "seller.describe") if may(name)],
    )


@console.get("/company/style")
@does("seller.style")
def company_style() -> Response:
    """The form: the logo and the accent, with what holds now in it."""
    seller = get_seller(snapshot())
    known = {"accent": seller.accent, "logo": _stored(seller.logo)} if seller else {}
    return _style_form({"accent": "", "logo": None, **known})


@console.post("/company/style")
@does("seller.style")
@takes_files
def style_company() -> AnyResponse:
    """Shows how pages would look, or has them look so from now on."""
    sent = answers_from(request, keeper())
    answers = {name: sent.answers.get(name) for name in ("accent", "logo")}
    if isinstance(answers["logo"], list):  # the one kept before, and a newer one
        answers["logo"] = answers["logo"][-1]
    if request.form.get(WITHOUT_LOGO):
        answers["logo"] = None
    if sent.refused:
        wrong = [Problem(path, said(words(), error)) for path, error in sent.refused]
        return _style_form(answers, wrong, status=422)
    try:
        if request.form.get(PREVIEW):
            accent_of(str(answers["accent"])) if answers["accent"] else None
            return _style_form(answers)
        receipt = ledger().journal.write(
            style_seller, build(StyleSeller, answers), by(request.form.get(FORM_TOKEN, ""))
        )
    except LedgerError as error:
        found = problems_of(words(), error, answers)
        return _style_form(answers, found, status=error.http_status)
    return go_to(address("company"), receipt.entries[0].index)


def _style_form(
    answers: Mapping[str, object], found: Sequence[Problem] = (), *, status: int = 200
) -> Response:
    accent, logo = str(answers["accent"] or "").lower(), answers["logo"]
    return page(
        "company_style.html",
        here="company",
        status=status,
        form=FormMaker(snapshot(), words(), answers).make(questions(StyleSeller)),
        problems=problems(found),
        form_token=secrets.token_urlsafe(16),
        brand=house().brand,
        logo=logo.sha256 if isinstance(logo, FileRef) else None,
        sheet=f"/style/preview-{accent[1:]}.css" if accent and not found else "",
        shades=accent_of(accent) if accent and not found else None,
    )


def _stored(sha256: str | None) -> FileRef | None:
    """The logo as a form keeps it, None where its file is lost."""
    if sha256 is None or not ledger().files.exists(sha256):
        return None
    return FileRef(sha256, ledger().files.path(sha256).stat().st_size)


@console.get("/company/entities")
@sees("company")
def legal_entities() -> Response:
    """The legal entities, those that answer now first."""
    found = sorted(list_legal_entities(snapshot()), key=lambda one: (one.ended_at is not None, one.code))
    rows = [
        (
            link(address("legal_entity", subject_id=one.id), isolated(one.name)) + " " + code(one.code),
            _roles(one),
            _markets(one) if one.ended_at is None else words().text("ended"),
            entry_link(one.recorded),
        )
        for one in found
    ]
    return list_page(
        here="legal_entities",
        place="company",
        title=mark("Legal entities"),
        listing=table(HEADS, rows),
        commands=("legal_entity.record",),
        empty=mark(
            "Who answers to authorities stands here: the manufacturer, the importer, the responsible person in the "
            "EU and in the UK. Record the first one."
        ),
        tabs=tabs("legal_entities"),
    )


@console.get("/company/entities/<subject_id>")
@sees("company")
def legal_entity(subject_id: str) -> Response:
    """One legal entity, and every entry about it."""
    found = find_legal_entity(snapshot(), subject_id)
    if found is None or found.id != subject_id:
        abort(404)
    stretch = entries_about(snapshot(), f"legal_entity:{found.id}", limit=TIMELINE)
    return page(
        "legal_entity.html",
        here="company",
        entity=found,
        roles=_roles(found),
        markets=_markets(found),
        ended=moment(found.ended_at) if found.ended_at else "",
        correct=urlencode(_as_answers(found)),
        timeline=happenings(stretch.entries),
        all_entries=address("log", about=f"legal_entity:{found.id}"),
    )


@console.get("/company/languages")
@sees("company")
def languages() -> Response:
    """In which languages pages and labels speak, and whose clocks they show."""
    spoken = [
        (words().text(title), [one.name for one in catalogues().offering(domain)])
        for domain, title in DOMAINS
    ]
    return page(
        "languages.html",
        here="company",
        tabs=tabs("languages"),
        spoken=spoken,
        zone=house().zone,
        now=words().moment(ledger().clock.now(), house().zone),
        actions=[order_of("seller.describe")] if may("seller.describe") else [],
    )


def _roles(one: LegalEntity) -> str:
    return words().list([choice_label(words(), role) for role in one.roles])


def _markets(one: LegalEntity) -> str:
    return words().list([words().country(market) for market in one.markets])


def _as_answers(one: LegalEntity) -> list[tuple[str, str]]:
    """What is recorded, as the form's fields: to correct a word nobody types the rest again."""
    single = ("code", "name", "country", "registration", "vat", "email")
    many = {"address": one.address, "roles": one.roles, "markets": one.markets}
    rows = [
        (f"{name}.{number}", value) for name, values in many.items() for number, value in enumerate(values)
    ]
    return [(name, getattr(one, name)) for name in single] + rows
