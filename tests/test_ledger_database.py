"""PostgreSQL as the ledger's database: roles, lost connections, refusals, and the same bytes as in files."""

import random
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from select import select as select_ready
from typing import Any, Self

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from ledger.cli.border import REFUSED
from ledger.database import (
    ConnectionLost,
    DatabaseBusy,
    DatabaseNewer,
    DatabaseUnreachable,
    MigrationNeeded,
    NotText,
    Snapshot,
    WrongCollation,
    connect,
    locked_at,
    reading,
    savepoint,
    writing,
)
from ledger.database.transactions import open_connection
from ledger.errors import RightsMissing, storage_error
from ledger.files import Files
from ledger.installing import make_databases
from ledger.journal.clock import DatabaseClock, SetClock
from ledger.journal.journal import By, Journal
from ledger.journal.opening import DatabaseTaken, Ledger, OpenLog, create_ledger, open_ledger, open_log
from ledger.journal.projections import note_versions
from ledger.journal.registry import NOUNS
from ledger.journal.turnstile import OpenGate, Turnstile
from ledger.keys.keys import Keys
from ledger.location import Postgres
from ledger.log import store
from ledger.log.guard import Guard
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from ledger.vault.vault import open_vault
from portal.cli import main
from tests.postgres import PORT, Server
from tests.whole_log import assert_whole
from tests.world import ADA, BEGINNING, World

CELL = RegisterMaterial(code="CELL", name="A cell")
FILM = RegisterMaterial(code="FILM", name="Separator film")


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that the test may kill: nothing else runs on it."""
    server = Server.start(durable=True)
    yield server
    server.close()


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    """The address of an empty database."""
    with postgres.database() as address:
        yield address


def begin(folder: Path, url: str) -> World:
    return World.begin(folder / "var", url)


def with_keys(folder: Path, url: str | None, keys: Keys) -> World:
    """An empty world whose randomness, keys and clock are those of every other one made so."""
    settings = Settings(data=folder, database_url=url)
    settings.prepare()
    make_databases(settings)
    engine, guard, clock = connect(settings.ledger_db), Guard(settings.guard), SetClock(BEGINNING)
    with writing(engine) as connection:
        note_versions(connection, tuple(NOUNS.values()))
    guard.create()
    files = Files(settings.files)
    journal = Journal(
        engine=engine,
        signer=keys.signer,
        guard=guard,
        files=files,
        turnstile=OpenGate() if url else Turnstile(folder),
        clock=clock,
        random_bytes=random.Random(7).randbytes,
    )
    vault = open_vault(settings.vault_db, keys.master)
    asked = OpenLog(demo=False, origin=settings.origin, vkey=keys.signer.verifier.to_text())
    journal.write(open_log, asked, By(ADA))
    return World(Ledger(settings, engine, keys, guard, files, vault, clock, journal), clock)


def tell(world: World) -> None:
    """Some of everything, and more entries than a full tile holds."""
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=700)
    batch.ships(to="DE", count=3)
    for number in range(140):
        world.later(seconds=1)
        world.do(RegisterMaterial(code=f"M-{number}", name="Ω, 电芯 and “more”"), key=str(number))
    world.recall("R1", lots=["SF-1"]).close()


def rows_of_log(world: World) -> list[list[tuple[object, ...]]]:
    """Everything in the three tables of the log."""

    def read(connection: Connection) -> list[list[tuple[object, ...]]]:
        tables = (store.entries, store.tiles, store.checkpoints)
        return [
            [tuple(row) for row in connection.execute(select(one).order_by(*one.primary_key))]
            for one in tables
        ]

    return world.read(read)


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_in_files_and_on_a_server(tmp_path: Path, url: str) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    keys = Keys.create(tmp_path / "keys", "localhost:8000/log")
    worlds = [with_keys(tmp_path / "files", None, keys), with_keys(tmp_path / "server", url, keys)]
    for world in worlds:
        tell(world)
    in_files, on_server = worlds
    entries, tiles, checkpoints = rows_of_log(in_files)
    assert len(entries) > 256
    assert len(tiles) == 1
    assert len(checkpoints) > 140
    assert rows_of_log(on_server) == [entries, tiles, checkpoints]
    assert on_server.rows() == in_files.rows()
    for world in worlds:
        assert_whole(world.ledger)
        world.close()


# A server that hangs up


def test_after_the_server_was_killed_the_next_command_works_as_soon_as_it_is_back(
    tmp_path: Path, own: Server
) -> None:
    own.make("company")
    world = begin(tmp_path, own.url("company"))
    world.do(CELL)
    snapshot = Snapshot(world.ledger.engine)
    with snapshot as connection:
        before = store.size(connection)
    own.kill()
    with pytest.raises(DatabaseUnreachable):
        world.do(FILM)
    with pytest.raises(DatabaseUnreachable), snapshot:
        pass
    own.restart()
    world.do(FILM)
    with snapshot as connection:
        assert store.size(connection) == before + 2
    assert_whole(world.ledger)
    world.close()


def test_a_server_killed_in_the_middle_of_a_command_leaves_nothing_of_it(tmp_path: Path, own: Server) -> None:
    own.make("company")
    world = begin(tmp_path, own.url("company"))
    before = world.size()
    with pytest.raises(ConnectionLost):
        write_and_lose(world, own)
    own.restart()
    assert world.size() == before
    world.do(CELL, key="k")
    assert_whole(world.ledger)
    world.close()


def write_and_lose(world: World, own: Server) -> None:
    with writing(world.ledger.engine) as connection:
        connection.execute(text("INSERT INTO log_entries VALUES (99, '', '')"))
        own.kill()
        with savepoint(connection):
            store.size(connection)


def test_of_a_commit_whose_answer_was_lost_the_same_key_tells_what_happened(
    tmp_path: Path, own: Server
) -> None:
    own.make("company")
    with Severed(own) as severed:
        world = begin(tmp_path, severed.url("company"))
        severed.cut_at = b"COMMIT\0"
        with pytest.raises(ConnectionLost):
            world.do(CELL, key="once")
        size = world.size()
        first = world.do(CELL, key="once").entries[0]
        assert first.index == size - 2, "it was recorded, and only its answer was lost"
        assert world.size() == size
        assert_whole(world.ledger)
        world.close()


class Severed:
    """Stands between a program and a server, and hangs up when it sees `cut_at` go by, having passed it on."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cut_at = b""

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def url(self, database: str) -> str:
        port = self._listening.getsockname()[1]
        return f"postgresql+psycopg://postgres@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.server.folder / f".s.PGSQL.{PORT}"))
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            while True:
                ready, _, _ = select_ready([client, server], [], [])
                for one in ready:
                    data = one.recv(65_536)
                    if not data:
                        return
                    (server if one is client else client).sendall(data)
                    if one is client and self.cut_at and self.cut_at in data:
                        self.cut_at = b""
                        server.recv(65_536)  # the commit's answer, which nobody gets
                        return


