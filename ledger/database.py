"""Connections, transactions and migrations: all that knows which database this is.

Three databases, each its own file and its own history of migrations: `lotproof.db` (the log and what is
derived from it), `state.db` (secrets of accounts, sessions, leases: no evidence) and `vault.db` (personal data).
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Dialect, Engine, Insert, Select, Table, create_engine, event, insert
from sqlalchemy.exc import OperationalError

from ledger.errors import LedgerError
from ledger.location import Location, Postgres
from ledger.postgresql import connect_postgresql, has_history

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000


class DatabaseUnreachable(LedgerError):
    """The server does not answer, or does not let us in."""

    message = (
        "The database does not let us in ({reason}). Check that its server runs, and LOTPROOF_DATABASE_URL; "
        "then try again."
    )
    http_status = 503


def connect(location: Location, *, overwrites_deleted: bool = False) -> Engine:
    """An engine on a location: a file, a schema of a PostgreSQL database, or a scratch database for None.

    `overwrites_deleted`: what is deleted is overwritten in SQLite's file, and not merely unlinked from it.
    """
    if isinstance(location, Postgres):
        return connect_postgresql(location)
    return _connect_sqlite(location, overwrites_deleted=overwrites_deleted)


def exists(location: Location) -> bool:
    """Whether somebody made a database there. Raises DatabaseUnreachable."""
    if isinstance(location, Path):
        return location.exists()
    if location is None:
        return False
    engine = connect(location)
    try:
        with engine.connect() as connection:
            return has_history(connection, location.schema)
    except OperationalError as error:
        raise DatabaseUnreachable(reason=str(error.orig).strip()) from error
    finally:
        engine.dispose()


def _connect_sqlite(path: Path | None, *, overwrites_deleted: bool) -> Engine:
    """An engine on the SQLite file at `path`, or on a private scratch database in memory for None.

    WAL, so that readers never wait for the writer; synchronous=FULL, because with NORMAL a power cut loses
    commits that the guard has already seen. Transactions begin when `reading` or `writing` says so.
    """
    engine = create_engine(
        f"sqlite:///{path}" if path else "sqlite://", connect_args={"timeout": 0}, pool_reset_on_return=None
    )

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
            *(["secure_delete = ON"] if overwrites_deleted else []),
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class TransactionLost(RuntimeError):
    """The database undid the whole transaction, not one statement: after a full disk or a failed read."""


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads all see one snapshot."""
    with engine.connect() as connection:
        _say(connection, "BEGIN")
        try:
            yield connection
        finally:
            _say(connection, "ROLLBACK")


class Snapshot:
    """Reads that all see one moment, on a connection that each thread keeps: for the page that must be quick.

    A pool's check-out and return cost as much as three look-ups. Not to be nested within a thread.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept = threading.local()

    def __enter__(self) -> Connection:
        connection: Connection | None = getattr(self._kept, "connection", None)
        if connection is None:
            connection = self._kept.connection = self._engine.connect()
        _say(connection, "BEGIN")
        return connection

    def __exit__(self, *_error: object) -> None:
        _say(self._kept.connection, "ROLLBACK")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection inside a write transaction, committed at the end, rolled back if the block raises.

    BEGIN IMMEDIATE: two writers must not both read the same last row (SQLite, "Isolation").
    """
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # through SQLAlchemy, so that Alembic sees it
        try:
            yield connection
        except BaseException:
            if _is_begun(connection):
                _say(connection, "ROLLBACK")
            raise
        _say(connection, "COMMIT")


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """A part of a transaction that is undone alone if the block raises.

    Raises TransactionLost where the database undid the whole: what followed would commit bit by bit.
    """
    _say(connection, "SAVEPOINT command")
    try:
        yield
    except BaseException as error:
        if not _is_begun(connection):
            raise TransactionLost(str(error)) from error
        _say(connection, "ROLLBACK TO command")
        _say(connection, "RELEASE command")
        raise
    _say(connection, "RELEASE command")


def _say(connection: Connection, sql: str) -> None:
    """Run a statement without parameters or result straight on the driver's connection."""
    driver: Any = connection.connection.driver_connection
    driver.execute(sql)


def _is_begun(connection: Connection) -> bool:
    """Whether a transaction is under way: SQLite ends it by itself after some errors ("Result and Error Codes")."""
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


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
    if _is_newest(engine, config):
        return  # without the write lock: it has no queue of its own, and a start beside writers waited for seconds
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_newest(engine: Engine, config: Config) -> bool:
    with reading(engine) as connection:
        stands = MigrationContext.configure(connection).get_current_heads()
    return set(stands) == set(ScriptDirectory.from_config(config).get_heads())
