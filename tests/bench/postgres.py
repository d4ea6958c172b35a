"""Appending on PostgreSQL: in bulk, one durable command at a time, eight threads. The server syncs each commit."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger
from ledger.settings import Settings
from tests.bench.appending import ACTOR, NoteMany, in_threads, note_many, register
from tests.bench.table import Row, paired, rate
from tests.postgres import Server


def rows(scale: float) -> Iterator[Row]:
    """The measures of appending on a server of its own."""
    server = Server.start(durable=True)
    try:
        with server.database() as url, tempfile.TemporaryDirectory() as folder:
            ledger_ = create_ledger(Settings(data=Path(folder) / "data", database_url=url))
            yield from _appending(ledger_, url, scale)
            ledger_.close()
    finally:
        server.close()


def _appending(ledger_: Ledger, url: str, scale: float) -> Iterator[Row]:
    connection: psycopg.Connection[Any] = psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    connection.execute("CREATE TABLE raw (position bigint PRIMARY KEY, leaf bytea, body bytea)")
    connection.commit()
    yield _bulk(ledger_, connection, max(2_000, int(50_000 * scale)))
    yield from _durable(ledger_, connection, max(100, int(1_000 * scale)))
    connection.close()


def _bulk(ledger_: Ledger, connection: psycopg.Connection[Any], entries: int) -> Row:
    ours, limit = paired(
        lambda: ledger_.journal.write(note_many, NoteMany(count=entries), By(ACTOR)),
        lambda: _raw_chain(connection, entries),
    )
    return Row(
        "PostgreSQL: bulk append, entries", rate(entries, ours), rate(entries, limit), limit / ours, 0.4
    )


def _raw_chain(connection: psycopg.Connection[Any], entries: int) -> None:
    """The limit: a hash chain of 500-byte bodies by binary COPY, in one transaction."""
    connection.execute("TRUNCATE raw")
    connection.commit()
    leaf = bytes(32)
    with connection.cursor().copy("COPY raw FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["bigint", "bytea", "bytea"])
        for position in range(entries):
            body = leaf.hex().encode() + b"x" * 436
            leaf = hashlib.sha256(b"\0" + body).digest()
            copy.write_row((position, leaf, body))
    connection.commit()


def _durable(ledger_: Ledger, connection: psycopg.Connection[Any], times: int) -> Iterator[Row]:
    register(ledger_, 20)
    one, limit = paired(lambda: register(ledger_, times), lambda: _raw_durable(connection, times))
    yield Row("PostgreSQL: one durable command", rate(times, one), rate(times, limit), limit / one, 0.25)
    eight, one = paired(lambda: in_threads(ledger_, times), lambda: register(ledger_, times))
    yield Row("PostgreSQL: eight threads against one", rate(times, eight), rate(times, one), one / eight, 2.5)


def _raw_durable(connection: psycopg.Connection[Any], times: int) -> None:
    """The limit: BEGIN, INSERT of 500 bytes, COMMIT."""
    found = connection.execute("SELECT coalesce(max(position), 0) + 1 FROM raw").fetchone()
    start = found[0] if found else 1
    connection.commit()
    for position in range(start, start + times):
        connection.execute("INSERT INTO raw VALUES (%s, %s, %s)", (position, bytes(32), b"x" * 500))
        connection.commit()
