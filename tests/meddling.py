"""Somebody with the database in their hands: values changed where they stand, and what an audit says of it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.journeys import Lotproof, Said

LOG_TABLES = ("log_entries", "log_tiles", "log_checkpoints")
NOT_DERIVED = (*LOG_TABLES, "alembic_version", "projections")
FAR = 1_000_000  # a number that no row has yet
Place = tuple[str, str, str]  # table, row, field


@contextmanager
def opened(company: Path) -> Iterator[sqlite3.Connection]:
    """The database with nothing in the way: no trigger, no check; all stands as it was at the end."""
    with closing(sqlite3.connect(company / "lotproof.db")) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        assert len(triggers) == 6
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()


def audited(company: Path, *, derived: bool = True) -> Said:
    """What the audit says; of the log alone in half the time."""
    return Lotproof(company).run("audit", *(("--derived",) if derived else ()), "--json")


def named(said: Said) -> set[Place]:
    """The places that an audit names; it must have ended with 1.

    Left out is what is said of the same places a second time by checks that know no row: the sum over all heads of
    subjects, and SQLite's own check of constraints.
    """
    assert said.code == 1, said.out + said.error
    places = {(one["table"], one["row"], one["field"]) for one in said.json["findings"]}
    return places - {("subject_heads", "", "last"), ("", "", "")}


def columns_of(connection: sqlite3.Connection, table: str) -> list[tuple[str, bool]]:
    """The columns of a table, and whether each belongs to the primary key."""
    return [(row[1], row[5] > 0) for row in connection.execute(f"PRAGMA table_info({table})")]


def key_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of the primary key, in its order."""
    rows = [row for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
    return [row[1] for row in sorted(rows, key=lambda row: row[5])]


def derived_tables(connection: sqlite3.Connection) -> list[str]:
    """All tables but the log's own and those that hold no values."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
    tables = [name for (name,) in connection.execute(query) if name not in NOT_DERIVED]
    return [table for table in tables if rows_of(connection, table)]


def rows_of(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    """The first keys of a table, in order."""
    key = ", ".join(quoted(key_of(connection, table)))
    return connection.execute(f"SELECT {key} FROM {table} ORDER BY {key} LIMIT 100").fetchall()


def quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def other(value: object, *, step: int = 1) -> object:
    """Another value of the same kind: as little different as can be, numbers by `step`."""
    match value:
        case None:
            return "1"
        case int():
            return value + step
        case bytes():
            return value[:-1] + bytes([value[-1] ^ 1])
        case str() if is_date(value):
            return (date.fromisoformat(value) + timedelta(days=1)).isoformat()
        case str():
            return value[:-1] + ("x" if value[-1:] != "x" else "y") if value else "x"
    raise TypeError(value)


def is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def change(
    connection: sqlite3.Connection, table: str, key: Sequence[object], column: str, *, step: int = 1
) -> None:
    """Change one value a little."""
    where = " AND ".join(f"{name} = ?" for name in quoted(key_of(connection, table)))
    [value] = connection.execute(f'SELECT "{column}" FROM {table} WHERE {where}', key).fetchone()
    connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where}', [other(value, step=step), *key])


def shown(key: Sequence[object]) -> str:
    """A primary key as findings show it."""
    return "/".join(map(str, key))
