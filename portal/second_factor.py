"""The second factor beside the password: an app's codes, recovery codes, what the company demands. Knows no web.

An account has a second factor when it has an app's codes or a passkey. Recovery codes stand in for one that was lost;
they come with the first factor and go with the last. An app's secret stands in state.db as it is, because checking a
code takes it: who reads that database can make codes, though no passkey's answers.
"""

import base64
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from pyotp import TOTP
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from ledger.database import reading, writing
from ledger.errors import LedgerError, Refused
from ledger.moments import Moment
from ledger.state import STATE
from portal.accounts import second_factor_demand, sessions
from portal.passkeys import Passkey, UnknownPasskey, passkeys_of, passkeys_table

STEP_SECONDS, DIGITS = 30, 6  # what all apps have (RFC 6238)
DRIFT = 1  # steps: the code before and the code after count too, for clocks that differ
NEVER = -1
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 random bits: 16 characters of base32

app_codes = Table(
    "app_codes",
    STATE,
    Column("account", String(16), ForeignKey("accounts.id"), primary_key=True),
    Column("secret", String, nullable=False),  # base32
    Column("confirmed_at", Moment),  # never: the set-up has begun
    Column("last_step", BigInteger, nullable=False),  # of the newest code that was accepted
)
recovery_codes = Table(
    "recovery_codes",
    STATE,
    Column("account", String(16), ForeignKey("accounts.id"), primary_key=True),
    Column("code_hash", String(64), primary_key=True),
)


class WrongCode(LedgerError):
    """Not the code of now, or one that was used."""

    message = (
        "This is not the code of now. Each works once: wait for the next one. If none works, compare the clock of the "
        "phone with a right one."
    )
    http_status = 401


class WrongRecoveryCode(LedgerError):
    """Not one of those that are left."""

    message = "This is none of the recovery codes that are left. Each works once; newer ones end the older."
    http_status = 401


class CodesAreOn(Refused):
    """There is a confirmed secret; another would make the app's codes wrong."""

    message = "Codes from an app are set up already. Turn them off first to set them up with another app."


class SetUpOver(Refused):
    """A first code came, and no secret waits for it."""

    message = "There is no set-up under way. Begin it anew, and take the picture that is shown then."


class NoFactorYet(Refused):
    """Recovery codes were asked for where there is nothing to recover."""

    message = "Recovery codes stand in for a second factor, and there is none yet. Set one up first."


@dataclass(frozen=True, slots=True)
class Factors:
    """What an account has beside its password."""

    codes_since: datetime | None
    passkeys: tuple[Passkey, ...]
    recovery_left: int

    @property
    def is_set(self) -> bool:
        """Whether signing in takes more than the password."""
        return self.codes_since is not None or bool(self.passkeys)


def factors_of(engine: Engine, account: str) -> Factors:
    """What the account of this id has."""
    since = select(app_codes.c.confirmed_at).where(app_codes.c.account == account)
    left = select(func.count()).where(recovery_codes.c.account == account)
    with reading(engine) as connection:
        codes_since, recovery_left = connection.scalar(since), connection.scalar(left) or 0
    return Factors(codes_since, tuple(passkeys_of(engine, account)), recovery_left)


def has_factor(connection: Connection, account: str) -> bool:
    """Whether signing in takes more than the password of the account with this id."""
    confirmed = (app_codes.c.account == account) & app_codes.c.confirmed_at.is_not(None)
    has_one = or_(exists().where(confirmed), exists().where(passkeys_table.c.account == account))
    return bool(connection.scalar(select(literal(1)).where(has_one)))


def with_factors(engine: Engine) -> frozenset[str]:
    """The ids of all accounts that have a second factor."""
    confirmed = select(app_codes.c.account).where(app_codes.c.confirmed_at.is_not(None))
    with reading(engine) as connection:
        return frozenset(connection.scalars(confirmed.union(select(passkeys_table.c.account))))


def remove_factors(engine: Engine, account: str) -> None:
    """Take all of the account's second factors away and end its sessions; having none is no error."""
    with writing(engine) as connection:
        for table in (app_codes, passkeys_table, recovery_codes, sessions):
            connection.execute(delete(table).where(table.c.account == account))


# --- codes from an app


def begin_codes(engine: Engine, account: str, new_secret: str) -> None:
    """Keep a secret until its first code confirms it; one that was not confirmed ends. Raises CodesAreOn.

    `new_secret` is `pyotp.random_base32()`: 160 random bits.
    """
    with writing(engine) as connection:
        if _secret(connection, account, is_confirmed=True):
            raise CodesAreOn()
        connection.execute(delete(app_codes).where(app_codes.c.account == account))
        values = {"account": account, "secret": new_secret, "last_step": NEVER}
        connection.execute(insert(app_codes).values(values))


def unconfirmed_secret(engine: Engine, account: str) -> str | None:
    """The secret that waits for its first code, for whoever it belongs to."""
    with reading(engine) as connection:
        return _secret(connection, account, is_confirmed=False)


def confirm_codes(engine: Engine, account: str, code: str, *, now: datetime) -> list[str]:
    """Turn the codes on; gives the recovery codes that come with a first factor. Raises SetUpOver, WrongCode."""
    with writing(engine) as connection:
        if _secret(connection, account, is_confirmed=False) is None:
            raise SetUpOver()
        _accept(connection, account, code, now=now)
        connection.execute(update(app_codes).where(app_codes.c.account == account).values(confirmed_at=now))
        return _first_recovery_codes(connection, account)


