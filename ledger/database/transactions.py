"""Transactions on either database: begun, ended, undone in part, and given up when a server hangs up."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from ledger.database.postgresql import POOL_KEPT, POOL_MORE, Postgresql
from ledger.database.sqlite import Sqlite
from ledger.database.statements import Prepared
from ledger.errors import LedgerError, database_error

Begin = Callable[[Connection], None]
_KINDS: dict[str, Sqlite | Postgresql] = {"sqlite": Sqlite(), "postgresql": Postgresql()}


class DatabaseUnreachable(LedgerError):
    """The server does not answer, or does not let us in."""

    message = (
        "The database does not let us in ({reason}). Check that its server runs, and the address "
        "(LOTPROOF_DATABASE_URL; for lotproof migrate LOTPROOF_OWNER_URL); then try again."
    )
    http_status = 503


class ConnectionLost(LedgerError):
    """The server hung up in the middle. Before COMMIT nothing is recorded; of a COMMIT nobody can tell."""

    message = (
        "The connection to the database broke, and nobody can tell whether this was recorded. Send the same again "
        "under the same key (a form has its own): it is recorded only once. Without one, look first whether it stands."
    )
    http_status = 503


class TransactionLost(RuntimeError):
    """The database undid the whole transaction, not one statement: after a full disk or a failed read."""


def is_postgresql(where: Engine | Connection) -> bool:
    """Whether a server keeps the queue of writers, the clock and the roles."""
    return where.dialect.name == "postgresql"


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose reads all see one snapshot."""
    with _begun(engine, _begin_reading) as connection:
        try:
            yield connection
        finally:
            _end(connection)


@contextmanager
def writing(engine: Engine, *, ahead: Sequence[Prepared] = ()) -> Iterator[Connection]:
    """A connection inside a write transaction, committed at the end, rolled back if the block raises.

    `ahead`: queries without parameters that are read as soon as the lock is held, without a message of their own to
    a server; `read_ahead` gives their rows. A statement that gives nothing back may be sent with the one after it, so
    that its error comes up there, and at COMMIT at the latest.
    Raises ConnectionLost where a server hung up: then also of a COMMIT nobody can tell.
    """
    with _begun(engine, lambda connection: _begin_writing(connection, ahead)) as connection:
        try:
            yield connection
            _kind(connection).commit(connection)
        except BaseException:
            _end(connection)
            raise


def locked_at(connection: Connection) -> datetime | None:
    """The server's time when this write transaction got its lock; None where this machine's clock serves."""
    moment: datetime | None = connection.info.get("locked_at")
    return moment


def read_ahead(connection: Connection) -> list[list[tuple[Any, ...]]]:
    """The rows of each query that `writing` was given, as they were when the lock was taken."""
    rows: list[list[tuple[Any, ...]]] = connection.info["ahead"]
    return rows


class Snapshot:
    """Reads that all see one moment, on a connection that each thread keeps: for the page that must be quick.

    A pool's check-out and return cost as much as three look-ups. Not to be nested within a thread.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept = threading.local()
        self._all: WeakSet[Connection] = WeakSet()
        if is_postgresql(engine):  # a server's must be hung up; a thread that ended can no longer do it
            event.listen(engine, "engine_disposed", self._hang_up)

    def __enter__(self) -> Connection:
        connection: Connection | None = getattr(self._kept, "connection", None)
        if connection is not None and _try_to_begin(connection, _begin_reading):
            return connection
        self._kept.connection = None
        connection = self._kept.connection = _begin(self._engine, _begin_reading)
        self._all.add(connection)
        return connection

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        connection: Connection = self._kept.connection
        _end(connection)
        if _is_broken(connection):
            self._kept.connection = None
            _drop(connection)
        if isinstance(error, Exception):
            _raise_explained(connection, error)

    def _hang_up(self, _engine: Engine) -> None:
        for connection in self._all:
            if not connection.closed and not connection.invalidated:
                driver: Any = connection.connection.driver_connection
                driver.close()


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """A part of a transaction that is undone alone if the block raises.

    Raises TransactionLost where the database undid the whole: what followed would commit bit by bit. Not to be nested.
    """
    kind = _kind(connection)
    kind.begin_part(connection)
    try:
        yield
        kind.end_part(connection)
    except BaseException as error:
        if not _is_begun(connection):
            raise TransactionLost(str(error)) from error
        kind.undo_part(connection)
        raise


@contextmanager
def _begun(engine: Engine, begin: Begin) -> Iterator[Connection]:
    """A connection in a transaction. A broken one does not go back to the pool; errors are explained."""
    connection = _begin(engine, begin)
    try:
        yield connection
    except Exception as error:
        _raise_explained(connection, error)
        raise
    finally:
        if _is_broken(connection):
            _drop(connection)
        else:
            connection.close()


def _begin(engine: Engine, begin: Begin) -> Connection:
    """A connection of the pool, in a transaction. After the server was started anew all that the pool keeps is dead."""
    for _ in range(POOL_KEPT + POOL_MORE + 1):
        connection = open_connection(engine)
        if _try_to_begin(connection, begin):
            return connection
    raise ConnectionLost()


def _try_to_begin(connection: Connection, begin: Begin) -> bool:
    """Begin, or drop the connection and give False where the server hung up since it was last used."""
    try:
        begin(connection)
    except Exception as error:
        if _is_broken(connection):
            _drop(connection)
            return False
        _end(connection)
        connection.close()
        _raise_explained(connection, error)
        raise
    return True


def _begin_reading(connection: Connection) -> None:
    _kind(connection).begin_reading(connection)


def _begin_writing(connection: Connection, ahead: Sequence[Prepared]) -> None:
    queries = [one.on(connection) for one in ahead]
    locked, rows = _kind(connection).begin_writing(connection, queries)
    connection.info["locked_at"], connection.info["ahead"] = locked, rows


def open_connection(engine: Engine) -> Connection:
    """A connection of the pool. Raises DatabaseUnreachable."""
    try:
        return engine.connect()
    except OperationalError as error:
        raise database_error(error) or DatabaseUnreachable(reason=str(error.orig).strip()) from error


def _end(connection: Connection) -> None:
    """Roll back, where there is still something to roll back."""
    if not connection.invalidated and _is_begun(connection):
        _kind(connection).roll_back(connection)


def _drop(connection: Connection) -> None:
    """Close a connection whose server hung up, so that nobody gets it from the pool."""
    if not connection.invalidated:
        connection.invalidate()
    connection.close()


def _raise_explained(connection: Connection, error: Exception) -> None:
    """Raise what the caller can understand, for errors that have such a form."""
    if _is_broken(connection) and not isinstance(error, ConnectionLost):
        raise ConnectionLost() from error
    explained = _kind(connection).explain(error)
    if explained is not None:
        raise explained from error


def _is_broken(connection: Connection) -> bool:
    if connection.closed:
        return False
    return connection.invalidated or _kind(connection).is_broken(connection)


def _kind(connection: Connection) -> Sqlite | Postgresql:
    return _KINDS[connection.dialect.name]


def _is_begun(connection: Connection) -> bool:
    """Whether a transaction is under way."""
    return not connection.invalidated and _kind(connection).is_begun(connection)
