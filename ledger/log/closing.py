"""Closing a log's tables for good, because the log goes on in another database: one trigger that refuses entries.

It is made in the transaction that ends the move, so there is one commit before which this database is the log's place
and after which it is not; and no process that still has it open can write past it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.log.store import entries

TRIGGER = f"{entries.name}_moved"
WORDS = "the log was moved to another database"


class LogClosed(LedgerError):
    """The log goes on elsewhere."""

    message = (
        "The log in this database was closed, because the ledger was moved. Where the move has ended, set "
        "LOTPROOF_DATABASE_URL to the new address, or unset it if the ledger lives in files again. If it was "
        "interrupted, run lotproof log move once more."
    )
    http_status = 503


def close_log(connection: Connection) -> None:
    """Refuse every further entry from the commit of this transaction on. Needs the role that owns the tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"CREATE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER {TRIGGER} BEFORE INSERT ON {entries.name} EXECUTE FUNCTION {TRIGGER}()"
        )
    else:
        connection.exec_driver_sql(
            f"CREATE TRIGGER {TRIGGER} BEFORE INSERT ON {entries.name} "
            f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        )


def is_closed(connection: Connection) -> bool:
    """Whether `close_log` was committed here. False also where there are no tables."""
    if connection.dialect.name == "postgresql":
        asked = "SELECT count(*) FROM pg_trigger WHERE tgname = %s AND tgrelid = to_regclass(%s)"
        found = connection.exec_driver_sql(asked, (TRIGGER, entries.name))
    else:
        asked = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name = ?"
        found = connection.exec_driver_sql(asked, (TRIGGER,))
    return bool(found.scalar_one())


@contextmanager
def telling_closed() -> Iterator[None]:
    """Raise LogClosed where the trigger refused what was written in this block, and not the driver's words for it."""
    try:
        yield
    except Exception as error:
        if WORDS in str(error):
            raise LogClosed() from error
        raise


def refuse_closed(connection: Connection) -> None:
    """Raise LogClosed where the log goes on elsewhere."""
    if is_closed(connection):
        raise LogClosed()