# Writers, one at a time


def test_a_writer_waits_for_the_one_before_and_has_a_later_time(tmp_path: Path, url: str) -> None:
    world = begin(tmp_path, url)
    engine, times = world.ledger.engine, []

    def write() -> None:
        with writing(engine) as connection:
            times.append(locked_at(connection))

    with ThreadPoolExecutor(1) as pool:
        with writing(engine) as connection:
            waiting = pool.submit(write)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            released = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        waiting.result(10)
    assert times[0] is not None
    assert times[0] >= released
    world.close()


def test_who_waits_too_long_for_the_lock_is_told_so(tmp_path: Path, url: str) -> None:
    world = begin(tmp_path, f"{url}&options=-clock_timeout%3D5s")
    patient = world.ledger.engine
    hasty = create_engine_with(patient, "SET lock_timeout = 100")
    with writing(patient), pytest.raises(DatabaseBusy), writing(hasty):
        pass
    with writing(hasty) as connection:
        assert store.size(connection) > 0
    hasty.dispose()
    world.close()


def create_engine_with(engine: Engine, statement: str) -> Engine:
    """A further engine on the same database, whose connections begin with a statement."""
    further = create_engine(engine.url, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
    event.listen(further, "connect", lambda connection, _record: connection.execute(statement))
    return further


def test_an_error_in_a_savepoint_is_undone_alone(tmp_path: Path, url: str) -> None:
    world = begin(tmp_path, url)
    world.material("CELL")
    with writing(world.ledger.engine) as connection:
        with pytest.raises(IntegrityError), savepoint(connection):
            connection.execute(text("INSERT INTO materials SELECT * FROM materials"))
        assert store.size(connection) > 0
    world.close()


def test_an_error_that_was_passed_over_is_never_committed_in_silence(tmp_path: Path, url: str) -> None:
    world = begin(tmp_path, url)
    with pytest.raises(psycopg.OperationalError, match="passed over"):
        swallow(world)
    world.do(CELL)
    world.close()


def swallow(world: World) -> None:
    with writing(world.ledger.engine) as connection, suppress(ProgrammingError):
        connection.execute(text("SELECT nothing"))


def test_without_a_clock_of_its_own_a_ledger_takes_the_servers(tmp_path: Path, url: str) -> None:
    ledger = create_ledger(Settings(data=tmp_path / "var", database_url=url))
    assert isinstance(ledger.clock, DatabaseClock)
    receipt = ledger.journal.write(register_material, CELL, By(ADA))
    with reading(ledger.engine) as connection:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    assert abs((now - receipt.entries[0].at).total_seconds()) < 5
    ledger.close()


def test_both_ends_ask_whether_the_other_is_still_there_unless_the_address_says_how(url: str) -> None:
    """A vanished machine says nothing; tried with a link cut, the lock was free after 62 s; without, not in 150."""
    asked = "SELECT name, reset_val FROM pg_settings WHERE name LIKE 'tcp_%' ORDER BY name"
    for more, idle, ours in (
        ("", "30", "30"),
        ("&keepalives_idle=7&options=-ctcp_keepalives_idle%3D9", "9", "7"),
    ):
        engine = connect(Postgres(url + more, "ledger"))
        with open_connection(engine) as connection:
            theirs = dict(map(tuple, connection.exec_driver_sql(asked.replace("%", "%%")).all()))
            driver: Any = connection.connection.driver_connection
            known = driver.info.get_parameters()
        engine.dispose()
        assert theirs["tcp_keepalives_idle"] == idle
        assert (theirs["tcp_keepalives_count"], theirs["tcp_user_timeout"]) == ("3", "60000")
        assert (known["keepalives_idle"], known["tcp_user_timeout"]) == (ours, "60000")


# Whom the tables belong to


@pytest.fixture
def roles(postgres: Server, url: str) -> Iterator[tuple[str, str]]:
    """Addresses of the database for a role that owns it, and for one that may only run the program."""
    name = make_url(url).database or ""
    for role in ("owner", "runner"):
        postgres.execute(f'CREATE ROLE "{role}" LOGIN')
    postgres.execute(f'ALTER DATABASE "{name}" OWNER TO "owner"')
    yield postgres.url(name, "owner"), postgres.url(name, "runner")
    for role in ("runner", "owner"):
        postgres.execute(f'DROP OWNED BY "{role}" CASCADE', name)
        postgres.execute(f'ALTER DATABASE "{name}" OWNER TO postgres')
        postgres.execute(f'DROP ROLE "{role}"')


def two_roles(folder: Path, roles: tuple[str, str]) -> World:
    settings = Settings(data=folder / "var", database_url=roles[1], owner_url=roles[0])
    clock = SetClock(BEGINNING)
    return World(create_ledger(settings, clock=clock), clock)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET body = ''",
        "DELETE FROM log_checkpoints",
        "TRUNCATE log_tiles",
        "DROP TABLE log_entries",
        "ALTER TABLE log_entries DISABLE TRIGGER ALL",
        "DROP TRIGGER log_entries_no_update ON log_entries",
        "CREATE TABLE mine (one int)",
        "DELETE FROM write_lock",
        "UPDATE alembic_version SET version_num = '0001'",
    ],
)
def test_who_runs_the_program_may_change_no_log(
    tmp_path: Path, roles: tuple[str, str], statement: str
) -> None:
    world = two_roles(tmp_path, roles)
    world.batch("B1", units=3)  # all that the program does, it may
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        run(world, statement)
    world.close()


