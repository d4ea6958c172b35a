"""Where the ledger, its state and its vault are kept: all that the rest knows of databases.

Three databases, each its own file or schema and its own history of migrations: the ledger (the log and what is
derived from it), the state (secrets of accounts, sessions, leases: no evidence) and the vault (personal data).
Above this nobody asks which database it is; `sqlite` and `postgresql` hold what differs.
"""

from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from ledger.database.migrating import (
    DatabaseNewer,
    MigrationNeeded,
    WrongCollation,
    make_schema,
    migrate,
    refuse_other,
)
from ledger.database.postgresql import DatabaseBusy, connect_postgresql, has_rows, read_server_time
from ledger.database.postgresql_quick import NotText
from ledger.database.sqlite import BUSY_TIMEOUT_MS, connect_sqlite
from ledger.database.statements import Prepared, code_key, insert_into, insert_rows, upsert_rows
from ledger.database.transactions import (
    ConnectionLost,
    DatabaseUnreachable,
    Snapshot,
    TransactionLost,
    is_postgresql,
    locked_at,
    open_connection,
    read_ahead,
    reading,
    savepoint,
    writing,
)
from ledger.location import Location, Postgres

__all__ = [
    "BUSY_TIMEOUT_MS",
    "ConnectionLost",
    "DatabaseBusy",
    "DatabaseNewer",
    "DatabaseUnreachable",
    "MigrationNeeded",
    "NotText",
    "Prepared",
    "Snapshot",
    "TransactionLost",
    "WrongCollation",
    "code_key",
    "connect",
    "exists",
    "insert_into",
    "insert_rows",
    "is_postgresql",
    "locked_at",
    "make_schema",
    "migrate",
    "read_ahead",
    "reading",
    "refuse_other",
    "savepoint",
    "server_time",
    "upsert_rows",
    "writing",
]


def connect(location: Location, *, overwrites_deleted: bool = False) -> Engine:
    """An engine on a location: a file, a schema of a PostgreSQL database, or a scratch database for None.

    `overwrites_deleted`: what is deleted is overwritten in SQLite's file, and not merely unlinked from it.
    """
    if isinstance(location, Postgres):
        return connect_postgresql(location)
    return connect_sqlite(location, overwrites_deleted=overwrites_deleted)


def exists(location: Location, table: str) -> bool:
    """Whether somebody made a database there: a file, or a row of `table`. Raises DatabaseUnreachable."""
    if isinstance(location, Path):
        return location.exists()
    if location is None:
        return False
    engine = connect(location)
    try:
        with open_connection(engine) as connection:
            return has_rows(connection, f"{location.schema}.{table}")
    finally:
        engine.dispose()


def server_time(engine: Engine) -> datetime:
    """What the clock of the database's server says."""
    with open_connection(engine) as connection:
        return read_server_time(connection)
