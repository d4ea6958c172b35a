"""Attempts to sign in, slowed down where they fail, and never stopped for good.

Counted for each name *and* address in state.db, so that all processes share the count, and so that a stranger
who guesses at a name delays only themselves. The first FREE attempts cost nothing; each further one doubles
the wait, up to LONGEST_WAIT. Attempts during a wait don't lengthen it, and a quiet day forgets all.

Not one of `portal.limits`: an allowance comes back as fast for who guesses as for who mistypes, and knows no
success. All sign-ins of an address together have such an allowance besides, against who tries many names.
"""

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)

from ledger.database import writing
from ledger.errors import LedgerError
from ledger.moments import Moment
from ledger.state import STATE
from portal.limits import network

FREE = 5
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=24)

attempts = Table(
    "attempts",
    STATE,
    Column("key", String(64), primary_key=True),  # SHA-256 of name and address: neither is kept
    Column("failures", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("wait_until", Moment, nullable=False),
    Index("attempts_last_at", "last_at"),
)


class TooManyAttempts(LedgerError):
    """This name from this address has to wait; right or wrong, the password was not looked at."""

    message = "Too many attempts. Try again in {wait_seconds} seconds."
    http_status = 429


def begin_attempt(engine: Engine, name_key: str, address: str, *, now: datetime) -> None:
    """Count an attempt as failed before it is judged; `forget_attempts` when it was right.

    Counted first, so that a hundred attempts at the same moment are a hundred and not one.
    Raises TooManyAttempts(wait_seconds).
    """
    key = _key(name_key, address)
    with writing(engine) as connection:
        # A row from the future stands there because the clock was set back: it must not block until then.
        is_stale = or_(attempts.c.last_at < now - FORGOTTEN_AFTER, attempts.c.last_at > now + LONGEST_WAIT)
        connection.execute(delete(attempts).where(is_stale))
        row = connection.execute(select(attempts).where(attempts.c.key == key)).one_or_none()
        if row is not None and row.wait_until > now:
            raise TooManyAttempts(wait_seconds=math.ceil((row.wait_until - now).total_seconds()))
        failures = 1 if row is None else row.failures + 1
        _store(connection, key, failures, now=now, is_new=row is None)


def forget_attempts(engine: Engine, name_key: str, address: str) -> None:
    """The attempt was right: begin anew."""
    with writing(engine) as connection:
        connection.execute(delete(attempts).where(attempts.c.key == _key(name_key, address)))


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: nothing, then 2, 4, 8 … seconds."""
    if failures < FREE:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE + 1, 20)), LONGEST_WAIT)


def _store(connection: Connection, key: str, failures: int, *, now: datetime, is_new: bool) -> None:
    values = {"failures": failures, "last_at": now, "wait_until": now + wait_after(failures)}
    if is_new:
        connection.execute(insert(attempts).values(key=key, **values))
    else:
        connection.execute(update(attempts).where(attempts.c.key == key).values(values))


def _key(name_key: str, address: str) -> str:
    return hashlib.sha256(f"{name_key}\0{network(address)}".encode()).hexdigest()
