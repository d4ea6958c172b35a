"""Statements past the driver's cursors: prepared once a connection, then sent and read as libpq does it.

A cursor of the driver looks at types, formats and counts of use again at every call, which costs 0.1 ms; this costs a
tenth of it. Parameters are whole numbers, texts, bytes, days, truths and None; so are the values that come back.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection

from ledger.postgresql import NotText, checked

TEXT, BINARY = 0, 1
_EPOCH = date(2000, 1, 1).toordinal()  # from which PostgreSQL counts days


def run(connection: Connection, sql: str, values: Sequence[object]) -> Any:
    """libpq's result of one statement, its places written $1, $2, …"""
    driver: Any = connection.connection.driver_connection
    names: dict[str, bytes] = connection.info.setdefault("statements", {})
    name = names.get(sql)
    if name is None:
        name = f"lotproof_{len(names)}".encode()
        checked(driver, driver.pgconn.prepare(name, sql.encode()))
        names[sql] = name  # a rollback does not take it back
    dumped = [_dump(value) for value in values]
    formats = [BINARY if isinstance(value, bytes) else TEXT for value in values]
    return checked(driver, driver.pgconn.exec_prepared(name, dumped, formats, BINARY))


def fetch(connection: Connection, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    """All rows of one query."""
    result = run(connection, sql, values)
    columns = [(column, _LOAD[result.ftype(column)]) for column in range(result.nfields)]
    value_at = result.get_value
    return [
        tuple(_load(value_at(row, column), load) for column, load in columns) for row in range(result.ntuples)
    ]


def _dump(value: object) -> bytes | None:
    """Text, but for bytes. Raises NotText: libpq's texts end at the first U+0000, and the rest would be lost."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        if "\0" in value:
            raise NotText()
        return value.encode()
    if isinstance(value, bool | int | date):
        return str(value).encode()
    raise TypeError(f"no value of a statement: {type(value).__name__}")


def _load(value: bytes | None, load: Callable[[bytes], object]) -> object:
    return None if value is None else load(value)


def _number(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


def _day(value: bytes) -> date:
    return date.fromordinal(_EPOCH + _number(value))


# By the type's number in PostgreSQL's catalogue, pg_type.
_LOAD: dict[int, Callable[[bytes], object]] = {
    16: lambda value: value == b"\x01",  # boolean
    17: bytes,  # bytea
    20: _number,  # bigint
    21: _number,  # smallint
    23: _number,  # integer
    25: bytes.decode,  # text
    114: bytes.decode,  # json
    705: bytes.decode,  # a constant without a type
    1042: bytes.decode,  # character
    1043: bytes.decode,  # character varying
    1082: _day,  # date
}
