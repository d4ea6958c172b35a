"""Approval by two people: one mechanism for recalls, substitutions and whatever else takes a second person.

What is approved is a Matter: the command with which it is approved (its permission says who may), the subject, and
the SHA-256 of its canonical content, so that an approval of version 2 is none of version 3.

    give_approval(tx, matter, "Report and scope checked.")   # approval.given/1; raises SameAuthor
    demand_approval(tx, matter)                              # raises NotApproved, StillWaiting

Where one account alone may approve, a waiting time may stand in; `ledger.people.waiting` says from when on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta
from sqlalchemy import Column, Connection, Index, Integer, String, Table, exists, select

from ledger.database import insert_into
from ledger.errors import LedgerError, Refused
from ledger.journal.events import LogOpened
from ledger.journal.fields import Code, ask
from ledger.journal.journal import read_recorded
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.log.canonical import encode
from ledger.log.entry import parse_entry
from ledger.log.store import newest_checkpoint, read_body
from ledger.moments import Moment, format_moment
from ledger.people.account import PEOPLE, roles_held, staff
from ledger.people.roles import may_do, roles_that_may
from ledger.people.signature import PasskeySignature, demand_signature, host_of
from ledger.people.waiting import MOST_HOURS, Rule, StandIn, Wait, wait_for

approvals = Table(
    "approvals",
    PEOPLE,
    Column("recorded", Integer, primary_key=True, autoincrement=False),
    Column("command", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("how", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("statement", String, nullable=False),
    Column("waiting_hours", Integer),
    Column("credential", String),  # the passkey's id, hex, where one signed
    Index("approvals_by_subject", "subject"),
)
approval_rules = Table(
    "approval_rules",
    PEOPLE,
    Column("recorded", Integer, primary_key=True, autoincrement=False),
    Column("command", String, nullable=False),
    Column("stand_in", String, nullable=False),
    Column("waiting_hours", Integer, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", Moment, nullable=False),
)

APPROVAL = Noun("approval", version=1, tables=(approvals, approval_rules))
How = Literal["given", "waited"]
TAKES_TWO: list[str] = []  # the commands with which a second person approves; higher floors add theirs


class SameAuthor(Refused):
    """Author and approver are one."""

    message = (
        "You drafted this yourself, and it takes two people. Ask somebody else to approve it; an account for them: "
        "lotproof account add NAME."
    )


class NotApproved(Refused):
    """Nobody has approved this content, and nothing stands in for them."""

    message = (
        "This is not approved yet. Somebody other than its author has to approve it first; these roles may: "
        "{roles}."
    )


class StillWaiting(Refused):
    """A waiting time stands in for the second person, and has not passed."""

    message = (
        "This waits for a second person until {until}. Whoever else may approve it can do so before; from then on "
        "the waiting time stands in for them."
    )


class TakesNoApproval(LedgerError):
    """A rule for a command with which nobody approves anything."""

    message = "Nothing is approved with {command}. Choose one of {known}."


class OddWaitingTime(LedgerError):
    """Hours without a waiting time, or the other way round."""

    message = (
        "A waiting time is from 1 to {most} hours. Leave the hours at 0 where something else stands in, or "
        "nothing."
    )


@APPROVAL.event("approval.given/1")
class ApprovalGiven(Event, frozen=True):
    """Somebody other than the author approves exactly this content."""

    command: str
    subject: str
    digest: str
    statement: str
    signature: PasskeySignature | None


@APPROVAL.event("approval.waited/1")
class ApprovalWaited(Event, frozen=True):
    """A waiting time stood in for the second person: nobody else could approve. It is recorded with what was done."""

    command: str
    subject: str
    digest: str
    drafted: int  # the entry from which the time ran
    waiting_hours: int


@APPROVAL.event("approval.rule_set/1")
class ApprovalRuleSet(Event, frozen=True):
    """What stands in where one account alone may approve; `waiting_hours` is 0 unless a waiting time does."""

    command: str
    stand_in: StandIn
    waiting_hours: int


@APPROVAL.applies(ApprovalGiven)
def apply_given(state: State, entries: Sequence[Recorded[ApprovalGiven]]) -> None:
    for one in entries:
        signature = one.event.signature
        _insert(
            state,
            one,
            how="given",
            statement=one.event.statement,
            credential=signature.credential.hex() if signature else None,
        )


@APPROVAL.applies(ApprovalWaited)
def apply_waited(state: State, entries: Sequence[Recorded[ApprovalWaited]]) -> None:
    for one in entries:
        _insert(state, one, how="waited", statement="", waiting_hours=one.event.waiting_hours)


def _insert(
    state: State, one: Recorded[ApprovalGiven] | Recorded[ApprovalWaited], **values: str | int | None
) -> None:
    row = {
        "recorded": one.index,
        "command": one.event.command,
        "subject": one.event.subject,
        "digest": one.event.digest,
        "actor": one.actor,
        "at": one.at,
        **values,
    }
    insert_into(state.connection, approvals, row)


@APPROVAL.applies(ApprovalRuleSet)
def apply_rule(state: State, entries: Sequence[Recorded[ApprovalRuleSet]]) -> None:
    rows = [
        {
            "recorded": one.index,
            "command": one.event.command,
            "stand_in": one.event.stand_in,
            "waiting_hours": one.event.waiting_hours,
            "actor": one.actor,
            "at": one.at,
        }
        for one in entries
    ]
    insert_into(state.connection, approval_rules, rows)


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be approved; `drafted` is the log index of the entry in which its author drafted it."""

    command: str
    subject: str
    digest: str
    author: str
    drafted: int


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval, or the waiting time that stood in for it (then `waiting_hours` says which)."""

    recorded: int
    command: str
    subject: str
    digest: str
    how: How
    by: str
    at: datetime
    statement: str
    waiting_hours: int | None
    credential: str | None  # of the passkey that signed, hex

    def covers(self, matter: Matter) -> bool:
        """Whether it is of this very content, and not its author's own word."""
        named = (self.command, self.subject, self.digest) == (matter.command, matter.subject, matter.digest)
        return named and (self.how == "waited" or self.by != matter.author)