def check_code(engine: Engine, account: str, code: str, *, now: datetime) -> None:
    """Raise WrongCode unless this is the app's code of now, the one before or after, and newer than any accepted."""
    with writing(engine) as connection:
        if _secret(connection, account, is_confirmed=True) is None:
            raise WrongCode()
        _accept(connection, account, code, now=now)


def turn_codes_off(engine: Engine, account: str) -> None:
    """The app's codes count no more."""
    with writing(engine) as connection:
        connection.execute(delete(app_codes).where(app_codes.c.account == account))
        _forget_if_bare(connection, account)


def _secret(connection: Connection, account: str, *, is_confirmed: bool) -> str | None:
    confirmed = app_codes.c.confirmed_at.is_not(None)
    wanted = (app_codes.c.account == account) & (confirmed if is_confirmed else ~confirmed)
    return connection.scalar(select(app_codes.c.secret).where(wanted))


def _accept(connection: Connection, account: str, code: str, *, now: datetime) -> None:
    """Remember the step of a code that is right, so that neither it nor an older one is right again."""
    secret = connection.scalar(select(app_codes.c.secret).where(app_codes.c.account == account)) or ""
    step = _step_of(secret, _plain_digits(code), now=now)
    newer = update(app_codes).where(app_codes.c.account == account, app_codes.c.last_step < step)
    if step == NEVER or connection.execute(newer.values(last_step=step)).rowcount != 1:
        raise WrongCode()


def _step_of(secret: str, code: str, *, now: datetime) -> int:
    """The step whose code this is, as far as clocks may differ; NEVER for none. As much work for each."""
    codes, middle = TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    steps = range(middle - DRIFT, middle + DRIFT + 1)
    found = [step for step in steps if hmac.compare_digest(codes.generate_otp(step), code)]
    return max(found, default=NEVER)


def _plain_digits(code: str) -> str:
    """The code in ASCII, from any keyboard and however it is grouped; "" for what is none."""
    digits = [unicodedata.decimal(character, None) for character in code if not character.isspace()]
    is_code = len(digits) == DIGITS and None not in digits
    return "".join(map(str, digits)) if is_code else ""


# --- passkeys, and what they bring


def first_recovery_codes(engine: Engine, account: str) -> list[str]:
    """After a passkey was added: recovery codes, where there are none; else nothing."""
    with writing(engine) as connection:
        return _first_recovery_codes(connection, account)


def remove_passkey(engine: Engine, account: str, passkey: str) -> None:
    """The passkey of this id is accepted no more. Raises UnknownPasskey where it is not the account's."""
    this = (passkeys_table.c.id == passkey) & (passkeys_table.c.account == account)
    with writing(engine) as connection:
        if connection.execute(delete(passkeys_table).where(this)).rowcount != 1:
            raise UnknownPasskey()
        _forget_if_bare(connection, account)


# --- recovery codes


def renew_recovery_codes(engine: Engine, account: str) -> list[str]:
    """Ten new ones, kept nowhere; those before end. Raises NoFactorYet."""
    with writing(engine) as connection:
        if not has_factor(connection, account):
            raise NoFactorYet()
        return _new_recovery_codes(connection, account)


def use_recovery_code(engine: Engine, account: str, code: str) -> None:
    """Accept a recovery code, this once. Raises WrongRecoveryCode."""
    this = recovery_codes.c.code_hash == _hash(_plain_letters(code))
    with writing(engine) as connection:
        if (
            connection.execute(
                delete(recovery_codes).where(this, recovery_codes.c.account == account)
            ).rowcount
            != 1
        ):
            raise WrongRecoveryCode()


def _first_recovery_codes(connection: Connection, account: str) -> list[str]:
    asked = select(func.count()).where(recovery_codes.c.account == account)
    return [] if connection.scalar(asked) else _new_recovery_codes(connection, account)


def _new_recovery_codes(connection: Connection, account: str) -> list[str]:
    made = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    connection.execute(delete(recovery_codes).where(recovery_codes.c.account == account))
    rows = [{"account": account, "code_hash": _hash(_plain_letters(code))} for code in made]
    connection.execute(insert(recovery_codes), rows)
    return made


def _new_recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _plain_letters(code: str) -> str:
    """The code as base32 has it; what a reader may take for a letter is that letter."""
    letters = "".join(one for one in unicodedata.normalize("NFKC", code).upper() if one.isalnum())
    return letters.translate(str.maketrans("018", "OIB"))


def _forget_if_bare(connection: Connection, account: str) -> None:
    """Without a factor there is nothing that recovery codes could stand in for."""
    if not has_factor(connection, account):
        connection.execute(delete(recovery_codes).where(recovery_codes.c.account == account))


def _hash(text: str) -> str:
    """SHA-256 is enough for 80 random bits and more: trying them all takes longer than anybody lives."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- what the company demands


def is_demanded(engine: Engine) -> bool:
    """Whether everybody needs a second factor."""
    with reading(engine) as connection:
        return connection.scalar(select(second_factor_demand.c.id)) is not None


def demand_of_all(engine: Engine, *, is_on: bool, actor: str, now: datetime) -> None:
    """From the next click on everybody needs a second factor, or nobody does."""
    with writing(engine) as connection:
        connection.execute(delete(second_factor_demand))
        if is_on:
            connection.execute(insert(second_factor_demand).values(id=1, since=now, actor=actor))


def must_set_up(engine: Engine, account: str) -> bool:
    """Whether the account lacks a second factor that the company demands."""
    with reading(engine) as connection:
        demanded = connection.scalar(select(second_factor_demand.c.id)) is not None
        return demanded and not has_factor(connection, account)
