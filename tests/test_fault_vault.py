"""One changed byte in any column of any table of the vault: found by `audit --vault`, which names the row."""

import json
import sqlite3
from collections.abc import Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from tests.fault_bytes import Changed, change_one, keys_of, unguarded
from tests.fault_commands import Command, by_command_line, run
from tests.faults import chance, times
from tests.journeys import copy_of
from tests.tampering import copied
from tests.world import ADA, BEN, World

pytestmark = pytest.mark.slow

VAULT_BYTES = times(250)
PERSONS = 50
READINGS = 3  # of every value
NOW = datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
# An access vouches for the one before it too: only every third is changed, so that each is named for its own sake.
APART = 3


@pytest.fixture(scope="module")
def company(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty persons with two values each, all of them read; only ever copied."""
    base = tmp_path_factory.mktemp("vault")
    world = World.begin_as(blank, base / "begun")
    batch = world.batch("B1", units=PERSONS)
    world.recall("R1", batches=["B1"])
    for serial in batch.serials:
        world.claim(serial)
    with closing(sqlite3.connect(base / "begun" / "vault.db")) as connection:
        named = [item for (item,) in connection.execute("SELECT id FROM items")]
    for actor in (ADA, BEN, ADA)[:READINGS]:
        world.ledger.vault.read_as(named, actor=actor, purpose="claim", now=NOW)
    world.close()
    with closing(sqlite3.connect(base / "begun" / "vault.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return copied(base / "begun", base / "var")


@dataclass(frozen=True, slots=True)
class Named:
    """What `audit --vault` said: (table, row) of each finding."""

    rows: frozenset[tuple[str, str]]

    def has(self, one: Changed) -> bool:
        """Under the key that the row has now, or the one that it had."""
        return bool({(one.table, one.row), (one.table, one.now)} & self.rows)


def audited(folder: Path, told: Path) -> Named:
    """As an operator runs it; it must have ended with 1, whatever it met."""
    told.mkdir(exist_ok=True)
    ended = run(Command(by_command_line, ("audit", "--vault", "--json")), folder, told)
    assert ended.code == 1, (ended.code, ended.out, ended.error)
    found = json.loads(ended.out)["findings"]
    assert {one["code"] for one in found} == {"vault"}, found
    return Named(frozenset((one["table"].removeprefix("vault."), one["row"]) for one in found))


def change_persons(connection: sqlite3.Connection, random: Random) -> tuple[list[Changed], set[str]]:
    """Of each person the key's row, or both values; gives the persons whose row was changed, too."""
    taken = {table: set(keys_of(connection, table)) for table in ("persons", "items")}
    changed, without = [], set()
    for (person,) in sorted(taken["persons"], key=str):
        held = connection.execute("SELECT id FROM items WHERE person = ?", [person]).fetchall()
        if random.random() < 0.3:
            changed.append(change_one(connection, "persons", [person], random, taken=taken["persons"]))
            without |= {str(item) for (item,) in held}
        else:
            changed += [change_one(connection, "items", key, random, taken=taken["items"]) for key in held]
    return [one for one in changed if one], without


def change_accesses(connection: sqlite3.Connection, random: Random) -> list[Changed]:
    """Every third row."""
    keys = sorted(keys_of(connection, "accesses"))
    some = keys[random.randrange(APART) :: APART]
    changed = [change_one(connection, "accesses", key, random, taken=set(keys)) for key in some]
    return [one for one in changed if one]


def change_revision(connection: sqlite3.Connection, random: Random) -> list[Changed]:
    """The revision that the vault's tables are of."""
    [key] = keys_of(connection, "alembic_version")
    one = change_one(connection, "alembic_version", key, random)
    return [one] if one else []


def beside(connection: sqlite3.Connection, changed: Sequence[Changed]) -> set[tuple[str, str]]:
    """The accesses that stand, or stood, after a changed one: they vouch for it, and are named with it."""
    numbers = [number for (number,) in connection.execute("SELECT number FROM accesses ORDER BY number")]
    moved = [one for one in changed if one.table == "accesses"]
    places = {int(key) for one in moved for key in (one.row, one.now)}
    after = {min((number for number in numbers if number > place), default=place) for place in places}
    return {("accesses", str(number)) for number in after}


def expected(changed: Sequence[Changed]) -> set[tuple[str, str]]:
    return {(one.table, key) for one in changed for key in (one.row, one.now)}


def test_every_changed_byte_of_the_vault_is_named_and_nothing_else_is(company: Path, tmp_path: Path) -> None:
    done, columns = 0, set[tuple[str, str]]()
    with chance("vault") as random:
        while done < VAULT_BYTES:
            folder = copy_of(company, tmp_path / f"at {done}")
            with unguarded(folder / "vault.db") as connection:
                changed, without = change_persons(connection, random)
                changed += change_accesses(connection, random)
                changed += change_revision(connection, random)
                follow = beside(connection, changed) | {("items", item) for item in without}
            named = audited(folder, tmp_path / "told")
            assert [one for one in changed if not named.has(one)] == []
            assert named.rows - expected(changed) - follow == set()
            done += len(changed)
            columns |= {(one.table, one.column) for one in changed}
    assert columns >= every_column(company) - OF_THE_KEYS
    print(f"{done} bytes of the vault")


OF_THE_KEYS = {("vault_keys", "name"), ("vault_keys", "wrapped_key")}


def every_column(folder: Path) -> Set[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "vault.db")) as connection:
        return {
            (table, column)
            for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            for (_, column, *_) in connection.execute(f"PRAGMA table_info({table})")
        }


@pytest.mark.parametrize("column", sorted(column for _, column in OF_THE_KEYS))
def test_a_changed_byte_of_the_key_of_accesses_is_named(company: Path, tmp_path: Path, column: str) -> None:
    """Without that key no access can be checked, so it is changed alone."""
    other = {"name", "wrapped_key"} - {column}
    with chance(f"vault {column}") as random:
        for number in range(times(5)):
            folder = copy_of(company, tmp_path / f"at {number}")
            with unguarded(folder / "vault.db") as connection:
                one = change_one(connection, "vault_keys", ["accesses"], random, spared=other)
            assert one is not None
            assert audited(folder, tmp_path / "told").rows == expected([one])
