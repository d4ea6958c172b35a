"""ledger.vault.checking and ledger.vault.accesses: whatever is changed in the vault is found and named."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import IntegrityError

from ledger.database import reading, writing
from ledger.vault.accesses import Access, list_accesses
from ledger.vault.checking import VaultProblem, check_vault
from ledger.vault.tables import accesses, vault_keys
from ledger.vault.vault import Sealed, UnknownItem, Vault, open_vault
from tests.meddling import columns_of, key_of, quoted
from tests.world import ADA, BEN

MASTER = bytes(range(32))
NOW = datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
TABLES = ("accesses", "items", "persons", "vault_keys")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """Three persons with two items each; Ada and Ben have read some."""
    vault = open_vault(tmp_path / "vault.db", MASTER)
    for number in range(3):
        first = vault.put(None, "contact", {"name": f"Person {number}"}, now=NOW)
        second = vault.put(first.person, "payout", {"account": str(number)}, now=NOW)
        for actor in (ADA, BEN):
            read(vault, first, second, actor=actor)
    yield vault
    vault.engine.dispose()


def read(vault: Vault, *sealed: Sealed, actor: str = ADA, at: datetime = NOW) -> None:
    vault.read_as([one.item for one in sealed], actor=actor, purpose="claim", now=at)


def problems(vault: Vault) -> list[VaultProblem]:
    return list(check_vault(vault))


# --- accesses


def test_a_reading_is_written_down_with_who_when_what_and_what_for(vault: Vault) -> None:
    sealed = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    later = NOW + timedelta(minutes=5)
    held = vault.read_as([sealed.item, "2222222222222222"], actor=BEN, purpose="export", now=later)
    assert held[sealed.item].value == {"name": "Zoë"}
    assert held[sealed.item].created_at == NOW
    assert held.keys() == {sealed.item}
    with reading(vault.engine) as connection:
        assert list_accesses(connection, sealed.person) == [
            Access(later, BEN, sealed.person, sealed.item, "contact", "export")
        ]


def test_accesses_outlive_the_person(vault: Vault) -> None:
    sealed = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    read(vault, sealed)
    vault.erase([sealed.person])
    with reading(vault.engine) as connection:
        assert len(list_accesses(connection, sealed.person)) == 1
    with pytest.raises(UnknownItem):
        vault.read(sealed.item)
    assert problems(vault) == []


def test_a_value_that_does_not_open_was_tried_and_that_is_written_down_too(vault: Vault) -> None:
    sealed = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    with writing(vault.engine) as connection:
        connection.execute(text("UPDATE items SET kind = 'x' WHERE id = :item"), {"item": sealed.item})
    with pytest.raises(Exception, match=sealed.item):
        read(vault, sealed)
    with reading(vault.engine) as connection:
        assert [one.kind for one in list_accesses(connection, sealed.person)] == ["x"]


@pytest.mark.parametrize(
    "change",
    [
        update(accesses).values(actor=BEN),
        delete(accesses),
        text("REPLACE INTO accesses SELECT * FROM accesses"),
    ],
)
def test_an_access_is_neither_changed_nor_removed(vault: Vault, change: object) -> None:
    with pytest.raises(IntegrityError, match="only ever inserted"), writing(vault.engine) as connection:
        connection.execute(change)  # type: ignore[call-overload]  # statements of three kinds


# --- what a check finds


def test_a_vault_as_it_was_written_has_no_problem(vault: Vault) -> None:
    assert problems(vault) == []


@contextmanager
def opened(vault: Vault) -> Iterator[sqlite3.Connection]:
    """The file with no trigger and no constraint in the way; the triggers stand again at the end."""
    path = vault.engine.url.database
    assert path is not None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        assert len(triggers) == 2
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, made in triggers:
            connection.execute(made)
        connection.commit()


def meddle(vault: Vault, *statements: str) -> None:
    """Change the file past every trigger and constraint."""
    with opened(vault) as connection:
        for statement in statements:
            connection.execute(statement)


def changed(value: object, chance: Random) -> object:
    """The value with one bit flipped; of a number, another one."""
    if isinstance(value, int):
        return value + 1_000
    body = bytearray(value if isinstance(value, bytes) else str(value).encode())
    place = chance.randrange(len(body))
    body[place] ^= 1 << chance.randrange(8)
    return bytes(body)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("table", TABLES)
def test_a_flipped_bit_in_any_field_of_any_row_is_found_in_its_row(
    vault: Vault, table: str, seed: int
) -> None:
    chance = Random(seed)
    with opened(vault) as connection:
        [key] = key_of(connection, table)
        for column, is_key in columns_of(connection, table):
            if is_key and table != "accesses":
                continue  # another id is a row gone and a row too many: see below
            for row, before in connection.execute(
                f"SELECT {key}, {quoted([column])[0]} FROM {table}"
            ).fetchall():
                after = changed(before, chance)
                typed = "CAST(? AS TEXT)" if isinstance(before, str) else "?"
                where = after if is_key else row
                connection.execute(f"UPDATE {table} SET {column} = {typed} WHERE {key} = ?", (after, row))
                connection.commit()
                found = {(one.table, one.row) for one in check_vault(vault)}
                assert (table, str(where)) in found, (column, before, after)
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (before, where))
                connection.commit()
    assert problems(vault) == []


@pytest.mark.parametrize("name", ["accesses_no_delete", "accesses_no_update"])
def test_a_trigger_that_was_taken_away_is_missed(vault: Vault, name: str) -> None:
    with writing(vault.engine) as connection:
        connection.execute(text(f"DROP TRIGGER {name}"))
    [found] = problems(vault)
    assert (found.table, found.row) == ("accesses", "")
    assert name in found.problem


def test_an_item_whose_person_has_another_id_is_found(vault: Vault) -> None:
    meddle(vault, "UPDATE persons SET id = '2222222222222222' WHERE id = (SELECT min(id) FROM persons)")
    found = problems(vault)
    assert sorted(one.table for one in found) == ["items", "items", "persons"]
    assert "2222222222222222" in [one.row for one in found]


def test_an_access_taken_out_of_the_middle_is_missed(vault: Vault) -> None:
    meddle(vault, "DELETE FROM accesses WHERE number IN (4, 5)")
    assert [(one.table, one.row) for one in problems(vault)] == [("accesses", "6")]
    assert "rows 4 to 5 are missing" in problems(vault)[0].problem


def test_two_accesses_exchanged_are_found(vault: Vault) -> None:
    meddle(
        vault,
        "UPDATE accesses SET number = 100 WHERE number = 1",
        "UPDATE accesses SET number = 1 WHERE number = 3",
        "UPDATE accesses SET number = 3 WHERE number = 100",
    )
    assert {"1", "3"} <= {one.row for one in problems(vault)}


def test_an_access_that_was_never_made_is_found(vault: Vault) -> None:
    with writing(vault.engine) as connection:
        values = {"number": 13, "at": NOW, "actor": BEN, "person": "2" * 16, "item": "3" * 16}
        connection.execute(insert(accesses).values(**values, kind="contact", purpose="claim", mac=bytes(32)))
    assert [(one.table, one.row) for one in problems(vault)] == [("accesses", "13")]


def test_without_their_key_accesses_cannot_be_checked_and_that_is_said(vault: Vault) -> None:
    with writing(vault.engine) as connection:
        connection.execute(delete(vault_keys))
    assert [(one.table, one.row) for one in problems(vault)] == [("vault_keys", "accesses")]
