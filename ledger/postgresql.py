"""What is PostgreSQL's alone: connections, and how a transaction begins. Used by `ledger.database` only.

Each of our three schemas has a table `write_lock` of one row. Whoever writes locks that row first, so that there is
one writer in each schema, as there is one in each of SQLite's files; PostgreSQL lets those who wait on in turn.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Integer, create_engine, make_url, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import sum as func_sum

from ledger.errors import LedgerError
from ledger.location import Postgres

CONNECT_SECONDS = 10
LOCK_TIMEOUT_MS = 30_000
# A process that hangs in the middle of a transaction must not hold up writers, or the cleaning of dead rows, for ever.
IDLE_WRITER_MS = 60_000
IDLE_READER_MS = 900_000
POOL_KEPT, POOL_MORE = 10, 20
IDLE = 0  # libpq's PQTRANS_IDLE
COMMAND_OK, TUPLES_OK = 1, 2  # libpq's PGRES_COMMAND_OK and PGRES_TUPLES_OK
SQLSTATE = ord("C")  # libpq's PG_DIAG_SQLSTATE

BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Sent as one message. READ COMMITTED: what is read once the lock is held is what the writer before committed. The
# time in a statement of its own: in the locking one it could be that of before the wait.
BEGIN_WRITING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; "  # noqa: S608 - a number of ours
    f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_WRITER_MS}; "
    "SELECT 1 FROM write_lock FOR UPDATE; "
    "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
)
LOCK_NOT_AVAILABLE = "55P03"
INTEGRITY = "23"
_TABLE = text("SELECT to_regclass(:name) IS NOT NULL")


class DatabaseBusy(LedgerError):
    """Somebody held the lock of the writers for too long."""

    message = "Somebody else has been writing for longer than {seconds} s. Nothing was recorded; try again in a moment."
    http_status = 503


class NotText(LedgerError):
    """A text holds U+0000, which PostgreSQL cannot store."""

    message = "This text holds the character U+0000, which no text can. Take it out."


@compiles(Integer, "postgresql")
def _whole_numbers(_type: Integer, compiler: Any, **options: Any) -> str:
    """64 bits, as on SQLite: a position times a number of units passes 32 of them."""
    return str(compiler.process(BigInteger(), **options))


@compiles(func_sum, "postgresql")
def _sums(element: func_sum[Any], compiler: Any, **options: Any) -> str:
    """A whole number too, and not a decimal one: no table of ours holds fractions."""
    return f"CAST({compiler.visit_function(element, **options)} AS BIGINT)"


def connect_postgresql(location: Postgres) -> Engine:
    """An engine whose connections see this schema alone. Transactions begin when `reading` or `writing` says so."""
    url = make_url(location.url)
    given = url.query.get("options", "")
    options = (
        f"{given} -csearch_path={location.schema} -clock_timeout={LOCK_TIMEOUT_MS} "
        f"-cidle_in_transaction_session_timeout={IDLE_READER_MS}"
    )
    return create_engine(
        url.update_query_dict({"options": options.strip()}),
        isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are said by `ledger.database`, as on SQLite
        connect_args={"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"},
        pool_size=POOL_KEPT,
        max_overflow=POOL_MORE,
        pool_reset_on_return=None,
    )


def has_rows(connection: Connection, table: str) -> bool:
    """Whether there is this table (with its schema), and a row in it."""
    is_there = bool(connection.execute(_TABLE, {"name": table}).scalar_one())
    return is_there and connection.exec_driver_sql(f"SELECT FROM {table} LIMIT 1").first() is not None


def read_server_time(connection: Connection) -> datetime:
    """What the server's clock says."""
    moment: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return moment.astimezone(UTC)


class Postgresql:
    """How transactions go on PostgreSQL. Their few words go past the driver's cursors, which cost more than they do."""

    def begin_reading(self, driver: Any) -> None:
        """Begin one snapshot; it is taken by the first read."""
        _send(driver, BEGIN_READING)

    def begin_writing(self, driver: Any) -> datetime:
        """Begin as the only writer of this schema; gives the server's time once the lock was held."""
        answer = _send(driver, BEGIN_WRITING)
        return datetime.fromtimestamp(int(answer.get_value(0, 0)) / 1000, UTC)

    def say(self, driver: Any, sql: str) -> None:
        """Run a statement without parameters or result.

        A COMMIT after an error is answered with ROLLBACK, and without an error of its own: refused here.
        """
        done = _send(driver, sql).command_status
        if sql == "COMMIT" and done != b"COMMIT":
            raise driver.OperationalError(
                "an error was passed over: the transaction was undone, not committed"
            )

    def is_begun(self, driver: Any) -> bool:
        """Whether a transaction is under way; one that failed counts, a savepoint brings it back."""
        return not driver.closed and driver.info.transaction_status != IDLE

    def is_broken(self, driver: Any) -> bool:
        """Whether the server hung up."""
        return bool(driver.closed)

    def explain(self, error: Exception) -> LedgerError | None:
        """What the caller should be told instead of the driver's error, if anything."""
        original = getattr(error, "orig", error)
        if getattr(original, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            return DatabaseBusy(seconds=LOCK_TIMEOUT_MS // 1000)
        if type(original).__name__ == "DataError" and "NUL (0x00)" in str(original):
            return NotText()
        return None


def _send(driver: Any, sql: str) -> Any:
    """The (last) result of statements that have no parameters. Raises the driver's OperationalError."""
    return checked(driver, driver.pgconn.exec_(sql.encode()))


def checked(driver: Any, result: Any) -> Any:
    """libpq's result, unless it is an error: then raises one of the driver's, with the server's code and words."""
    if result.status in (COMMAND_OK, TUPLES_OK):
        return result
    code = (result.error_field(SQLSTATE) or b"").decode()
    kind = driver.IntegrityError if code.startswith(INTEGRITY) else driver.OperationalError
    error = kind(result.error_message.decode("utf-8", "replace").strip())
    error.sqlstate = code or None
    raise error
