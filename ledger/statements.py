"""Statements that must be quick: queries compiled once, rows in bulk, rows put in the place of others.

Values go to the driver as they are: whole numbers, text, bytes, None; a date as a date or as its text.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Date,
    Dialect,
    Insert,
    Integer,
    LargeBinary,
    Select,
    Table,
    insert,
)
from sqlalchemy.types import Boolean

FEW_ROWS = 500  # up to here one statement with arrays; beyond, COPY is quicker than its two further messages


class Prepared:
    """A query compiled once and run straight on the driver: rows as it gives them, types not converted.

    For the paths that must be quick: a look-up costs 4 µs so, and 25 through SQLAlchemy.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[tuple[str, object], ...]]] = {}

    def fetch(self, connection: Connection, **values: object) -> list[tuple[Any, ...]]:
        """All rows for these parameters."""
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        sql, places = self._compiled[dialect.name]
        driver: Any = connection.connection.driver_connection
        given = [values.get(name, constant) for name, constant in places]
        found: list[tuple[Any, ...]] = driver.execute(sql, given).fetchall()
        return found

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[tuple[str, object], ...]]:
        """The statement's text, and for each place its parameter's name and the constant that may stand there."""
        own: Any = type(dialect)
        positional = own(paramstyle="qmark" if dialect.paramstyle == "qmark" else "format")
        compiled: Any = self._statement.compile(dialect=positional)
        return str(compiled), tuple((name, compiled.params[name]) for name in compiled.positiontup or ())


@cache
def insert_into(table: Table) -> Insert:
    """`INSERT` for rows as dicts, made once: building a statement costs as much as running it."""
    return insert(table)


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert many rows, their values in the order of the table's columns, as the driver takes them.

    For bulk: SQLAlchemy's own executemany looks at every value again, which costs more than the insert.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_insert_sql(table), list(rows))
    elif len(rows) <= FEW_ROWS:
        _driver(connection).execute(_insert_arrays_sql(table), _turned(rows))
    else:
        _copy(connection, table, rows)


def upsert_rows(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    *,
    key: str,
    replaced: tuple[tuple[str, str], ...],
) -> None:
    """Insert rows, or where one with the same `key` stands, set each (column, SQL expression) of `replaced`.

    In an expression `excluded` is the row that was to be inserted. No two rows may have the same key.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        sql = _insert_sql(table) + _on_conflict(key, replaced)
        connection.exec_driver_sql(sql, list(rows))
    else:
        sql = _insert_arrays_sql(table) + _on_conflict(key, replaced)
        _driver(connection).execute(sql, _turned(rows))


@cache
def _on_conflict(key: str, replaced: tuple[tuple[str, str], ...]) -> str:
    settings = ", ".join(f'"{name}" = {expression}' for name, expression in replaced)
    return f' ON CONFLICT ("{key}") DO UPDATE SET {settings}'


@cache
def _insert_sql(table: Table) -> str:
    marks = ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {_named(table)} VALUES ({marks})"  # noqa: S608 - names of our own tables


@cache
def _insert_arrays_sql(table: Table) -> str:
    """One array a column: one statement and one message, however many rows."""
    arrays = ", ".join(f"%s::{_type(column)}[]" for column in table.columns)
    return f"INSERT INTO {_named(table)} SELECT * FROM unnest({arrays})"  # noqa: S608 - as above


def _copy(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    types = [_type(column) for column in table.columns]
    with _driver(connection).cursor().copy(_copy_sql(table)) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@cache
def _copy_sql(table: Table) -> str:
    is_binary = all(_type(column) in ("bigint", "bytea", "text") for column in table.columns)
    return f"COPY {_named(table)} FROM STDIN" + (" (FORMAT BINARY)" if is_binary else "")


@cache
def _named(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'"{table.name}" ({names})'


def _type(column: Column[Any]) -> str:
    """The column's type on PostgreSQL. Whatever is neither number, bytes, day nor truth is kept as text."""
    for kind, name in ((Integer, "bigint"), (LargeBinary, "bytea"), (Date, "date"), (Boolean, "boolean")):
        if isinstance(column.type, kind):
            return name
    return "text"


def _turned(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(values) for values in zip(*rows, strict=True)]


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
