"""Statements that must be quick: queries compiled once, rows in bulk, rows put in the place of others.

Values go to the driver as they are: whole numbers, text, bytes, None; a date as a date or as its text.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Date,
    Dialect,
    Integer,
    LargeBinary,
    Select,
    Table,
    func,
    literal_column,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import Boolean, TypeEngine

from ledger.database.postgresql_quick import Many, later, rows_of, run_all, settle

SINGLE_ROWS = 4  # so many make a statement of their own, prepared once
_TYPES: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Integer, "bigint"),
    (LargeBinary, "bytea"),
    (Date, "date"),
    (Boolean, "boolean"),
    (JSON, "json"),
)
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
        return self.fetch_each(connection, [values])[0]

    def fetch_each(
        self, connection: Connection, each: Sequence[Mapping[str, object]]
    ) -> list[list[tuple[Any, ...]]]:
        """All rows for each of several sets of parameters, asked for in one message."""
        queries = [self.on(connection, values) for values in each]
        if connection.dialect.name == "postgresql":
            return [rows_of(result) for result in run_all(connection, queries)]
        driver = _driver(connection)
        return [driver.execute(sql, given).fetchall() for sql, given in queries]

    def on(
        self, connection: Connection, values: Mapping[str, object] = MappingProxyType({})
    ) -> tuple[str, list[object]]:
        """The statement's text for this database, and a value for each of its places."""
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect)
        sql, places = self._compiled[dialect.name]
        return sql, [values.get(name, constant) for name, constant in places]

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[tuple[str, object], ...]]:
        """The statement's text, and for each place its parameter's name and the constant that may stand there."""
        own: Any = type(dialect)
        positional = own(paramstyle="qmark" if dialect.paramstyle == "qmark" else "numeric_dollar")
        compiled: Any = self._statement.compile(dialect=positional)
        return str(compiled), tuple((name, compiled.params[name]) for name in compiled.positiontup or ())


def code_key(code: ColumnElement[Any]) -> ColumnElement[Any]:
    """`identifiers.search_key` of a code of ASCII, as a database computes it: upper case, without - and space.

    Written with literals, because an index over an expression is used for the very same expression alone.
    """
    nothing: ColumnElement[str] = literal_column("''")
    whole = func.replace(func.replace(code, literal_column("'-'"), nothing), literal_column("' '"), nothing)
    return func.upper(whole)


def insert_into(
    connection: Connection, table: Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows given by the names of columns, with values as SQLAlchemy takes them; what is not named is null.

    An eighth of the time of SQLAlchemy's own; tables with defaults are not for it.
    """
    many = [rows] if isinstance(rows, Mapping) else rows
    dumps = _dumps(table)
    insert_rows(
        connection,
        table,
        [tuple(dump(row[name]) if name in row else None for name, dump in dumps) for row in many],
    )


@cache
def _dumps(table: Table) -> list[tuple[str, Callable[[Any], Any]]]:
    """How each column's values are written: as for SQLite, whose texts PostgreSQL reads too."""
    dialect = sqlite.dialect()
    return [
        (column.name, column.type.dialect_impl(dialect).bind_processor(dialect) or _as_it_is)
        for column in table.columns
    ]


def _as_it_is(value: Any) -> Any:
    return value


def insert_rows(
    connection: Connection, table: Table, rows: Iterable[tuple[Any, ...]], *, count: int | None = None
) -> None:
    """Insert many rows, their values in the order of the table's columns, as the driver takes them.

    For bulk: SQLAlchemy's own executemany looks at every value again, which costs more than the insert. Rows may be
    made while they are inserted, if their `count` is given: a server works on the first while the next are made.
    """
    rows = rows if count is not None else list(rows)
    number = len(rows) if isinstance(rows, list) else count or 0
    if connection.dialect.name == "sqlite":
        if number:
            _driver(connection).executemany(_insert_sql(table), rows)
    elif number > FEW_ROWS:
        _copy(connection, table, rows)
    else:
        _insert_few(connection, table, list(rows), "")


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
        _driver(connection).executemany(_insert_sql(table) + _on_conflict(key, replaced), rows)
    else:
        _insert_few(connection, table, rows, _on_conflict(key, replaced))


def _insert_few(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], ending: str) -> None:
    """One statement, however many rows: single ones as they are, more as one array a column. Sent with the next."""
    if 0 < len(rows) <= SINGLE_ROWS:
        values = [value for row in rows for value in row]
        later(connection, _insert_values_sql(table, len(rows)) + ending, values)
    elif rows:
        columns = zip(table.columns, zip(*rows, strict=True), strict=True)
        later(
            connection,
            _insert_arrays_sql(table) + ending,
            [Many(_type(column), values) for column, values in columns],
        )


@cache
def _on_conflict(key: str, replaced: tuple[tuple[str, str], ...]) -> str:
    settings = ", ".join(f'"{name}" = {expression}' for name, expression in replaced)
    return f' ON CONFLICT ("{key}") DO UPDATE SET {settings}'


@cache
def _insert_sql(table: Table) -> str:
    marks = ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {_named(table)} VALUES ({marks})"  # noqa: S608 - names of our own tables


@cache
def _insert_values_sql(table: Table, count: int) -> str:
    types = [_type(column) for column in table.columns]
    marks = [f"${number}::{types[(number - 1) % len(types)]}" for number in range(1, count * len(types) + 1)]
    width = len(types)
    rows = ", ".join(f"({', '.join(marks[start : start + width])})" for start in range(0, len(marks), width))
    return f"INSERT INTO {_named(table)} VALUES {rows}"  # noqa: S608 - as above


@cache
def _insert_arrays_sql(table: Table) -> str:
    """One array a column: one statement and one message, however many rows."""
    arrays = ", ".join(f"${place}::{_type(column)}[]" for place, column in enumerate(table.columns, 1))
    return f"INSERT INTO {_named(table)} SELECT * FROM unnest({arrays})"  # noqa: S608 - as above


def _copy(connection: Connection, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    settle(connection)
    with _driver(connection).cursor().copy(_copy_sql(table)) as copy:
        if _is_binary(table):
            copy.set_types([_type(column) for column in table.columns])
        for row in rows:
            copy.write_row(row)


@cache
def _copy_sql(table: Table) -> str:
    return f"COPY {_named(table)} FROM STDIN" + (" (FORMAT BINARY)" if _is_binary(table) else "")


def _is_binary(table: Table) -> bool:
    """Whether the driver can write all values in binary as they are; days and truths may come as text."""
    return all(_type(column) in ("bigint", "bytea", "text") for column in table.columns)


@cache
def _named(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f'"{table.name}" ({names})'


def _type(column: Column[Any]) -> str:
    """The column's type on PostgreSQL. Whatever is none of these is kept as text."""
    for kind, name in _TYPES:
        if isinstance(column.type, kind):
            return name
    return "text"


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
