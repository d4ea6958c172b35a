"""Passkeys: a key pair in somebody's device, which proves who they are and signs what they approve. Knows no web.

Every ceremony is two steps: options go to the browser with a challenge that is kept here, its answer comes back and the
challenge is spent. A passkey verifies its user (finger, face, PIN), so it is both factors at once, and is found without
a name, so it signs in alone.  Source: W3C, Web Authentication Level 3.

A signature over what somebody approves is kept in the entry and verified for ever: `ledger.people.signature`.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    String,
    Table,
    insert,
    select,
    update,
)
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ledger.database import reading, writing
from ledger.errors import LedgerError, NotFound, Refused
from ledger.moments import Moment
from ledger.people.signature import PasskeySignature, challenge_over
from ledger.state import STATE
from portal.accounts import Account, SignInRefused, account_of
from portal.names import Names
from portal.passkey_challenges import (
    CONFIRM,
    NOBODY,
    REGISTER,
    SIGN,
    SIGN_IN,
    PasskeyRefused,
    new_challenge,
    open_challenge,
    spend,
)
from portal.relying_party import RelyingParty

NONCE_BYTES = 32
MAX_NAME_CHARACTERS = 80
MOST_PASSKEYS = 20
LONGEST_ANSWER = 20_000  # characters; without attestation an answer has about 1,500
# What the library, and the parsers below it, raise at an answer that no browser gives.
MALFORMED = (WebAuthnException, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)

passkeys_table = Table(
    "passkeys",
    STATE,
    Column("id", String, primary_key=True),  # the credential's, base64url
    Column("account", String(16), ForeignKey("accounts.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("public_key", String, nullable=False),  # COSE, base64url
    Column("sign_count", BigInteger, nullable=False),  # up to 2^32 - 1
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment),
    Index("passkeys_account", "account"),
)


class InvalidPasskeyName(LedgerError):
    """A name by which nobody can tell it from others."""

    message = "Name the passkey after the device that holds it: 1 to 80 visible characters."


class PasskeyThere(Refused):
    """The device gave a passkey that is registered, here or for another account."""

    message = "This passkey is registered already. Choose another device, or remove the passkey first."


class TooManyPasskeys(Refused):
    """More than anybody has devices."""

    message = "An account has at most {most} passkeys. Remove one that is not used any more."


class UnknownPasskey(NotFound):
    """The account has no passkey of this id."""

    message = "This passkey is not yours, or it was removed already."


@dataclass(frozen=True, slots=True)
class Passkey:
    """A registered key; `name` is what its owner calls the device."""

    id: str
    account: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


def passkeys_of(engine: Engine, account: str) -> list[Passkey]:
    """The account's passkeys, the oldest first."""
    asked = select(*_COLUMNS).where(passkeys_table.c.account == account)
    with reading(engine) as connection:
        return [Passkey(*row) for row in connection.execute(asked.order_by("created_at", "name"))]


# --- registering


def registration_options(
    engine: Engine, account: Account, party: RelyingParty, brand: str, *, now: datetime
) -> str:
    """What the browser needs to make a passkey, as JSON. Raises TooManyPasskeys."""
    known = passkeys_of(engine, account.id)
    if len(known) >= MOST_PASSKEYS:
        raise TooManyPasskeys(most=MOST_PASSKEYS)
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=brand,
        user_name=account.name,
        user_id=account.id.encode(),
        challenge=new_challenge(engine, REGISTER, account.id, now=now),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json(options)


def register(
    engine: Engine, account: Account, name: str, answer: str, party: RelyingParty, *, now: datetime
) -> Passkey:
    """The passkey that the browser made. Raises InvalidPasskeyName, PasskeyRefused or PasskeyThere."""
    name = name.strip()
    if not (0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable()):
        raise InvalidPasskeyName()
    try:
        credential = parse_registration_credential_json(_bounded(answer))
        challenge = _challenge_in(credential.response.client_data_json)
        spend(engine, challenge, REGISTER, account.id, now=now)
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise PasskeyRefused() from error
    passkey = Passkey(bytes_to_base64url(made.credential_id), account.id, name, now, last_used_at=None)
    _keep(engine, passkey, bytes_to_base64url(made.credential_public_key), made.sign_count)
    return passkey


def _keep(engine: Engine, passkey: Passkey, public_key: str, sign_count: int) -> None:
    values = {"id": passkey.id, "account": passkey.account, "name": passkey.name, "public_key": public_key}
    with writing(engine) as connection:
        if connection.execute(select(passkeys_table.c.id).where(passkeys_table.c.id == passkey.id)).first():
            raise PasskeyThere()
        connection.execute(
            insert(passkeys_table).values(**values, sign_count=sign_count, created_at=passkey.created_at)
        )


# --- proving who one is


def sign_in_options(engine: Engine, party: RelyingParty, *, now: datetime) -> str:
    """What the browser needs to offer the passkeys that it has for this host, as JSON."""
    return _assertion_options(new_challenge(engine, SIGN_IN, NOBODY, now=now), party, ())


