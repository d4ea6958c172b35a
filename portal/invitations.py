"""Invitations: a link by which somebody chooses their password, once, within a week. Knows no web.

The link is shown once to whoever invites; kept is its SHA-256. A newer link ends the older one, and so does the choice.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Engine, ForeignKey, String, Table, delete, insert, select

from ledger.database import reading, writing
from ledger.errors import NotFound
from ledger.moments import Moment
from ledger.state import STATE
from portal.accounts import Account, account_of, set_password
from portal.names import Names

TOKEN_BYTES = 32
LASTS = timedelta(days=7)

invitations = Table(
    "invitations",
    STATE,
    Column("account", String(16), ForeignKey("accounts.id"), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("ends_at", Moment, nullable=False),
)


class InvitationEnded(NotFound):
    """A link that nobody gave out, that was used, or that is too old."""

    message = "This link has ended: it was used, a newer one was given out, or a week has passed. Ask for a new one."


def invite(engine: Engine, account: str, *, now: datetime) -> str:
    """A fresh link's token for the account of this id; an older one ends."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = {"account": account, "token_hash": _hash(token), "ends_at": now + LASTS}
    with writing(engine) as connection:
        _forget(connection, account)
        connection.execute(insert(invitations).values(row))
    return token


def invited(engine: Engine, names: Names, token: str, *, now: datetime) -> Account:
    """Whose link this is. Raises InvitationEnded, also where the account was disabled since."""
    wanted = (invitations.c.token_hash == _hash(token)) & (invitations.c.ends_at > now)
    with reading(engine) as connection:
        account = connection.scalar(select(invitations.c.account).where(wanted))
    found = account_of(engine, names, account) if account else None
    if found is None or found.disabled_at is not None:
        raise InvitationEnded()
    return found


def accept(engine: Engine, names: Names, token: str, password: str, *, now: datetime) -> Account:
    """Give the account its password and end the link. Raises InvitationEnded, PasswordTooShort or PasswordTooLong."""
    found = invited(engine, names, token, now=now)
    set_password(engine, found.id, password)
    # A crash here: the link works once more for whoever has it, until a week has passed.
    with writing(engine) as connection:
        _forget(connection, found.id)
    return found


def _forget(connection: Connection, account: str) -> None:
    connection.execute(delete(invitations).where(invitations.c.account == account))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