def takes_two(name: str) -> str:
    """Register a command with which a second person approves; gives its name."""
    TAKES_TWO.append(name)
    return name


def digest_of(command_name: str, subject: str, content: Mapping[str, object]) -> str:
    """The SHA-256 (hex) of what is approved: canonical JSON of command, content and subject."""
    return hashlib.sha256(
        encode({"command": command_name, "content": content, "subject": subject})
    ).hexdigest()


def give_approval(
    tx: Tx,
    matter: Matter,
    statement: str,
    signature: PasskeySignature | None = None,
    about: Sequence[str] = (),
) -> int:
    """Record that the actor approves the matter; `about` are further subjects. Raises SameAuthor, BadSignature."""
    refuse_author(tx, matter)
    if signature is not None:
        demand_signature(signature, digest=matter.digest, host=_host(tx.connection))
    event = ApprovalGiven(
        command=matter.command,
        subject=matter.subject,
        digest=matter.digest,
        statement=statement,
        signature=signature,
    )
    return tx.record(event, matter.subject, *about)


def refuse_author(tx: Tx, matter: Matter) -> None:
    """Raise SameAuthor if the actor drafted it."""
    if tx.actor == matter.author:
        raise SameAuthor()


@dataclass(frozen=True, slots=True)
class Approved:
    """By what the second person's part is done: their approval, or the waiting time; `index` is its entry."""

    how: How
    by: str
    index: int


def demand_approval(tx: Tx, matter: Matter, about: Sequence[str] = ()) -> Approved:
    """What lets the matter pass. A waiting time that stands in is recorded, `about` further subjects.

    Raises NotApproved, StillWaiting.
    """
    found = approval_of(tx.connection, matter)
    if found is not None:
        return Approved(found.how, found.by, found.recorded)
    wait = waiting_for(tx.connection, matter, tx.at)
    if wait is None:
        raise NotApproved(roles=", ".join(roles_that_may(matter.command)))
    if wait.until > tx.at:
        raise StillWaiting(until=format_moment(wait.until))
    event = ApprovalWaited(
        command=matter.command,
        subject=matter.subject,
        digest=matter.digest,
        drafted=matter.drafted,
        waiting_hours=wait.hours,
    )
    return Approved("waited", tx.actor, tx.record(event, matter.subject, *about))


