"""portal.passkeys: registering, signing in, and signatures that hold later; with a device in software."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from ledger.database import reading
from ledger.people.signature import BadSignature, PasskeySignature, demand_signature
from ledger.state import open_state
from ledger.vault.vault import open_vault
from portal.accounts import Account, SignInRefused, add_account, disable_account
from portal.names import Names
from portal.passkey_challenges import LASTS, PasskeyRefused, challenges
from portal.passkeys import (
    MOST_PASSKEYS,
    InvalidPasskeyName,
    PasskeyThere,
    TooManyPasskeys,
    UnknownPasskey,
    confirm_with_passkey,
    confirmation_options,
    passkeys_of,
    register,
    registration_options,
    sign,
    sign_in_options,
    sign_in_with_passkey,
    signing_options,
)
from portal.relying_party import PasskeysElsewhere, PasskeysNeedAName, RelyingParty, relying_party
from portal.second_factor import remove_passkey
from tests.authenticator import Authenticator, packed, unpacked

NOW = datetime(2025, 11, 3, 10, 15, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NAMES = Names(open_vault(None, bytes(32)), bytes(32))
PARTY = RelyingParty("lots.example", ("https://lots.example",))
DIGEST = hashlib.sha256(b"recall R-2026-01, version 2").digest()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(tmp_path / "state.db")
    yield engine
    engine.dispose()


@pytest.fixture
def ann(state: Engine) -> Account:
    return add_account(state, NAMES.keep("Ann Zhou", now=NOW), None, now=NOW)


def device() -> Authenticator:
    return Authenticator("lots.example", "https://lots.example")


def registered(state: Engine, account: Account, name: str = "phone") -> Authenticator:
    """A device with a passkey of this account."""
    made = device()
    options = registration_options(state, account, PARTY, "Voltaro", now=NOW)
    register(state, account, name, made.create(options), PARTY, now=NOW)
    return made


def signed_by(
    state: Engine, account: Account, phone: Authenticator, digest: bytes = DIGEST
) -> PasskeySignature:
    answer = phone.get(signing_options(state, account, digest, PARTY, now=NOW))
    return sign(state, account, digest, answer, PARTY, now=NOW)


# --- registering


def test_a_passkey_is_asked_to_verify_its_user_and_to_be_found_without_a_name(
    state: Engine, ann: Account
) -> None:
    options = json.loads(registration_options(state, ann, PARTY, "Voltaro", now=NOW))
    wanted = options["authenticatorSelection"]
    assert (wanted["userVerification"], wanted["residentKey"]) == ("required", "required")
    assert unpacked(options["user"]["id"]) == ann.id.encode()
    assert json.loads(sign_in_options(state, PARTY, now=NOW))["userVerification"] == "required"


def test_several_are_registered_and_one_that_is_known_is_not_made_again(state: Engine, ann: Account) -> None:
    registered(state, ann, "phone")
    registered(state, ann, "stick")
    assert [one.name for one in passkeys_of(state, ann.id)] == ["phone", "stick"]
    options = json.loads(registration_options(state, ann, PARTY, "Voltaro", now=NOW))
    excluded = {one["id"] for one in options["excludeCredentials"]}
    assert excluded == {one.id for one in passkeys_of(state, ann.id)}


def test_an_account_has_twenty_at_most(state: Engine, ann: Account) -> None:
    for number in range(MOST_PASSKEYS):
        registered(state, ann, f"device {number}")
    with pytest.raises(TooManyPasskeys):
        registration_options(state, ann, PARTY, "Voltaro", now=NOW)


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "two\nlines"])
def test_a_passkey_needs_a_name_that_can_be_read(state: Engine, ann: Account, name: str) -> None:
    with pytest.raises(InvalidPasskeyName):
        registered(state, ann, name)


def test_a_key_that_is_somebody_elses_is_not_registered(state: Engine, ann: Account) -> None:
    phone, ben = registered(state, ann), add_account(state, NAMES.keep("Ben", now=NOW), None, now=NOW)
    options = registration_options(state, ben, PARTY, "Voltaro", now=NOW)
    with pytest.raises(PasskeyThere):
        register(state, ben, "mine now", phone.create(options), PARTY, now=NOW)


def test_a_device_that_did_not_verify_its_user_is_refused(state: Engine, ann: Account) -> None:
    answer = device().create(registration_options(state, ann, PARTY, "Voltaro", now=NOW), verified=False)
    with pytest.raises(PasskeyRefused):
        register(state, ann, "phone", answer, PARTY, now=NOW)
    phone = registered(state, ann)
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(
            state, NAMES, phone.get(sign_in_options(state, PARTY, now=NOW), verified=False), PARTY, now=NOW
        )


# --- signing in


def test_a_passkey_signs_in_without_a_name_and_its_use_is_remembered(state: Engine, ann: Account) -> None:
    phone = registered(state, ann)
    later = NOW + SECOND
    answer = phone.get(sign_in_options(state, PARTY, now=later))
    assert sign_in_with_passkey(state, NAMES, answer, PARTY, now=later) == ann
    assert [one.last_used_at for one in passkeys_of(state, ann.id)] == [later]


def test_an_answer_works_once_and_for_five_minutes(state: Engine, ann: Account) -> None:
    phone = registered(state, ann)
    answer = phone.get(sign_in_options(state, PARTY, now=NOW))
    sign_in_with_passkey(state, NAMES, answer, PARTY, now=NOW)
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, answer, PARTY, now=NOW)
    late = phone.get(sign_in_options(state, PARTY, now=NOW))
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, late, PARTY, now=NOW + LASTS)


def test_challenges_that_ran_out_are_not_kept(state: Engine) -> None:
    for minute in range(12):
        sign_in_options(state, PARTY, now=NOW + timedelta(minutes=minute))
    with reading(state) as connection:
        assert connection.scalar(select(func.count()).select_from(challenges)) == 5


def test_an_answer_to_one_question_is_none_to_another(state: Engine, ann: Account) -> None:
    phone, ben = registered(state, ann), add_account(state, NAMES.keep("Ben", now=NOW), None, now=NOW)
    to_sign_in = phone.get(sign_in_options(state, PARTY, now=NOW))
    for_ann = phone.get(confirmation_options(state, ann, PARTY, now=NOW))
    for_ben = phone.get(confirmation_options(state, ben, PARTY, now=NOW))
    for who, answer in ((ann, to_sign_in), (ann, for_ben), (ben, for_ann), (ben, for_ben)):
        with pytest.raises(PasskeyRefused):
            confirm_with_passkey(state, who, answer, PARTY, now=NOW)
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, for_ann, PARTY, now=NOW)
    again = phone.get(confirmation_options(state, ann, PARTY, now=NOW))
    confirm_with_passkey(state, ann, again, PARTY, now=NOW)


def test_a_copied_device_is_found_out_by_its_counter(state: Engine, ann: Account) -> None:
    phone = registered(state, ann)
    copy = replace(phone)
    for _ in range(2):
        sign_in_with_passkey(state, NAMES, phone.get(sign_in_options(state, PARTY, now=NOW)), PARTY, now=NOW)
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, copy.get(sign_in_options(state, PARTY, now=NOW)), PARTY, now=NOW)


@pytest.mark.parametrize(
    ("rp_id", "origin"),
    [
        ("lots.example", "https://lots.example.evil.example"),
        ("lots.example", "http://lots.example"),
        ("evil.example", "https://lots.example"),
    ],
)
def test_an_answer_that_was_made_elsewhere_is_refused(
    state: Engine, ann: Account, rp_id: str, origin: str
) -> None:
    phone = registered(state, ann)
    phone.rp_id, phone.origin = rp_id, origin
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, phone.get(sign_in_options(state, PARTY, now=NOW)), PARTY, now=NOW)


def test_nobody_else_is_meant_by_an_answer(state: Engine, ann: Account) -> None:
    phone = registered(state, ann)
    answer = phone.get(sign_in_options(state, PARTY, now=NOW), handle=b"somebody else")
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, answer, PARTY, now=NOW)


def test_a_removed_passkey_and_a_disabled_account_are_refused(state: Engine, ann: Account) -> None:
    phone, stick = registered(state, ann, "phone"), registered(state, ann, "stick")
    with pytest.raises(UnknownPasskey):
        remove_passkey(state, "K" * 16, packed(phone.credential_id))
    remove_passkey(state, ann.id, packed(phone.credential_id))
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, phone.get(sign_in_options(state, PARTY, now=NOW)), PARTY, now=NOW)
    disable_account(state, ann.id, now=NOW)
    with pytest.raises(SignInRefused):
        sign_in_with_passkey(state, NAMES, stick.get(sign_in_options(state, PARTY, now=NOW)), PARTY, now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@pytest.mark.slow
@given(st.data())
def test_no_answer_however_wrong_does_more_than_be_refused(data: st.DataObject) -> None:
    state, ann, phone = in_memory()
    whole = json.loads(phone.get(sign_in_options(state, PARTY, now=NOW)))
    options = registration_options(state, ann, PARTY, "Voltaro", now=NOW)
    new = json.loads(device().create(options))
    for answer in (whole, new):
        part = data.draw(st.sampled_from(["id", "rawId", "type", *answer["response"]]))
        place = answer["response"] if part in answer["response"] else answer
        place[part] = data.draw(JSON | st.binary(max_size=200).map(packed), label=part)
    for answer in (whole, new, data.draw(JSON)):
        expect_no_more_than_refusal(state, ann, json.dumps(answer))


@cache
def in_memory() -> tuple[Engine, Account, Authenticator]:
    """One state for all examples: a database a draw would take most of the time."""
    state = open_state(None)
    ann = add_account(state, NAMES.keep("Ann", now=NOW), None, now=NOW)
    return state, ann, registered(state, ann)


def expect_no_more_than_refusal(state: Engine, account: Account, answer: str) -> None:
    with suppress(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, answer, PARTY, now=NOW)
    with suppress(PasskeyRefused, PasskeyThere):
        made = register(state, account, "phone", answer, PARTY, now=NOW)
        remove_passkey(state, account.id, made.id)


@pytest.mark.parametrize("answer", ["", "[]", "null", "{", "[" * 19_000, "x" * 20_001, "\ud800", "\0"])
def test_what_is_no_answer_at_all_is_refused(state: Engine, ann: Account, answer: str) -> None:
    with pytest.raises(PasskeyRefused):
        sign_in_with_passkey(state, NAMES, answer, PARTY, now=NOW)
    with pytest.raises(PasskeyRefused):
        register(state, ann, "phone", answer, PARTY, now=NOW)


# --- signatures that hold later


def test_a_signature_covers_its_digest_and_is_verified_without_a_database(
    state: Engine, ann: Account
) -> None:
    made = signed_by(state, ann, registered(state, ann))
    demand_signature(made, digest=DIGEST.hex(), host="lots.example")
    challenge = json.loads(made.client_data)["challenge"]
    assert unpacked(challenge) == hashlib.sha256(DIGEST + made.nonce).digest()


def test_a_signature_over_one_digest_is_none_over_another(state: Engine, ann: Account) -> None:
    phone = registered(state, ann)
    other = hashlib.sha256(b"recall R-2026-01, version 3").digest()
    made = signed_by(state, ann, phone)
    with pytest.raises(BadSignature):
        demand_signature(made, digest=other.hex(), host="lots.example")
    answer = phone.get(signing_options(state, ann, DIGEST, PARTY, now=NOW))
    with pytest.raises(PasskeyRefused):
        sign(state, ann, other, answer, PARTY, now=NOW)


def test_only_ones_own_passkey_signs(state: Engine, ann: Account) -> None:
    registered(state, ann)
    ben = add_account(state, NAMES.keep("Ben", now=NOW), None, now=NOW)
    bens = registered(state, ben, "stick")
    answer = bens.get(signing_options(state, ann, DIGEST, PARTY, now=NOW))
    with pytest.raises(PasskeyRefused):
        sign(state, ann, DIGEST, answer, PARTY, now=NOW)


# --- to whom passkeys are bound


@pytest.mark.parametrize(
    ("host", "asked_at", "rp_id", "origins"),
    [
        ("lots.example", "lots.example", "lots.example", ("https://lots.example",)),
        ("lots.example:443", "LOTS.example", "lots.example", ("https://lots.example",)),
        ("lots.example:8443", "lots.example:8443", "lots.example", ("https://lots.example:8443",)),
        ("localhost:8000", "localhost:8123", "localhost", ("http://localhost:8123",)),
        ("voltaro.example", "localhost:8123", "localhost", ("http://localhost:8123",)),  # the demo
    ],
)
def test_passkeys_are_bound_to_the_hosts_name(
    host: str, asked_at: str, rp_id: str, origins: tuple[str, ...]
) -> None:
    assert relying_party(host, asked_at) == RelyingParty(rp_id, origins)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000", "192.0.2.7", "intranet"])
def test_where_the_host_is_no_full_name_there_are_no_passkeys(host: str) -> None:
    with pytest.raises(PasskeysNeedAName):
        relying_party(host, host)


@pytest.mark.parametrize(
    ("host", "asked_at", "address"),
    [
        ("localhost:8000", "127.0.0.1:8123", "http://localhost:8123"),
        ("localhost:8000", "[::1]:8123", "http://localhost:8123"),
        ("localhost", "127.0.0.1", "http://localhost"),
        ("lots.example", "127.0.0.1:8000", "http://localhost:8000"),
        ("lots.test", "127.0.0.1:8000", "https://lots.test"),
        ("lots.test", "localhost:8000", "https://lots.test"),
        ("lots.example", "evil.example", "https://lots.example"),
    ],
)
def test_under_another_address_it_is_said_where_passkeys_work(host: str, asked_at: str, address: str) -> None:
    with pytest.raises(PasskeysElsewhere) as refused:
        relying_party(host, asked_at)
    assert refused.value.facts["address"] == address
