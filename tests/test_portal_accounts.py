"""portal.accounts, portal.passwords, portal.attempts: who may sign in, and how often one may try."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, func, select, update

from ledger.database import reading, writing
from ledger.state import open_state
from ledger.vault.vault import open_vault
from portal.accounts import (
    IDLE,
    LIFETIME,
    SEEN_EVERY,
    Account,
    NameTaken,
    SignInRefused,
    UnknownAccount,
    account_named,
    accounts,
    accounts_table,
    add_account,
    authenticate,
    disable_account,
    end_session,
    find_session,
    is_csrf,
    sessions,
    set_password,
    start_session,
)
from portal.attempts import FORGOTTEN_AFTER, FREE, LONGEST_WAIT, TooManyAttempts, attempts, wait_after
from portal.names import InvalidAccountName, Names
from portal.passwords import (
    PasswordTooLong,
    PasswordTooShort,
    hash_password,
    is_outdated,
    new_password,
    verify_password,
)

pytestmark = pytest.mark.slow

NOW = datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PASSWORD = "nine boxes of lamps"
NAMES = Names(open_vault(None, bytes(32)), bytes(32))
HOME, AWAY = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(tmp_path / "state.db")
    yield engine
    engine.dispose()


def add(state: Engine, name: str) -> Account:
    return add_account(state, NAMES.keep(name, now=NOW), PASSWORD, now=NOW)


@pytest.fixture
def ann(state: Engine) -> Account:
    return add(state, "Ann Zhou")


def sign_in(
    state: Engine,
    name: str = "Ann Zhou",
    password: str = PASSWORD,
    *,
    address: str = HOME,
    now: datetime = NOW,
) -> Account:
    return authenticate(state, NAMES, name, password, address=address, now=now)


def fail(state: Engine, name: str = "Ann Zhou", *, address: str = HOME, now: datetime = NOW) -> None:
    with pytest.raises(SignInRefused):
        sign_in(state, name, "some other password", address=address, now=now)


def fail_until_stopped(state: Engine) -> None:
    for _ in range(FREE):
        fail(state)


# --- passwords


def test_a_password_is_stored_as_argon2id_with_owasps_least_parameters() -> None:
    stored = hash_password(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_password(PASSWORD) != stored


def test_only_the_password_itself_verifies() -> None:
    stored = hash_password(PASSWORD)
    assert verify_password(stored, PASSWORD)
    for other in ("", PASSWORD + " ", PASSWORD.upper(), PASSWORD[:-1]):
        assert not verify_password(stored, other)
    assert not verify_password(None, PASSWORD)
    assert not verify_password("no hash at all", PASSWORD)


def test_a_password_is_the_same_from_every_keyboard() -> None:
    composed = "Bräunliche Lämpchen"
    assert verify_password(hash_password(composed), unicodedata.normalize("NFD", composed))


@pytest.mark.parametrize(("count", "error"), [(11, PasswordTooShort), (257, PasswordTooLong)])
def test_a_password_has_12_to_256_characters(count: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(count)):
        hash_password("a" * count)


@pytest.mark.parametrize("count", [12, 256])
def test_the_shortest_and_the_longest_password_are_accepted(count: int) -> None:
    assert verify_password(hash_password("a" * count), "a" * count)


def test_a_new_password_is_24_random_characters_in_groups_of_four() -> None:
    password = new_password(os.urandom)
    assert [len(group) for group in password.split("-")] == [4] * 6
    assert set(password) <= set("abcdefghijklmnopqrstuvwxyz234567-")
    assert new_password(os.urandom) != password
    assert new_password(bytes) == "-".join(["aaaa"] * 6)
    assert verify_password(hash_password(password), password)


# --- accounts


def test_an_account_is_found_by_its_name_in_whatever_letters(state: Engine, ann: Account) -> None:
    assert account_named(state, NAMES, "ann ZHOU") == account_named(state, NAMES, " Ann Zhou ") == ann
    assert accounts(state, NAMES) == [ann]
    assert ann.actor == f"account:{ann.id}"
    with pytest.raises(UnknownAccount, match="Ben"):
        account_named(state, NAMES, "Ben")


def test_accounts_come_by_name(state: Engine) -> None:
    for name in ("carla", "Ann", "李伟", "Ben"):
        add(state, name)
    assert [account.name for account in accounts(state, NAMES)] == ["Ann", "Ben", "carla", "李伟"]


@pytest.mark.parametrize("name", ["ann zhou", "ＡＮＮ ＺＨＯＵ", "Ann\u200d Zhou", "Ann\u00a0Zhou"])
def test_a_name_that_looks_like_another_is_taken(state: Engine, ann: Account, name: str) -> None:
    with pytest.raises(NameTaken):
        add(state, name)
    assert accounts(state, NAMES) == [ann]


def test_upper_and_lower_case_are_one_in_every_script(state: Engine) -> None:
    add(state, "Jürgen Weiß")
    with pytest.raises(NameTaken):
        add(state, "JU\u0308RGEN WEISS")


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 81, "a\nb", "a\x00b", "a\u202eb", "a\u2028b", "a\u200bb", "\u200d", "\ue000"]
)
def test_a_name_that_cannot_be_shown_is_refused(state: Engine, name: str) -> None:
    with pytest.raises(InvalidAccountName):
        add(state, name)
    assert accounts(state, NAMES) == []


@pytest.mark.parametrize("name", ["a", "李伟", "علی\u200cرضا", "O'Brien", "a" * 80, "Zoë"])
def test_names_of_every_script_are_kept_as_they_are_written(state: Engine, name: str) -> None:
    assert add(state, unicodedata.normalize("NFD", name)).name == name
    assert account_named(state, NAMES, name).name == name


# --- signing in


def test_name_and_password_sign_in(state: Engine, ann: Account) -> None:
    assert sign_in(state) == sign_in(state, "ANN zhou") == ann


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(state: Engine, ann: Account) -> None:
    words = set()
    for name, password in ((ann.name, "some other password"), ("Nobody", PASSWORD), ("", "")):
        with pytest.raises(SignInRefused) as refusal:
            sign_in(state, name, password)
        words.add((str(refusal.value), str(refusal.value.facts)))
    assert len(words) == 1


def test_a_disabled_account_is_refused_and_its_name_is_free_again(state: Engine, ann: Account) -> None:
    token = start_session(state, ann, now=NOW).token
    disable_account(state, ann.id, now=NOW + SECOND)
    with pytest.raises(SignInRefused):
        sign_in(state)
    assert find_session(state, NAMES, token, now=NOW + SECOND) is None
    assert accounts(state, NAMES) == [replace(ann, name="", disabled_at=NOW + SECOND)]
    assert add(state, ann.name).id != ann.id


def test_no_name_stands_in_the_state(state: Engine, ann: Account) -> None:
    with reading(state) as connection:
        [row] = connection.execute(select(accounts_table)).mappings()
    assert "ann" not in str(dict(row)).casefold()
    assert Names(NAMES.vault, bytes([1]) * 32).digest("Ann Zhou") != row["name_digest"]


def test_another_password_replaces_the_first_and_ends_all_sessions_of_that_account(
    state: Engine, ann: Account
) -> None:
    ben = add(state, "Ben")
    of_ann, of_ben = start_session(state, ann, now=NOW).token, start_session(state, ben, now=NOW).token
    set_password(state, ann.id, "ten boxes of kettles")
    with pytest.raises(SignInRefused):
        sign_in(state)
    assert sign_in(state, password="ten boxes of kettles") == ann
    assert find_session(state, NAMES, of_ann, now=NOW) is None
    assert find_session(state, NAMES, of_ben, now=NOW) is not None


def test_what_is_done_to_an_unknown_account_is_refused(state: Engine) -> None:
    with pytest.raises(UnknownAccount):
        disable_account(state, "2222222222222222", now=NOW)
    with pytest.raises(UnknownAccount):
        set_password(state, "2222222222222222", PASSWORD)


def test_a_hash_with_older_parameters_is_renewed_at_the_next_sign_in(state: Engine, ann: Account) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with writing(state) as connection:
        connection.execute(update(accounts_table).values(password_hash=old))
    assert is_outdated(old)
    assert sign_in(state) == ann
    with reading(state) as connection:
        assert not is_outdated(connection.scalars(select(accounts_table.c.password_hash)).one())
    assert sign_in(state) == ann


# --- attempts


def test_the_first_wrong_attempts_cost_nothing_and_then_even_the_right_password_waits(
    state: Engine, ann: Account
) -> None:
    fail_until_stopped(state)
    with pytest.raises(TooManyAttempts) as stopped:
        sign_in(state, now=NOW + SECOND)
    wait = stopped.value.facts["wait_seconds"]
    assert isinstance(wait, int)
    assert sign_in(state, now=NOW + SECOND + wait * SECOND) == ann


def test_the_wait_of_one_address_is_not_that_of_another(state: Engine, ann: Account) -> None:
    fail_until_stopped(state)
    assert sign_in(state, address=AWAY) == ann


def test_the_wait_for_one_name_is_not_that_for_another(state: Engine, ann: Account) -> None:
    ben = add(state, "Ben")
    fail_until_stopped(state)
    assert sign_in(state, "Ben") == ben


def test_other_letters_are_no_way_around_the_wait(state: Engine, ann: Account) -> None:
    fail_until_stopped(state)
    with pytest.raises(TooManyAttempts):
        sign_in(state, "ANN ZHOU")


def test_the_many_addresses_of_one_ipv6_customer_wait_together(state: Engine, ann: Account) -> None:
    for host in range(FREE):
        fail(state, address=f"2001:db8:1:2::{host + 1:x}")
    with pytest.raises(TooManyAttempts):
        sign_in(state, address="2001:db8:1:2:ffff::1")
    assert sign_in(state, address="2001:db8:1:3::1") == ann


def test_an_ipv4_address_in_ipv6_clothes_is_the_same_address(state: Engine, ann: Account) -> None:
    fail_until_stopped(state)
    with pytest.raises(TooManyAttempts):
        sign_in(state, address=f"::ffff:{HOME}")
    assert sign_in(state, address=f"::ffff:{AWAY}") == ann


def test_unknown_names_are_counted_like_known_ones(state: Engine) -> None:
    for _ in range(FREE):
        fail(state, "Nobody")
    with pytest.raises(TooManyAttempts):
        sign_in(state, "Nobody")


def test_attempts_during_a_wait_do_not_lengthen_it(state: Engine, ann: Account) -> None:
    fail_until_stopped(state)
    for _ in range(50):
        with pytest.raises(TooManyAttempts):
            sign_in(state)
    assert sign_in(state, now=NOW + wait_after(FREE)) == ann


def test_nobody_waits_longer_than_a_quarter_of_an_hour_however_often_it_failed(
    state: Engine, ann: Account
) -> None:
    fail(state)
    with writing(state) as connection:
        connection.execute(update(attempts).values(failures=1_000_000))
    fail(state)
    with pytest.raises(TooManyAttempts):
        sign_in(state, now=NOW + LONGEST_WAIT - SECOND)
    assert sign_in(state, now=NOW + LONGEST_WAIT) == ann


def test_a_clock_set_back_locks_nobody_out(state: Engine, ann: Account) -> None:
    fail_until_stopped(state)
    assert sign_in(state, now=NOW - timedelta(days=365)) == ann


def test_waits_double() -> None:
    assert [wait_after(FREE + more).total_seconds() for more in range(-1, 4)] == [0, 2, 4, 8, 16]


def test_signing_in_forgets_the_failures_before_it(state: Engine, ann: Account) -> None:
    for _ in range(FREE - 1):
        fail(state)
    assert sign_in(state) == ann
    for _ in range(FREE - 1):
        fail(state)
    assert sign_in(state) == ann


def test_a_quiet_day_forgets_all(state: Engine, ann: Account) -> None:
    fail_until_stopped(state)
    later = NOW + FORGOTTEN_AFTER + SECOND
    fail(state, now=later)
    with reading(state) as connection:
        assert connection.scalars(select(attempts.c.failures)).all() == [1]


def test_neither_name_nor_address_is_kept_of_an_attempt(state: Engine, tmp_path: Path) -> None:
    fail(state, "Nobody Known")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"nobody known" not in stored.lower()
    assert HOME.encode() not in stored


# --- sessions


def test_a_token_finds_its_session_until_it_ends(state: Engine, ann: Account) -> None:
    begun = start_session(state, ann, now=NOW)
    found = find_session(state, NAMES, begun.token, now=NOW)
    assert found == begun.session
    assert found is not None
    assert found.account == ann
    end_session(state, begun.token)
    assert find_session(state, NAMES, begun.token, now=NOW) is None
    end_session(state, begun.token)


def test_every_session_has_its_own_token_of_256_bits_and_its_own_csrf_token(
    state: Engine, ann: Account
) -> None:
    begun = [start_session(state, ann, now=NOW) for _ in range(2)]
    assert len({begun[0].token, begun[1].token, begun[0].session.csrf, begun[1].session.csrf}) == 4
    assert {len(one.token) for one in begun} == {43}  # 32 bytes in base64url
    assert is_csrf(begun[0].session, begun[0].session.csrf)
    assert not is_csrf(begun[0].session, begun[1].session.csrf)
    assert not is_csrf(begun[0].session, "ü")
    end_session(state, begun[0].token)
    assert find_session(state, NAMES, begun[1].token, now=NOW) == begun[1].session


def test_a_token_is_kept_only_as_its_hash(state: Engine, ann: Account, tmp_path: Path) -> None:
    token = start_session(state, ann, now=NOW).token
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in stored
    assert hashlib.sha256(token.encode()).hexdigest().encode() in stored


@pytest.mark.parametrize("token", ["", "A" * 43, "ü", "' OR 1=1 --"])
def test_a_token_that_is_none_finds_nothing(state: Engine, ann: Account, token: str) -> None:
    start_session(state, ann, now=NOW)
    assert find_session(state, NAMES, token, now=NOW) is None


def test_an_idle_session_ends_and_one_in_use_goes_on(state: Engine, ann: Account) -> None:
    idle, used = start_session(state, ann, now=NOW).token, start_session(state, ann, now=NOW).token
    assert find_session(state, NAMES, used, now=NOW + IDLE - SECOND) is not None
    assert find_session(state, NAMES, idle, now=NOW + IDLE) is None
    assert find_session(state, NAMES, used, now=NOW + IDLE) is not None


def test_no_session_outlives_its_lifetime_however_busy(state: Engine, ann: Account) -> None:
    token = start_session(state, ann, now=NOW).token
    now = NOW
    while now < NOW + LIFETIME:
        assert find_session(state, NAMES, token, now=now) is not None
        now += IDLE / 2
    assert find_session(state, NAMES, token, now=NOW + LIFETIME) is None


def test_looking_at_a_session_writes_at_most_once_a_minute(state: Engine, ann: Account) -> None:
    token = start_session(state, ann, now=NOW).token

    def last_seen() -> datetime:
        with reading(state) as connection:
            seen: datetime = connection.scalars(select(sessions.c.last_seen_at)).one()
            return seen

    find_session(state, NAMES, token, now=NOW + SEEN_EVERY - SECOND)
    assert last_seen() == NOW
    find_session(state, NAMES, token, now=NOW + SEEN_EVERY)
    assert last_seen() == NOW + SEEN_EVERY


def test_sessions_that_ran_out_are_removed_when_the_next_begins(state: Engine, ann: Account) -> None:
    start_session(state, ann, now=NOW)
    start_session(state, ann, now=NOW + IDLE)
    with reading(state) as connection:
        assert connection.scalar(select(func.count()).select_from(sessions)) == 1
