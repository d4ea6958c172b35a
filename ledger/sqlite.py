"""What is SQLite's alone: connections, and how a transaction begins. Used by `ledger.database` only."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from ledger.errors import DatabaseDamaged, LedgerError, database_error

BUSY_TIMEOUT_MS = 30_000


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

    def begin_reading(self, driver: Any) -> None:
        """Begin one snapshot; it is taken by the first read."""
        driver.execute("BEGIN")

    def begin_writing(self, driver: Any) -> None:
        """Begin as the only writer: two must not both read the same last row (SQLite, "Isolation")."""
        driver.execute("BEGIN IMMEDIATE")

    def say(self, driver: Any, sql: str) -> None:
        """Run a statement without parameters or result."""
        driver.execute(sql)

    def is_begun(self, driver: Any) -> bool:
        """Whether a transaction is under way: SQLite ends it by itself after some errors ("Result Codes")."""
        return bool(driver.in_transaction)

    def is_broken(self, _driver: Any) -> bool:
        """A file does not hang up."""
        return False

    def explain(self, error: Exception) -> LedgerError | None:
        """What the caller should be told instead of the driver's error, if anything."""
        return None if isinstance(error, LedgerError) else database_error(error)
