"""Accounts of staff and their sessions, kept in state.db. Knows no web.

A name is a person's, so it lies in the vault (`portal.names`); here stands a keyed digest, by which it is found, and in
the log the actor is `account:ID`. A session is a random token in the person's cookie, of which we keep only the
SHA-256: who reads the database cannot sign in with it.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from ledger.database import reading, writing
from ledger.errors import LedgerError, NotFound, Refused
from ledger.identifiers import new_id
from ledger.moments import Moment
from ledger.state import STATE
from portal.attempts import begin_attempt, forget_attempts
from portal.names import KeptName, Names, folded
from portal.passwords import hash_password, is_outdated, rehash_password, verify_password

TOKEN_BYTES = 32
IDLE = timedelta(hours=12)  # a working day at the packing table
LIFETIME = timedelta(days=7)
NO_PASSWORD = ""  # in the place of a hash: no password matches it
SEEN_EVERY = timedelta(minutes=1)  # a page view writes at most this often

accounts_table = Table(
    "accounts",
    STATE,
    Column("id", String(16), primary_key=True),
    Column("name", String),  # of an account made before names lay in the vault, until it is moved there
    Column("password_hash", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    Column("name_item", String(16)),  # of the vault; none once the account has ended
    Column("name_digest", String(64)),
    Column("zone", String, nullable=False, server_default=""),  # IANA name; "" for the company's
    Index("accounts_name_digest", "name_digest", unique=True),
)
sessions = Table(
    "sessions",
    STATE,
    Column("token_hash", String(64), primary_key=True),
    Column("account", String(16), ForeignKey("accounts.id"), nullable=False),
    Column("csrf", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_seen_at", Moment, nullable=False),
    Column("confirmed_at", Moment),  # when password or passkey was last given again; never: when it began
    Index("sessions_account", "account"),
    Index("sessions_last_seen", "last_seen_at"),
)
# One row where the company demands a second factor of everybody, none where it does not.
second_factor_demand = Table(
    "second_factor_demand",
    STATE,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", Moment, nullable=False),
    Column("actor", String, nullable=False),
)


class NameTaken(Refused):
    """Another account has this name, perhaps in other letters."""

    message = (
        "There is an account named {name} already. Choose another name, or give that account a new password."
    )


class UnknownAccount(NotFound):
    """No account has this id or name."""

    message = "There is no account {account}."


class SignInRefused(LedgerError):
    """Name or password are wrong, or the account is disabled: we don't say which."""

    message = "Name and password don't match an account. Check both, or ask whoever keeps the accounts."
    http_status = 401


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in, unless disabled."""

    id: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    zone: str = ""  # whose clocks they read; "" for the company's

    @property
    def actor(self) -> str:
        """What the log says instead of the name."""
        return f"account:{self.id}"


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in account. `csrf` goes into its forms; `id` tells its sessions apart and opens none.

    `confirmed_at` is when it last proved who it is: by signing in, or since then once more.
    """

    id: str
    account: Account
    csrf: str
    created_at: datetime
    confirmed_at: datetime
    needs_factor: bool = False  # the company demands a second factor of everybody


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One of an account's sessions that has not ended."""

    id: str
    created_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that has just begun. `token` goes into the cookie and is kept nowhere else."""

    token: str
    session: Session


# --- accounts


def add_account(engine: Engine, name: KeptName, password: str | None, *, now: datetime) -> Account:
    """A new account; without a password, which somebody chooses later, nobody can sign in with it.

    Raises NameTaken, PasswordTooShort or PasswordTooLong.
    """
    hashed = hash_password(password) if password is not None else NO_PASSWORD
    account = Account(id=new_id(os.urandom), name=name.text, created_at=now, disabled_at=None)
    values = {"id": account.id, "name_item": name.sealed.item, "name_digest": name.digest, "created_at": now}
    with writing(engine) as connection:
        if _row(connection, accounts_table.c.name_digest == name.digest) is not None:
            raise NameTaken(name=name.text)
        connection.execute(insert(accounts_table).values(**values, password_hash=hashed))
    return account


def accounts(engine: Engine, names: Names) -> list[Account]:
    """All accounts by name, those that ended, and have none here any more, first."""
    with reading(engine) as connection:
        found = [_account(row, names) for row in connection.execute(select(accounts_table))]
    return sorted(found, key=lambda one: (folded(one.name), one.id))


def account_of(engine: Engine, names: Names, account_id: str) -> Account | None:
    """The account with this id, or None."""
    with reading(engine) as connection:
        row = _row(connection, accounts_table.c.id == account_id)
    return None if row is None else _account(row, names)


def account_named(engine: Engine, names: Names, name: str) -> Account:
    """The account with this name, in whatever letters. Raises UnknownAccount."""
    with reading(engine) as connection:
        row = _row(connection, accounts_table.c.name_digest == names.digest(name))
    if row is None:
        raise UnknownAccount(account=name)
    return _account(row, names)


def set_name(engine: Engine, account_id: str, name: KeptName) -> None:
    """Have the account be found by this name. Raises UnknownAccount, NameTaken."""
    with writing(engine) as connection:
        taken = _row(connection, accounts_table.c.name_digest == name.digest)
        if taken is not None and taken.id != account_id:
            raise NameTaken(name=name.text)
        values = {"name": None, "name_item": name.sealed.item, "name_digest": name.digest}
        if not _update(connection, account_id, **values):
            raise UnknownAccount(account=account_id)


def forget_name(engine: Engine, account_id: str) -> None:
    """Let the account be found by no name."""
    with writing(engine) as connection:
        _update(connection, account_id, name=None, name_item=None, name_digest=None)


def names_in_clear(engine: Engine) -> dict[str, str]:
    """The names, by account, that were written here before names lay in the vault."""
    old = select(accounts_table.c.id, accounts_table.c.name).where(accounts_table.c.name.is_not(None))
    with reading(engine) as connection:
        return dict(connection.execute(old).all())


def set_password(engine: Engine, account_id: str, password: str) -> None:
    """Give the account another password and end its sessions. Raises UnknownAccount, PasswordTooShort …"""
    _change(engine, account_id, password_hash=hash_password(password))


def disable_account(engine: Engine, account_id: str, *, now: datetime) -> None:
    """Let the account sign in no more and end all its sessions. Raises UnknownAccount.

    Its name is free again, and only the vault still has it: `state.db` says nothing of who has gone.
    """
    _change(engine, account_id, disabled_at=now, name_item=None, name_digest=None, password_hash=NO_PASSWORD)


def authenticate(
    engine: Engine, names: Names, name: str, password: str, *, address: str, now: datetime
) -> Account:
    """The account whose name and password these are; `address` is where the attempt comes from.

    As much work for a name that nobody has. Raises TooManyAttempts(wait_seconds) or SignInRefused.
    """
    key = names.digest(name)
    begin_attempt(engine, key, address, now=now)
    with reading(engine) as connection:
        row = _row(connection, accounts_table.c.name_digest == key)
    is_right = verify_password(None if row is None else row.password_hash or None, password)
    if row is None or not is_right or row.disabled_at is not None:
        raise SignInRefused()
    forget_attempts(engine, key, address)
    if is_outdated(row.password_hash):
        with writing(engine) as connection:
            _update(connection, row.id, password_hash=rehash_password(password))
    return _account(row, names)


def set_zone(engine: Engine, account_id: str, zone: str) -> None:
    """From now on the account reads times as the clocks of `zone` (IANA name) show them; "" for the company's."""
    with writing(engine) as connection:
        if not _update(connection, account_id, zone=zone):
            raise UnknownAccount(account=account_id)


