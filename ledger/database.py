"""Connections, transactions and migrations: all that knows which database this is.

Three databases, each its own file and its own history of migrations: `lotproof.db` (the log and what is
derived from it), `state.db` (secrets of accounts, sessions, leases: no evidence) and `vault.db` (personal data).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event, insert

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000


def connect(path: Path | None) -> Engine:
    """An engine on the SQLite file at `path`, or on a private scratch database in memory for None.

    WAL, so that readers never wait for the writer; synchronous=FULL, because with NORMAL a power cut loses
    commits that the guard has already seen. Transactions begin when `reading` or `writing` says so.
    """
    engine = create_engine(f"sqlite:///{path}" if path else "sqlite://", connect_args={"timeout": 0})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "recursive_triggers = ON",  # without it REPLACE deletes rows past the delete trigger
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "cache_size = -32000",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads all see one snapshot."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection inside a write transaction, committed at the end, rolled back if the block raises.

    BEGIN IMMEDIATE: two writers must not both read the same last row (SQLite, "Isolation").
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """A part of a transaction that is undone alone if the block raises."""
    connection.exec_driver_sql("SAVEPOINT command")
    try:
        yield
    except BaseException:
        connection.exec_driver_sql("ROLLBACK TO command")
        connection.exec_driver_sql("RELEASE command")
        raise
    connection.exec_driver_sql("RELEASE command")


@cache
def insert_into(table: Table) -> Insert:
    """`INSERT` for rows as dicts, made once: building a statement costs as much as running it."""
    return insert(table)


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert many rows, their values in the order of the table's columns, as the driver takes them.

    For bulk: SQLAlchemy's own executemany looks at every value again, which costs more than the insert.
    """
    if rows:
        connection.exec_driver_sql(_insert_sql(table, connection.dialect.paramstyle), list(rows))


@cache
def _insert_sql(table: Table, paramstyle: str) -> str:
    mark = "?" if paramstyle == "qmark" else "%s"
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join(mark for _ in table.columns)
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 - names of our own tables


def migrate(engine: Engine, history: str) -> None:
    """Bring the database to the newest revision of `history` (a folder of `migrations/`)."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS / history))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