def sign_in_with_passkey(
    engine: Engine, names: Names, answer: str, party: RelyingParty, *, now: datetime
) -> Account:
    """Whose passkey answered. Raises PasskeyRefused, or SignInRefused where the account was disabled."""
    credential = _parsed(answer)
    challenge = _challenge_of(credential)
    spend(engine, challenge, SIGN_IN, NOBODY, now=now)
    passkey, _ = _asserted(engine, credential, challenge, party, now=now)
    account = account_of(engine, names, passkey.account)
    if account is None or account.disabled_at is not None:
        raise SignInRefused()
    return account


def confirmation_options(engine: Engine, account: Account, party: RelyingParty, *, now: datetime) -> str:
    """The same for somebody who is signed in and is asked once more."""
    known = passkeys_of(engine, account.id)
    return _assertion_options(new_challenge(engine, CONFIRM, account.id, now=now), party, known)


def confirm_with_passkey(
    engine: Engine, account: Account, answer: str, party: RelyingParty, *, now: datetime
) -> None:
    """Raise PasskeyRefused unless one of the account's own passkeys answered."""
    credential = _parsed(answer)
    challenge = _challenge_of(credential)
    spend(engine, challenge, CONFIRM, account.id, now=now)
    _asserted(engine, credential, challenge, party, now=now, account=account.id)


# --- signing what was approved


def signing_options(
    engine: Engine, account: Account, digest: bytes, party: RelyingParty, *, now: datetime
) -> str:
    """What the browser needs to have the account's owner sign this digest (32 bytes), as JSON."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    challenge = challenge_over(digest.hex(), nonce)
    open_challenge(engine, challenge, SIGN, account.id, nonce, now=now)
    return _assertion_options(challenge, party, passkeys_of(engine, account.id))


def sign(
    engine: Engine, account: Account, digest: bytes, answer: str, party: RelyingParty, *, now: datetime
) -> PasskeySignature:
    """The signature that one of the account's passkeys made over this digest. Raises PasskeyRefused."""
    credential = _parsed(answer)
    challenge = _challenge_of(credential)
    nonce = spend(engine, challenge, SIGN, account.id, now=now)
    if challenge_over(digest.hex(), nonce) != challenge:
        raise PasskeyRefused()
    passkey, public_key = _asserted(engine, credential, challenge, party, now=now, account=account.id)
    given = credential.response
    return PasskeySignature(
        authenticator_data=given.authenticator_data,
        client_data=given.client_data_json,
        credential=base64url_to_bytes(passkey.id),
        nonce=nonce,
        public_key=public_key,
        signature=given.signature,
    )


def _challenge_of(credential: AuthenticationCredential) -> bytes:
    try:
        return _challenge_in(credential.response.client_data_json)
    except MALFORMED as error:
        raise PasskeyRefused() from error


def _challenge_in(client_data_json: bytes) -> bytes:
    return parse_client_data_json(client_data_json).challenge


# --- assertions


def _assertion_options(challenge: bytes, party: RelyingParty, known: Sequence[Passkey]) -> str:
    options = generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def _asserted(
    engine: Engine,
    credential: AuthenticationCredential,
    challenge: bytes,
    party: RelyingParty,
    *,
    now: datetime,
    account: str = NOBODY,
) -> tuple[Passkey, bytes]:
    """The passkey that signed the challenge, with its public key; its counter goes on. Raises PasskeyRefused."""
    with writing(engine) as connection:
        passkey, public_key, sign_count = _find(connection, credential, account)
        try:
            found = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=list(party.origins),
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            )
        except MALFORMED as error:
            raise PasskeyRefused() from error
        used = {"sign_count": found.new_sign_count, "last_used_at": now}
        connection.execute(update(passkeys_table).where(passkeys_table.c.id == passkey.id).values(used))
    return passkey, public_key


def _find(
    connection: Connection, credential: AuthenticationCredential, account: str
) -> tuple[Passkey, bytes, int]:
    """The passkey, its public key, its counter. Raises PasskeyRefused where it is another account's."""
    asked = select(*_COLUMNS, passkeys_table.c.public_key, passkeys_table.c.sign_count)
    row = connection.execute(asked.where(passkeys_table.c.id == credential.id)).one_or_none()
    if row is None or row.account != (account or row.account):
        raise PasskeyRefused()
    if credential.response.user_handle not in (None, row.account.encode()):
        raise PasskeyRefused()
    return Passkey(*row[:-2]), base64url_to_bytes(row.public_key), row.sign_count


def _parsed(answer: str) -> AuthenticationCredential:
    try:
        return parse_authentication_credential_json(_bounded(answer))
    except MALFORMED as error:
        raise PasskeyRefused() from error


def _bounded(answer: str) -> str:
    """What a browser answered. Raises PasskeyRefused where it is longer than any browser's."""
    if len(answer) > LONGEST_ANSWER:
        raise PasskeyRefused()
    return answer


def _descriptors(known: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in known]


_COLUMNS = [passkeys_table.c[name] for name in ("id", "account", "name", "created_at", "last_used_at")]
