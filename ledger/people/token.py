"""Tokens: leave for a program, or for an outsider who follows a link, to see and do a few things until some day.

The log knows a token's id, what it may do, about what, until when, and that it was revoked; its name and the hash of
its secret lie in `state.db` (`portal.tokens`). What it may do is said in the words of `ledger.people.roles`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import Column, Connection, Integer, Row, String, Table, bindparam, select, update

from ledger.database import insert_into
from ledger.errors import LedgerError, NotFound, Refused
from ledger.journal.events import subject_heads
from ledger.journal.fields import Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.moments import Moment
from ledger.people.account import PEOPLE, SEPARATOR, roles_of
from ledger.people.roles import check_scopes, covers

LONGEST = timedelta(days=366)
OPERATOR = "system:operator"  # whoever has the machine can do everything anyway

issued_tokens = Table(
    "issued_tokens",
    PEOPLE,
    Column("id", String(16), primary_key=True),
    Column("scopes", String, nullable=False),  # words of ledger.people.roles, with a space between two
    Column("about", String),
    Column("ends_at", Moment, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("recorded", Integer, nullable=False),
)

TOKEN = Noun("token", version=1, tables=(issued_tokens,))


class UnknownIssuedToken(NotFound):
    """The log knows no token of this id."""

    message = "The log knows no token {token}. Look at the list: lotproof token list."


class TokenEnded(Refused):
    """What was revoked stays revoked."""

    message = "This token was revoked already. Issue a new one."


class TokenKnown(Refused):
    """An id is issued once."""

    message = "There is a token {token} already. Issue a new one under another id."


class NothingGranted(LedgerError):
    """A token that may see and do nothing."""

    message = "Say what the token is for: name at least one role, one area to see or one thing to do."


class NotYoursToGive(LedgerError):
    """The issuer lacks what the token would have."""

    message = (
        "You cannot give {scope} to others: your own roles do not hold it. Ask somebody whose roles do, or leave it "
        "out."
    )
    http_status = 403


class EndsTooLate(LedgerError):
    """Every token ends, and within a year."""

    message = (
        "A token ends after now, and within {days} days. Choose another day; a new one can be issued then."
    )


class NothingKnownAbout(LedgerError):
    """`about` names nothing that was recorded."""

    message = (
        "Nothing is recorded about {about}. Name what the token is for as it stands in the log: NOUN:ID."
    )


@TOKEN.event("token.issued/1")
class TokenIssued(Event, frozen=True):
    """Until `ends_at` (UTC, whole seconds) whoever has the token may see and do what its scopes say.

    Where `about` names a subject, it does nothing about any other.
    """

    token: str
    scopes: tuple[str, ...]
    ends_at: Annotated[datetime, Meta(tz=True)]
    about: str | None


@TOKEN.event("token.revoked/1")
class TokenRevoked(Event, frozen=True):
    """The token may do nothing any more."""

    token: str
    reason: str


@TOKEN.applies(TokenIssued)
def apply_issued(state: State, entries: Sequence[Recorded[TokenIssued]]) -> None:
    rows = [
        {
            "id": one.event.token,
            "scopes": SEPARATOR.join(one.event.scopes),
            "about": one.event.about,
            "ends_at": one.event.ends_at,
            "issued_at": one.at,
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, issued_tokens, rows)


@TOKEN.applies(TokenRevoked)
def apply_revoked(state: State, entries: Sequence[Recorded[TokenRevoked]]) -> None:
    for one in entries:
        change = update(issued_tokens).where(issued_tokens.c.id == one.event.token)
        state.connection.execute(change.values(revoked_at=one.at))


class IssueToken(Request, frozen=True):
    """Issue a token: leave for a program or an outsider to see and do a few things."""

    token: str
    scopes: tuple[str, ...]
    ends_at: Annotated[datetime, Meta(tz=True)]
    about: str | None = None


class RevokeToken(Request, frozen=True):
    """Revoke a token: it may do nothing any more."""

    token: Annotated[str, ask("Token", "Its id, as in the log.")]
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "It stands in the log for ever. Name nobody.")]


@command("token.issue")
def issue_token(tx: Tx, request: IssueToken) -> None:
    """Raises UnknownScope, NothingGranted, NotYoursToGive, EndsTooLate, NothingKnownAbout, TokenKnown."""
    scopes = check_scopes(request.scopes)
    if not scopes:
        raise NothingGranted()
    _demand_own(tx, scopes)
    if not tx.at < request.ends_at <= tx.at + LONGEST:
        raise EndsTooLate(days=LONGEST.days)
    if request.about is not None:
        _demand_known(tx.connection, request.about)
    if find_issued(tx.connection, request.token) is not None:
        raise TokenKnown(token=request.token)
    ends_at = request.ends_at.astimezone(UTC).replace(microsecond=0)
    event = TokenIssued(token=request.token, scopes=scopes, ends_at=ends_at, about=request.about)
    tx.record(event, f"token:{request.token}", *([request.about] if request.about else []))


@command("token.revoke")
def revoke_token(tx: Tx, request: RevokeToken) -> None:
    """Raises UnknownIssuedToken, TokenEnded."""
    found = find_issued(tx.connection, request.token)
    if found is None:
        raise UnknownIssuedToken(token=request.token)
    if found.revoked_at is not None:
        raise TokenEnded()
    tx.record(TokenRevoked(token=found.id, reason=request.reason), f"token:{found.id}")


def _demand_own(tx: Tx, scopes: Sequence[str]) -> None:
    """Raise NotYoursToGive unless the actor's roles hold all of it.

    Those of accounts alone: a token that issued tokens would outlive its own end.
    """
    held = roles_of(tx.connection, tx.actor)
    for scope in scopes:
        if tx.actor != OPERATOR and not covers(held, scope):
            raise NotYoursToGive(scope=scope)


def _demand_known(connection: Connection, about: str) -> None:
    known = select(subject_heads.c.last).where(subject_heads.c.subject == about)
    if connection.execute(known).first() is None:
        raise NothingKnownAbout(about=about)


@dataclass(frozen=True, slots=True)
class Holding:
    """What an actor may see and do; where it is `about` a subject, nothing is done about any other."""

    scopes: tuple[str, ...] = ()
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A token as the log knows it."""

    id: str
    scopes: tuple[str, ...]
    about: str | None
    ends_at: datetime
    issued_at: datetime
    revoked_at: datetime | None
    recorded: int

    def works(self, now: datetime) -> bool:
        """Whether it was neither revoked nor has ended."""
        return self.revoked_at is None and now < self.ends_at


_BY_ID = select(issued_tokens).where(issued_tokens.c.id == bindparam("id"))


def find_issued(connection: Connection, token: str) -> Issued | None:
    """The token of this id, or None."""
    row = connection.execute(_BY_ID, {"id": token}).first()
    return None if row is None else _issued(row)


def list_issued(connection: Connection) -> list[Issued]:
    """All tokens that the log knows, newest first."""
    return [
        _issued(row)
        for row in connection.execute(select(issued_tokens).order_by(issued_tokens.c.recorded.desc()))
    ]


def held_by(connection: Connection, actor: str, *, now: datetime) -> Holding:
    """What `account:ID` or `token:ID` holds at `now`; nothing for one that ended, or that the log does not know."""
    kind, _, token = actor.partition(":")
    if kind != "token":
        return Holding(roles_of(connection, actor))
    found = find_issued(connection, token)
    return Holding(found.scopes, found.about) if found and found.works(now) else Holding()


def _issued(row: Row[Any]) -> Issued:
    return Issued(
        row.id,
        tuple(row.scopes.split()),
        row.about,
        row.ends_at,
        row.issued_at,
        row.revoked_at,
        row.recorded,
    )
