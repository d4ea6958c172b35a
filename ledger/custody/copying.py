"""Whole tables from one database into another of the same history: a vault into a backup, and back."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Engine, Table, insert, inspect, select

from ledger.database import reading, writing
from ledger.errors import Refused

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
