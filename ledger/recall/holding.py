"""Everything held on one person: the answer to their own request (GDPR, Articles 15 and 20).

Values from the vault, the claims they stand in with every entry about them, who read what, and what retention will
remove when. Making it is itself a reading, and is written down as one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from ledger.database import reading
from ledger.journal.events import subject_heads
from ledger.journal.opening import Ledger
from ledger.log import store
from ledger.log.canonical import JSON
from ledger.log.entry import parse_entry
from ledger.people.account import Staff
from ledger.recall.claim import Claim, claim_recalls, claims
from ledger.recall.person import PURPOSE_ENDED, accounts_of, erased_at, expired_of, find_person, rules
from ledger.recall.recall import recalls
from ledger.recall.retention import Rule
from ledger.trace.batch import batches
from ledger.trace.product import products
from ledger.trace.unit import unit_at
from ledger.vault.accesses import Access, list_accesses


@dataclass(frozen=True, slots=True)
class HeldValue:
    """A value, or what became of it. `removed_on` is None while its claim is open: its time has not begun.

    `claim` is "" for a value that no entry names: what a claim that failed half-way left, swept within the hour.
    """

    item: str
    kind: str
    purpose: str
    claim: str
    stored_at: datetime | None
    value: Mapping[str, JSON] | None
    kept_days: int
    kept_because: str
    removed_on: datetime | None
    is_removed: bool


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An entry of the log about a claim. It names no person."""

    index: int
    at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """A claim as it stands, and every entry about it."""

    id: str
    standing: str
    product: str
    batch: str
    unit: str  # its serial as printed; "" where only the batch is known
    recalls: tuple[str, ...]
    remedy: str
    country: str
    language: str
    opened_at: datetime
    moved_at: datetime
    entries: tuple[HeldEntry, ...]


@dataclass(frozen=True, slots=True)
class HeldAccount:
    """An account of a member of staff, and every entry about it."""

    id: str
    roles: tuple[str, ...]
    admitted_at: datetime
    ended_at: datetime | None
    entries: tuple[HeldEntry, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """All that is held on a person at one moment."""

    person: str
    at: datetime
    erased_at: datetime | None
    values: tuple[HeldValue, ...]
    claims: tuple[HeldClaim, ...]
    accounts: tuple[HeldAccount, ...]
    accesses: tuple[Access, ...]


def holding_on(ledger: Ledger, reference: str, *, actor: str) -> Holding:
    """Everything held on the person, the buyer of the claim or the holder of the account with this reference.

    Raises UnknownPersonOrClaim, and what reading the vault does.
    """
    now = ledger.journal.now()
    with reading(ledger.engine) as connection:
        person = find_person(connection, reference)
        own = [Claim(*row) for row in connection.execute(select(claims).where(claims.c.person == person))]
        staff = accounts_of(connection, person)
        values = _values(ledger, connection, person, own, staff, actor, now)
        accounts = tuple(_account(connection, one) for one in staff)
        held_claims = tuple(_claim(connection, one) for one in own)
        erased = erased_at(connection, person)
    with reading(ledger.vault.engine) as connection:
        read_by = tuple(list_accesses(connection, person))
    return Holding(person, now, erased, values, held_claims, accounts, read_by)


def _values(
    ledger: Ledger,
    connection: Connection,
    person: str,
    own: Iterable[Claim],
    staff: Iterable[Staff],
    actor: str,
    now: datetime,
) -> tuple[HeldValue, ...]:
    in_force, expired = rules(connection), expired_of(connection, person)
    of_claim = {item: (kind, one) for one in own for item, kind in _items(one).items()}
    there = ledger.vault.items_of(person)
    held = ledger.vault.read_as(there, actor=actor, purpose="export", now=now)
    found = []
    for item in dict.fromkeys([*of_claim, *there]):
        kind, claim = of_claim.get(item, ("", None))
        one = held.get(item)
        kind = kind or (one.kind if one else "")
        rule = in_force.get(kind, Rule(kind, 0, "", ""))
        value = HeldValue(
            item=item,
            kind=kind,
            purpose=rule.purpose,
            claim=claim.id if claim else "",
            stored_at=one.created_at if one else None,
            value=one.value if one else None,
            kept_days=rule.days,
            kept_because=rule.reason,
            removed_on=expired.get(item) or _due(claim, staff, rule),
            is_removed=one is None,
        )
        found.append(value)
    return tuple(found)


def _items(claim: Claim) -> dict[str, str]:
    return {claim.contact: "contact"} | ({claim.payout: "payout"} if claim.payout else {})


def _due(claim: Claim | None, staff: Iterable[Staff], rule: Rule) -> datetime | None:
    ended = [claim.moved_at] if claim is not None and claim.standing in PURPOSE_ENDED else []
    ended += [one.ended_at for one in staff if one.ended_at is not None]
    return ended[0] + timedelta(days=rule.days) if ended else None


def _account(connection: Connection, one: Staff) -> HeldAccount:
    entries = _entries(connection, f"account:{one.id}")
    return HeldAccount(one.id, one.roles, one.admitted_at, one.ended_at, entries)


def _claim(connection: Connection, one: Claim) -> HeldClaim:
    unit = unit_at(connection, one.position)
    named = connection.execute(
        select(products.c.brand, products.c.name, batches.c.code)
        .join(batches, batches.c.product == products.c.id)
        .where(batches.c.id == one.batch)
    ).one()
    return HeldClaim(
        id=one.id,
        standing=one.standing,
        product=f"{named.brand} {named.name}",
        batch=named.code,
        unit=unit.shown if unit else "",
        recalls=_recalls(connection, one.id),
        remedy=one.remedy,
        country=one.country,
        language=one.language,
        opened_at=one.opened_at,
        moved_at=one.moved_at,
        entries=_entries(connection, f"claim:{one.id}"),
    )


def _entries(connection: Connection, subject: str) -> tuple[HeldEntry, ...]:
    """The entries about a subject, oldest first, each found through the one after it."""
    index = connection.scalar(select(subject_heads.c.last).where(subject_heads.c.subject == subject))
    found = []
    while index is not None:
        body = store.read_body(connection, index)
        assert body is not None, f"entry {index} is missing"
        entry = parse_entry(body)
        found.append(HeldEntry(index, entry.at, entry.kind))
        index = entry.subjects[subject]
    return tuple(reversed(found))


def _recalls(connection: Connection, claim: str) -> tuple[str, ...]:
    named = select(recalls.c.code).join(claim_recalls, claim_recalls.c.recall == recalls.c.id)
    return tuple(connection.scalars(named.where(claim_recalls.c.claim == claim).order_by(recalls.c.code)))
