"""One byte changed in a stored value, past whatever protects it: what the tests of changed bytes share."""

import sqlite3
from collections.abc import Iterator, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ledger.audit.finding import Finding
from tests.meddling import columns_of, key_of, quoted, shown

Key = Sequence[object]
# That leaf and body of an entry do not fit is sure, and which of them was changed only its neighbours tell.
PAIR = {"leaf", "body"}
FOLLOWS = (
    "root_differs"  # said of every checkpoint over a changed entry: it names the entry's change, not its own
)


@dataclass(frozen=True, slots=True)
class Changed:
    """A value of which one byte was changed."""

    table: str
    row: str  # its key as it was
    column: str
    now: str  # its key as it is

    def is_named(self, findings: Sequence[Finding]) -> bool:
        """Named with its column, or the row as a whole: a row under another key is another row."""
        columns = {self.column, ""} | (PAIR if self.column in PAIR else set())
        return any(
            one.table == self.table
            and is_among(self.row, one.row)
            and one.field in columns
            and one.code != FOLLOWS
            for one in findings
        )


def is_among(row: str, named: str) -> bool:
    """Whether a finding's row is this one, or a run of missing entries with it: `7-9`."""
    first, dash, last = named.partition("-")
    if first.isdigit() and dash and last.isdigit() and row.isdigit():
        return int(first) <= int(row) <= int(last)
    return row == named


@contextmanager
def unguarded(database: Path) -> Iterator[sqlite3.Connection]:
    """The database with no trigger and no check in the way; the triggers stand again at the end."""
    with closing(sqlite3.connect(database)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def keys_of(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """The primary keys of all rows."""
    names = ", ".join(quoted(key_of(connection, table)))
    return connection.execute(f"SELECT {names} FROM {table}").fetchall()


def change_one(
    connection: sqlite3.Connection,
    table: str,
    key: Key,
    random: Random,
    *,
    taken: Set[tuple[object, ...]] = frozenset(),
    spared: Set[str] = frozenset(),
) -> Changed | None:
    """Change a byte of one value of this row; columns that are `spared` keep theirs.

    None where there is no byte, or where the key would become one that is `taken` by a row that stands or stood.
    """
    names = key_of(connection, table)
    where = " AND ".join(f"{name} = ?" for name in quoted(names))
    column = random.choice([name for name, _ in columns_of(connection, table) if name not in spared])
    sql = f'SELECT typeof("{column}"), "{column}", CAST("{column}" AS BLOB) FROM {table} WHERE {where}'
    kind, value, stored = connection.execute(sql, key).fetchone()
    if kind == "null" or (kind != "integer" and not stored):
        return None
    other = flipped_integer(value, random) if kind == "integer" else flipped(stored, random)
    now = tuple(other if name == column else part for name, part in zip(names, key, strict=True))
    if column in names and now in taken:
        return None
    try:
        connection.execute(f'UPDATE {table} SET "{column}" = CAST(? AS {kind}) WHERE {where}', [other, *key])
    except sqlite3.IntegrityError:
        return None  # another row has that value already
    return Changed(table, shown(key), column, shown([as_text(part) for part in now]))


def as_text(value: object) -> object:
    """A value as findings show it: of bytes what is text, the others escaped."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def flipped(data: bytes, random: Random) -> bytes:
    """The same bytes but for one."""
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ random.randrange(1, 256)]) + data[at + 1 :]


def flipped_integer(value: int, random: Random) -> int:
    """The same integer with one of the bytes changed that SQLite stores it in ("Database File Format", 2.1)."""
    width = next(width for width in (1, 2, 3, 4, 6, 8) if -(1 << 8 * width - 1) <= value < 1 << 8 * width - 1)
    return int.from_bytes(flipped(value.to_bytes(width, "big", signed=True), random), "big", signed=True)