# --- sessions


def start_session(engine: Engine, account: Account, *, now: datetime) -> NewSession:
    """A new session for the account; sessions that ran out, anybody's, are removed on the way."""
    token, csrf = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
    values = {"token_hash": _hash(token), "account": account.id, "csrf": csrf}
    with writing(engine) as connection:
        ran_out = or_(sessions.c.last_seen_at <= now - IDLE, sessions.c.created_at <= now - LIFETIME)
        connection.execute(delete(sessions).where(ran_out))
        connection.execute(insert(sessions).values(**values, created_at=now, last_seen_at=now))
    begun = Session(_id_of(_hash(token)), account, csrf, created_at=now, confirmed_at=now)
    return NewSession(token=token, session=begun)


def find_session(engine: Engine, names: Names, token: str, *, now: datetime) -> Session | None:
    """The session of this token, unless it ended, ran out or its account was disabled."""
    with reading(engine) as connection:
        both = select(
            sessions, accounts_table.c.name_item, accounts_table.c.disabled_at, accounts_table.c.zone
        )
        row = connection.execute(
            both.add_columns(
                accounts_table.c.created_at.label("account_created_at"),
                exists(select(second_factor_demand.c.id)).label("needs_factor"),
            )
            .join(accounts_table)
            .where(sessions.c.token_hash == _hash(token), accounts_table.c.disabled_at.is_(None))
        ).one_or_none()
    if row is None or now - row.last_seen_at >= IDLE or now - row.created_at >= LIFETIME:
        return None
    if now - row.last_seen_at >= SEEN_EVERY:
        _see(engine, row.token_hash, now=now)
    account = Account(row.account, _name(row, names), row.account_created_at, row.disabled_at, row.zone)
    return Session(
        id=_id_of(row.token_hash),
        account=account,
        csrf=row.csrf,
        created_at=row.created_at,
        confirmed_at=row.confirmed_at or row.created_at,
        needs_factor=bool(row.needs_factor),
    )


