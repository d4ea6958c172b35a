"""Two tables compared, row by row and byte by byte, as they are stored and not as our types would show them.

The live one may be PostgreSQL's, the other is always SQLite's: so PostgreSQL's values are brought to the form in which
SQLite has them. Text sorts as bytes on both (collation C), and numbers as numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import JSON, Boolean, Column, ColumnElement, Connection, Date, Integer, LargeBinary, Table

from ledger.audit.finding import Findings
from ledger.audit.rows import fetch, is_sqlite, stream

_RANKS = {"n": 0, "i": 1, "r": 1, "t": 2, "b": 3}  # SQLite sorts NULL, numbers, text, blobs

Row = tuple[Any, ...]
"""The first letters of the types of the columns, then the columns; text as its bytes."""


def compare(
    live: Connection,
    made: Connection,
    table: Table,
    staged: ColumnElement[bool] | None,
    findings: Findings,
) -> None:
    """Name every row of `table` that stands in `live` otherwise than in `made`; rows that are staged left aside."""
    ours, should = _chunks(live, table, staged), _chunks(made, table, None)
    for one, other in zip(ours, should, strict=False):
        if one != other:
            rest = (chain(one, *ours), chain(other, *should))
            _name(table, _merged(table, *map(iter, rest)), findings)
            return


def count_staged(live: Connection, table: Table, staged: ColumnElement[bool]) -> int:
    """How many rows wait for their event."""
    sql = f"SELECT count(*) FROM {_quoted(table.name)} WHERE {_condition(live, staged)} IS TRUE"  # noqa: S608  # names and conditions of ours
    return int(fetch(live, sql)[0][0])


def _chunks(connection: Connection, table: Table, staged: ColumnElement[bool] | None) -> Iterator[list[Row]]:
    """The rows in the order of the primary key, and then an empty list."""
    select = _select_sqlite if is_sqlite(connection) else _select_postgresql
    where = "" if staged is None else f" WHERE {_condition(connection, staged)} IS NOT TRUE"
    order = ", ".join(_quoted(column.name) for column in table.primary_key)
    yield from stream(connection, f"{select(table)}{where} ORDER BY {order}")
    yield []


def _select_sqlite(table: Table) -> str:
    names = [_quoted(column.name) for column in table.columns]
    kinds = " || ".join(f"substr(typeof({name}), 1, 1)" for name in names)
    # Text as bytes: it may no longer be UTF-8.
    values = ", ".join(
        f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END" for name in names
    )
    # From the table itself: an index holds copies, and a copy may have been left as it was.
    return f"SELECT {kinds}, {values} FROM {_quoted(table.name)} NOT INDEXED"  # noqa: S608  # names of ours


def _select_postgresql(table: Table) -> str:
    shapes = [_as_sqlite_has_it(column) for column in table.columns]
    names = [_quoted(column.name) for column in table.columns]
    kinds = " || ".join(
        f"CASE WHEN {name} IS NULL THEN 'n' ELSE '{kind}' END"
        for name, (kind, _) in zip(names, shapes, strict=True)
    )
    values = ", ".join(value for _, value in shapes)
    return f"SELECT {kinds}, {values} FROM {_quoted(table.name)}"  # noqa: S608  # names of ours


def _as_sqlite_has_it(column: Column[Any]) -> tuple[str, str]:
    """The first letter of the type that SQLite has for such a column, and the value in that form."""
    name = _quoted(column.name)
    match column.type:
        case Boolean() | Integer():
            return "i", f"{name}::bigint" if isinstance(column.type, Integer) else f"{name}::integer"
        case LargeBinary():
            return "b", name
        case Date():
            return "t", f"convert_to(to_char({name}, 'YYYY-MM-DD'), 'UTF8')"
        case JSON():
            return "t", f"convert_to({name}::text, 'UTF8')"
    return "t", f"convert_to({name}, 'UTF8')"


def _merged(
    table: Table, ours: Iterator[Row], should: Iterator[Row]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Pairs of rows with the same key that differ, None where one side has no such row."""
    key_places = [list(table.columns).index(column) for column in table.primary_key]
    one, other = next(ours, None), next(should, None)
    while one is not None or other is not None:
        mine = None if one is None else _key(one, key_places)
        theirs = None if other is None else _key(other, key_places)
        if theirs is None or (mine is not None and mine < theirs):
            yield one, None
            one = next(ours, None)
        elif mine is None or theirs < mine:
            yield None, other
            other = next(should, None)
        else:
            if one != other:
                yield one, other
            one, other = next(ours, None), next(should, None)


def _key(row: Row, places: Sequence[int]) -> tuple[tuple[int, Any], ...]:
    """What SQLite sorts by, comparable in Python too."""
    return tuple((_RANKS[row[0][place]], row[1 + place] if row[0][place] != "n" else 0) for place in places)


def _name(table: Table, pairs: Iterable[tuple[Row | None, Row | None]], findings: Findings) -> None:
    for one, other in pairs:
        row = _shown_key(table, one or other or ())
        if other is None:
            findings.add(
                "row_extra", table.name, row, "", "no entry makes this row", stands=_shown_row(table, one)
            )
        elif one is None:
            findings.add(
                "row_missing", table.name, row, "", "the row is missing", should=_shown_row(table, other)
            )
        else:
            _name_fields(table, row, one, other, findings)


def _name_fields(table: Table, row: str, one: Row, other: Row, findings: Findings) -> None:
    for place, column in enumerate(table.columns):
        stands, should = ((side[0][place], side[1 + place]) for side in (one, other))
        if stands != should:
            shown, wanted = _shown(*stands), _shown(*should)
            problem = f"is {shown}, and the log makes it {wanted}"
            findings.add("derived", table.name, row, column.name, problem, stands=shown, should=wanted)


def _shown_key(table: Table, row: Row) -> str:
    columns = list(table.columns)
    return "/".join(_shown(row[0][place], row[1 + place]) for place in map(columns.index, table.primary_key))


def _shown_row(table: Table, row: Row | None) -> dict[str, str]:
    assert row is not None
    return {column.name: _shown(row[0][place], row[1 + place]) for place, column in enumerate(table.columns)}


def _shown(kind: str, value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace") if kind == "t" else f"x'{value.hex()}'"
    return "NULL" if value is None else str(value)


def _condition(connection: Connection, staged: ColumnElement[bool]) -> str:
    compiled = staged.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    return f"({compiled})"


def _quoted(name: str) -> str:
    return f'"{name}"'