def waiting_for(connection: Connection, matter: Matter, now: datetime) -> Wait | None:
    """The waiting time that stands in for the second person, or will; None where none does.

    The time runs from the drafting entry's own, which nobody can change.
    """
    return wait_for(
        rules_for(connection, matter.command),
        roles_held(connection),
        command=matter.command,
        author=matter.author,
        drafted_at=_written_at(connection, matter.drafted, now),
        now=now,
    )


def approvals_of(connection: Connection, subject: str) -> list[Approval]:
    """Everything that was approved of a subject (`noun:ID`), all its versions, oldest first."""
    query = select(approvals).where(approvals.c.subject == subject).order_by(approvals.c.recorded)
    return [Approval(*row) for row in connection.execute(query)]


def approval_of(connection: Connection, matter: Matter) -> Approval | None:
    """The first approval that covers this content, or None."""
    return next((one for one in approvals_of(connection, matter.subject) if one.covers(matter)), None)


def rules_for(connection: Connection, command_name: str) -> list[Rule]:
    """The rules that were ever set for a command, oldest first."""
    query = select(approval_rules).where(approval_rules.c.command == command_name)
    return [Rule(*row) for row in connection.execute(query.order_by(approval_rules.c.recorded))]


def without_rule(connection: Connection, actor: str) -> list[str]:
    """The commands with which `actor` alone may approve, and about which no rule was ever set. One query."""
    ruled = [exists(approval_rules.c.recorded).where(approval_rules.c.command == name) for name in TAKES_TWO]
    accounts = connection.execute(
        select(staff.c.id, staff.c.roles, *ruled).where(staff.c.ended_at.is_(None))
    ).all()
    return [
        name
        for name, *is_ruled in zip(TAKES_TWO, *(row[2:] for row in accounts), strict=True)
        if not any(is_ruled)
        and [f"account:{one.id}" for one in accounts if may_do(one.roles.split(), name)] == [actor]
    ]


class SetApprovalRule(Request, frozen=True):
    """Say what stands in for the second person where one account alone may approve."""

    command: Annotated[Code, ask("What is approved", ref="approval")]
    stand_in: Annotated[
        StandIn,
        ask("What stands in", "A rule that asks for less than before holds 72 hours after it was recorded."),
    ]
    waiting_hours: Annotated[
        int, Meta(ge=0, le=MOST_HOURS), ask("Hours to wait", "From 1 to 72 for a waiting time, else 0.")
    ] = 0


@command("approval.set_rule")
def set_approval_rule(tx: Tx, request: SetApprovalRule) -> None:
    """Nothing is recorded where it stands so already. Raises TakesNoApproval, OddWaitingTime."""
    if request.command not in TAKES_TWO:
        raise TakesNoApproval(command=request.command, known=", ".join(TAKES_TWO))
    if (request.stand_in == "waiting") != (request.waiting_hours > 0):
        raise OddWaitingTime(most=MOST_HOURS)
    event = ApprovalRuleSet(
        command=request.command, stand_in=request.stand_in, waiting_hours=request.waiting_hours
    )
    known = rules_for(tx.connection, request.command)
    if known and (known[-1].stand_in, known[-1].waiting_hours) == (event.stand_in, event.waiting_hours):
        return
    opened = read_recorded(tx.connection, 0).event
    assert isinstance(opened, LogOpened)
    tx.record(event, f"log:{opened.log}")


def _written_at(connection: Connection, index: int, now: datetime) -> datetime:
    """When the entry `index` was written; `now` for one of the group that is being written this moment."""
    body = read_body(connection, index)
    return now if body is None else parse_entry(body).at


def _host(connection: Connection) -> str:
    """The host of the log, as its newest checkpoint names it."""
    newest = newest_checkpoint(connection)
    assert newest is not None  # a log is opened and published in one
    return host_of(newest.origin)
