"""Statements that wait for the next one: in order, undone with their part, never lost and never half sent."""

import threading
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    select,
    text,
)

from ledger.database import (
    NotText,
    Prepared,
    connect,
    insert_rows,
    read_ahead,
    savepoint,
    upsert_rows,
    writing,
)
from ledger.database.statements import FEW_ROWS
from ledger.location import Postgres
from tests.postgres import Server

PLACE = MetaData()
things = Table(
    "things",
    PLACE,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text),
    Column("content", LargeBinary),
    Column("day", Date),
    Column("is_good", Boolean),
)
ALL = Prepared(select(things).order_by(things.c.number))
ONE = Prepared(select(things.c.name).where(things.c.number == bindparam("number")))
DAY = date(1999, 12, 31)
Row = tuple[Any, ...]


@pytest.fixture
def engine(postgres: Server) -> Iterator[Engine]:
    """An engine on a database with the table and its lock."""
    with postgres.database() as url:
        made = connect(Postgres(url=url, schema="public"))
        with made.connect() as connection:
            connection.execute(text("CREATE TABLE write_lock (only_one int)"))
            connection.execute(text("INSERT INTO write_lock VALUES (1)"))
            PLACE.create_all(connection)
        yield made
        made.dispose()


def row(number: int, name: str | None = "a") -> Row:
    return (number, name, b"\0\xff", DAY, True)


def insert_each(engine: Engine, *rows: Row) -> None:
    with writing(engine) as connection:
        for one in rows:
            insert_rows(connection, things, [one])


def names(engine: Engine) -> list[str | None]:
    with engine.connect() as connection:
        return [one[1] for one in ALL.fetch(connection)]


def test_what_waits_is_seen_by_every_read_after_it(engine: Engine) -> None:
    with writing(engine) as connection:
        insert_rows(connection, things, [row(1, "a")])
        assert ONE.fetch(connection, number=1) == [("a",)]
        insert_rows(connection, things, [row(2, "b")])
        assert connection.execute(select(things.c.name).where(things.c.number == 2)).scalar() == "b"
        upsert_rows(connection, things, [row(2, "c")], key="number", replaced=(("name", "excluded.name"),))
    assert names(engine) == ["a", "c"]


def test_what_waits_is_not_sent_before_it_must(engine: Engine) -> None:
    with writing(engine) as connection:
        driver: Any = connection.connection.driver_connection
        insert_rows(connection, things, [row(1)])
        assert driver.execute("SELECT count(*) FROM things").fetchone() == (0,)
        assert len(ALL.fetch(connection)) == 1


@pytest.mark.parametrize("count", [1, 4, 5, FEW_ROWS, FEW_ROWS + 1])
def test_any_number_of_rows_comes_back_as_it_went_in(engine: Engine, count: int) -> None:
    rows: list[Row] = [(one, f"n{one}ö", bytes([one % 256]), DAY, one % 2 == 0) for one in range(count - 1)]
    rows.append((count - 1, None, None, None, None))
    with writing(engine) as connection:
        insert_rows(connection, things, rows)
    with engine.connect() as connection:
        assert ALL.fetch(connection) == rows


def test_a_day_given_as_text_is_that_day(engine: Engine) -> None:
    with writing(engine) as connection:
        insert_rows(connection, things, [(one, "a", b"", "2026-02-28", True) for one in range(6)])
        assert {one[3] for one in ALL.fetch(connection)} == {date(2026, 2, 28)}


def give_up(connection: Connection, *, sent: list[Row], waiting: list[Row]) -> None:
    with savepoint(connection):
        insert_rows(connection, things, sent)
        if sent:
            assert len(ALL.fetch(connection)) == 2
        insert_rows(connection, things, waiting)
        raise KeyError


def test_a_part_is_undone_with_all_that_waited_in_it(engine: Engine) -> None:
    with writing(engine) as connection:
        with savepoint(connection):
            insert_rows(connection, things, [row(1)])
        with pytest.raises(KeyError):
            give_up(connection, sent=[], waiting=[row(2)])
        with pytest.raises(KeyError):
            give_up(connection, sent=[row(3)], waiting=[row(4)])
        with savepoint(connection):
            insert_rows(connection, things, [row(5)])
    with engine.connect() as connection:
        assert [one[0] for one in ALL.fetch(connection)] == [1, 5]


def test_an_error_of_what_waited_is_of_its_own_part(engine: Engine) -> None:
    with writing(engine) as connection:
        with savepoint(connection):
            insert_rows(connection, things, [row(1)])
        with pytest.raises(psycopg.IntegrityError), savepoint(connection):
            insert_rows(connection, things, [row(1)])
        with savepoint(connection):
            insert_rows(connection, things, [row(2)])
    assert len(names(engine)) == 2


def test_an_error_of_what_goes_with_the_commit_undoes_all_and_leaves_the_connection_good(
    engine: Engine,
) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.IntegrityError):
            insert_each(engine, row(1), row(1))
        assert names(engine) == []
    with writing(engine) as connection:
        insert_rows(connection, things, [row(1)])
    assert names(engine) == ["a"]


def test_nothing_that_waited_outlives_a_transaction_that_was_undone(engine: Engine) -> None:
    with pytest.raises(TypeError, match="no value"):
        insert_each(engine, row(1), (object(),) * 5)
    insert_each(engine, row(2))
    with engine.connect() as connection:
        assert [one[0] for one in ALL.fetch(connection)] == [2]


@pytest.mark.parametrize("count", [1, 6])
def test_a_text_that_is_none_is_refused_before_anything_is_sent(engine: Engine, count: int) -> None:
    with writing(engine) as connection:
        with pytest.raises(NotText):
            insert_rows(connection, things, [row(one, "a\0b") for one in range(count)])
        insert_rows(connection, things, [row(9, "a")])
    assert names(engine) == ["a"]


def test_outside_of_a_write_transaction_nothing_waits(engine: Engine) -> None:
    with engine.connect() as connection:
        insert_rows(connection, things, [row(1)])
    assert names(engine) == ["a"]


def test_more_than_the_sockets_hold_goes_through_both_ways(engine: Engine) -> None:
    large = b"x" * 4_000_000
    with writing(engine) as connection:
        insert_rows(connection, things, [(one, "a", large, None, None) for one in range(4)])
        insert_rows(connection, things, [(one, "b", large, None, None) for one in range(4, 12)])
        found = ALL.fetch_each(connection, [{}, {}])
    assert [len(rows) for rows in found] == [12, 12]
    assert all(one[2] == large for rows in found for one in rows)


def test_what_is_read_ahead_is_as_the_writer_before_left_it(engine: Engine) -> None:
    seen: list[list[list[Row]]] = []

    def write() -> None:
        with writing(engine, ahead=(ALL,)) as connection:
            seen.append(read_ahead(connection))

    with writing(engine) as connection:
        waiting = threading.Thread(target=write)
        waiting.start()
        time.sleep(0.2)
        assert not seen
        insert_rows(connection, things, [row(1)])
    waiting.join()
    assert seen == [[[row(1)]]]


def test_who_waits_for_the_lock_keeps_no_other_thread_waiting(engine: Engine) -> None:
    def write() -> None:
        with writing(engine):
            pass

    with writing(engine):
        waiting = threading.Thread(target=write)
        waiting.start()
        before, steps = time.monotonic(), 0
        while time.monotonic() < before + 0.3:
            time.sleep(0.001)
            steps += 1
    waiting.join()
    assert steps > 20