def confirm_session(engine: Engine, session_id: str, *, now: datetime) -> None:
    """The session proved once more who it is. One that has ended is no error."""
    wanted = sessions.c.token_hash.startswith(session_id, autoescape=True)
    with writing(engine) as connection:
        connection.execute(update(sessions).where(wanted).values(confirmed_at=now))


def open_sessions(engine: Engine, account_id: str, *, now: datetime) -> list[OpenSession]:
    """The account's sessions that have not ended, the one seen last first."""
    is_open = (sessions.c.last_seen_at > now - IDLE) & (sessions.c.created_at > now - LIFETIME)
    asked = select(sessions).where(sessions.c.account == account_id, is_open)
    with reading(engine) as connection:
        rows = connection.execute(asked.order_by(sessions.c.last_seen_at.desc(), sessions.c.token_hash)).all()
    return [OpenSession(_id_of(row.token_hash), row.created_at, row.last_seen_at) for row in rows]


def end_sessions(engine: Engine, account_id: str, *, but: str) -> int:
    """End all of the account's sessions but the one with the id `but`; gives how many ended."""
    others = (sessions.c.account == account_id) & ~sessions.c.token_hash.startswith(but, autoescape=True)
    with writing(engine) as connection:
        return connection.execute(delete(sessions).where(others)).rowcount


def end_session(engine: Engine, token: str) -> None:
    """Sign out. A token that is none is no error."""
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def is_csrf(session: Session, token: str) -> bool:
    """Whether a form's token is the session's, compared in constant time."""
    return hmac.compare_digest(session.csrf.encode(), token.encode())


def _see(engine: Engine, token_hash: str, *, now: datetime) -> None:
    with writing(engine) as connection:
        connection.execute(
            update(sessions).where(sessions.c.token_hash == token_hash).values(last_seen_at=now)
        )


def _id_of(token_hash: str) -> str:
    """64 bits of the hash: enough to tell sessions apart."""
    return token_hash[:16]


def _hash(token: str) -> str:
    """SHA-256 is enough for 256 random bits; a password would need more."""
    return hashlib.sha256(token.encode()).hexdigest()


def _change(engine: Engine, account_id: str, **values: Any) -> None:
    """Change the account and end its sessions."""
    with writing(engine) as connection:
        if not _update(connection, account_id, **values):
            raise UnknownAccount(account=account_id)
        connection.execute(delete(sessions).where(sessions.c.account == account_id))


def _update(connection: Connection, account_id: str, **values: Any) -> bool:
    change = update(accounts_table).where(accounts_table.c.id == account_id).values(values)
    return connection.execute(change).rowcount == 1


def _row(connection: Connection, condition: Any) -> Row[Any] | None:
    return connection.execute(select(accounts_table).where(condition)).one_or_none()


def _account(row: Row[Any], names: Names) -> Account:
    return Account(row.id, _name(row, names), row.created_at, row.disabled_at, row.zone)


def _name(row: Row[Any], names: Names) -> str:
    return names.read(row.name_item) if row.name_item else ""
