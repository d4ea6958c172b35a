"""Statements past the driver's cursors: prepared once a connection, and sent together where nobody waits for them.

A cursor of the driver looks at types, formats and counts of use again at every call, which costs 0.1 ms; this costs a
tenth of it. And each message to a server and back costs as much again: so in a write transaction what gives nothing
back waits for the statement after it, and goes in the same message (libpq, "Pipeline Mode"). An error in one of them
is raised where they are sent, and none behind it is carried out.

Parameters are whole numbers, texts, bytes, days, truths, None and `Many`; the values that come back are those,
and times.
"""

import select
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ledger.errors import LedgerError

TEXT, BINARY = 0, 1
# libpq: PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_PIPELINE_SYNC; CONNECTION_OK; PG_DIAG_SQLSTATE.
COMMAND_OK, TUPLES_OK, PIPELINE_SYNC = 1, 2, 10
CONNECTION_OK = 0
SQLSTATE = ord("C")
INTEGRITY = "23"
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # from which PostgreSQL counts microseconds, and days
_EPOCH = _BEGINNING.toordinal()
_WAITING, _PREPARED = "waiting", "statements"


class NotText(LedgerError):
    """A text holds U+0000, which PostgreSQL cannot store."""

    message = "This text holds the character U+0000, which no text can. Take it out."


@dataclass(frozen=True, slots=True)
class Many:
    """A column of values for one parameter, an array of the type that is named as in `_ELEMENT`."""

    type: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class _Statement:
    """One that is ready to be sent: prepared under `name`, or where that is empty as its text."""

    name: bytes
    text: str
    values: Sequence[bytes | None] = ()
    formats: Sequence[int] = ()


def begin_waiting(connection: Connection) -> None:
    """From here on statements of `later` wait; what waited before is forgotten."""
    connection.info[_WAITING] = []


def end_waiting(connection: Connection) -> None:
    """From here on nothing waits; what did is forgotten."""
    connection.info.pop(_WAITING, None)


def later(connection: Connection, sql: str, values: Sequence[object]) -> None:
    """Have a statement, its places written $1, $2, …, sent with the next one; outside of a write transaction now."""
    _wait(connection, _statement(connection, sql, values))


def say_later(connection: Connection, words: str) -> None:
    """The same for the words of transactions, which are not prepared."""
    _wait(connection, _Statement(b"", words))


