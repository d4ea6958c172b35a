"""The buyer of a claim: what they left, read on the record; who read it before; what became of it; erasing it."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from markupsafe import Markup
from sqlalchemy import Connection, func, select

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.people.roles import PERSONS, may_see
from ledger.people.roles import roles as all_roles
from ledger.recall.claim import Claim, claims
from ledger.recall.person import PURPOSE_ENDED, erased_at, expired_of, find_person
from ledger.vault.accesses import Access, list_accesses
from portal.console.desk import ledger, roles, session, words
from portal.console.listing import Table, table
from portal.console.options import choice_label
from portal.console.record import CONSEQUENCES, NO_WAY_BACK
from portal.console.shell import moment, zone
from portal.console.timeline import actor
from translations import Words, mark

MOST_ACCESSES = 20  # lines, the newest; every single reading: lotproof person accesses
LABELS = {
    "name": mark("Buyer’s name"),
    "email": mark("E-mail"),
    "address": mark("Address"),
    "account": mark("Account"),
    "iban": mark("IBAN"),
    "paypal": mark("PayPal"),
}
HEADS = (
    (mark("Last read"), False),
    (mark("Who"), False),
    (mark("What"), False),
    (mark("What for"), False),
    (mark("Times that day"), True),
)
PURPOSES = {"claim": mark("to handle the claim"), "export": mark("to answer the person’s own request")}


@dataclass(frozen=True, slots=True)
class Buyer:
    """What a claim's page shows of its buyer."""

    values: list[tuple[str, str]]  # label, value
    gone: list[str]  # sentences: what is not there any more, and why
    accesses: Table | None
    is_erased: bool


def buyer_of(connection: Connection, claim: Claim) -> Buyer:
    """What is held on a claim's buyer, for whom it is. That this account reads it is written down first."""
    if not may_see(roles(), PERSONS):
        is_erased = erased_at(connection, claim.person) is not None
        return Buyer([], [_whose()], None, is_erased=is_erased)
    earlier = _accesses(claim.person)
    erased = erased_at(connection, claim.person)
    if erased is not None:
        day = words().day(erased, zone())
        said = words().text("Erased on {day}. The claim and its entries stay, without the person.", day=day)
        return Buyer([], [said], earlier, is_erased=True)
    expired = expired_of(connection, claim.person)
    kinds = {claim.contact: "contact"} | ({claim.payout: "payout"} if claim.payout else {})
    wanted = [item for item in kinds if item not in expired]
    held = ledger().vault.read_as(
        wanted, actor=session().account.actor, purpose="claim", now=ledger().journal.now()
    )
    gone = [_gone(kind, expired.get(item)) for item, kind in kinds.items() if item not in held]
    values = [
        (_label(name), str(value))
        for item in kinds
        if item in held
        for name, value in held[item].value.items()
        if value
    ]
    return Buyer(values, gone, earlier, is_erased=False)


def _whose() -> str:
    able = [choice_label(words(), name) for name, role in all_roles().items() if role.may_see(PERSONS)]
    return words().text("Who asked is shown to these roles: {roles}.", roles=words().list(able))


def _gone(kind: str, expired: datetime | None) -> str:
    said = choice_label(words(), kind)
    if expired is None:
        return words().text(
            "{kind}: the vault does not hold it. Put the vault back from a backup of the same time.",
            kind=said,
        )
    return words().text(
        "{kind}: removed on {day}, when its time had run out.", kind=said, day=words().day(expired, zone())
    )


def _label(name: str) -> str:
    return words().text(LABELS[name]) if name in LABELS else name


def _accesses(person: str) -> Table | None:
    """Who read this person's values before this moment, newest first; a day's equal readings in one line."""
    with reading(ledger().vault.engine) as connection:
        newest = list_accesses(connection, person)[::-1]
    days: dict[tuple[str, ...], list[Access]] = {}
    for one in newest:
        day = words().day(one.at, zone())
        days.setdefault((day, one.actor, one.kind, one.purpose), []).append(one)
    rows = [_row(equal[0], len(equal)) for equal in islice(days.values(), MOST_ACCESSES)]
    return table(HEADS, rows) if rows else None


def _row(one: Access, times: int) -> tuple[Markup | str, ...]:
    spoken = words()
    purpose = spoken.text(PURPOSES[one.purpose]) if one.purpose in PURPOSES else one.purpose
    said = choice_label(spoken, one.kind)
    return moment(one.at), actor(spoken, one.actor), said, purpose, spoken.number(times)


def what_erasing_does(connection: Connection, spoken: Words, reference: str) -> str:
    """What erasing this person will do; nothing for a reference that leads to nobody."""
    try:
        person = find_person(connection, reference)
    except LedgerError:
        return ""
    still_open = connection.scalar(
        select(func.count())
        .select_from(claims)
        .where(claims.c.person == person, claims.c.standing.not_in(PURPOSE_ENDED))
    )
    if still_open:
        return spoken.text(
            "Everything that is kept on the buyer of claim {claim} is destroyed for ever. A claim of theirs is still "
            "open: nobody could pay or reach them any more.",
            claim=reference,
        )
    return spoken.text(
        "Everything that is kept on the buyer of claim {claim} is destroyed for ever. The claim stays, without them.",
        claim=reference,
    )


CONSEQUENCES["person.erase"] = what_erasing_does
NO_WAY_BACK["person.erase"] = mark(
    "Nothing brings it back. That it was done, by whom and why, stays on record."
)
