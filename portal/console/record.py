"""Recording: one form for every command, made from its questions, and the same checks as everywhere else."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, abort, request
from sqlalchemy import Connection
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from ledger.journal.asking import answers_to, build, nested, questions
from ledger.journal.journal import Receipt, SameKeyOtherRequest
from ledger.journal.registry import COMMANDS, Command
from ledger.people.roles import is_confined
from ledger.trace.seller import DescribeSeller, get_seller
from portal.about import demand_about
from portal.console.desk import by, holding, ledger, may, roles, snapshot, words
from portal.console.files import keeper
from portal.console.first_steps import leads_on
from portal.console.forms import (
    CONFIRMED,
    FORM_TOKEN,
    MORE,
    ROWS_AT_ONCE,
    FormMaker,
    answers_from,
    is_typed,
    not_typed,
    problems_of,
    said,
)
from portal.console.names import first_page_of
from portal.console.shell import address, console, go_to, page
from portal.console.signing import signed, signing_address
from portal.forms import Problem, problems
from portal.orders import carry_out
from portal.permissions import does_named, for_all
from portal.uploads import takes_files
from translations import Words, mark

# Commands that nobody fills in a form for: each has a page of its own, or belongs to the installation.
NOT_BY_FORM = frozenset(
    {
        "account.admit",
        "account.end",
        "account.give_roles",
        "account.name",
        "log.open",
        "log.correct_clock",
        "log.resume",
        "log.retire_key",
        "log.rotate_key",
        "log.succeed",
        "master_key.rotate",
        "webhook.end",
        "webhook.subscribe",
        "unit.commission",
        "unit.commission_sets",
        "token.issue",
        "token.revoke",
        "claim.open",
        "person.expire",
        "seller.style",
    }
)
TITLES = {
    "party.register": mark("Register a party"),
    "product.register": mark("Register a product"),
    "material.register": mark("Register a material"),
    "bill_of_materials.revise": mark("Record a bill of materials"),
    "material_lot.receive": mark("Record a material lot"),
    "batch.produce": mark("Record a batch"),
    "shipment.send": mark("Record a shipment"),
    "shipment.receive": mark("Record an arrival"),
    "site.open": mark("Record a site"),
    "site.staff": mark("Place somebody at a site"),
    "hold.place": mark("Put a batch on hold"),
    "hold.release": mark("Release a hold"),
    "substitution.find": mark("Record a swap that was found"),
    "substitution.propose": mark("Propose a substitution"),
    "substitution.decide": mark("Decide on a substitution"),
    "seller.describe": mark("Describe the company"),
    "approval.set_rule": mark("Say what stands in for a second person"),
    "legal_entity.record": mark("Record a legal entity"),
    "legal_entity.end": mark("End a legal entity"),
    "recall.draft": mark("Draft a recall"),
    "recall.approve": mark("Approve a recall"),
    "recall.publish": mark("Publish a recall"),
    "recall.draft_widening": mark("Draft a wider recall"),
    "recall.widen": mark("Publish the wider recall"),
    "recall.close": mark("Close a recall"),
    "recall.retract": mark("Retract a recall"),
    "claim.accept": mark("Accept a claim"),
    "claim.decline": mark("Decline a claim"),
    "claim.settle": mark("Record that a remedy was given"),
    "person.erase": mark("Erase a person"),
    "person.set_retention": mark("Set how long personal data is kept"),
}
PARTS = (
    (
        mark("Made"),
        (
            "party.register",
            "product.register",
            "material.register",
            "bill_of_materials.revise",
            "material_lot.receive",
            "batch.produce",
        ),
    ),
    (mark("Moved"), ("shipment.send", "shipment.receive", "site.open", "site.staff")),
    (
        mark("Checked"),
        ("substitution.find", "substitution.propose", "substitution.decide", "hold.place", "hold.release"),
    ),
    (
        mark("Put right"),
        (
            "recall.draft",
            "recall.approve",
            "recall.publish",
            "recall.draft_widening",
            "recall.widen",
            "recall.close",
            "recall.retract",
            "claim.accept",
            "claim.decline",
            "claim.settle",
        ),
    ),
    (mark("Personal data"), ("person.erase", "person.set_retention")),
    (
        mark("The company"),
        ("seller.describe", "legal_entity.record", "legal_entity.end", "approval.set_rule"),
    ),
)


# Each says what an order about a recall (its code) or a person (a claim of theirs) will do; registered by the pages
# of recalls and of claims.
CONSEQUENCES: dict[str, Callable[[Connection, Words, str], str]] = {}
# Those with no way back, or that the public sees: given by typing what they are about.
TYPED_ORDERS = frozenset({"recall.publish", "recall.widen", "recall.close", "recall.retract", "person.erase"})
# What stands under the button: whether there is a way back.
AFTERWARDS = mark("What is recorded stays. A mistake is put right by recording the correction.")
NO_WAY_BACK: dict[str, str] = {}


# Commands that have a page of their own instead of a form made from their questions: its words, its endpoint.
OWN_PAGES = {
    "account.admit": (mark("Let somebody in"), "new_person"),
    "webhook.subscribe": (mark("Tell another program"), "new_webhook"),
    "seller.style": (mark("Logo and accent"), "company_style"),
}


def order_of(name: str) -> tuple[str, str]:
    """The words of the button to a command, and where it is filled in."""
    if name in OWN_PAGES:
        title, endpoint = OWN_PAGES[name]
        return words().text(title), address(endpoint)
    return words().text(TITLES[name]), address("record_form", name=name)


def title_of(command: Command[Any]) -> str:
    """What the form of a command is headed with."""
    return words().text(TITLES.get(command.name, command.summary))


@console.get("/record")
@for_all
def record_something() -> Response:
    """Everything that can be recorded, by the trade."""
    listed = {name for _, names in PARTS for name in names}
    more = tuple(sorted(COMMANDS.keys() - listed - NOT_BY_FORM))
    parts = [
        (
            title,
            [
                (title_of(COMMANDS[name]), summary_of(COMMANDS[name]), address("record_form", name=name))
                for name in names
                if may(name)
            ],
        )
        for title, names in (*PARTS, (mark("More"), more))
        if any(may(name) for name in names)
    ]
    return page("record_something.html", parts=parts)


@console.get("/record/<name>")
@does_named("name")
def record_form(name: str) -> Response:
    """The form of one command; answers in the address fill it in."""
    command = _command(name)
    return _show(command, _first_answers(command), secrets.token_urlsafe(16))


@console.post("/record/<name>")
@does_named("name")
@takes_files
def record(name: str) -> AnyResponse:
    """Records what the form says, once however often it is sent, and leads to what was made."""
    command = _command(name)
    sent = answers_from(request, keeper())
    answers, token = sent.answers, request.form.get(FORM_TOKEN, "")
    if grown := request.form.get(MORE):
        return _show(command, answers, token, extra_rows={grown: ROWS_AT_ONCE})
    wrong = [Problem(path, said(words(), error)) for path, error in sent.refused]
    if not wrong and consequence_of(name, answers) != request.form.get(CONFIRMED, ""):
        return _show(command, answers, token)  # nobody has seen yet what this will do, or it has changed
    if (wanted := typed_for(name, answers)) and not is_typed(wanted, request):
        wrong.append(not_typed(words(), wanted))
    if wrong:
        return _show(command, answers, token, status=422, found=wrong)
    try:
        asked = signed(name, build(command.request, answers))
        demand_about(snapshot(), holding().about, asked)
        receipt = carry_out(ledger(), command, asked, by(token))
    except SameKeyOtherRequest:
        return _show(command, answers, secrets.token_urlsafe(16), status=409, found=[_sent_before()])
    except LedgerError as error:
        found = problems_of(words(), error, answers)
        return _show(command, answers, token, status=error.http_status, found=found)
    return go_to(leads_on(name) or _made_by(command, receipt), receipt.entries[0].index)


def _show(
    command: Command[Any],
    answers: Mapping[str, object],
    token: str,
    *,
    status: int = 200,
    found: list[Problem] | None = None,
    extra_rows: Mapping[str, int] | None = None,
) -> Response:
    own_alone = is_confined(roles(), command.name)
    maker = FormMaker(snapshot(), words(), answers, extra_rows or {}, offers_codes=not own_alone)
    form = maker.make(questions(command.request))
    return page(
        "record.html",
        status=status,
        title=title_of(command),
        summary=summary_of(command),
        signing=signing_address(command.name),
        form=form,
        consequence=consequence_of(command.name, answers),
        typed=typed_for(command.name, answers),
        afterwards=words().text(NO_WAY_BACK.get(command.name, AFTERWARDS)),
        problems=problems(found or ()),
        form_token=token,
        action=address("record", name=command.name),
    )


def consequence_of(name: str, answers: Mapping[str, object]) -> str:
    """What will happen, in numbers, where an order reaches the public; "" for all others."""
    consequence, about = CONSEQUENCES.get(name), _about(answers)
    return consequence(snapshot(), words(), about) if consequence and about else ""


def typed_for(name: str, answers: Mapping[str, object]) -> str:
    """What is typed to give this order: the recall's or the claim's code; "" for orders that need no typing."""
    return _about(answers) if name in TYPED_ORDERS and consequence_of(name, answers) else ""


def _about(answers: Mapping[str, object]) -> str:
    about = answers.get("recall") or answers.get("person")
    return about.strip() if isinstance(about, str) else ""


def summary_of(command: Command[Any]) -> str:
    """The first line of what the command says about itself."""
    return words().text(command.summary)


def _command(name: str) -> Command[Any]:
    if name not in COMMANDS or name in NOT_BY_FORM:
        abort(404)
    return COMMANDS[name]


def _first_answers(command: Command[Any]) -> dict[str, object]:
    """What a form begins with: what the link to it says, and for the company what is recorded already."""
    seller = get_seller(snapshot()) if command.request is DescribeSeller else None
    if seller is None:
        return nested(request.args.items(multi=True))
    known = {name: getattr(seller, name) for name in DescribeSeller.__struct_fields__}
    return answers_to(DescribeSeller(**known))


def _made_by(command: Command[Any], receipt: Receipt) -> str:
    """The page of what a command made; its entry where that has none."""
    if is_confined(roles(), command.name):
        return address("own_site")
    first = receipt.entries[0]
    noun = command.name.partition(".")[0]
    return first_page_of(first.subjects, noun) or address("entry", index=first.index)


def _sent_before() -> Problem:
    sentence = words().text(
        "This form was recorded before, with other answers. To record these too, send it once more."
    )
    return Problem("", sentence)
