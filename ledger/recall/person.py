"""Persons: nothing but their ids stands here, and what became of what was held on them.

    erased     on request: key, values and salts destroyed; nothing is written about them any more
    expired    the retention of some of their values ran out: those values destroyed

The person of a claim is its buyer, the person of an account a member of staff. An event comes first and the destruction
second (`ledger.recall.erasing`): what a crash between the two leaves is destroyed at the next opening. No subject of an
entry is a person; claims and accounts are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    String,
    Table,
    and_,
    delete,
    or_,
    select,
)

from ledger.database import insert_into
from ledger.journal.events import LogOpened
from ledger.journal.fields import Code, Prose, ask
from ledger.journal.journal import read_recorded
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.moments import Moment
from ledger.people.account import Staff, find_staff, staff, staff_names
from ledger.recall.claim import OpenClaim, Standing, claims, open_claim
from ledger.recall.errors import AccountStands, ErasedPerson, UnknownPersonOrClaim
from ledger.recall.recall import RECALL_TABLES
from ledger.recall.retention import Kind, Rule, default_rules

PURPOSE_ENDED: tuple[Standing, ...] = ("settled", "declined")
PERSONS_AT_ONCE = 100  # in one command, which holds the lock for some milliseconds
LONGEST_DAYS = 36_525

erased_persons = Table(
    "erased_persons",
    RECALL_TABLES,
    Column("person", String(16), primary_key=True),
    Column("erased_at", Moment, nullable=False),
    Column("recorded", Integer, nullable=False),
)
expired_items = Table(
    "expired_items",
    RECALL_TABLES,
    Column("item", String(16), primary_key=True),
    Column("person", String(16), nullable=False),
    Column("kind", String, nullable=False),
    Column("expired_at", Moment, nullable=False),
    Column("recorded", Integer, nullable=False),
    Index("expired_items_person", "person"),
)
retention_rules = Table(
    "retention_rules",
    RECALL_TABLES,
    Column("kind", String, primary_key=True),
    Column("days", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("recorded", Integer, nullable=False),
)

PERSON = Noun("person", version=1, tables=(erased_persons, expired_items, retention_rules))


class ExpiredItem(Struct, frozen=True, forbid_unknown_fields=True):
    """A value that was destroyed because its time had run out."""

    item: str
    kind: str


@PERSON.event("person.erased/1")
class PersonErased(Event, frozen=True):
    """All that was held on a person is destroyed."""

    person: str
    reason: str


@PERSON.event("person.expired/1")
class PersonExpired(Event, frozen=True):
    """Some of it is, because its retention ran out."""

    person: str
    items: tuple[ExpiredItem, ...]


@PERSON.event("retention.set/1")
class RetentionSet(Event, frozen=True):
    """From now on values of this kind are kept so many days after the end of their purpose."""

    kind: str
    days: int
    reason: str


@PERSON.applies(PersonErased)
def apply_erased(state: State, entries: Sequence[Recorded[PersonErased]]) -> None:
    rows = [{"person": one.event.person, "erased_at": one.at, "recorded": one.index} for one in entries]
    insert_into(state.connection, erased_persons, rows)


@PERSON.applies(PersonExpired)
def apply_expired(state: State, entries: Sequence[Recorded[PersonExpired]]) -> None:
    rows = [
        {
            "item": item.item,
            "person": one.event.person,
            "kind": item.kind,
            "expired_at": one.at,
            "recorded": one.index,
        }
        for one in entries
        for item in one.event.items
    ]
    insert_into(state.connection, expired_items, rows)


@PERSON.applies(RetentionSet)
def apply_retention(state: State, entries: Sequence[Recorded[RetentionSet]]) -> None:
    for one in entries:
        state.connection.execute(delete(retention_rules).where(retention_rules.c.kind == one.event.kind))
        row = {
            "kind": one.event.kind,
            "days": one.event.days,
            "reason": one.event.reason,
            "recorded": one.index,
        }
        insert_into(state.connection, retention_rules, [row])


class ErasePerson(Request, frozen=True):
    """Erase a person: everything that was kept on them is destroyed, for ever."""

    person: Annotated[
        Code, ask("Person", "The reference of a claim of theirs or of their account, or the person's own.")
    ]
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "Why, such as “they asked”. Name nobody.")]


@command("person.erase")
def erase_person(tx: Tx, request: ErasePerson) -> None:
    """Raises UnknownPersonOrClaim, ErasedPerson, AccountStands.

    Destroying comes after: `erasing.carry_out_erasure`.
    """
    person = find_person(tx.connection, request.person)
    refuse_erased(tx.connection, person)
    accounts = accounts_of(tx.connection, person)
    if any(one.ended_at is None for one in accounts):
        raise AccountStands()
    about = [f"claim:{claim}" for claim in claims_of(tx.connection, person)]
    about += [f"account:{one.id}" for one in accounts]
    tx.record(PersonErased(person=person, reason=request.reason), *about)


@open_claim.objects
def refuse_claim_of_erased(tx: Tx, request: OpenClaim) -> None:
    """Nothing is written about a person who was erased. Raises ErasedPerson."""
    refuse_erased(tx.connection, request.person)


class ExpireItems(Request, frozen=True):
    """Record whose values' time has run out; a worker's."""


@command("person.expire")
def expire_items(tx: Tx, request: ExpireItems) -> None:
    """Up to PERSONS_AT_ONCE persons, those who are due longest first. Raises NothingRecorded where none is."""
    for person, due in due_items(tx.connection, at=tx.at).items():
        expired = tuple(ExpiredItem(one.item, one.kind) for one in due)
        tx.record(PersonExpired(person=person, items=expired), *sorted({one.about for one in due}))


class SetRetention(Request, frozen=True):
    """Set how long a kind of personal value is kept once it has served its purpose."""

    kind: Annotated[Kind, ask("Kind of value")]
    days: Annotated[
        int,
        Meta(ge=0, le=LONGEST_DAYS),
        ask("Days", "Counted from the day the claim was settled or declined, or the account ended."),
    ]
    reason: Annotated[Prose, Meta(min_length=1), ask("Why so long", "The law or the need behind it.")]


@command("person.set_retention")
def set_retention(tx: Tx, request: SetRetention) -> None:
    """What is past its time under the new rule goes at the worker's next round."""
    opened = read_recorded(tx.connection, 0).event
    assert isinstance(opened, LogOpened)
    event = RetentionSet(kind=request.kind, days=request.days, reason=request.reason)
    tx.record(event, f"log:{opened.log}")


