"""One changed byte in any value of the log and of the derived tables on PostgreSQL: found, and the finding says where.

Changed through SQL, by whoever owns the tables: triggers, foreign keys and rules switched off. What the types of the
columns and their checks refuse cannot stand there, and is not counted.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg.types.json import Json
from sqlalchemy import Table

from ledger.journal.registry import NOUNS
from ledger.log import store
from tests.fault_bytes import Changed, flipped, flipped_integer
from tests.faults import chance, times
from tests.meddling import quoted, shown
from tests.postgres import Server
from tests.tampering import audited
from tests.test_ledger_audit_derived import fill
from tests.world import World

pytestmark = pytest.mark.slow

DERIVED_BYTES, LOG_BYTES = times(200), times(60)
TEMPLATE = "bytes"
SEALS = 130  # as many entries, so that the log has a full tile
APART = 5  # entries
OF_A_TABLE = 8  # rows changed before one audit
TRIES = 20  # until a changed byte is one that the type allows
SPARED = {("unit_sets", "id")}  # see `test_fault_bytes`

Database = psycopg.Connection[tuple[object, ...]]
Key = tuple[object, ...]


@pytest.fixture(scope="module")
def filled(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world in which every derived table has rows; its database is only ever copied."""
    folder = tmp_path_factory.mktemp("bytes") / "var"
    postgres.make(TEMPLATE)
    world = World.begin(folder, postgres.url(TEMPLATE))
    fill(world)
    for _ in range(SEALS):
        world.ledger.journal.seal()
    world.close()
    return folder


@contextmanager
def unguarded(url: str) -> Iterator[Database]:
    """The schema `ledger` with no trigger of the log and no foreign key in the way; all stand again at the end."""
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, options="-csearch_path=ledger") as connection:
        triggers = [
            (table, f"{table}_no_{act}")
            for table in store.LOG.tables
            for act in ("update", "delete", "truncate")
        ]
        for table, trigger in triggers:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}".encode())
        connection.execute("SET LOCAL session_replication_role = replica")
        yield connection
        connection.execute("SET LOCAL session_replication_role = origin")
        for table, trigger in triggers:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}".encode())


def keys_of(connection: Database, table: Table) -> list[Key]:
    names = ", ".join(quoted([column.name for column in table.primary_key]))
    return connection.execute(f'SELECT {names} FROM "{table.name}" ORDER BY {names}'.encode()).fetchall()


def change_one(
    connection: Database, table: Table, key: Key, random: Random, *, taken: set[Key]
) -> Changed | None:
    """Change a byte of one value of this row; None where there is none, or the table refuses the other."""
    names = [column.name for column in table.primary_key]
    where = " AND ".join(f"{name} = %s" for name in quoted(names))
    column = random.choice([one.name for one in table.columns if (table.name, one.name) not in SPARED])
    row = connection.execute(f'SELECT "{column}" FROM "{table.name}" WHERE {where}'.encode(), key).fetchone()
    assert row is not None
    other = changed(row[0], random)
    now = tuple(other if name == column else part for name, part in zip(names, key, strict=True))
    if other is None or (column in names and now in taken):
        return None
    sql = f'UPDATE "{table.name}" SET "{column}" = %s WHERE {where}'
    try:
        with connection.transaction():
            connection.execute(sql.encode(), [other, *key])
    except (psycopg.IntegrityError, psycopg.DataError):
        return None
    return Changed(table.name, shown(key), column, shown(now))


def changed(value: object, random: Random) -> object:
    """The value with one byte changed, of the same type; None where there is none."""
    match value:
        case None | "" | b"":
            return None
        case int():
            return not value if isinstance(value, bool) else flipped_integer(value, random)
        case date():
            days = flipped(value.toordinal().to_bytes(3, "big"), random)
            return date.fromordinal(min(max(1, int.from_bytes(days, "big")), date.max.toordinal()))
        case bytes():
            return flipped(value, random)
        case str():
            return changed_text(value, random)
    return changed_json(value, random)


def changed_text(value: str, random: Random) -> str | None:
    """What is no text any more, or holds a zero, PostgreSQL does not take."""
    for _ in range(TRIES):
        other = flipped(value.encode(), random).decode(errors="ignore")
        if len(other) == len(value) and "\0" not in other:
            return other
    return None


def changed_json(value: object, random: Random) -> Json | None:
    """Another value, not the same one in other words."""
    for _ in range(TRIES):
        try:
            other = json.loads(changed_text(json.dumps(value), random) or "")
        except ValueError:
            continue
        if other != value:
            return Json(other)
    return None


def change_derived(connection: Database, random: Random) -> list[Changed]:
    """One value in each of up to eight rows of every table."""
    done = []
    for table in (table for noun in NOUNS.values() for table in noun.tables):
        keys = keys_of(connection, table)
        for key in random.sample(keys, min(OF_A_TABLE, len(keys))):
            done.append(change_one(connection, table, key, random, taken=set(keys)))
    return [one for one in done if one]


def change_log(connection: Database, random: Random) -> list[Changed]:
    """Places so far apart that no two speak of the same entry, and a tile."""
    entries, notes, tiles = (
        store.LOG.tables[name] for name in ("log_entries", "log_checkpoints", "log_tiles")
    )
    standing = {table.name: set(keys_of(connection, table)) for table in (entries, notes, tiles)}
    places: list[tuple[Table, Key]] = [(tiles, key) for key in standing["log_tiles"]]
    for position in range(random.randrange(APART), len(standing["log_entries"]), APART):
        is_note = (position + 1,) in standing["log_checkpoints"] and random.random() < 0.5
        places.append((notes, (position + 1,)) if is_note else (entries, (position,)))
    done = [change_one(connection, table, key, random, taken=standing[table.name]) for table, key in places]
    return [one for one in done if one]


def unnamed(folder: Path, url: str, done: Sequence[Changed], *, derived: bool) -> list[Changed]:
    """Those that an audit does not name."""
    findings = audited(folder, derived=derived, database_url=url).findings
    return [one for one in done if not one.is_named(findings)]


def test_every_changed_byte_of_the_derived_tables_is_named(filled: Path, postgres: Server) -> None:
    count = 0
    with chance("derived bytes on PostgreSQL") as random:
        while count < DERIVED_BYTES:
            with postgres.database(template=TEMPLATE) as url:
                with unguarded(url) as connection:
                    done = change_derived(connection, random)
                assert unnamed(filled, url, done, derived=True) == []
            count += len(done)
    print(f"{count} bytes of derived tables on PostgreSQL")


def test_every_changed_byte_of_the_log_is_named(filled: Path, postgres: Server) -> None:
    count = 0
    with chance("bytes of the log on PostgreSQL") as random:
        while count < LOG_BYTES:
            with postgres.database(template=TEMPLATE) as url:
                with unguarded(url) as connection:
                    done = change_log(connection, random)
                assert unnamed(filled, url, done, derived=False) == []
            count += len(done)
    print(f"{count} bytes of the log on PostgreSQL")
