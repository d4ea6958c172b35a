"""One changed byte anywhere in the database's file: found, or in space that holds no value. No audit stumbles."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.errors import LedgerError, storage_error
from ledger.log import store
from tests.fault_bytes import unguarded
from tests.faults import chance, times
from tests.journeys import copy_of
from tests.meddling import columns_of
from tests.tampering import audited, copied
from tests.world import World

pytestmark = pytest.mark.slow

PAGE_BYTES = times(40)


@pytest.fixture(scope="module")
def small(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company with something in most tables, small enough to be audited a hundred times."""
    base = tmp_path_factory.mktemp("small")
    world = World.begin_as(blank, base / "begun")
    world.lot("SF-1", "400 m")
    batch = world.batch("B1", lots={"SF-1": "120 m"}, units=40)
    batch.ships(to="DE", count=30)
    world.recall("R1", lots=["SF-1"])
    world.claim(batch.serials[0])
    world.close()
    return copied(base / "begun", base / "var")


def test_a_changed_byte_anywhere_in_the_file_is_found_or_holds_no_value(small: Path, tmp_path: Path) -> None:
    original = (small / "lotproof.db").read_bytes()
    should = everything(small / "lotproof.db")
    folder = copy_of(small, tmp_path / "var")
    database = folder / "lotproof.db"
    idle = 0
    with chance("pages") as random:
        written = [at for at, byte in enumerate(original) if byte]
        for number in range(PAGE_BYTES):
            # Most of a small file is empty: every other byte is one that was written to.
            at = random.choice(written) if number % 2 else random.randrange(len(original))
            other = bytes([original[at] ^ random.randrange(1, 256)])
            write_database(folder, original[:at] + other + original[at + 1 :])
            if is_found(folder):
                continue
            assert everything(database) == should, f"the byte at {at} holds a value, and nothing was found"
            idle += 1
    print(f"{PAGE_BYTES} bytes of the raw file, {idle} of them in space that holds no value")


def write_database(folder: Path, raw: bytes) -> None:
    """Put other bytes in the place of the database, and nothing beside them."""
    for name in ("lotproof.db-wal", "lotproof.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "lotproof.db").write_bytes(raw)


def is_found(folder: Path) -> bool:
    """Whether the audit finds something, or cannot even read the file and says so."""
    try:
        return audited(folder, derived=True).findings != ()
    except Exception as error:
        if not isinstance(error, LedgerError) and storage_error(error) is None:
            raise
        return True


def everything(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every value of every table, and how the database is built; unreadable is another than readable."""
    with closing(sqlite3.connect(database)) as connection:
        connection.text_factory = bytes
        tables = [
            name.decode()
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        built: list[tuple[object, ...]] = connection.execute("SELECT * FROM sqlite_schema").fetchall()
        return {"": built} | {
            table: connection.execute(f"SELECT * FROM {table} NOT INDEXED").fetchall() for table in tables
        }


def test_an_entry_whose_member_was_renamed_is_named(small: Path, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path / "var")
    with unguarded(folder / "lotproof.db") as connection:
        [body] = connection.execute("SELECT body FROM log_entries WHERE position = 3").fetchone()
        renamed = body.replace(b'"data":', b'"dbta":')
        connection.execute("UPDATE log_entries SET body = ? WHERE position = 3", [renamed])
    findings = audited(folder).findings
    assert any((one.table, one.row, one.field) == ("log_entries", "3", "body") for one in findings)


def test_a_schema_that_is_no_longer_text_is_named(small: Path, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path / "var")
    raw = (folder / "lotproof.db").read_bytes()
    (folder / "lotproof.db").write_bytes(raw.replace(b"only ever inserted", b"only ever \xffnserted"))
    assert any(one.table == "sqlite_schema" for one in audited(folder, derived=True).findings)


def test_a_column_under_another_name_is_named_and_the_audit_goes_on(small: Path, tmp_path: Path) -> None:
    """As by a byte changed in the schema: each column of the log, and some of the derived tables."""
    columns = columns_in(small)
    of_the_log = [one for one in columns if one[0] in store.LOG.tables]
    assert len(of_the_log) == 5
    folder = copy_of(small, tmp_path / "var")
    with chance("columns") as random:
        for table, column, made in [*of_the_log, *random.sample(columns, times(10))]:
            renamed = re.sub(rf"\b{column}\b".encode(), f"{column[:-1]}_".encode(), made)
            write_database(folder, (small / "lotproof.db").read_bytes().replace(made, renamed))
            found = {(one.code, one.row) for one in audited(folder, derived=True).findings}
            assert ("schema", table) in found, column


def columns_in(folder: Path) -> list[tuple[str, str, bytes]]:
    """(table, column, the words that make the table) of columns that stand in no key, constraint or index.

    With a constraint or an index about no column SQLite opens no file at all. Only of tables whose words lie in one
    piece in the file.
    """
    raw = (folder / "lotproof.db").read_bytes()
    with closing(sqlite3.connect(folder / "lotproof.db")) as connection:
        made = connection.execute(
            "SELECT type, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
        ).fetchall()
        return [
            (table, column, sql.encode())
            for kind, table, sql in made
            if kind == "table" and raw.count(sql.encode()) == 1
            for column, _ in columns_of(connection, table)
            if len(re.findall(rf"\b{column}\b", "".join(one for _, of, one in made if of == table))) == 1
        ]