def find_person(connection: Connection, reference: str) -> str:
    """The person's id, from their own, a claim's or an account's. Raises UnknownPersonOrClaim."""
    buyers = select(claims.c.person).where(or_(claims.c.id == reference, claims.c.person == reference))
    colleagues = select(staff_names.c.person).where(
        or_(staff_names.c.account == reference, staff_names.c.person == reference)
    )
    person = connection.scalar(buyers.limit(1)) or connection.scalar(colleagues)
    if person is None:
        raise UnknownPersonOrClaim(person=reference)
    return str(person)


def accounts_of(connection: Connection, person: str) -> list[Staff]:
    """The account whose name lies with this person; none for a buyer."""
    account = connection.scalar(select(staff_names.c.account).where(staff_names.c.person == person))
    found = find_staff(connection, account) if account else None
    return [found] if found else []


def claims_of(connection: Connection, person: str) -> list[str]:
    """The claims (ids) a person stands in, oldest first."""
    return list(
        connection.scalars(select(claims.c.id).where(claims.c.person == person).order_by(claims.c.opened))
    )


def erased_at(connection: Connection, person: str) -> datetime | None:
    """When a person was erased, or None."""
    return connection.scalar(select(erased_persons.c.erased_at).where(erased_persons.c.person == person))


def expired_of(connection: Connection, person: str) -> Mapping[str, datetime]:
    """When each item of a person that ran out was destroyed."""
    query = select(expired_items.c.item, expired_items.c.expired_at).where(expired_items.c.person == person)
    return dict(connection.execute(query).all())


def refuse_erased(connection: Connection, person: str) -> None:
    """Raise ErasedPerson if they were."""
    when = erased_at(connection, person)
    if when is not None:
        raise ErasedPerson(person=person, day=when.date().isoformat())


def rules(connection: Connection) -> dict[str, Rule]:
    """The rule in force for every kind: the seller's own, or the default."""
    found = dict(default_rules())
    for row in connection.execute(select(retention_rules)):
        purpose = found[row.kind].purpose if row.kind in found else ""
        found[row.kind] = Rule(row.kind, row.days, purpose, row.reason)
    return found


@dataclass(frozen=True, slots=True)
class Due:
    """A value whose retention has run out."""

    item: str
    kind: str
    about: str  # the subject it is held for: `claim:ID` or `account:ID`


def due_items(connection: Connection, *, at: datetime) -> dict[str, list[Due]]:
    """The values past their time at that moment by person, of up to PERSONS_AT_ONCE persons."""
    in_force, found = rules(connection), dict[str, list[Due]]()
    for kind, column in (("contact", claims.c.contact), ("payout", claims.c.payout)):
        ended_before = at - timedelta(days=in_force[kind].days)
        for claim, person, item in connection.execute(_overdue(column, ended_before)):
            if person in found or len(found) < PERSONS_AT_ONCE:
                found.setdefault(person, []).append(Due(item, kind, f"claim:{claim}"))
    ended_before = at - timedelta(days=in_force["staff_name"].days)
    for account, person, item in connection.execute(_overdue_names(ended_before)):
        if len(found) < PERSONS_AT_ONCE:
            found.setdefault(person, []).append(Due(item, "staff_name", f"account:{account}"))
    return found


def _overdue(column: "Column[str]", ended_before: datetime) -> Select[Any]:
    ended = and_(claims.c.standing.in_(PURPOSE_ENDED), claims.c.moved_at <= ended_before)
    return (
        select(claims.c.id, claims.c.person, column)
        .where(ended, column.is_not(None), ~is_gone(column, claims.c.person))
        .order_by(claims.c.moved)
        .limit(PERSONS_AT_ONCE)
    )


def _overdue_names(ended_before: datetime) -> Select[Any]:
    item = staff_names.c.item
    return (
        select(staff.c.id, staff_names.c.person, item)
        .join(staff_names, staff_names.c.account == staff.c.id)
        .where(staff.c.ended_at <= ended_before, ~is_gone(item, staff_names.c.person))
        .order_by(staff.c.ended_at, staff.c.id)
        .limit(PERSONS_AT_ONCE)
    )


def is_gone(item: "Column[str]", person: "Column[str]") -> ColumnElement[bool]:
    """Whether the log says that an item's time ran out, or that its person was erased."""
    return or_(
        select(expired_items.c.item).where(expired_items.c.item == item).exists(),
        select(erased_persons.c.person).where(erased_persons.c.person == person).exists(),
    )
