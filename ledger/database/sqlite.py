"""What is SQLite's alone: connections, and how a transaction begins. Used by `ledger.database` only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from ledger.errors import DatabaseDamaged, LedgerError, database_error

BUSY_TIMEOUT_MS = 30_000

Query = tuple[str, Sequence[object]]  # its text, and a value for each place
Rows = list[tuple[Any, ...]]


def connect_sqlite(path: Path | None, *, overwrites_deleted: bool) -> Engine:
    """An engine on the file at `path`, or on a private scratch database in memory for None.

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
            try:
                connection.execute(f"PRAGMA {pragma}")
            except UnicodeDecodeError as error:  # Python cannot read what SQLite says of a damaged schema
                raise DatabaseDamaged(reason="the schema is no text") from error

    return engine


class Sqlite:
    """How transactions go on SQLite."""

    def begin_reading(self, connection: Connection) -> None:
        """Begin one snapshot; it is taken by the first read."""
        _say(connection, "BEGIN")

    def begin_writing(self, connection: Connection, ahead: Sequence[Query]) -> tuple[None, list[Rows]]:
        """Begin as the only writer, two must not both read the same last row (SQLite, "Isolation"); and read."""
        _say(connection, "BEGIN IMMEDIATE")
        driver = _driver(connection)
        return None, [driver.execute(sql, values).fetchall() for sql, values in ahead]

    def commit(self, connection: Connection) -> None:
        """Commit."""
        _say(connection, "COMMIT")

    def roll_back(self, connection: Connection) -> None:
        """Undo all."""
        _say(connection, "ROLLBACK")

    def begin_part(self, connection: Connection) -> None:
        """Begin a part that can be undone alone."""
        _say(connection, "SAVEPOINT command")

    def end_part(self, connection: Connection) -> None:
        """The part went well."""
        _say(connection, "RELEASE command")

    def undo_part(self, connection: Connection) -> None:
        """Undo the part."""
        _say(connection, "ROLLBACK TO command")
        _say(connection, "RELEASE command")

    def is_begun(self, connection: Connection) -> bool:
        """Whether a transaction is under way: SQLite ends it by itself after some errors ("Result Codes")."""
        return bool(_driver(connection).in_transaction)

    def is_broken(self, _connection: Connection) -> bool:
        """A file does not hang up."""
        return False

    def explain(self, error: Exception) -> LedgerError | None:
        """What the caller should be told instead of the driver's error, if anything."""
        return None if isinstance(error, LedgerError) else database_error(error)


def _say(connection: Connection, words: str) -> None:
    """Words without parameters or result, straight to the driver."""
    _driver(connection).execute(words)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
