"""ledger.vault.vault: encrypted, bound to its place, committed to, swept."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ledger.database import reading, writing
from ledger.log.canonical import JSON, NotCanonical, encode
from ledger.vault.checking import check_vault
from ledger.vault.vault import (
    METADATA,
    ItemDamaged,
    UnknownItem,
    UnknownPerson,
    Vault,
    WrongMasterKey,
    items,
    open_vault,
    persons,
    verify_commitment,
)
from tests.test_ledger_state import declared_schema, schema
from tests.world import ADA

MASTER = bytes(range(32))
NOW = datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
WHO: dict[str, JSON] = {"name": "Zoë Nowak", "email": "zoe@buyer.example", "since": 2025}


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = open_vault(tmp_path / "vault.db", MASTER)
    yield vault
    vault.engine.dispose()


@pytest.fixture(scope="module")
def scratch() -> Iterator[Vault]:
    vault = open_vault(None, MASTER)
    yield vault
    vault.engine.dispose()


def test_what_is_put_is_read_again_by_another_process(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    other = open_vault(tmp_path / "vault.db", MASTER)
    assert other.read(sealed.item) == WHO
    other.engine.dispose()


def test_items_about_the_same_person_share_the_person(vault: Vault) -> None:
    first = vault.put(None, "contact", WHO, now=NOW)
    second = vault.put(first.person, "address", {"city": "Lyon"}, now=NOW)
    assert second.person == first.person
    assert second.item != first.item
    assert vault.put(None, "contact", WHO, now=NOW).person != first.person


def test_an_unknown_person_is_refused_and_nothing_is_stored(vault: Vault) -> None:
    with pytest.raises(UnknownPerson):
        vault.put("2222222222222222", "contact", WHO, now=NOW)
    assert vault.sweep(set(), older_than=NOW + timedelta(days=1)) == 0


def test_an_unknown_item_is_named(vault: Vault) -> None:
    with pytest.raises(UnknownItem, match="2222222222222222"):
        vault.read("2222222222222222")


def test_nothing_of_the_value_stands_in_the_files(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert sealed.item.encode() in stored
    for secret in ("Nowak", "buyer.example", "email", sealed.commitment):
        assert secret.encode() not in stored


def test_the_commitment_is_the_hmac_of_the_canonical_value_under_the_stored_salt(vault: Vault) -> None:
    sealed = vault.put(None, "contact", {"b": "ü", "a": 1}, now=NOW)
    salt, value = vault.opening(sealed.item)
    assert len(salt) == 32
    assert sealed.commitment == hmac.new(salt, '{"a":1,"b":"ü"}'.encode(), hashlib.sha256).hexdigest()
    assert verify_commitment(salt, value, sealed.commitment)


def test_a_commitment_opens_to_its_own_salt_and_value_alone(vault: Vault) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    salt, value = vault.opening(sealed.item)
    assert not verify_commitment(bytes(32), value, sealed.commitment)
    assert not verify_commitment(salt, value | {"since": 2024}, sealed.commitment)
    assert not verify_commitment(salt, value, sealed.commitment.upper())
    assert not verify_commitment(salt, value, "ü")


def test_the_same_value_twice_has_two_commitments(vault: Vault) -> None:
    first = vault.put(None, "contact", WHO, now=NOW)
    assert vault.put(first.person, "contact", WHO, now=NOW).commitment != first.commitment


def test_a_value_without_a_canonical_form_is_refused(vault: Vault) -> None:
    with pytest.raises(NotCanonical):
        vault.put(None, "contact", {"name": "Zoe\u0308"}, now=NOW)


@given(
    value=st.dictionaries(
        st.text("abc", max_size=5), st.integers(-9, 9) | st.text("äb", max_size=9) | st.none()
    )
)
def test_every_value_comes_back_and_its_commitment_opens(
    scratch: Vault, value: dict[str, int | str | None]
) -> None:
    sealed = scratch.put(None, "contact", dict(value), now=NOW)
    opening = scratch.opening(sealed.item)
    assert opening.value == value
    assert verify_commitment(opening.salt, opening.value, sealed.commitment)


@pytest.mark.parametrize("column", ["kind", "nonce", "ciphertext", "person"])
def test_an_item_moved_or_changed_does_not_open(vault: Vault, column: str) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    other = vault.put(None, "address", {"city": "Lyon"}, now=NOW)
    with writing(vault.engine) as connection:
        foreign = connection.scalar(select(items.c[column]).where(items.c.id == other.item))
        connection.execute(update(items).where(items.c.id == sealed.item).values({column: foreign}))
    with pytest.raises(ItemDamaged, match=sealed.item):
        vault.read(sealed.item)
    assert vault.read(other.item) == {"city": "Lyon"}


def test_two_whole_items_of_one_person_cannot_be_exchanged(vault: Vault) -> None:
    first = vault.put(None, "contact", WHO, now=NOW)
    second = vault.put(first.person, "contact", {"name": "Ann"}, now=NOW)
    with writing(vault.engine) as connection:
        connection.execute(update(items).where(items.c.id == first.item).values(id="held"))
        connection.execute(update(items).where(items.c.id == second.item).values(id=first.item))
    with pytest.raises(ItemDamaged):
        vault.read(first.item)


@pytest.mark.parametrize("bit", [0, 95, 96, 300, -1])
def test_a_flipped_bit_does_not_open(vault: Vault, bit: int) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    with writing(vault.engine) as connection:
        stored = connection.scalars(select(items.c.ciphertext)).one()
        number = int.from_bytes(stored) ^ 1 << (bit % (8 * len(stored)))
        connection.execute(update(items).values(ciphertext=number.to_bytes(len(stored))))
    with pytest.raises(ItemDamaged):
        vault.read(sealed.item)


def test_a_persons_key_wrapped_for_another_person_does_not_open(vault: Vault) -> None:
    one = vault.put(None, "contact", WHO, now=NOW)
    two = vault.put(None, "contact", WHO, now=NOW)
    with writing(vault.engine) as connection:
        key = connection.scalar(select(persons.c.wrapped_key).where(persons.c.id == two.person))
        connection.execute(update(persons).where(persons.c.id == one.person).values(wrapped_key=key))
    with pytest.raises(WrongMasterKey, match=one.person):
        vault.read(one.item)


def test_another_master_key_is_refused_when_the_vault_is_opened(vault: Vault, tmp_path: Path) -> None:
    vault.put(None, "contact", WHO, now=NOW)
    with pytest.raises(WrongMasterKey):
        open_vault(tmp_path / "vault.db", bytes(32))


def test_sweeping_removes_what_is_old_and_named_by_no_entry(vault: Vault) -> None:
    named = vault.put(None, "contact", WHO, now=NOW)
    orphan = vault.put(named.person, "contact", WHO, now=NOW)
    lonely = vault.put(None, "contact", WHO, now=NOW)
    young = vault.put(None, "contact", WHO, now=NOW + timedelta(minutes=1))
    assert vault.sweep({named.item}, older_than=NOW + timedelta(minutes=1)) == 2
    assert vault.read(named.item) == vault.read(young.item) == WHO
    for gone in (orphan, lonely):
        with pytest.raises(UnknownItem):
            vault.read(gone.item)


def test_sweeping_forgets_a_person_with_the_last_item_and_no_other(vault: Vault) -> None:
    kept = vault.put(None, "contact", WHO, now=NOW)
    vault.put(kept.person, "contact", WHO, now=NOW)
    gone = vault.put(None, "contact", WHO, now=NOW)
    vault.sweep({kept.item}, older_than=NOW + timedelta(minutes=1))
    assert vault.put(kept.person, "contact", WHO, now=NOW).person == kept.person
    with pytest.raises(UnknownPerson):
        vault.put(gone.person, "contact", WHO, now=NOW)


def test_what_is_swept_is_overwritten_in_the_file(tmp_path: Path) -> None:
    vault = open_vault(tmp_path / "vault.db", MASTER)
    vault.put(None, "contact", {"note": "x" * 500}, now=NOW)
    with vault.engine.connect() as connection:
        ciphertext = connection.scalars(select(items.c.ciphertext)).one()
    vault.sweep(set(), older_than=NOW + timedelta(minutes=1))
    with vault.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    vault.engine.dispose()
    assert ciphertext[:64] not in (tmp_path / "vault.db").read_bytes()


def test_the_time_of_an_item_is_vouched_for(vault: Vault) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    with writing(vault.engine) as connection:
        connection.execute(update(items).values(created_at=NOW + timedelta(days=1)))
    with pytest.raises(ItemDamaged, match=sealed.item):
        vault.read(sealed.item)


def test_an_item_from_before_times_were_vouched_for_still_opens(vault: Vault) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    nonce, body = bytes(12), bytes(32) + encode(WHO)
    with writing(vault.engine) as connection:
        wrapped = connection.scalars(select(persons.c.wrapped_key)).one()
        key = vault.unwrap(sealed.person, wrapped)
        bound = encode({"item": sealed.item, "kind": "contact", "person": sealed.person})
        ciphertext = AESGCM(key).encrypt(nonce, body, bound)
        connection.execute(update(items).values(nonce=nonce, ciphertext=ciphertext))
    assert vault.read(sealed.item) == WHO


def test_no_nonce_is_used_twice_under_a_persons_key(tmp_path: Path) -> None:
    counted = iter(range(1_000_000))

    def stuck(size: int) -> bytes:
        """A source of chance that gives other ids each time, and the same nonce for ever."""
        return bytes(size) if size == 12 else hashlib.shake_256(str(next(counted)).encode()).digest(size)

    vault = replace(open_vault(tmp_path / "vault.db", MASTER), random_bytes=stuck)
    first = vault.put(None, "contact", WHO, now=NOW)
    with pytest.raises(IntegrityError):
        vault.put(first.person, "contact", WHO, now=NOW)
    assert vault.items_of(first.person) == [first.item]
    vault.engine.dispose()


# --- erasing


def test_erasing_destroys_all_items_of_a_person_and_of_no_other(vault: Vault) -> None:
    first = vault.put(None, "contact", WHO, now=NOW)
    second = vault.put(first.person, "payout", WHO, now=NOW)
    other = vault.put(None, "contact", WHO, now=NOW)
    assert vault.erase([first.person]) == 1
    for gone in (first, second):
        with pytest.raises(UnknownItem):
            vault.read(gone.item)
    assert vault.read(other.item) == WHO
    assert vault.erase([first.person, "2222222222222222"]) == 0


def test_nothing_is_put_about_a_person_who_was_erased(vault: Vault) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    vault.erase([sealed.person])
    with pytest.raises(UnknownPerson):
        vault.put(sealed.person, "contact", WHO, now=NOW)


def test_forgetting_an_item_leaves_the_others_and_the_last_one_takes_the_person(vault: Vault) -> None:
    first = vault.put(None, "contact", WHO, now=NOW)
    second = vault.put(first.person, "payout", {"account": "1"}, now=NOW)
    assert vault.forget([first.item, "2222222222222222"]) == 1
    assert vault.read(second.item) == {"account": "1"}
    assert vault.forget([first.item, second.item]) == 1
    with pytest.raises(UnknownPerson):
        vault.put(first.person, "contact", WHO, now=NOW)


def test_thousands_are_erased_at_once(vault: Vault) -> None:
    made = [vault.put(None, "contact", WHO, now=NOW).person for _ in range(3)]
    assert vault.erase([*made, *(f"{number:016d}" for number in range(2_000))]) == 3


@pytest.mark.parametrize("how", ["erase", "forget"])
def test_what_is_destroyed_is_overwritten_in_every_file_of_the_vault(tmp_path: Path, how: str) -> None:
    vault = open_vault(tmp_path / "vault.db", MASTER)
    sealed = vault.put(None, "contact", {"note": "x" * 5_000}, now=NOW)  # over several pages
    rows = select(items.c.ciphertext, items.c.nonce, persons.c.wrapped_key).join(persons)
    with vault.engine.connect() as connection:
        ciphertext, nonce, wrapped = connection.execute(rows).one()
    secrets = [nonce, wrapped, *(ciphertext[start : start + 64] for start in (0, 2_000, 4_900))]
    assert all(secret in bytes_below(tmp_path) for secret in secrets)
    vault.erase([sealed.person]) if how == "erase" else vault.forget([sealed.item])
    assert not any(secret in bytes_below(tmp_path) for secret in secrets)
    vault.engine.dispose()
    assert not any(secret in bytes_below(tmp_path) for secret in secrets)


def test_what_a_reader_keeps_in_the_log_of_writes_goes_at_the_next_scrubbing(tmp_path: Path) -> None:
    vault = open_vault(tmp_path / "vault.db", MASTER)
    sealed = vault.put(None, "contact", WHO, now=NOW)
    with reading(vault.engine) as connection:
        [wrapped] = connection.scalars(select(persons.c.wrapped_key))
        vault.erase([sealed.person])  # returns, though it could not empty the log of writes
        assert wrapped in bytes_below(tmp_path)
        assert not vault.scrub()
    assert vault.scrub()
    assert wrapped not in bytes_below(tmp_path)
    vault.engine.dispose()


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- another master key


def test_another_master_key_opens_everything_and_the_old_one_nothing(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.put(None, "contact", WHO, now=NOW)
    vault.put(None, "contact", WHO, now=NOW)
    vault.read_as([sealed.item], actor=ADA, purpose="claim", now=NOW)
    with reading(vault.engine) as connection:
        before = list(connection.scalars(select(persons.c.wrapped_key)))
    assert vault.rewrap(bytes(32)) == 3  # two persons and the key of the accesses
    assert not any(wrapped in bytes_below(tmp_path) for wrapped in before)
    with pytest.raises(WrongMasterKey):
        vault.read(sealed.item)
    again = open_vault(tmp_path / "vault.db", bytes(32))
    assert again.read(sealed.item) == WHO
    assert again.read_as([sealed.item], actor=ADA, purpose="claim", now=NOW)[sealed.item].value == WHO
    assert list(check_vault(again)) == []
    again.engine.dispose()


def test_a_key_that_does_not_open_stops_the_change_of_master_keys_whole(vault: Vault, tmp_path: Path) -> None:
    for _ in range(3):
        vault.put(None, "contact", WHO, now=NOW)
    with writing(vault.engine) as connection:
        last = connection.scalars(select(persons.c.id).order_by(persons.c.id.desc())).first()
        connection.execute(update(persons).where(persons.c.id == last).values(wrapped_key=bytes(60)))
    before = stored(vault)
    with pytest.raises(WrongMasterKey, match=str(last)):
        vault.rewrap(bytes(32))
    assert stored(vault) == before


def stored(vault: Vault) -> list[tuple[object, ...]]:
    with reading(vault.engine) as connection:
        return [tuple(row) for row in connection.execute(select(persons).order_by(persons.c.id))]


def test_the_master_key_does_not_show_in_a_repr(vault: Vault) -> None:
    assert repr(MASTER)[2:20] not in repr(vault)


def test_migrating_gives_the_tables_that_the_module_declares(vault: Vault) -> None:
    assert schema(vault.engine) == declared_schema(METADATA)
    assert sorted(schema(vault.engine)) == ["accesses", "items", "persons", "vault_keys"]
