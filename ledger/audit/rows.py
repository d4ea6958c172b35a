"""Rows of the log as they are stored, whatever somebody may have put there."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ledger.audit.finding import Findings
from ledger.log.checkpoint import LARGEST_SIZE

_ENTRIES = (
    "SELECT position, leaf, body FROM log_entries WHERE position >= ? AND position < ? ORDER BY position"
)
_TILES = "SELECT number, root, hashes FROM log_tiles WHERE level = ? AND number >= ? AND number < ?"
_NOTES = (
    "SELECT size, typeof(note), CAST(note AS BLOB) FROM log_checkpoints "
    "WHERE size > ? AND size <= ? ORDER BY size"
)


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A row of `log_tiles`; both members are empty where the row does not hold bytes."""

    root: bytes
    hashes: bytes


def fetch(connection: Connection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """The rows straight from the driver: no type of ours may stumble over what was changed.

    Raises sqlite3.Error where the file is damaged, or text is no UTF-8.
    """
    driver: Any = connection.connection.driver_connection
    rows: list[tuple[Any, ...]] = driver.execute(sql, parameters).fetchall()
    return rows


def read_entries(connection: Connection, start: int, end: int) -> list[tuple[Any, ...]] | None:
    """The rows of entries as they are stored, (position, leaf, body) in order; None where one cannot be read."""
    try:
        return fetch(connection, _ENTRIES, start, end)
    except sqlite3.Error:
        return None


def read_entry(connection: Connection, position: int, findings: Findings) -> Iterator[tuple[Any, ...]]:
    """The row of one entry, if it is there; notes why it cannot be read."""
    try:
        yield from fetch(connection, _ENTRIES, position, position + 1)
    except sqlite3.Error as error:
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
    """The stored tiles of a level by number, from `start` to before `end`."""
    rows = fetch(connection, _TILES, level, start, end)
    return {
        number: StoredTile(*(value if isinstance(value, bytes) else b"" for value in values))
        for number, *values in rows
    }


def read_notes(connection: Connection, after: int, upto: int = LARGEST_SIZE) -> list[tuple[int, str | None]]:
    """(size, note) of the checkpoints above size `after`, up to and with `upto`, in order; None for no text."""
    return [(size, _text(kind, note)) for size, kind, note in fetch(connection, _NOTES, after, upto)]


def _text(kind: str, stored: bytes) -> str | None:
    try:
        return stored.decode() if kind == "text" else None
    except UnicodeDecodeError:
        return None
