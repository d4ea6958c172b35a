"""Tokens for those who check the log: they open the entries, and nothing else.

A token is shown once, when it is issued; what is kept is its SHA-256, so who reads state.db cannot use it.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Engine, String, Table, insert, select, update

from ledger.database import reading, writing
from ledger.errors import LedgerError, NotFound, Refused
from ledger.identifiers import new_id
from ledger.moments import Moment
from ledger.state import STATE

PREFIX = "lotproof_"  # so that a scanner of leaked secrets can tell what it found
TOKEN_BYTES = 32
MAX_NAME_CHARACTERS = 80

tokens_table = Table(
    "tokens",
    STATE,
    Column("id", String(16), primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)


class InvalidTokenName(LedgerError):
    """A name that says nothing."""

    message = "Name the token after whoever gets it: 1 to 80 visible characters."


class TokenExists(Refused):
    """The name is taken."""

    message = "There is a token named {name} already. Choose another name, or revoke that one first."


class UnknownToken(NotFound):
    """No token has this name, or none that still works."""

    message = "There is no token named {name} that still works."


@dataclass(frozen=True, slots=True)
class Token:
    """Who may read entries, and since when."""

    id: str
    name: str
    created_at: datetime
    revoked_at: datetime | None


def issue(state: Engine, name: str, *, now: datetime) -> str:
    """A new token for `name`: kept nowhere, shown this once. Raises InvalidTokenName, TokenExists."""
    name = name.strip()
    if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
        raise InvalidTokenName()
    token = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    values = {"id": new_id(secrets.token_bytes), "name": name, "token_hash": _hash(token), "created_at": now}
    with writing(state) as connection:
        if connection.execute(select(tokens_table.c.id).where(tokens_table.c.name == name)).first():
            raise TokenExists(name=name)
        connection.execute(insert(tokens_table), values)
    return token


def find_token(state: Engine, token: str) -> Token | None:
    """Whose token this is; None for one that was never issued, or was revoked."""
    wanted = (tokens_table.c.token_hash == _hash(token)) & tokens_table.c.revoked_at.is_(None)
    with reading(state) as connection:
        row = connection.execute(select(*_COLUMNS).where(wanted)).first()
    return None if row is None else Token(*row)


def tokens(state: Engine) -> list[Token]:
    """All tokens, the revoked ones too, by name."""
    with reading(state) as connection:
        return [Token(*row) for row in connection.execute(select(*_COLUMNS).order_by(tokens_table.c.name))]


def revoke(state: Engine, name: str, *, now: datetime) -> None:
    """From now on the token of `name` opens nothing. Its name stays taken. Raises UnknownToken."""
    works = (tokens_table.c.name == name.strip()) & tokens_table.c.revoked_at.is_(None)
    with writing(state) as connection:
        if connection.execute(update(tokens_table).where(works).values(revoked_at=now)).rowcount == 0:
            raise UnknownToken(name=name)


_COLUMNS = [column for column in tokens_table.c if column.name != "token_hash"]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
