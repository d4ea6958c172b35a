"""Sign-ins that wait for their second factor: the password was right, and five minutes or five guesses are left.

The token is in the person's cookie and opens nothing; kept is its SHA-256. Guesses are also slowed for each account and
address, as those at passwords are, so that beginning again with the password gives nobody five free ones more.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from ledger.database import reading, writing
from ledger.errors import LedgerError
from ledger.moments import Moment
from ledger.state import STATE
from portal.accounts import Account, account_of
from portal.attempts import begin_attempt, forget_attempts
from portal.names import Names
from portal.second_factor import check_code, has_factor, use_recovery_code

LASTS = timedelta(minutes=5)
GUESSES = 5
TOKEN_BYTES = 32

waiting_sign_ins = Table(
    "waiting_sign_ins",
    STATE,
    Column("token_hash", String(64), primary_key=True),
    Column("account", String(16), ForeignKey("accounts.id"), nullable=False),
    Column("guesses", Integer, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Index("waiting_sign_ins_ends_at", "ends_at"),
)


class SignInOver(LedgerError):
    """No sign-in waits for this second factor any more."""

    message = "This sign-in has ended: five minutes passed, or five codes were wrong. Begin again with the password."
    http_status = 401


def wait_for_factor(engine: Engine, account: str, *, now: datetime) -> str | None:
    """After the right password: the token of a sign-in that waits, None where the password is all it takes."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"token_hash": _hash(token), "account": account, "guesses": 0, "ends_at": now + LASTS}
    with writing(engine) as connection:
        connection.execute(delete(waiting_sign_ins).where(waiting_sign_ins.c.ends_at <= now))
        if not has_factor(connection, account):
            return None
        connection.execute(insert(waiting_sign_ins).values(values))
    return token


def waiting(engine: Engine, names: Names, token: str, *, now: datetime) -> Account:
    """Whose sign-in waits for its second factor. Raises SignInOver."""
    wanted = (waiting_sign_ins.c.token_hash == _hash(token)) & (waiting_sign_ins.c.ends_at > now)
    with reading(engine) as connection:
        account = connection.scalar(
            select(waiting_sign_ins.c.account).where(wanted, waiting_sign_ins.c.guesses < GUESSES)
        )
    found = account_of(engine, names, account) if account else None
    if found is None or found.disabled_at is not None:
        raise SignInOver()
    return found


def finish_waiting(
    engine: Engine, names: Names, token: str, *, code: str, recovery: str, address: str, now: datetime
) -> Account:
    """Whose sign-in the app's code, or the recovery code, has completed; it waits no more.

    Raises SignInOver, TooManyAttempts(wait_seconds), WrongCode or WrongRecoveryCode.
    """
    account = waiting(engine, names, token, now=now)
    # No name begins with a control character: these attempts are counted apart from those at passwords.
    key = f"\1{account.id}"
    begin_attempt(engine, key, address, now=now)
    _count_guess(engine, token)
    if recovery:
        use_recovery_code(engine, account.id, recovery)
    else:
        check_code(engine, account.id, code, now=now)
    forget_attempts(engine, key, address)
    end_waiting(engine, token)
    return account


def end_waiting(engine: Engine, token: str) -> None:
    """The sign-in waits no more. A token that is none is no error."""
    with writing(engine) as connection:
        connection.execute(delete(waiting_sign_ins).where(waiting_sign_ins.c.token_hash == _hash(token)))


def _count_guess(engine: Engine, token: str) -> None:
    """Counted before it is judged, so that five at one moment are five. Raises SignInOver at the sixth."""
    this = (waiting_sign_ins.c.token_hash == _hash(token)) & (waiting_sign_ins.c.guesses < GUESSES)
    with writing(engine) as connection:
        counted = update(waiting_sign_ins).where(this).values(guesses=waiting_sign_ins.c.guesses + 1)
        if connection.execute(counted).rowcount != 1:
            raise SignInOver()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
