"""One changed byte, anywhere: found, and the finding says where.

Many changes that do not touch each other are made before one audit, and each must be named. `LOTPROOF_FAULTS=10`
changes ten times as many.
"""

import sqlite3
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from ledger.audit.finding import Finding
from ledger.errors import LedgerError, storage_error
from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from tests.faults import chance, times
from tests.journeys import copy_of, demo_copy
from tests.meddling import columns_of, derived_tables, key_of, quoted, shown
from tests.tampering import audited, copied
from tests.world import World

pytestmark = pytest.mark.slow

DERIVED_BYTES, LOG_BYTES, PAGE_BYTES = times(1_700), times(300), times(40)
AT_ONCE = 900  # of one code an audit names the first thousand
APART = 5  # entries
PAIR = {
    "leaf",
    "body",
}  # of an entry: that they do not fit is sure, and which was changed only its neighbours tell
SEALS = 130  # as many entries, so that the log has a full tile


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


@dataclass(frozen=True, slots=True)
class Changed:
    """A value of which one byte was changed."""

    table: str
    row: str  # its key as it was
    column: str

    def is_named(self, findings: Sequence[Finding]) -> bool:
        """Named with its column, or the row as a whole: a row under another key is another row."""
        columns = {self.column, ""}
        if self.column in PAIR:
            columns |= PAIR
        return any(
            (one.table, one.row) == (self.table, self.row) and one.field in columns for one in findings
        )


@contextmanager
def unguarded(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database with no trigger in the way; they stand again at the end."""
    with closing(sqlite3.connect(folder / "lotproof.db")) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def change_some(
    connection: sqlite3.Connection, tables: Sequence[str], count: int, random: Random
) -> list[Changed]:
    """Change one byte each in up to `count` values of different rows, tables taken in turn."""
    standing = {table: keys_of(connection, table) for table in tables}
    rows = {
        table: random.sample(
            keys, min(len(keys), count // len(tables) if len(keys) < 1_000 else count // 2) or 1
        )
        for table, keys in standing.items()
    }
    changed = []
    for table, keys in rows.items():
        taken = set(standing[table])
        for key in keys:
            column = change_one(connection, table, key, random, taken=taken)
            if column:
                changed.append(Changed(table, shown(key), column))
    return changed


def change_log(connection: sqlite3.Connection, random: Random) -> list[Changed]:
    """Change one byte at places of the log that are so far apart that no two speak of the same entry."""
    [size] = connection.execute("SELECT count(*) FROM log_entries").fetchone()
    published = {size for (size,) in connection.execute("SELECT size FROM log_checkpoints")}
    changed = change_some(connection, ["log_tiles"], 1, random)
    for position in range(random.randrange(APART), size, APART):
        is_note = position + 1 in published and random.random() < 0.5
        table, key = ("log_checkpoints", position + 1) if is_note else ("log_entries", position)
        column = change_one(connection, table, [key], random)
        if column:
            changed.append(Changed(table, shown([key]), column))
    return changed


def keys_of(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(
        f"SELECT {', '.join(quoted(key_of(connection, table)))} FROM {table}"
    ).fetchall()


def change_one(
    connection: sqlite3.Connection,
    table: str,
    key: Sequence[object],
    random: Random,
    *,
    taken: Set[tuple[object, ...]] = frozenset(),
) -> str | None:
    """Change a byte of one value of this row; gives the column.

    None where there is no byte, or where the key would become one that is `taken` by a row that stands or stood.
    """
    where = " AND ".join(f"{name} = ?" for name in quoted(key_of(connection, table)))
    # A set under another id would leave all its units without one: that is one change with a thousand findings.
    columns = [
        name for name, is_key in columns_of(connection, table) if not (is_key and table == "unit_sets")
    ]
    column = random.choice(columns)
    sql = f'SELECT typeof("{column}"), "{column}", CAST("{column}" AS BLOB) FROM {table} WHERE {where}'
    kind, value, stored = connection.execute(sql, key).fetchone()
    if kind == "null" or (kind != "integer" and not stored):
        return None
    other = flipped_integer(value, random) if kind == "integer" else flipped(stored, random)
    names = key_of(connection, table)
    if (
        column in names
        and tuple(other if name == column else part for name, part in zip(names, key, strict=True)) in taken
    ):
        return None
    marker = f"CAST(? AS {kind})"
    try:
        connection.execute(f'UPDATE {table} SET "{column}" = {marker} WHERE {where}', [other, *key])
    except sqlite3.IntegrityError:
        return None  # another row has that value already
    return column


def flipped(data: bytes, random: Random) -> bytes:
    """The same bytes but for one."""
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ random.randrange(1, 256)]) + data[at + 1 :]


def flipped_integer(value: int, random: Random) -> int:
    """The same integer with one of the bytes changed that SQLite stores it in ("Database File Format", 2.1)."""
    width = next(width for width in (1, 2, 3, 4, 6, 8) if -(1 << 8 * width - 1) <= value < 1 << 8 * width - 1)
    return int.from_bytes(flipped(value.to_bytes(width, "big", signed=True), random), "big", signed=True)


def test_every_changed_byte_of_the_derived_tables_is_named(grown: Path, tmp_path: Path) -> None:
    done = 0
    with chance("derived bytes") as random:
        while done < DERIVED_BYTES:
            folder = copy_of(grown, tmp_path / f"at {done}")
            with unguarded(folder) as connection:
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
            with unguarded(folder) as connection:
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


# --- the raw file


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
            for name in ("lotproof.db-wal", "lotproof.db-shm"):
                (folder / name).unlink(missing_ok=True)
            database.write_bytes(original)
            with database.open("r+b") as file:
                file.seek(at)
                file.write(bytes([original[at] ^ random.randrange(1, 256)]))
            if is_found(folder):
                continue
            assert everything(database) == should, f"the byte at {at} holds a value, and nothing was found"
            idle += 1
    print(f"{PAGE_BYTES} bytes of the raw file, {idle} of them in space that holds no value")


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
    with unguarded(folder) as connection:
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
