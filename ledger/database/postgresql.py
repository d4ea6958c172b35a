"""What is PostgreSQL's alone: connections, and how a transaction begins. Used by `ledger.database` only.

Each of our three schemas has a table `write_lock` of one row. Whoever writes locks that row first, so that there is
one writer in each schema, as there is one in each of SQLite's files; PostgreSQL lets those who wait on in turn.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Integer, create_engine, event, make_url, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import sum as func_sum

from ledger.database.postgresql_quick import (
    NotText,
    begin_waiting,
    checked,
    end_waiting,
    forget_since,
    rows_of,
    run_all,
    say_later,
    settle,
)
from ledger.errors import LedgerError
from ledger.location import Postgres

CONNECT_SECONDS = 10
LOCK_TIMEOUT_MS = 30_000
# A process that hangs in the middle of a transaction must not hold up writers, or the cleaning of dead rows, for ever.
IDLE_WRITER_MS = 60_000
IDLE_READER_MS = 900_000
# A machine that vanishes says no word. Unless somebody asks, TCP takes two hours to notice: so long a dead client that
# was sending rows would hold the writers' lock, and a dead server whoever waits for its answer.
ASK_AFTER_SECONDS, ASK_EVERY_SECONDS, ASK_TIMES = 30, 10, 3
UNHEARD_MS = 1_000 * (ASK_AFTER_SECONDS + ASK_EVERY_SECONDS * ASK_TIMES)
POOL_KEPT, POOL_MORE = 10, 20
IDLE = 0  # libpq's PQTRANS_IDLE

BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# READ COMMITTED: what is read once the lock is held is what the writer before committed. The time in a statement of
# its own: in the locking one it could be that of before the wait.
BEGIN_WRITING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_WRITER_MS}",
)
LOCK = "SELECT 1 FROM write_lock FOR UPDATE"
TIME = "SELECT clock_timestamp()"
_NOTICING = {  # on our side of the connection: libpq, "Parameter Key Words"
    "keepalives_idle": ASK_AFTER_SECONDS,
    "keepalives_interval": ASK_EVERY_SECONDS,
    "keepalives_count": ASK_TIMES,
    "tcp_user_timeout": UNHEARD_MS,
}
LOCK_NOT_AVAILABLE = "55P03"
SAVEPOINT, RELEASE = "SAVEPOINT command", "RELEASE command"
_TABLE = text("SELECT to_regclass(:name) IS NOT NULL")

Query = tuple[str, Sequence[object]]  # its text, and a value for each place
Rows = list[tuple[Any, ...]]


class DatabaseBusy(LedgerError):
    """Somebody held the lock of the writers for too long."""

    message = "Somebody else has been writing for longer than {seconds} s. Nothing was recorded; try again in a moment."
    http_status = 503


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
        f"-ctcp_keepalives_idle={ASK_AFTER_SECONDS} -ctcp_keepalives_interval={ASK_EVERY_SECONDS} "
        f"-ctcp_keepalives_count={ASK_TIMES} -ctcp_user_timeout={UNHEARD_MS} {given} "  # whoever set others has them
        f"-csearch_path={location.schema} -clock_timeout={LOCK_TIMEOUT_MS} "
        f"-cidle_in_transaction_session_timeout={IDLE_READER_MS}"
    )
    engine = create_engine(
        url.update_query_dict({"options": options.strip()}),
        isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are said by `ledger.database`, as on SQLite
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "client_encoding": "utf8",
            **{name: value for name, value in _NOTICING.items() if name not in url.query},
        },
        pool_size=POOL_KEPT,
        max_overflow=POOL_MORE,
        pool_reset_on_return=None,
    )
    # Whatever goes through SQLAlchemy is carried out after what waits, not before.
    event.listen(engine, "before_cursor_execute", lambda connection, *_: settle(connection))
    return engine


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

    def begin_reading(self, connection: Connection) -> None:
        """Begin one snapshot; it is taken by the first read."""
        _send(connection, BEGIN_READING)

    def begin_writing(self, connection: Connection, ahead: Sequence[Query]) -> tuple[datetime, list[Rows]]:
        """Begin as the only writer of this schema, and read: all in one message.

        Gives the server's time once the lock was held, and the rows of each query in `ahead`.
        """
        begin_waiting(connection)
        for words in BEGIN_WRITING:
            say_later(connection, words)
        _, time, *read = run_all(connection, [(LOCK, ()), (TIME, ()), *ahead])
        ((moment,),) = rows_of(time)
        return moment, [rows_of(result) for result in read]

    def commit(self, connection: Connection) -> None:
        """Commit, with what still waits: all in one message.

        A COMMIT after an error is answered with ROLLBACK, and without an error of its own: refused here.
        """
        say_later(connection, "COMMIT")
        done = settle(connection)[-1].command_status
        if done != b"COMMIT":
            raise _driver(connection).OperationalError(
                "an error was passed over: the transaction was undone, not committed"
            )
        end_waiting(connection)

    def roll_back(self, connection: Connection) -> None:
        """Undo all; what waits was never sent."""
        end_waiting(connection)
        _send(connection, "ROLLBACK")

    def begin_part(self, connection: Connection) -> None:
        """Begin a part that can be undone alone."""
        say_later(connection, SAVEPOINT)

    def end_part(self, connection: Connection) -> None:
        """The part went well. Raises what the server says of what waited: it is of this part."""
        settle(connection)
        say_later(connection, RELEASE)

    def undo_part(self, connection: Connection) -> None:
        """Undo the part; where its beginning still waits, the server knows nothing of it."""
        if not forget_since(connection, SAVEPOINT):
            _send(connection, "ROLLBACK TO command")
            _send(connection, RELEASE)

    def is_begun(self, connection: Connection) -> bool:
        """Whether a transaction is under way; one that failed counts, a savepoint brings it back."""
        driver = _driver(connection)
        return not driver.closed and driver.info.transaction_status != IDLE

    def is_broken(self, connection: Connection) -> bool:
        """Whether the server hung up."""
        return bool(_driver(connection).closed)

    def explain(self, error: Exception) -> LedgerError | None:
        """What the caller should be told instead of the driver's error, if anything."""
        original = getattr(error, "orig", error)
        if getattr(original, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            return DatabaseBusy(seconds=LOCK_TIMEOUT_MS // 1000)
        if type(original).__name__ == "DataError" and "NUL (0x00)" in str(original):
            return NotText()
        return None


def _send(connection: Connection, words: str) -> None:
    """Say a few words that have no parameters and no result. Raises the driver's OperationalError."""
    driver = _driver(connection)
    checked(driver, driver.pgconn.exec_(words.encode()))


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
