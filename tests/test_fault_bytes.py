"""One changed byte in any value of the log, of the derived tables, of any file: found, and the finding says where.

Many changes that do not touch each other are made before one audit, and each must be named. `LOTPROOF_FAULTS=10`
changes ten times as many. The vault: `test_fault_vault`; PostgreSQL: `test_fault_bytes_postgres`.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from tests.fault_bytes import Changed, change_one, flipped, keys_of, unguarded
from tests.faults import chance, times
from tests.journeys import copy_of, demo_copy
from tests.meddling import derived_tables
from tests.tampering import audited

pytestmark = pytest.mark.slow

DERIVED_BYTES, LOG_BYTES = times(1_700), times(300)
AT_ONCE = 900  # of one code an audit names the first thousand
APART = 5  # entries
SEALS = 130  # as many entries, so that the log has a full tile
# A set under another id would leave all its units without one: that is one change with a thousand findings.
SPARED = {"unit_sets": frozenset({"id"})}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with a log of more than 256 entries; only ever copied."""
    folder = demo_copy(tmp_path_factory)
    with closing(open_ledger(Settings(data=folder), accept_long_silence=True)) as ledger:
        for _ in range(SEALS):
            ledger.journal.seal()
    with closing(sqlite3.connect(folder / "lotproof.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def change_some(
    connection: sqlite3.Connection, tables: Sequence[str], count: int, random: Random
) -> list[Changed]:
    """Change one byte each in up to `count` values of different rows, tables taken in turn."""
    standing = {table: keys_of(connection, table) for table in tables}
    changed = []
    for table, keys in standing.items():
        most = count // len(tables) if len(keys) < 1_000 else count // 2
        for key in random.sample(keys, min(len(keys), most) or 1):
            spared = SPARED.get(table, frozenset())
            changed.append(change_one(connection, table, key, random, taken=set(keys), spared=spared))
    return [one for one in changed if one]


def change_log(connection: sqlite3.Connection, random: Random) -> list[Changed]:
    """Change one byte at places of the log that are so far apart that no two speak of the same entry."""
    [size] = connection.execute("SELECT count(*) FROM log_entries").fetchone()
    standing = {table: set(keys_of(connection, table)) for table in ("log_entries", "log_checkpoints")}
    changed = [*change_some(connection, ["log_tiles"], 1, random)]
    for position in range(random.randrange(APART), size, APART):
        is_note = (position + 1,) in standing["log_checkpoints"] and random.random() < 0.5
        table, key = ("log_checkpoints", position + 1) if is_note else ("log_entries", position)
        one = change_one(connection, table, [key], random, taken=standing[table])
        changed += [one] if one else []
    return changed


def test_every_changed_byte_of_the_derived_tables_is_named(grown: Path, tmp_path: Path) -> None:
    done = 0
    with chance("derived bytes") as random:
        while done < DERIVED_BYTES:
            folder = copy_of(grown, tmp_path / f"at {done}")
            with unguarded(folder / "lotproof.db") as connection:
                changed = change_some(connection, derived_tables(connection), AT_ONCE, random)
            findings = audited(folder, derived=True).findings
            assert [one for one in changed if not one.is_named(findings)] == []
            done += len(changed)
    print(f"{done} bytes of derived tables")


def test_every_changed_byte_of_the_log_is_named(grown: Path, tmp_path: Path) -> None:
    done = 0
    with chance("bytes of the log") as random:
        while done < LOG_BYTES:
            folder = copy_of(grown, tmp_path / f"at {done}")
            with unguarded(folder / "lotproof.db") as connection:
                changed = change_log(connection, random)
            findings = audited(folder).findings
            assert [one for one in changed if not one.is_named(findings)] == []
            done += len(changed)
    print(f"{done} bytes of the log")


def test_every_changed_byte_of_the_files_is_named(grown: Path, tmp_path: Path) -> None:
    folder = copy_of(grown, tmp_path / "var")
    files = sorted(path for path in (folder / "files").glob("[0-9a-f][0-9a-f]/*"))
    with chance("bytes of files") as random:
        for path in files:
            path.write_bytes(flipped(path.read_bytes(), random))
    named = {one.row for one in audited(folder).findings if one.table == "files"}
    assert named == {path.parent.name + path.name for path in files}
    print(f"{len(files)} bytes of files")
