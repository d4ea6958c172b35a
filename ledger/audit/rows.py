"""Rows of the log as they are stored, whatever somebody may have put there; on both databases.

Everything here goes straight to the driver: no type of ours may stumble over what was changed. SQL is written once,
with `?` for parameters; where the databases differ the difference has its place here.

    SQLite        any value may stand in any column: `typeof`, and CAST to bytes, because text may be no UTF-8
    PostgreSQL    columns have one type; an error ends the transaction, so `recover` goes back to a savepoint
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ledger.audit.finding import Findings
from ledger.errors import database_error
from ledger.log.checkpoint import LARGEST_SIZE

DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)  # a damaged page or file, text that is no UTF-8
CANNOT_READ = (SQLAlchemyError, *DRIVER_ERRORS)
FETCH_ROWS = 1_000
SAVEPOINT = "audit"

_ENTRIES = (
    "SELECT position, leaf, body FROM log_entries WHERE position >= ? AND position < ? ORDER BY position"
)
_TILES = "SELECT number, root, hashes FROM log_tiles WHERE level = ? AND number >= ? AND number < ?"
_NOTES = {
    "sqlite": "SELECT size, typeof(note), CAST(note AS BLOB) FROM log_checkpoints "
    "WHERE size > ? AND size <= ? ORDER BY size",
    "postgresql": "SELECT size, 'text', convert_to(note, 'UTF8') FROM log_checkpoints "
    "WHERE size > ? AND size <= ? ORDER BY size",
}


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A row of `log_tiles`; both members are empty where the row does not hold bytes."""

    root: bytes
    hashes: bytes


def is_sqlite(connection: Connection) -> bool:
    """Whether the connection is to SQLite; PostgreSQL is the only other."""
    return connection.dialect.name == "sqlite"


def fetch(connection: Connection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows straight from the driver. Raises one of DRIVER_ERRORS where they cannot be read."""
    rows: list[tuple[Any, ...]] = _driver(connection).execute(_placed(connection, sql), parameters).fetchall()
    return rows


def stream(connection: Connection, sql: str, *parameters: object) -> Iterator[list[tuple[Any, ...]]]:
    """The rows, some at a time and never all of them in memory. Raises as `fetch`, also in the middle."""
    driver = _driver(connection)
    # PostgreSQL sends the whole result at once unless the cursor has a name.
    cursor = driver.cursor() if is_sqlite(connection) else driver.cursor(name=f"audit_{id(parameters):x}")
    try:
        cursor.execute(_placed(connection, sql), parameters)
        while rows := cursor.fetchmany(FETCH_ROWS):
            yield rows
    finally:
        cursor.close()


def export_snapshot(connection: Connection) -> str:
    """A name under which another process sees the same moment (`enter_snapshot`); call it first in a transaction.

    Empty on SQLite, which has no such thing: there another process sees later rows too, and looks at none of them.
    """
    return "" if is_sqlite(connection) else str(fetch(connection, "SELECT pg_export_snapshot()")[0][0])


def enter_snapshot(connection: Connection, name: str) -> None:
    """See what the process sees that exported this snapshot, and still holds it; call it first in a transaction."""
    if name:
        _driver(connection).execute(f"SET TRANSACTION SNAPSHOT '{name}'")


def begin_recoverable(connection: Connection) -> None:
    """Set the point in the snapshot to which `recover` goes back; the server is not to hang up while we compute."""
    if not is_sqlite(connection):
        driver = _driver(connection)
        driver.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        driver.execute(f"SAVEPOINT {SAVEPOINT}")


def recover(connection: Connection) -> None:
    """Go on after one of DRIVER_ERRORS: PostgreSQL refuses everything else in a transaction that failed."""
    if not is_sqlite(connection):
        _driver(connection).execute(f"ROLLBACK TO {SAVEPOINT}")


@contextmanager
def as_far_as_it_can_be_read(connection: Connection, table: str, findings: Findings) -> Iterator[None]:
    """What cannot be read ends what is done here, and is noted; the audit goes on behind it."""
    try:
        yield
    except CANNOT_READ as error:
        name_unreadable(connection, table, findings, error)


def name_unreadable(connection: Connection, table: str, findings: Findings, error: Exception) -> None:
    """Note that one of `CANNOT_READ` ended a reading.

    Raises it where nothing says that the database is damaged: then the statement is wrong, and the fault is ours.
    """
    if not findings.found and database_error(error) is None:
        raise error
    recover(connection)
    findings.add("unreadable", table, "", "", f"cannot be read to the end: {error}")


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _placed(connection: Connection, sql: str) -> str:
    """The statement with parameters as the driver marks them; no statement of ours has another `?`."""
    return sql if is_sqlite(connection) else sql.replace("%", "%%").replace("?", "%s")


def read_entries(connection: Connection, start: int, end: int) -> list[tuple[Any, ...]] | None:
    """The rows of entries as they are stored, (position, leaf, body) in order; None where one cannot be read."""
    try:
        return fetch(connection, _ENTRIES, start, end)
    except DRIVER_ERRORS:
        recover(connection)
        return None


def read_entry(connection: Connection, position: int, findings: Findings) -> Iterator[tuple[Any, ...]]:
    """The row of one entry, if it is there; notes why it cannot be read."""
    try:
        yield from fetch(connection, _ENTRIES, position, position + 1)
    except DRIVER_ERRORS as error:
        recover(connection)
        findings.add("unreadable", "log_entries", position, "", f"the row cannot be read: {error}")
        yield position, None, None


def walk_bodies(connection: Connection, chunk: int) -> Iterator[list[tuple[int, bytes | None]]]:
    """(position, body) of all entries in order, some at a time; None where one is missing or cannot be read."""
    last = fetch(connection, "SELECT coalesce(max(position), -1) FROM log_entries")[0][0]
    for start in range(0, last + 1, chunk):
        end = min(start + chunk, last + 1)
        rows = read_entries(connection, start, end)
        if rows is None:
            rows = [row for at in range(start, end) for row in read_entry(connection, at, Findings())]
        bodies = {position: body for position, _leaf, body in rows if isinstance(body, bytes)}
        yield [(position, bodies.get(position)) for position in range(start, end)]


def as_bytes(findings: Findings, position: int, name: str, value: object) -> bytes | None:
    """A column of an entry, if it holds bytes; notes what it holds otherwise."""
    if value is None or isinstance(value, bytes):
        return value
    findings.add("not_bytes", "log_entries", position, name, f"holds {type(value).__name__}, not bytes")
    return None


def read_tiles(connection: Connection, level: int, start: int, end: int) -> dict[int, StoredTile]:
    """The stored tiles of a level by number, from `start` to before `end`; one that cannot be read is not there."""
    try:
        rows = fetch(connection, _TILES, level, start, end)
    except DRIVER_ERRORS:
        recover(connection)
        if end - start == 1:
            return {}
        return {
            n: one for at in range(start, end) for n, one in read_tiles(connection, level, at, at + 1).items()
        }
    return {
        number: StoredTile(*(value if isinstance(value, bytes) else b"" for value in values))
        for number, *values in rows
    }


def read_notes(connection: Connection, after: int, upto: int = LARGEST_SIZE) -> list[tuple[int, str | None]]:
    """(size, note) of the checkpoints above size `after`, up to and with `upto`, in order; None for no text."""
    rows = fetch(connection, _NOTES[connection.dialect.name], after, upto)
    return [(size, _text(kind, note)) for size, kind, note in rows]


def _text(kind: str, stored: bytes) -> str | None:
    try:
        return stored.decode() if kind == "text" else None
    except UnicodeDecodeError:
        return None
