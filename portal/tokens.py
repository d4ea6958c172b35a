"""Tokens and who has them: a name and the hash of a secret in state.db, what it may do in the log. Knows no web.

A secret is shown once, when it is issued; what is kept is its SHA-256, so who reads state.db cannot use it. A token
without an end is of the time before the log knew tokens: it opens the log's entries, and nothing else.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Engine, String, Table, delete, insert, select, update

from ledger.database import reading, writing
from ledger.errors import LedgerError, NotFound, Refused
from ledger.identifiers import new_id
from ledger.journal.journal import By
from ledger.journal.opening import Ledger
from ledger.moments import Moment
from ledger.people.token import (
    LONGEST,
    OPERATOR,
    EndsTooLate,
    IssueToken,
    RevokeToken,
    issue_token,
    revoke_token,
)
from ledger.state import STATE

Use = Literal[
    "program", "auditor", "counsel"
]  # whom it was issued to; all but programs may follow it as a link
BY_OPERATOR = By(OPERATOR)
PREFIX = "lotproof_"  # so that a scanner of leaked secrets can tell what it found
TOKEN_BYTES = 32
MAX_NAME_CHARACTERS = 80
USED_EVERY = timedelta(minutes=1)  # a use is written down at most this often

tokens_table = Table(
    "tokens",
    STATE,
    Column("id", String(16), primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("use", String),
    Column("ends_at", Moment),
    Column("last_used_at", Moment),
)


class InvalidTokenName(LedgerError):
    """A name that says nothing."""

    message = "Name the token after whoever gets it: 1 to 80 visible characters."


class TokenExists(Refused):
    """The name is taken."""

    message = "There is a token named {name} already. Choose another name: one that was used stays taken."


class NoSuchDay(LedgerError):
    """What stands for the last day is no date."""

    message = "Choose the last day on which it works, such as {example}."
    http_status = 400


class UnknownToken(NotFound):
    """No token has this name, or none that still works."""

    message = "There is no token named {name} that still works."


@dataclass(frozen=True, slots=True)
class Token:
    """Who has it, since when, until when; `use` and `ends_at` are None for one of the time before."""

    id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None
    use: Use | None
    ends_at: datetime | None
    last_used_at: datetime | None

    @property
    def actor(self) -> str:
        """What the log says instead of the name."""
        return f"token:{self.id}"

    def works(self, now: datetime) -> bool:
        """Whether it was neither revoked nor has ended."""
        return self.revoked_at is None and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a new token is to be: for whom, to see and do what, until when, and about which subject alone."""

    name: str
    use: Use
    scopes: Sequence[str]
    ends_at: datetime
    about: str | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just issued. `secret` is kept nowhere, and shown this once."""

    token: Token
    secret: str


def end_of(day: date, zone: str) -> datetime:
    """The last second of a day in this zone (IANA name). Raises EndsTooLate for a day that no token lasts to."""
    if not 2000 <= day.year <= 9000:  # beyond them other zones have no such day
        raise EndsTooLate(days=LONGEST.days)
    return datetime.combine(day, time(23, 59, 59), ZoneInfo(zone))


def issue(ledger: Ledger, state: Engine, wanted: Wanted, *, now: datetime, by: By = BY_OPERATOR) -> NewToken:
    """A new token. Raises InvalidTokenName, TokenExists, and what `issue_token` does; then nothing is kept."""
    made = _keep(state, wanted, now=now)
    # A crash here: a token that may do nothing, and whose name is taken.
    request = IssueToken(
        token=made.token.id, scopes=tuple(wanted.scopes), ends_at=wanted.ends_at, about=wanted.about
    )
    try:
        ledger.journal.write(issue_token, request, by)
    except LedgerError:
        with writing(state) as connection:
            connection.execute(delete(tokens_table).where(tokens_table.c.id == made.token.id))
        raise
    return made


def revoke(
    ledger: Ledger, state: Engine, token: Token, reason: str, *, now: datetime, by: By = BY_OPERATOR
) -> None:
    """From now on the token opens nothing; its name stays taken. Raises TokenEnded, UnknownToken.

    One of the time before stands in no log, and ends here alone.
    """
    if token.ends_at is not None:
        ledger.journal.write(revoke_token, RevokeToken(token=token.id, reason=reason), by)
    # A crash here: it opens nothing any more, because the log says so; only the list of names does not.
    works = (tokens_table.c.id == token.id) & tokens_table.c.revoked_at.is_(None)
    with writing(state) as connection:
        if connection.execute(update(tokens_table).where(works).values(revoked_at=now)).rowcount == 0:
            raise UnknownToken(name=token.name)


def find_token(state: Engine, secret: str, *, now: datetime) -> Token | None:
    """Whose secret this is; None for one that was never issued, was revoked or has ended."""
    with reading(state) as connection:
        row = connection.execute(
            select(*_COLUMNS).where(tokens_table.c.token_hash == hash_of(secret))
        ).first()
    token = Token(*row) if row is not None else None
    return token if token is not None and token.works(now) else None


def note_use(state: Engine, token: Token, *, now: datetime) -> None:
    """Write down that the token was used now, unless that was written a moment ago."""
    if token.last_used_at is None or now - token.last_used_at >= USED_EVERY:
        with writing(state) as connection:
            used = update(tokens_table).where(tokens_table.c.id == token.id)
            connection.execute(used.values(last_used_at=now))


def tokens(state: Engine) -> list[Token]:
    """All tokens, the revoked ones too, by name."""
    with reading(state) as connection:
        return [Token(*row) for row in connection.execute(select(*_COLUMNS).order_by(tokens_table.c.name))]


def token_of(state: Engine, token: str) -> Token | None:
    """The token of this id, or None."""
    return next((one for one in tokens(state) if one.id == token), None)


def token_named(state: Engine, name: str) -> Token:
    """The token of this name. Raises UnknownToken where there is none, or where it was revoked."""
    for one in tokens(state):
        if one.name == name.strip() and one.revoked_at is None:
            return one
    raise UnknownToken(name=name)


def hash_of(secret: str) -> str:
    """What is kept of a secret. SHA-256 is enough for 256 random bits; a password would need more."""
    return hashlib.sha256(secret.encode()).hexdigest()


_COLUMNS = [column for column in tokens_table.c if column.name != "token_hash"]


def _keep(state: Engine, wanted: Wanted, *, now: datetime) -> NewToken:
    name, secret = wanted.name.strip(), PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
        raise InvalidTokenName()
    ends_at = wanted.ends_at.replace(microsecond=0)
    token = Token(new_id(secrets.token_bytes), name, now, None, wanted.use, ends_at, None)
    values = {column.name: getattr(token, column.name) for column in _COLUMNS}
    with writing(state) as connection:
        if connection.execute(select(tokens_table.c.id).where(tokens_table.c.name == name)).first():
            raise TokenExists(name=name)
        connection.execute(insert(tokens_table).values(**values, token_hash=hash_of(secret)))
    return NewToken(token, secret)
