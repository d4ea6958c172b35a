"""Whole tables from one database into another of the same history: a vault into a backup, and back."""

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, Table, insert, inspect, select

from ledger.database import connect, reading, writing
from ledger.errors import Refused
from ledger.location import Location

ROWS_AT_ONCE = 2_000
OF_THE_DATABASE = {"alembic_version", "write_lock"}  # each database has its own


class NotEmpty(Refused):
    """Rows would be added to others, and nobody could tell them apart."""

    message = "The table {table} holds rows already. Nothing was copied; choose an empty database."


def copy_tables(
    source: Engine, target: Engine, tables: Sequence[Table], *, emptied: Collection[Table] = ()
) -> int:
    """Copy all rows of `tables`, parents before children, from one snapshot in one transaction; gives how many.

    Of those in `emptied`, which nothing refers to, none. Raises NotEmpty, and ValueError where the databases have
    tables that are not named: a copy leaves nothing out.
    """
    with reading(source) as there, writing(target) as here:
        _demand_all(there, tables)
        return sum(_copy(there, here, table) for table in tables if table not in emptied)


def table_with_rows(location: Location) -> str | None:
    """The first table there that holds rows, by name; None where nothing is lost if others are put there.

    Makes nothing: a file that is not there is empty. Raises DatabaseUnreachable.
    """
    if location is None or (isinstance(location, Path) and not location.exists()):
        return None
    engine = connect(location)
    try:
        with reading(engine) as connection:
            names = sorted(set(inspect(connection).get_table_names()) - OF_THE_DATABASE)
            return next((name for name in names if _has_rows(connection, name)), None)
    finally:
        engine.dispose()


def _has_rows(connection: Connection, name: str) -> bool:
    return connection.execute(select(1).select_from(Table(name, MetaData())).limit(1)).first() is not None


def _demand_all(connection: Connection, tables: Sequence[Table]) -> None:
    left_out = set(inspect(connection).get_table_names()) - {one.name for one in tables} - OF_THE_DATABASE
    if left_out:
        raise ValueError(f"tables that nobody named for the copy: {sorted(left_out)}")


def _copy(there: Connection, here: Connection, table: Table) -> int:
    if here.execute(select(table).limit(1)).first() is not None:
        raise NotEmpty(table=table.name)
    count = 0
    ordered = select(table).order_by(*table.primary_key.columns)
    rows = there.execution_options(yield_per=ROWS_AT_ONCE).execute(ordered)
    for some in rows.mappings().partitions(ROWS_AT_ONCE):
        here.execute(insert(table), [dict(row) for row in some])
        count += len(some)
    return count