def run_all(connection: Connection, asked: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
    """libpq's results of several statements, sent behind those that wait, all in one message."""
    statements = [_statement(connection, sql, values) for sql, values in asked]
    results = settle(connection, *statements)
    return results[len(results) - len(statements) :]


def settle(connection: Connection, *more: _Statement) -> list[Any]:
    """Send what waits, and more; gives libpq's results. Raises what the server says."""
    statements = [*connection.info.get(_WAITING, ()), *more]
    if not statements:
        return []
    if _WAITING in connection.info:
        begin_waiting(connection)
    return _exchange(connection, statements)


def forget_since(connection: Connection, words: str) -> bool:
    """Take back what waits, from the last `words` on if they are among it; gives whether they are."""
    waiting: list[_Statement] = connection.info[_WAITING]
    places = [place for place, one in enumerate(waiting) if one.text == words]
    del waiting[places[-1] if places else 0 :]
    return bool(places)


def rows_of(result: Any) -> list[tuple[Any, ...]]:
    """All rows of a result."""
    columns = [(column, _LOAD[result.ftype(column)]) for column in range(result.nfields)]
    value_at = result.get_value
    return [
        tuple(_load(value_at(row, column), load) for column, load in columns) for row in range(result.ntuples)
    ]


def checked(driver: Any, result: Any) -> Any:
    """libpq's result, unless it is an error: then raises one of the driver's, with the server's code and words."""
    if result.status in (COMMAND_OK, TUPLES_OK):
        return result
    code = (result.error_field(SQLSTATE) or b"").decode()
    kind = driver.IntegrityError if code.startswith(INTEGRITY) else driver.OperationalError
    error = kind(result.error_message.decode("utf-8", "replace").strip())
    error.sqlstate = code or None
    raise error


def _wait(connection: Connection, statement: _Statement) -> None:
    if _WAITING in connection.info:
        connection.info[_WAITING].append(statement)
    else:
        _exchange(connection, [statement])


def _statement(connection: Connection, sql: str, values: Sequence[object]) -> _Statement:
    dumped = [_dump(value) for value in values]
    formats = [BINARY if isinstance(value, bytes | Many) else TEXT for value in values]
    return _Statement(_prepared(connection, sql), sql, dumped, formats)


def _prepared(connection: Connection, sql: str) -> bytes:
    """The name under which this connection knows the statement. A rollback does not take it back."""
    names: dict[str, bytes] = connection.info.setdefault(_PREPARED, {})
    name = names.get(sql)
    if name is None:
        name = f"lotproof_{len(names)}".encode()
        driver: Any = connection.connection.driver_connection
        checked(driver, driver.pgconn.prepare(name, sql.encode()))
        names[sql] = name
    return name


def _exchange(connection: Connection, statements: Sequence[_Statement]) -> list[Any]:
    """The results of these statements, sent as one message."""
    driver: Any = connection.connection.driver_connection
    try:
        results = _piped(driver.pgconn, statements)
    except BaseException:
        driver.close()  # broken off half-way: nobody can tell which answer would come next
        raise
    return [checked(driver, result) for result in results]


def _piped(pgconn: Any, statements: Sequence[_Statement]) -> list[Any]:
    pgconn.enter_pipeline_mode()
    for one in statements:
        if one.name:
            pgconn.send_query_prepared(one.name, one.values, one.formats, BINARY)
        else:
            pgconn.send_query_params(one.text.encode(), [])
    pgconn.pipeline_sync()
    results = list(_results(pgconn))
    pgconn.exit_pipeline_mode()  # raises where the server hung up
    return results


def _results(pgconn: Any) -> Iterator[Any]:
    """The results up to the end of the message; None stands between two."""
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    while True:
        _await(pgconn, poll)
        result = pgconn.get_result()
        if result is None:
            if pgconn.status != CONNECTION_OK:
                return
        elif result.status == PIPELINE_SYNC:
            return
        else:
            yield result


def _await(pgconn: Any, poll: select.poll) -> None:
    """Return when there is a result. We wait ourselves: libpq would keep all other threads waiting too."""
    while (
        pgconn.flush()
    ):  # more than the socket takes at once: the server must be read while it is written to
        poll.modify(pgconn.socket, select.POLLIN | select.POLLOUT)
        poll.poll()
        pgconn.consume_input()
        poll.modify(pgconn.socket, select.POLLIN)
    while pgconn.is_busy():
        poll.poll()
        pgconn.consume_input()


def _dump(value: object) -> bytes | None:
    """Text, but for bytes and arrays. Raises NotText: libpq's texts end at the first U+0000, and the rest is lost."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        if "\0" in value:
            raise NotText()
        return value.encode()
    if isinstance(value, bool | int | date):
        return str(value).encode()
    if isinstance(value, Many):
        return _dump_many(value)
    raise TypeError(f"no value of a statement: {type(value).__name__}")


def _dump_many(column: Many) -> bytes:
    """An array as the server's array_recv reads it: dimensions, whether there are nulls, type; length, first index."""
    oid, dump = _ELEMENT[column.type]
    has_null = any(value is None for value in column.values)
    parts = [b"".join(number.to_bytes(4) for number in (1, has_null, oid, len(column.values), 1))]
    for value in column.values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            dumped = dump(value)
            parts += (len(dumped).to_bytes(4), dumped)
    return b"".join(parts)


def _dump_text(value: str) -> bytes:
    if "\0" in value:
        raise NotText()
    return value.encode()


def _dump_day(value: date | str) -> bytes:
    day = date.fromisoformat(value) if isinstance(value, str) else value
    return (day.toordinal() - _EPOCH).to_bytes(4, signed=True)


def _load(value: bytes | None, load: Callable[[bytes], object]) -> object:
    return None if value is None else load(value)


def _number(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


def _moment(value: bytes) -> datetime:
    return _BEGINNING + timedelta(microseconds=_number(value))


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
    1184: _moment,  # timestamp with time zone
}
_ELEMENT: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "bigint": (20, lambda value: int(value).to_bytes(8, signed=True)),
    "boolean": (16, lambda value: bytes([bool(value)])),
    "bytea": (17, bytes),
    "date": (1082, _dump_day),
    "json": (114, _dump_text),
    "text": (25, _dump_text),
}
