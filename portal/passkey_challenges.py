"""Challenges that passkeys answer: each for one purpose, kept five minutes at most, and spent by the first answer."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Column, Engine, Index, String, Table, delete, insert, select
from webauthn import base64url_to_bytes
from webauthn.helpers import bytes_to_base64url

from ledger.database import writing
from ledger.errors import LedgerError
from ledger.moments import Moment
from ledger.state import STATE

LASTS = timedelta(minutes=5)
CHALLENGE_BYTES = 32
REGISTER, SIGN_IN, CONFIRM, SIGN = "register", "sign_in", "confirm", "sign"
NOBODY = ""  # a challenge for whoever comes

challenges = Table(
    "passkey_challenges",
    STATE,
    Column("challenge", String(43), primary_key=True),  # base64url, as the others
    Column("purpose", String, nullable=False),
    Column("account", String(16), nullable=False),
    Column("nonce", String(43), nullable=False),
    Column("ends_at", Moment, nullable=False),
    Index("passkey_challenges_ends_at", "ends_at"),
)


class PasskeyRefused(LedgerError):
    """The answer of a browser or device that does not hold: forged, too late, repeated, or of a removed passkey."""

    message = (
        "The passkey was not accepted. Try once more. If it stays so, sign in with your password, remove the passkey "
        "and add it anew."
    )
    http_status = 401


def new_challenge(engine: Engine, purpose: str, account: str, *, now: datetime) -> bytes:
    """A new challenge that nobody can foresee."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    open_challenge(engine, challenge, purpose, account, b"", now=now)
    return challenge


def open_challenge(
    engine: Engine, challenge: bytes, purpose: str, account: str, nonce: bytes, *, now: datetime
) -> None:
    values = {"challenge": bytes_to_base64url(challenge), "purpose": purpose, "account": account}
    with writing(engine) as connection:
        connection.execute(delete(challenges).where(challenges.c.ends_at <= now))
        connection.execute(
            insert(challenges).values(**values, nonce=bytes_to_base64url(nonce), ends_at=now + LASTS)
        )


def spend(engine: Engine, challenge: bytes, purpose: str, account: str, *, now: datetime) -> bytes:
    """End the challenge, which nobody else may have done before; gives its nonce. Raises PasskeyRefused."""
    this = challenges.c.challenge == bytes_to_base64url(challenge)
    is_meant = (challenges.c.purpose == purpose) & (challenges.c.account == account)
    with writing(engine) as connection:
        nonce = connection.scalar(
            select(challenges.c.nonce).where(this, is_meant, challenges.c.ends_at > now)
        )
        if connection.execute(delete(challenges).where(this)).rowcount != 1 or nonce is None:
            raise PasskeyRefused()
    return base64url_to_bytes(nonce)