def test_a_migration_gives_no_right_away_where_the_triggers_are_gone(
    tmp_path: Path, postgres: Server, roles: tuple[str, str]
) -> None:
    world = two_roles(tmp_path, roles)
    name = make_url(roles[0]).database or ""
    for table in ("ledger.log_entries", "ledger.log_tiles", "ledger.log_checkpoints", "vault.accesses"):
        found = f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal"
        for (trigger,) in postgres.execute(found, name):
            postgres.execute(f"DROP TRIGGER {trigger} ON {table}", name)
    make_databases(world.ledger.settings)
    for table in store.LOG.tables:
        with pytest.raises(ProgrammingError, match="permission denied"):
            run(world, f"DELETE FROM {table}")
    with pytest.raises(ProgrammingError, match="permission denied"):
        run(world, "DELETE FROM vault.accesses")
    world.close()


def run(world: World, *statements: str) -> None:
    """What somebody with the program's connection could do."""
    with writing(world.ledger.engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    ["UPDATE log_entries SET body = ''", "DELETE FROM log_checkpoints", "TRUNCATE log_tiles"],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_whoever_owns_the_log_meets_the_triggers(tmp_path: Path, url: str, statement: str, role: str) -> None:
    world = begin(tmp_path, url)
    with pytest.raises(DBAPIError, match="only ever inserted"):
        run(world, f"SET LOCAL session_replication_role = {role}", statement)
    world.close()


@pytest.mark.parametrize("command", ["init --host lots.example --account Ada", "migrate"])
def test_a_role_without_the_right_to_make_tables_is_told_what_is_needed(
    tmp_path: Path, roles: tuple[str, str], command: str
) -> None:
    addresses = {"LOTPROOF_DATABASE_URL": roles[1], "LOTPROOF_OWNER_URL": ""}
    result = CliRunner().invoke(
        main, command.split(), env={"LOTPROOF_DATA": str(tmp_path / "var"), **addresses}
    )
    assert result.exit_code == REFUSED
    assert "permission denied for database" in result.stderr
    assert "LOTPROOF_OWNER_URL" in result.stderr


def test_an_init_that_broke_off_is_repeated_and_readers_meanwhile_are_told(
    tmp_path: Path, roles: tuple[str, str]
) -> None:
    settings = Settings(data=tmp_path / "var", database_url=roles[1], owner_url=roles[0])
    owned = connect(settings.as_owner().ledger_db)
    with open_connection(
        owned
    ) as connection:  # the first that an init makes; the runner has no right to it yet
        connection.execute(text("CREATE SCHEMA ledger"))
    owned.dispose()
    with pytest.raises(ProgrammingError) as refusal:
        open_ledger(replace(settings, owner_url=None))
    assert isinstance(storage_error(refusal.value), RightsMissing)
    create_ledger(settings).close()
    open_ledger(replace(settings, owner_url=None)).close()


def test_opening_never_changes_tables_but_says_who_does(tmp_path: Path, roles: tuple[str, str]) -> None:
    world = two_roles(tmp_path, roles)
    settings = world.ledger.settings
    world.close()
    older = connect(settings.as_owner().ledger_db)
    with writing(older) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    older.dispose()
    with pytest.raises(MigrationNeeded, match="lotproof migrate"):
        open_ledger(settings)


def test_tables_of_a_newer_version_are_not_touched(tmp_path: Path, url: str) -> None:
    world = begin(tmp_path, url)
    with writing(world.ledger.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    world.close()
    with pytest.raises(DatabaseNewer, match="9999"):
        open_ledger(world.ledger.settings)


def test_a_database_that_sorts_otherwise_is_refused_with_the_statement_that_makes_the_right_one(
    tmp_path: Path, postgres: Server
) -> None:
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(WrongCollation) as refusal:
        create_ledger(Settings(data=tmp_path / "var", database_url=postgres.url("latin")))
    postgres.execute("DROP DATABASE latin")
    advice = re.search(r"CREATE DATABASE .*;", str(refusal.value))
    assert advice is not None
    postgres.execute(advice[0])
    create_ledger(Settings(data=tmp_path / "again", database_url=postgres.url("latin"))).close()
    postgres.execute("DROP DATABASE latin")


def test_a_database_that_holds_a_log_takes_no_second(tmp_path: Path, url: str) -> None:
    begin(tmp_path, url).close()
    with pytest.raises(DatabaseTaken):
        begin(tmp_path / "other", url)


def test_a_database_without_a_log_holds_none_though_its_tables_are_there(tmp_path: Path, url: str) -> None:
    settings = Settings(data=tmp_path / "var", database_url=url)
    assert not settings.has_ledger
    make_databases(settings)
    make_databases(settings)
    assert not settings.has_ledger
    create_ledger(settings).close()
    assert settings.has_ledger


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, database_url="postgresql+psycopg://me:s3cret@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnreachable) as refusal:
        assert settings.has_ledger
    assert "s3cret" not in str(refusal.value)


# Text


def test_a_text_with_a_character_that_no_database_can_hold_is_refused(world: World) -> None:
    before = world.size()
    with pytest.raises(NotText):
        world.do(RegisterMaterial(code="CELL", name="A\0cell"))
    assert world.size() == before
    world.do(RegisterMaterial(code="CELL", name="A\\u0000cell"))  # the six characters are only that


def test_a_question_with_such_a_character_is_refused_and_spoils_nothing(tmp_path: Path, url: str) -> None:
    world = begin(tmp_path, url)
    with pytest.raises(NotText):
        world.product("A\0B")
    assert world.product("AB") == "AB"
    world.close()
