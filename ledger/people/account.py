"""Accounts of staff as the log knows them: an id, its roles, and that it ended. Names and secrets are elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Annotated, Any

from msgspec import Meta, Struct
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    delete,
    select,
    update,
)

from ledger.database import Prepared, insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.moments import Moment
from ledger.people.roles import MANAGING, check_roles, may_do

PEOPLE = MetaData()
SEPARATOR = " "  # no role's name holds one

staff = Table(
    "staff",
    PEOPLE,
    Column("id", String(16), primary_key=True),
    Column("roles", String, nullable=False),  # names, with a space between two
    Column("admitted_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("recorded", Integer, nullable=False),
)

staff_names = Table(
    "staff_names",
    PEOPLE,
    Column("account", String(16), primary_key=True),
    Column("person", String(16), nullable=False, unique=True),
    Column("item", String(16), nullable=False),
    Column("recorded", Integer, nullable=False),
)

staff_roles = Table(  # every time an account's roles changed: who could do something when it was done
    "staff_roles",
    PEOPLE,
    Column("recorded", Integer, primary_key=True, autoincrement=False),
    Column("account", String(16), nullable=False),
    Column("roles", String, nullable=False),  # as above; "" from an account's end on
    Column("at", Moment, nullable=False),
)

ACCOUNT = Noun("account", version=2, tables=(staff, staff_names, staff_roles))


class UnknownStaff(NotFound):
    """The log never admitted this account."""

    message = "The log knows no account {account}. Let it in first: lotproof account roles NAME --role ROLE."


class AccountEnded(Refused):
    """What ended is not begun again."""

    message = "The account {account} has ended, and an account that ended is not begun again. Add a new one."


class LastManager(Refused):
    """Nobody could let anybody in any more."""

    message = "This is the only account that may manage accounts. Give another one the role admin first."


class SealedName(Struct, frozen=True, forbid_unknown_fields=True):
    """A name in the vault: whose it is, its item, and the commitment to it."""

    person: str
    item: str
    commitment: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


@ACCOUNT.event("account.admitted/1")
class AccountAdmitted(Event, frozen=True):
    """From now on this account may sign in and act in its roles."""

    account: str
    roles: tuple[str, ...]


@ACCOUNT.event("account.roles_given/1")
class RolesGiven(Event, frozen=True):
    """From now on the account has these roles and no others."""

    account: str
    roles: tuple[str, ...]


@ACCOUNT.event("account.ended/1")
class AccountEnd(Event, frozen=True):
    """The account may do nothing any more."""

    account: str
    reason: str


@ACCOUNT.event("account.named/1")
class AccountNamed(Event, frozen=True):
    """The name of whoever has this account lies in the vault; an earlier one counts no more."""

    account: str
    name: SealedName


@ACCOUNT.applies(AccountAdmitted)
def apply_admitted(state: State, entries: Sequence[Recorded[AccountAdmitted]]) -> None:
    rows = [
        {
            "id": one.event.account,
            "roles": SEPARATOR.join(one.event.roles),
            "admitted_at": one.at,
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, staff, rows)
    for one in entries:
        _note_roles(state, one, one.event.roles)


@ACCOUNT.applies(RolesGiven)
def apply_roles(state: State, entries: Sequence[Recorded[RolesGiven]]) -> None:
    for one in entries:
        change = update(staff).where(staff.c.id == one.event.account)
        state.connection.execute(change.values(roles=SEPARATOR.join(one.event.roles)))
        _note_roles(state, one, one.event.roles)


@ACCOUNT.applies(AccountEnd)
def apply_end(state: State, entries: Sequence[Recorded[AccountEnd]]) -> None:
    for one in entries:
        state.connection.execute(update(staff).where(staff.c.id == one.event.account).values(ended_at=one.at))
        _note_roles(state, one, ())


def _note_roles(
    state: State,
    one: Recorded[AccountAdmitted] | Recorded[RolesGiven] | Recorded[AccountEnd],
    roles: tuple[str, ...],
) -> None:
    row = {
        "recorded": one.index,
        "account": one.event.account,
        "roles": SEPARATOR.join(roles),
        "at": one.at,
    }
    insert_into(state.connection, staff_roles, row)


@ACCOUNT.applies(AccountNamed)
def apply_named(state: State, entries: Sequence[Recorded[AccountNamed]]) -> None:
    newest = {one.event.account: one for one in entries}
    state.connection.execute(delete(staff_names).where(staff_names.c.account.in_(newest)))
    rows = [
        {
            "account": account,
            "person": one.event.name.person,
            "item": one.event.name.item,
            "recorded": one.index,
        }
        for account, one in newest.items()
    ]
    insert_into(state.connection, staff_names, rows)


class AdmitAccount(Request, frozen=True):
    """Let an account in."""

    account: str
    roles: tuple[str, ...]
    name: SealedName | None = None


class NameAccount(Request, frozen=True):
    """Say where the name of whoever has an account lies."""

    account: str
    name: SealedName


class GiveRoles(Request, frozen=True):
    """Give an account other roles than it has."""

    account: str
    roles: tuple[str, ...]


class EndAccount(Request, frozen=True):
    """End an account: it may do nothing any more."""

    account: str
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "It stands in the log for ever. Name nobody.")]


@command("account.admit")
def admit_account(tx: Tx, request: AdmitAccount) -> None:
    """Nothing is recorded for one that is in already. Raises AccountEnded, UnknownRole."""
    found = find_staff(tx.connection, request.account)
    if found is None:
        event = AccountAdmitted(account=request.account, roles=check_roles(request.roles))
        tx.record(event, f"account:{request.account}")
        if request.name is not None:
            tx.record(AccountNamed(account=request.account, name=request.name), f"account:{request.account}")
    elif found.ended_at is not None:
        raise AccountEnded(account=request.account)


@command("account.name")
def name_account(tx: Tx, request: NameAccount) -> None:
    """Raises UnknownStaff, AccountEnded."""
    found = _standing(tx.connection, request.account)
    tx.record(AccountNamed(account=found.id, name=request.name), f"account:{found.id}")


@command("account.give_roles")
def give_roles(tx: Tx, request: GiveRoles) -> None:
    """Raises UnknownStaff, AccountEnded, LastManager, UnknownRole."""
    found, wanted = _standing(tx.connection, request.account), check_roles(request.roles)
    if not may_do(wanted, MANAGING):
        _demand_other_manager(tx.connection, found)
    if wanted != found.roles:
        tx.record(RolesGiven(account=found.id, roles=wanted), f"account:{found.id}")


@command("account.end")
def end_account(tx: Tx, request: EndAccount) -> None:
    """Raises UnknownStaff, AccountEnded, LastManager."""
    found = _standing(tx.connection, request.account)
    _demand_other_manager(tx.connection, found)
    tx.record(AccountEnd(account=found.id, reason=request.reason), f"account:{found.id}")


@dataclass(frozen=True, slots=True)
class Staff:
    """An account as the log knows it."""

    id: str
    roles: tuple[str, ...]
    admitted_at: datetime
    ended_at: datetime | None
    recorded: int


_BY_ID = select(staff).where(staff.c.id == bindparam("id"))
_ROLES = Prepared(select(staff.c.roles).where(staff.c.id == bindparam("id"), staff.c.ended_at.is_(None)))


def find_staff(connection: Connection, account: str) -> Staff | None:
    """The account of this id, or None."""
    row = connection.execute(_BY_ID, {"id": account}).first()
    return None if row is None else _staff(row)


def list_staff(connection: Connection) -> list[Staff]:
    """All accounts that were ever let in, oldest first."""
    return [_staff(row) for row in connection.execute(select(staff).order_by(staff.c.recorded))]


def roles_of(connection: Connection, actor: str) -> tuple[str, ...]:
    """The roles of `account:ID`, now; none for one that ended, or that the log does not know. One quick look-up."""
    kind, _, account = actor.partition(":")
    rows = _ROLES.fetch(connection, id=account) if kind == "account" else []
    return tuple(rows[0][0].split()) if rows else ()


def name_items(connection: Connection) -> dict[str, str]:
    """Where the name of each account lies: the item of the vault, by actor (`account:ID`)."""
    return {f"account:{row.account}": row.item for row in connection.execute(select(staff_names))}


@dataclass(frozen=True, slots=True)
class Held:
    """The roles of an account from one moment to another; `until` is None for those that it has now."""

    account: str
    roles: tuple[str, ...]
    since: datetime
    until: datetime | None


def roles_held(connection: Connection) -> list[Held]:
    """Which roles every account had when, each account's oldest first."""
    query = select(staff_roles).order_by(staff_roles.c.account, staff_roles.c.recorded)
    rows = connection.execute(query).all()
    return [
        Held(
            row.account,
            tuple(row.roles.split()),
            row.at,
            after.at if after is not None and after.account == row.account else None,
        )
        for row, after in zip_longest(rows, rows[1:])
    ]


def _standing(connection: Connection, account: str) -> Staff:
    found = find_staff(connection, account)
    if found is None:
        raise UnknownStaff(account=account)
    if found.ended_at is not None:
        raise AccountEnded(account=account)
    return found


def _demand_other_manager(connection: Connection, leaving: Staff) -> None:
    """Raise LastManager where `leaving` manages accounts and nobody else does."""
    if may_do(leaving.roles, MANAGING) and not _managers(list_staff(connection), besides=leaving.id):
        raise LastManager()


def _managers(all_of_them: Iterable[Staff], *, besides: str) -> list[Staff]:
    return [
        one
        for one in all_of_them
        if one.ended_at is None and one.id != besides and may_do(one.roles, MANAGING)
    ]


def _staff(row: Row[Any]) -> Staff:
    return Staff(row.id, tuple(row.roles.split()), row.admitted_at, row.ended_at, row.recorded)
